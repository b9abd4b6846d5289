"""Time that passes when told to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Clock:
    """A steady clock, moved by hand; seconds."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now
