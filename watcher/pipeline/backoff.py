"""Back-off between attempts."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential back-off with jitter of 25 %: ``first`` to ``longest`` seconds, at most ``max_attempts`` attempts."""

    first: float
    longest: float
    max_attempts: int

    def delay(self, attempts: int, random: Random) -> float:
        """Seconds until the next attempt, after this number of failed ones (from 1)."""
        return min(self.longest, self.first * 2.0 ** min(attempts - 1, 60) * random.uniform(0.75, 1.25))
