"""Expiry: how near its end a transcript is, and when a visit is overdue, by a clock that is an argument."""

from __future__ import annotations

from dataclasses import replace

import pytest

from watcher.transcripts.expiry import DAY, Home, after_visit, expiring_before, is_overdue

NOW = 1_772_366_400.0
HOME = Home("/home/ann", "ann", NOW, NOW, 30.0)


@pytest.mark.parametrize(
    ("days", "safe"),
    # Two days before the end, or a tenth of the period where that is more; of short periods the half.
    [(30.0, 27.0), (20.0, 18.0), (10.0, 8.0), (365.0, 328.5), (4.0, 2.0), (3.0, 1.5), (1.0, 0.5)],
)
def test_a_transcript_is_in_danger_from_a_share_of_its_period_on(days: float, safe: float) -> None:
    """Not before, and from then on for ever."""
    assert expiring_before(days, NOW) == round((NOW - safe * DAY) * 1e9)


@pytest.mark.parametrize("days", [1.0, 30.0, 99_999.0, None])
def test_a_visit_is_overdue_after_half_of_the_period(days: float | None) -> None:
    """One that never was counts from when the home was met; where no period is known, the default counts."""
    half = (30.0 if days is None else days) * DAY / 2
    for home in (replace(HOME, days=days), replace(HOME, days=days, visited_at=None)):
        assert not is_overdue(home, NOW) and not is_overdue(home, NOW + half - 1)
        assert is_overdue(home, NOW + half + 1)
    late = replace(HOME, days=days, known_since=0.0)
    assert not is_overdue(late, NOW + half - 1) and is_overdue(late, NOW + half + 1)


def test_a_visit_that_failed_is_none() -> None:
    """It tells what it saw, and the time of the last one that came through stays; seeing nothing changes nothing."""
    later = NOW + DAY
    whole = replace(HOME, known_since=later, visited_at=later, days=7.0, files=1, oldest_ns=5)
    assert after_visit(None, whole) == whole
    assert after_visit(HOME, whole) == replace(whole, known_since=NOW)
    part = replace(whole, visited_at=None)
    assert after_visit(HOME, part) == replace(part, known_since=NOW, visited_at=NOW)
    assert after_visit(replace(HOME, visited_at=None), part).visited_at is None
    nothing = replace(part, days=None, files=0, oldest_ns=None)
    assert after_visit(replace(HOME, files=3, oldest_ns=4), nothing) == replace(HOME, files=3, oldest_ns=4)
    assert after_visit(None, nothing) == nothing
