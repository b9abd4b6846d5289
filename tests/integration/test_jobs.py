"""Jobs: one run of each at a time, every run recorded, and one's trouble is no other's."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import database_in
from tests.support.listener import until
from watcher.errors import JobFailed, JobUnderWay, NoSuchJob, SweepUnderWay
from watcher.jobs.runner import Jobs, first_run
from watcher.store import job_log as book
from watcher.store.duck import DuckDatabase
from watcher.store.job_log import JobLog

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = 86400.0


class House:
    """Jobs, their job log, and a database that they are noted in."""

    def __init__(self, folder: Path) -> None:
        self.database: DuckDatabase = database_in(folder)
        self.connection = self.database.connect()
        self.job_log = JobLog(self.database)
        self.jobs = Jobs(self.job_log)

    def runs(self, name: str = "") -> list[dict[str, Any]]:
        """What is noted of a job's runs, the latest first."""
        return book.runs(self.connection.execute, book.RunFilter(name=name))

    def past(self, name: str, ago: timedelta, outcome: str = "ok") -> str:
        """A run that began so long ago; its identity."""
        run = f"{name}-{ago.total_seconds():.0f}"
        self.connection.execute(
            "INSERT INTO job_runs (run_id, name, trigger, started_at, outcome) VALUES ($1, $2, 'clock', $3, $4)",
            [run, name, datetime.now(UTC) - ago, outcome],
        )
        return run

    def break_job_log(self) -> None:
        self.connection.execute("ALTER TABLE job_runs RENAME TO aside")

    def mend_job_log(self) -> None:
        self.connection.execute("ALTER TABLE aside RENAME TO job_runs")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.job_log.close()
    made.database.close()


class Hanging:
    """A job that hangs until it is let go."""

    def __init__(self, house: House, name: str = "hangs") -> None:
        self.began, self.let_go = threading.Event(), threading.Event()
        house.jobs.add(name, self.work)
        self.thread = threading.Thread(target=house.jobs.by_the_clock, args=[name])

    def work(self) -> dict[str, Any]:
        self.began.set()
        assert self.let_go.wait(20)
        return {"hung": True}

    def __enter__(self) -> Hanging:
        self.thread.start()
        assert self.began.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        self.thread.join(20)


def test_a_run_is_recorded_with_what_it_did(house: House) -> None:
    """Name, trigger, start, end, outcome and stats; and the caller is told the same."""
    house.jobs.add("sums", lambda: {"files": 3, "named": ["é", None]})
    before = datetime.now(UTC)
    assert house.jobs.run("sums", "asked") == {"files": 3, "named": ["é", None]}
    (run,) = house.runs("sums")
    assert (run["name"], run["trigger"], run["outcome"], run["error"]) == ("sums", "asked", "ok", None)
    assert run["stats"] == {"files": 3, "named": ["é", None]}
    began, ended = (datetime.fromisoformat(run[key]) for key in ("started_at", "finished_at"))
    assert before <= began <= ended <= datetime.now(UTC)


def test_a_run_is_seen_while_it_runs(house: House) -> None:
    """In the job log, and with the seconds since it began."""
    with Hanging(house):
        (run,) = house.runs()
        assert run["outcome"] == "running" and run["finished_at"] is None
        assert list(house.jobs.running(1e12)) == ["hangs"] and house.jobs.running(1e12)["hangs"] > 0
    assert house.jobs.running(1e12) == {}
    assert house.runs()[0]["outcome"] == "ok"


def test_a_second_run_is_refused_and_not_queued(house: House) -> None:
    """It hurts neither the first run nor the next, and leaves no record of a run that was none."""
    with Hanging(house):
        for _ in range(3):
            with pytest.raises(JobUnderWay, match="hangs is under way"):
                house.jobs.run("hangs", "asked")
        house.jobs.by_the_clock("hangs")
        assert len(house.runs()) == 1
    assert [run["outcome"] for run in house.runs()] == ["ok"]
    assert house.jobs.run("hangs", "asked") == {"hung": True}


def test_of_many_that_ask_at_once_one_runs(house: House) -> None:
    """However many threads ask, there is never a second run beside the first."""
    ready, inside, most = threading.Barrier(8), [0], [0]

    def work() -> dict[str, Any]:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        until(lambda: len(refused) == 7, "the others to be refused")
        inside[0] -= 1
        return {}

    refused: list[str] = []

    def ask() -> None:
        ready.wait(20)
        try:
            house.jobs.run("one", "asked")
        except JobUnderWay as error:
            refused.append(str(error))

    house.jobs.add("one", work)
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == [1] and len(refused) == 7 and len(house.runs()) == 1


