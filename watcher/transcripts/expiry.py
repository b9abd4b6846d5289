"""Expiry: Claude Code deletes transcripts that have not changed for a time; which are near that, and were not taken."""

from __future__ import annotations

from dataclasses import dataclass, replace

DAY = 86_400.0
#: So long before its end a transcript that was not taken is in danger: the longer of these, days and a share of the
#: period, but never more than half of it.
_LEAST_DAYS, _SHARE, _MOST = 2.0, 0.1, 0.5
#: A visit that is older than this share of the period is overdue.
_OVERDUE = 0.5
#: What is assumed where nothing could be read.
_UNKNOWN_DAYS = 30.0


@dataclass(frozen=True, slots=True)
class Home:
    """A home, or a person's own folder, as the last visit left it. Times are seconds since the epoch."""

    path: str
    user: str
    #: When it was first met.
    known_since: float
    #: When all of it was last looked at, None for never.
    visited_at: float | None
    #: After how many days Claude Code deletes its transcripts; None where that visit did not come so far.
    days: float | None
    #: Which of its settings could not be used, and why.
    doubt: str | None = None
    #: Files near that age that were not taken, and when the oldest of them was changed, in ns.
    files: int = 0
    oldest_ns: int | None = None

    @property
    def period(self) -> float:
        """The days, also where nothing is known of them."""
        return _UNKNOWN_DAYS if self.days is None else self.days


def expiring_before(days: float, now: float) -> int:
    """Files that were last changed before this are near their end, in ns; ``now`` since the epoch."""
    margin = min(max(_LEAST_DAYS, _SHARE * days), _MOST * days)
    return round((now - (days - margin) * DAY) * 1e9)


def is_overdue(home: Home, now: float) -> bool:
    """Whether all of a home was not looked at for too long; one that never was counts from when it was met."""
    last = home.known_since if home.visited_at is None else home.visited_at
    return now - last > _OVERDUE * home.period * DAY


def after_visit(before: Home | None, visit: Home) -> Home:
    """What is known after another visit; one that did not come to the end, or saw nothing, changes less."""
    if before is None:
        return visit
    if visit.days is None:
        return before
    visited_at = before.visited_at if visit.visited_at is None else visit.visited_at
    return replace(visit, known_since=before.known_since, visited_at=visited_at)
