"""``kill -9`` at named points with work in flight: after a quiet end the tables are those of an undisturbed run."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import duckdb
import pytest

from tests.faults.victim import POINTS
from tests.support.harness import Subject
from tests.support.kills import Place, end_of

pytestmark = pytest.mark.faults

#: Kills at each point of the daily work.
KILLS = 8
DAILY = [point for point in POINTS if point not in ("in a migration", "in a file's replacement", "at a random instant")]
#: Points at which so many things pass that the n-th of them may be a late one.
_MOST = {"inside a commit": 40, "at COMMIT": 3, "while the child reads": 2}
_DELAYED = {"in a checkpoint": 0.004, "while closing": 0.02, "while the child reads": 0.01}


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