def test_a_job_that_hangs_hurts_no_other(house: House) -> None:
    """Others run and are recorded meanwhile."""
    house.jobs.add("other", lambda: {"done": 1})
    with Hanging(house):
        assert house.jobs.run("other", "asked") == {"done": 1}
        assert house.runs("other")[0]["outcome"] == "ok"


def fails(error: BaseException) -> Callable[[], dict[str, Any]]:
    """Work that ends so."""

    def work() -> dict[str, Any]:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no good"), "ValueError: no good"),
        (KeyError(), "KeyError"),
        (SystemExit(3), "SystemExit: 3"),
        (SystemExit(), "SystemExit"),
        (RecursionError("deep"), "RecursionError: deep"),
        (JobFailed("another", "it was"), "another failed: it was"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_job_that_fails_is_recorded_and_runs_again_at_its_next_turn(
    house: House, error: BaseException, told: str
) -> None:
    """Raising and sys.exit alike: the record and the caller are told, the clock's thread is not, the lock is free."""
    house.jobs.add("fails", fails(error))
    house.jobs.add("other", dict)
    with pytest.raises(JobFailed) as caught:
        house.jobs.run("fails", "asked")
    assert caught.value.reason == told
    house.jobs.by_the_clock("fails")
    runs = house.runs("fails")
    assert [(run["outcome"], run["error"], run["trigger"]) for run in runs] == [
        ("failed", told, "clock"),
        ("failed", told, "asked"),
    ]
    assert all(run["finished_at"] for run in runs)
    assert house.jobs.failures() == {"fails": told} and house.jobs.running(0.0) == {}
    house.jobs.run("other", "asked")
    house.jobs.run("fails", "asked", dict)
    assert house.jobs.failures() == {}


def test_what_is_no_account_of_work_is_a_failure_like_others(house: House) -> None:
    """A job that returns nothing that can be noted fails; one whose stats are odd things is noted as text."""
    nothing: Any = None
    house.jobs.add("nothing", lambda: nothing)
    with pytest.raises(JobFailed):
        house.jobs.run("nothing", "asked")
    assert house.runs("nothing")[0]["outcome"] == "failed"
    house.jobs.add("odd", lambda: {"path": Path("/x"), "at": NOW})
    house.jobs.run("odd", "asked")
    assert house.runs("odd")[0]["stats"] == {"path": "/x", "at": str(NOW)}


def test_a_run_that_stands_on_something_busy_is_refused_and_no_failure(house: House) -> None:
    """It is in the job log as refused, and health is not told of a failure that was none."""
    house.jobs.add("sweep", fails(SweepUnderWay("usage")))
    with pytest.raises(JobUnderWay, match="usage"):
        house.jobs.run("sweep", "asked")
    (run,) = house.runs("sweep")
    assert run["outcome"] == "refused" and "under way" in run["error"] and run["finished_at"]
    assert house.jobs.failures() == {}
    assert house.jobs.run("sweep", "asked", dict) == {}


def test_a_job_that_is_not_there_is_told(house: House) -> None:
    """With those that are; to the clock it is nothing; and one that was removed is none."""
    house.jobs.add("a", dict)
    house.jobs.add("b", dict)
    house.jobs.remove("b")
    house.jobs.remove("b")
    for name in ("b", "nothing"):
        with pytest.raises(NoSuchJob, match=r"there are a$"):
            house.jobs.run(name, "asked")
        house.jobs.by_the_clock(name)
    assert house.jobs.names() == ["a"] and house.runs() == []


def test_a_job_removed_in_its_run_ends_by_itself(house: House) -> None:
    """The run is recorded; a job that comes under its name afterwards is not in its way."""
    with Hanging(house):
        house.jobs.remove("hangs")
        assert house.jobs.names() == [] and house.jobs.running(1e12) == {}
        house.jobs.add("hangs", dict)
        assert house.jobs.run("hangs", "asked") == {}
    assert sorted(run["outcome"] for run in house.runs()) == ["ok", "ok"]


def test_a_job_log_that_cannot_be_written_stops_no_job_and_is_named(house: House) -> None:
    """The job does its work; what hinders notes is known until one can be written again."""
    done: list[int] = []
    house.jobs.add("works", lambda: done.append(1) or {"n": len(done)})  # type: ignore[func-returns-value]
    house.jobs.add("fails", fails(ValueError("no good")))
    house.break_job_log()
    assert house.jobs.run("works", "asked") == {"n": 1}
    with pytest.raises(JobFailed, match="no good"):
        house.jobs.run("fails", "asked")
    house.job_log.audit("sessions_retry", "admin", None, {}, 200, 1)  # what can be written is
    house.job_log.begin("works", "clock")
    assert house.job_log.trouble is not None and "job_runs" in house.job_log.trouble
    assert "\n" not in house.job_log.trouble
    assert house.job_log.last_runs() == {}
    house.mend_job_log()
    assert house.jobs.run("works", "asked") == {"n": 2}
    assert house.job_log.trouble is None
    assert [run["outcome"] for run in house.runs("works")] == ["ok"]
    assert len(book.audit(house.connection.execute, book.RunFilter())) == 1


def test_what_ran_when_the_service_ended_is_called_interrupted(house: House) -> None:
    """Nothing runs that nobody runs; what had ended stays as it was."""
    house.past("a", timedelta(hours=2))
    house.past("a", timedelta(hours=1), "running")
    house.job_log.interrupt()
    assert [run["outcome"] for run in house.runs("a")] == ["interrupted", "ok"]
    assert house.runs("a")[0]["error"]


def test_last_runs_survive_in_the_database(house: House, tmp_path: Path) -> None:
    """They are read from the file by the next service, with their zone."""
    house.jobs.add("a", dict)
    house.jobs.run("a", "clock")
    house.past("b", timedelta(days=3))
    house.past("b", timedelta(days=2), "failed")
    first = house.job_log.last_runs()
    house.job_log.close()
    house.database.close()
    again = DuckDatabase(tmp_path / "watcher.duckdb")
    try:
        last = JobLog(again).last_runs()
        assert last == first and last.keys() == {"a", "b"}
        assert abs((datetime.now(UTC) - last["b"]) - timedelta(days=2)) < timedelta(seconds=30)
        assert first_run(datetime.now(UTC), last["a"], DAY, 10.0) == pytest.approx(DAY, abs=30)
    finally:
        again.close()
    house.database = DuckDatabase(tmp_path / "watcher.duckdb")


def test_drop_keeps_the_last_run_of_each_job_and_what_runs(house: House) -> None:
    """What is older goes, what is younger stays; a monthly job is not forgotten, and audit has its own age."""
    for name, age in (("often", 40), ("often", 20), ("often", 1), ("monthly", 90), ("monthly", 60)):
        house.past(name, timedelta(days=age))
    house.past("often", timedelta(days=50), "running")
    for action in ("old", "new"):
        house.job_log.audit(action, "admin", None, {}, 200, 1)
    house.connection.execute("UPDATE audit_log SET asked_at = asked_at - INTERVAL 9 DAY WHERE action = 'old'")
    house.job_log.drop(30 * DAY, 8 * DAY)
    left = {(run["name"], round(float(run["run_id"].rpartition("-")[2]) / DAY)) for run in house.runs()}
    assert left == {("often", 1), ("often", 20), ("often", 50), ("monthly", 60)}
    assert [entry["action"] for entry in book.audit(house.connection.execute, book.RunFilter())] == ["new"]
    house.job_log.drop(0.0, 0.0)
    assert {run["name"] for run in house.runs()} == {"often", "monthly"}
    assert book.audit(house.connection.execute, book.RunFilter()) == []


def test_the_first_run_after_a_start_is_where_it_would_have_been() -> None:
    """Never run: at its offset. Overdue: soon. A moment ago: a whole interval. A clock that was wrong: as just now."""
    for last, first in (
        (None, 20.0),
        (NOW - timedelta(days=3), 20.0),
        (NOW - timedelta(seconds=295), 20.0),
        (NOW - timedelta(seconds=100), 200.0),
        (NOW, 300.0),
        (NOW + timedelta(days=400), 300.0),
        ((NOW - timedelta(seconds=100)).astimezone(), 200.0),
    ):
        assert first_run(NOW, last, 300.0, 20.0) == first, last


def test_the_first_run_is_never_before_its_offset_nor_later_than_an_interval() -> None:
    """Whatever the last run was, a restart neither refires everything at once nor puts a job off for long."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(500):
        every, offset = rng.uniform(1, 1e5), rng.uniform(0, 100)
        last = NOW + timedelta(seconds=rng.uniform(-3e5, 3e5))
        first = first_run(NOW, last, every, offset)
        assert offset <= first <= max(offset, every)
        if first > offset:
            assert first == pytest.approx(max(0.0, (last - NOW).total_seconds() + every) if last < NOW else every)
