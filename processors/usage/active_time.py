"""When a session was active: its times, folded into stretches without a long gap.

Stretches merge in any order, so that a session read in pieces gives what it gives whole.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

#: A longer gap is not active time.
GAP_US = 600 * 1_000_000
#: More stretches than this are not kept apart: the oldest become a number.
MOST = 400

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_GAP = timedelta(microseconds=GAP_US)


def micros(moment: datetime) -> int:
    """Microseconds since the epoch."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment(micros_: int | None) -> datetime | None:
    """The instant that many microseconds after the epoch."""
    return None if micros_ is None else _EPOCH + micros_ * _US


def merge(stretches: list[list[int]], times: list[datetime]) -> list[list[int]]:
    """Stretches ``[from, to]`` in microseconds, with more times in them."""
    merged: list[list[int]] = []
    for low, high in sorted(stretches + _stretches(times)):
        if merged and low - merged[-1][1] <= GAP_US:
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([low, high])
    return merged


def _stretches(times: list[datetime]) -> list[list[int]]:
    if not times:
        return []
    found: list[list[int]] = []
    times = sorted(times)
    first = last = times[0]
    limit = first + _GAP
    for at in times:
        if at > limit:  # reckoned from an earlier time, so perhaps not a gap after all
            limit = last + _GAP
            if at > limit:
                found.append([micros(first), micros(last)])
                first = at
                limit = at + _GAP
        last = at
    found.append([micros(first), micros(last)])
    return found


def fold(stretches: list[list[int]], folded: int) -> tuple[list[list[int]], int]:
    """At most `MOST` stretches, and the time of those that were let go added to ``folded``."""
    spare = len(stretches) - MOST
    if spare <= 0:
        return stretches, folded
    return stretches[spare:], folded + sum(high - low for low, high in stretches[:spare])


def seconds(stretches: list[list[int]], folded: int) -> float:
    """Active time in all."""
    return (folded + sum(high - low for low, high in stretches)) / 1_000_000
