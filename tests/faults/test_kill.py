"""``kill -9`` at named points with work in flight: after a quiet end the tables are those of an undisturbed run."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest

from tests.faults.victim import POINTS
from tests.support.harness import Subject, exact_price
from tests.support.histories import History
from tests.support.listener import until
from tests.support.oracle import Oracle

pytestmark = pytest.mark.faults

#: Kills at each point of the daily work.
KILLS = 8
DAILY = [point for point in POINTS if point not in ("in a migration", "in a file's replacement", "at a random instant")]
#: Points at which so many things pass that the n-th of them may be a late one.
_MOST = {"inside a commit": 40, "at COMMIT": 3, "while the child reads": 2}
_DELAYED = {"in a checkpoint": 0.004, "while closing": 0.02, "while the child reads": 0.01}


class Place:
    """A tree with a history, its oracle, and a state that processes die over."""

    def __init__(self, folder: Path, seed: int) -> None:
        print(f"seed {seed}")
        self.root, self.state, self.seed = folder / "sessions", folder / "state", seed
        self.rng = random.Random(seed)
        self.root.mkdir()
        self.oracle = Oracle(price=exact_price)
        self.history = History(self.root, self.rng, self.oracle, before_loss=self.catch_up)

    def steps(self, count: int) -> None:
        """Some of the history; a tail that is left to rest is looked at while it rests."""
        for _ in range(count):
            if "settle" in self.history.step():
                self.catch_up()

    def catch_up(self) -> None:
        """An undisturbed run."""
        subject = Subject(self.root, self.state)
        try:
            subject.catch_up()
        finally:
            subject.close()
        self.history.unread.clear()

    def catch_up_after(self, process: subprocess.Popen[bytes]) -> None:
        """The same, once a process has let go of the state."""
        process.wait(120)
        self.catch_up()

    def start(self, point: str, nth: int, delay: float) -> subprocess.Popen[bytes]:
        """A process that will die."""
        command = [sys.executable, "-m", "tests.faults.victim", str(self.root), str(self.state)]
        return subprocess.Popen([*command, point, str(nth), str(delay)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def must_hold(self, told: str) -> None:
        """After a quiet end the tables are the oracle's."""
        subject = Subject(self.root, self.state)
        try:
            subject.catch_up()
            self.history.unread.clear()
            recent = " | ".join(self.history.log[-12:])
            subject.must_equal(self.oracle, f"seed {self.seed}, {told}, after {recent}")
        finally:
            subject.close()


def end_of(process: subprocess.Popen[bytes]) -> tuple[int, dict[str, Any] | None, str]:
    """How a process ended, what was in flight, what it said; its children end with it."""
    out, err = process.communicate(timeout=120)
    in_flight = json.loads(out.splitlines()[-1]) if out.strip() else None
    until(lambda: not children_of(process.pid), f"the children of {process.pid} to end with it")
    return process.returncode, in_flight, err.decode()


def children_of(pid: int) -> list[int]:
    """Child processes of ours that name this parent, also when it is gone."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        line = process.info["cmdline"] or []
        if "watcher.sandbox.main" in line and line[-1] == str(pid):
            found.append(process.info["pid"])
    return found


@pytest.mark.parametrize("point", DAILY)
def test_killed_at_a_point(tmp_path: Path, point: str) -> None:
    """Killed again and again at the same point of the work, over one history."""
    place = Place(tmp_path, seed=DAILY.index(point))
    kills = 0
    place.steps(10)
    while kills < KILLS:
        place.steps(place.rng.randrange(2, 8))
        nth = place.rng.randrange(1, _MOST.get(point, 1) + 1)
        delay = place.rng.random() * _DELAYED.get(point, 0.0)
        code, in_flight, said = end_of(place.start(point, nth, delay))
        told = f"{point}: {nth} {delay:.4f}, kill {kills}, in flight {in_flight}"
        assert code in (0, -signal.SIGKILL), f"{told}\n{said}"
        # What came to its end before, or had nothing in flight, proves nothing: more of the history, and again.
        if in_flight is not None and in_flight.get("wal", True):
            assert in_flight.get("passes", 1), told
            kills += code == -signal.SIGKILL or point == "the child itself"
        place.must_hold(told)


def test_killed_at_random_instants(tmp_path: Path) -> None:
    """While files grow, are replaced and go, under its hands."""
    place = Place(tmp_path, seed=100)
    kills = 0
    while kills < 16:
        place.steps(3)
        process = place.start("at a random instant", 1, place.rng.random() * 0.3)
        place.history.before_loss = partial(place.catch_up_after, process)
        try:
            for _ in range(40):
                if "settle" in place.history.step():
                    place.catch_up_after(process)
                if process.poll() is not None:
                    break
        finally:
            place.history.before_loss = place.catch_up
        code, in_flight, said = end_of(process)
        assert code in (0, -signal.SIGKILL), said
        kills += code != 0 and in_flight is not None
        place.must_hold(f"random instant, kill {kills}")


@pytest.mark.parametrize("nth", [1, 2, 3, 5, 8, 13, 21, 30])
def test_killed_in_a_migration(tmp_path: Path, nth: int) -> None:
    """Before some statement of the first opening: the next one makes all tables."""
    place = Place(tmp_path, seed=200 + nth)
    place.history.before_loss = lambda: None
    place.history.create()
    place.history.look()
    code, in_flight, said = end_of(place.start("in a migration", nth, 0.0))
    assert code == -signal.SIGKILL and in_flight is not None, said
    place.must_hold(f"migration, {in_flight}")


@pytest.mark.parametrize(
    ("point", "nth"),
    [("in a migration", nth) for nth in (1, 4, 7, 10, 30, 55, 60)]
    + [("in a file's replacement", nth) for nth in (1, 2)],
)
def test_killed_while_a_legacy_database_is_taken_over(tmp_path: Path, point: str, nth: int) -> None:
    """Nothing of the old table is lost, nothing is there twice, and no half copy is taken for a whole one."""
    place = Place(tmp_path, seed=300 + nth)
    place.state.mkdir()
    legacy = [(f"user{n}/s{n}.jsonl", f"user{n}", f"{n:032x}") for n in range(50)]
    connection = duckdb.connect(str(place.state / "watcher.duckdb"))
    connection.execute(
        "CREATE TABLE session_extraction_state (session_file VARCHAR PRIMARY KEY, username VARCHAR,"
        " processed_at TIMESTAMP, items_extracted INTEGER, file_hash VARCHAR)"
    )
    connection.executemany("INSERT INTO session_extraction_state VALUES ($1, $2, now()::TIMESTAMP, 3, $3)", legacy)
    connection.close()
    code, in_flight, said = end_of(place.start(point, nth, 0.0))
    assert code == -signal.SIGKILL and in_flight is not None, said
    for copy in (place.state / "backups").glob("*.duckdb"):
        whole = duckdb.connect(str(copy), read_only=True)
        assert whole.execute("SELECT count(*) FROM session_extraction_state").fetchall() == [(50,)]
        whole.close()
    place.must_hold(f"take-over, {in_flight}")
    subject = Subject(place.root, place.state)
    try:
        rows = subject.open().query(
            "SELECT session_file, username, file_hash FROM session_processor_state"
            " WHERE processor_name = 'verification' ORDER BY session_file"
        )
    finally:
        subject.close()
    assert rows == sorted(legacy)
