"""The schedule: what runs by the clock keeps its turns, whatever one of them does, and a dead clock is noticed."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from apscheduler.schedulers import base
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from tests.support.listener import until
from watcher.app import COLLECTOR, CORPORATE_MEMORY, HEALTH_CHECK, HOUSEKEEPING, INTAKE, job_of
from watcher.daemon import LiveService
from watcher.jobs import scheduler as room
from watcher.jobs.scheduler import Schedule
from watcher.settings import load

#: Short enough to wait for, long enough to be told apart.
OFTEN, NEVER = 0.02, 3600.0


class Clock:
    """The steady clock by which a schedule is judged, and how far the time of day is off; both moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.off = 1000.0, 0.0
        clocks = SimpleNamespace(monotonic=lambda: self.now, time=lambda: self.now + self.off)
        monkeypatch.setattr(room, "time", clocks)
        monkeypatch.setattr(room, "HEARTBEAT", 0.02)
        ours = self

        class Moved(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return datetime.now(tz) + timedelta(seconds=ours.off)

        for place in (room, base):
            monkeypatch.setattr(place, "datetime", Moved)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def schedule(clock: Clock) -> Iterator[Schedule]:
    made = Schedule()
    yield made
    made.stop()


class Count:
    """Something that counts its runs, then does what it was told."""

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        self.runs, self._then = 0, then

    def __call__(self) -> None:
        self.runs += 1
        self._then()

    def until(self, more: int = 3) -> None:
        """Wait for so many more runs."""
        wanted = self.runs + more
        until(lambda: self.runs >= wanted, f"{more} more runs")


def fail() -> None:
    raise ValueError("no good")


@pytest.mark.parametrize("trouble", [fail, sys.exit], ids=["raises", "sys.exit"])
def test_what_fails_keeps_its_turns_and_hurts_no_other(
    capfd: pytest.CaptureFixture[str], schedule: Schedule, trouble: Callable[[], object]
) -> None:
    """A failing job runs again and again, and so do the others."""
    # The log's file comes first, so it is closed after the schedule has stopped: a job still logs its failure.
    bad, good = Count(trouble), Count()
    schedule.every("bad", OFTEN, bad, first=0.0)
    schedule.every("good", OFTEN, good, first=0.0)
    schedule.start()
    bad.until()
    good.until()
    assert schedule.alive() and schedule.next_run("bad") is not None


def test_what_hangs_delays_no_other_and_is_never_run_twice_at_once(schedule: Schedule) -> None:
    """As many as there are jobs may hang: the rest, and the proof that the clock runs, go on."""
    let_go = threading.Event()
    hung = [Count(lambda: let_go.wait(20)) for _ in range(12)]
    good = Count()
    for number, one in enumerate(hung):
        schedule.every(f"hung {number}", OFTEN, one, first=0.0)
    schedule.every("good", OFTEN, good, first=0.0)
    schedule.start()
    try:
        until(lambda: all(one.runs for one in hung), "all of them to hang")
        good.until(5)
        assert [one.runs for one in hung] == [1] * 12
        assert schedule.alive()
    finally:
        let_go.set()
    hung[0].until(2)


def test_a_late_run_is_not_dropped(schedule: Schedule) -> None:
    """What should have run long before the start runs once, not never and not once for each turn."""
    late = Count()
    schedule.every("late", NEVER, late, first=-50 * NEVER)
    schedule.start()
    until(lambda: late.runs, "it to run")
    due = schedule.next_run("late")
    assert due is not None and due > datetime.now(UTC) and late.runs == 1


class Broken(BaseTrigger):  # type: ignore[misc]
    """A trigger that raises when its next turn is asked for."""

    asked = 0

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        self.asked += 1
        if self.asked > 1:
            raise ValueError("no next time")
        return now


def kill(schedule: Schedule, monkeypatch: pytest.MonkeyPatch) -> None:
    """End the thread of the clock, as a trigger that raises does."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    schedule._scheduler.add_job(lambda: None, Broken())
    until(lambda: not schedule._scheduler._thread.is_alive(), "the clock's thread to die")


def test_a_dead_clock_is_noticed(schedule: Schedule, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trigger that raises ends the thread while the library says that it is running: the missing heartbeat tells."""
    schedule.start()
    kill(schedule, monkeypatch)
    assert schedule._scheduler.running
    clock.now += room.DEAD - 1
    assert schedule.alive()
    clock.now += 2
    assert not schedule.alive()


def test_a_living_clock_is_not_called_dead(schedule: Schedule, clock: Clock) -> None:
    """Its heartbeat is there, whatever the hour; before its start and after its end it is not alive."""
    assert not schedule.alive()
    clock.now += 10 * room.DEAD  # built long before it was started
    schedule.start()
    assert schedule.alive()
    for _ in range(3):
        clock.now += 2 * room.DEAD
        until(schedule.alive, "the next heartbeat")
    schedule.stop()
    assert not schedule.alive()


def test_one_of_the_same_name_takes_the_earlier_ones_place(schedule: Schedule) -> None:
    """The new work at the new interval, and never both; before the start as after it."""
    first, second, third = Count(), Count(), Count()
    schedule.every("job", NEVER, first, first=0.0)
    schedule.every("job", OFTEN, second)
    schedule.start()
    second.until()
    schedule.every("job", OFTEN, third)
    runs = second.runs
    third.until(5)
    assert second.runs <= runs + 1 and first.runs == 0
    schedule.every("job", NEVER, third)
    due = schedule.next_run("job")
    assert due is not None and due > datetime.now(UTC) + timedelta(seconds=NEVER - 60)


def test_one_that_is_removed_runs_no_more(schedule: Schedule) -> None:
    """Its run ends by itself; removing what is not there is nothing."""
    let_go = threading.Event()
    ended: list[int] = []
    job = Count(lambda: ended.append(let_go.wait(20)))
    schedule.every("job", OFTEN, job, first=0.0)
    schedule.start()
    until(lambda: job.runs, "its first run")
    schedule.remove("job")
    schedule.remove("job")
    schedule.remove("nothing")
    assert schedule.next_run("job") is None
    let_go.set()
    until(lambda: ended, "its run to end")
    good = Count()
    schedule.every("good", OFTEN, good, first=0.0)
    good.until(5)
    assert ended == [True] and job.runs == 1


def test_soon_runs_once_now(schedule: Schedule) -> None:
    """And again when it is asked for again; it has no next turn."""
    job, ticks = Count(), Count()
    schedule.soon("job", job)
    schedule.every("ticks", OFTEN, ticks)
    schedule.start()
    until(lambda: job.runs, "it to run")  # which it may have done already
    ticks.until(5)
    assert job.runs == 1 and schedule.next_run("job") is None
    schedule.soon("job", job)
    until(lambda: job.runs == 2, "it to run again")


@pytest.mark.parametrize("off", [-86_400.0, 86_400.0])
def test_turns_come_though_the_time_of_day_is_changed(schedule: Schedule, clock: Clock, off: float) -> None:
    """A day back or ahead: nothing waits for that day, what is not due stays so long away, and the clock is alive."""
    often, rarely = Count(), Count()
    schedule.every("often", OFTEN, often)
    schedule.every("rarely", 3 * 86_400.0, rarely)
    schedule.start()
    often.until()
    clock.off = off
    often.until()
    due = schedule.next_run("rarely")
    assert due is not None
    left = (due - datetime.now(UTC) - timedelta(seconds=off)).total_seconds()
    assert left == pytest.approx(3 * 86_400.0 if off < 0 else 2 * 86_400.0, abs=60)
    assert rarely.runs == 0
    clock.now += 2 * room.DEAD
    until(schedule.alive, "the next heartbeat")


def test_a_time_that_changes_while_turns_are_looked_for(
    schedule: Schedule, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day back in the very moment between seeing no change and going by the time: nothing sleeps for that day."""
    monkeypatch.setattr(room, "HEARTBEAT", OFTEN)
    look = BackgroundScheduler._process_jobs

    def changed(self: BackgroundScheduler) -> Any:
        if often.runs:
            clock.off = -86_400.0
        return look(self)

    monkeypatch.setattr(BackgroundScheduler, "_process_jobs", changed)
    often = Count()
    schedule.every("often", OFTEN, often)
    schedule.start()
    often.until()
    assert clock.off < 0
    often.until()


def test_stopping_waits_for_nobody(schedule: Schedule) -> None:
    """A hung job does not hold up the end; stopping twice is nothing."""
    let_go = threading.Event()
    hung, ticks = Count(lambda: let_go.wait(20)), Count()
    schedule.every("hung", OFTEN, hung, first=0.0)
    schedule.every("ticks", OFTEN, ticks, first=0.0)
    schedule.start()
    try:
        until(lambda: hung.runs and ticks.runs, "both to run")
        began = time.monotonic()
        schedule.stop()
        schedule.stop()
        assert time.monotonic() - began < 5
        runs = ticks.runs
        time.sleep(5 * OFTEN)
        assert ticks.runs <= runs + 1
    finally:
        let_go.set()


def test_a_service_whose_clock_died_says_so(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """In health, as unhealthy, and what to do; and its jobs begin apart from one another, but sweeps together."""
    (tmp_path / "sessions").mkdir()
    given: dict[str, Any] = {
        "paths.sessions": tmp_path / "sessions",
        "paths.state": tmp_path / "state",
        "health.min_free_disk": "1KB",
        "collector.enabled": True,
        "collector.sources": [f"{tmp_path}/home/*/*.jsonl"],
        "corporate_memory.enabled": True,
        "corporate_memory.sources": [f"{tmp_path}/home/*/CLAUDE.local.md"],
    }
    service = LiveService(load(None, {}, given))
    service.start()
    try:
        until(lambda: not [f for f in service.findings() if f.level == "unhealthy"], "it to be well")
        jobs = [COLLECTOR, CORPORATE_MEMORY, HEALTH_CHECK, HOUSEKEEPING, INTAKE]
        names = sorted([*jobs, *map(job_of, service.core.pipelines)])
        assert sorted(job["name"] for job in service.jobs()) == names
        turns = {one["name"]: datetime.fromisoformat(at) for one in service.jobs() if (at := one["next_run_at"])}
        verification, errors = turns[job_of("verification")], turns.pop(job_of("errors"))
        assert verification == errors, "of one interval: they share a look"
        assert all(later - earlier >= timedelta(seconds=5) for earlier, later in pairwise(sorted(turns.values())))
        kill(service.schedule, monkeypatch)
        clock.now += 2 * room.DEAD
        assert service.health()["status"] == "unhealthy"
        (finding,) = [f for f in service.findings() if f.name == "scheduler_dead"]
        assert "Restart" in finding.message
    finally:
        assert service.stop()
