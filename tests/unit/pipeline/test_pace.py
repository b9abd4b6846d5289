"""The pace: what one worker meets outside, all of its processor's workers know."""

from __future__ import annotations

from watcher.pipeline.pace import Pace


def test_trouble_in_a_row_is_counted_and_ended_by_a_success() -> None:
    """Whoever meets it: the next delay is longer; one success, and it begins anew."""
    pace = Pace()
    assert [pace.slow_down(key)[0] for key in "aba"] == [1, 2, 3]
    pace.succeeded("c")
    assert pace.slow_down("a")[0] == 1


def test_a_session_is_blamed_only_when_others_succeed() -> None:
    """While nobody succeeds it is the provider; a success of another since its last trouble makes it its own."""
    pace = Pace()
    assert [pace.slow_down("a")[1] for _ in range(3)] == [False, False, False]
    pace.succeeded("b")
    assert pace.slow_down("a")[1] is True
    assert pace.slow_down("a")[1] is False
    pace.succeeded("a")
    assert pace.slow_down("a")[1] is False


def test_a_pause_holds_for_all_and_the_longest_stays() -> None:
    """A shorter one that comes later does not end it."""
    pace = Pace()
    pace.pause(50.0)
    pace.pause(20.0)
    assert pace.paused_until == 50.0


def test_a_missing_file_keeps_the_time_it_was_first_missed() -> None:
    """Also when another worker takes the second look; seen again, it begins anew."""
    pace = Pace()
    assert (pace.missing_since("a", 1.0), pace.missing_since("a", 9.0)) == (1.0, 1.0)
    pace.there("a")
    assert pace.missing_since("a", 12.0) == 12.0
