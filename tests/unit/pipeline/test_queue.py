"""The change queue: one entry a session, ready when it has come to rest."""

from __future__ import annotations

import math
import random

from watcher.pipeline.queue import ChangeQueue


def queue(quiet: float = 2.0, max_wait: float = 30.0, max_pending: int = 100) -> ChangeQueue:
    return ChangeQueue(quiet, max_wait, max_pending)


def test_a_burst_is_one_entry_ready_quiet_after_its_last_event() -> None:
    """However often a session changes, it is taken once, `quiet` after the last change."""
    changes = queue()
    for now in (0.0, 0.5, 1.9, 3.0):
        changes.offer("a", now)
    assert changes.take(4.9) == []
    assert changes.take(5.0) == ["a"]
    assert changes.take(100.0) == []


def test_a_session_that_never_rests_is_taken_at_max_wait() -> None:
    """The ceiling counts from the first event."""
    changes = queue(quiet=2.0, max_wait=10.0)
    for tenth in range(100):
        changes.offer("a", tenth / 10)
        assert changes.take(tenth / 10) == []
    assert changes.take(10.0) == ["a"]


def test_an_offer_during_the_pass_stays_and_runs_after_it() -> None:
    """Never two passes on one session, and no change is lost for coming meanwhile."""
    changes = queue()
    changes.offer("a", 0.0)
    assert changes.take(2.0) == ["a"]
    changes.offer("a", 2.5)
    assert changes.take(50.0) == []
    changes.done("a")
    assert changes.take(4.4) == []
    assert changes.take(4.5) == ["a"]


def test_a_full_queue_forgets_keys_but_never_that_a_sweep_is_owed() -> None:
    """Bounded, and honest about it; a session that waits already is not turned away."""
    changes = queue(max_pending=2)
    assert changes.offer("a", 0.0) and changes.offer("b", 0.0)
    assert not changes.offer("c", 0.0)
    assert changes.offer("a", 1.0)
    assert changes.forgotten == 1
    assert "full" in (changes.collect_debt() or "")
    assert changes.collect_debt() is None
    assert sorted(changes.take(10.0, 10)) == ["a", "b"]


def test_a_deferred_session_comes_at_its_time_and_an_event_overrides_it() -> None:
    """A retry waits for its time; a change does not wait for the retry."""
    changes = queue()
    changes.defer("a", 60.0)
    changes.defer("b", 60.0)
    changes.offer("b", 1.0)
    assert changes.take(59.0) == ["b"]
    changes.done("b")
    assert changes.idle()
    assert changes.take(60.0) == ["a"]
    changes.done("a")
    assert changes.take(1000.0) == []


def test_an_offer_with_an_earlier_last_change_is_ready_sooner() -> None:
    """A sweep says how long a file has been at rest already."""
    changes = queue()
    changes.offer("old", 100.0, last=50.0)
    changes.offer("young", 100.0, last=99.0)
    assert changes.take(100.0) == ["old"]
    assert changes.take(101.0) == ["young"]


def test_what_somebody_asks_for_is_not_left_to_rest() -> None:
    """Whether it waits already or not; an event after that lets it rest again."""
    changes = ChangeQueue(quiet=100.0, max_wait=1000.0, max_pending=10)
    changes.offer("a", 0.0)
    assert changes.take(1.0, 5) == []
    changes.offer("a", 1.0, at_once=True)
    changes.offer("b", 1.0, at_once=True)
    assert sorted(changes.take(1.0, 5)) == ["a", "b"]
    changes.done("b")
    changes.offer("b", 2.0, at_once=True)
    changes.offer("b", 3.0)
    assert changes.take(3.0, 5) == [] and changes.take(103.0, 5) == ["b"]


def test_what_comes_to_rest_now_and_a_backlog_take_turns() -> None:
    """A sweep's thousands do not keep those waiting who work now, nor these them; what is asked for comes first."""
    changes = queue(quiet=1.0, max_wait=10.0, max_pending=10_000)
    for number in range(1000):
        changes.offer(f"old{number}", 0.0, last=-100.0)
    for number in range(1000):
        changes.offer(f"now{number}", 0.0)
    changes.offer("asked", 2.0, at_once=True)
    taken = changes.take(2.0, 101)
    assert "asked" in taken[:2]
    assert 45 <= sum(key.startswith("old") for key in taken) <= 55
    rest = [key for _ in range(2) for key in changes.take(2.0, 1000)]
    assert len({*taken, *rest}) == 2001 and changes.take(99.0, 10) == []


def test_tuning_retimes_what_waits() -> None:
    """A changed cadence takes effect without losing what waits."""
    changes = queue(quiet=100.0, max_wait=1000.0)
    changes.offer("a", 0.0)
    assert changes.take(5.0) == []
    changes.tune(quiet=1.0, max_wait=10.0, max_pending=100)
    assert changes.take(5.0) == ["a"]


def test_close_hands_out_what_waits_and_ends_it() -> None:
    """Closing is idempotent; afterwards there is nothing to take."""
    changes = queue()
    changes.offer("a", 0.0)
    assert changes.close() == ["a"]
    assert changes.close() == []
    assert not changes.offer("b", 1.0)
    assert changes.take(100.0) == []


def test_random_histories_against_a_plain_model() -> None:
    """Any sequence of offers, takes and dones: due exactly when the plain rule says, each change followed by a take."""
    for seed in range(40):
        rng = random.Random(seed)
        changes = queue(quiet=3.0, max_wait=11.0, max_pending=10**6)
        waiting: dict[str, tuple[float, float]] = {}
        running: set[str] = set()
        now = 0.0
        for _ in range(400):
            now += rng.choice([0.0, 0.3, 1.0, 4.0])
            match rng.randrange(3):
                case 0 | 1:
                    key, age = rng.choice("abcdef"), rng.choice([0.0, 0.0, 1.0, 50.0])
                    first, last = waiting.get(key, (now, now - age))
                    if rng.random() < 0.1:
                        changes.offer(key, now, at_once=True)
                        waiting[key] = (now, -math.inf)
                    else:
                        changes.offer(key, now, last=now - age)
                        waiting[key] = (first, max(last, now - age))
                case _ if running and rng.random() < 0.5:
                    key = rng.choice(sorted(running))
                    changes.done(key)
                    running.discard(key)
                case _:
                    due = {
                        key
                        for key, (first, last) in waiting.items()
                        if key not in running and min(last + 3.0, first + 11.0) <= now
                    }
                    assert set(changes.take(now, 100)) == due, f"seed {seed}"
                    for key in due:
                        del waiting[key]
                    running |= due
            assert len(changes) == len(waiting), f"seed {seed}"
