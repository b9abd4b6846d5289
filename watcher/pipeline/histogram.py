"""Histogram of durations: constant memory, sufficient for quantiles."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

#: Upper bounds of the buckets, in seconds; one more bucket holds longer durations.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Durations:
    """Duration histogram, written by one thread and read by any."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        #: The sum of all durations, in seconds.
        self.total = 0.0

    def note(self, seconds: float) -> None:
        """Record one duration."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def add(self, others: Iterable[Durations]) -> Durations:
        """Add the counts of other histograms."""
        for other in others:
            self.total += other.total
            self._counts = [own + more for own, more in zip(self._counts, other._counts, strict=True)]
        return self

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound, in the form of Prometheus."""
        running, found = 0, []
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self._counts, strict=True):
            running += count
            found.append((bound, float(running)))
        return found
