"""When trouble is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential delays with jitter, up to a longest one; after so many attempts it is given up."""

    first: float
    longest: float
    max_attempts: int

    def delay(self, attempts: int, random: Random) -> float:
        """Seconds to wait after so many failed attempts (from 1)."""
        return min(self.longest, self.first * 2.0 ** min(attempts - 1, 60) * random.uniform(0.75, 1.25))
