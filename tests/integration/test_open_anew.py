"""At rest after much work the file is opened anew: nobody notices, whoever holds a connection or uses it meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.support.listener import until
from watcher.errors import DatabaseTrouble
from watcher.store import duck
from watcher.store.database import read
from watcher.store.duck import DuckDatabase

FEW = 10


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DuckDatabase]:
    monkeypatch.setattr(duck, "MANY", FEW)
    monkeypatch.setattr(duck, "MOMENT", 0.1)
    database = DuckDatabase(tmp_path / "watcher.duckdb")
    read(database, "CREATE TABLE said (n BIGINT PRIMARY KEY)")
    yield database
    database.close()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every opening of a file from now on."""
    calls: list[str] = []
    connect = duckdb.connect

    def counted(*given: object, **options: object) -> duckdb.DuckDBPyConnection:
        calls.append(str(given[0]))
        return connect(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("watcher.store.duck.duckdb.connect", counted)
    return calls


def say(database: DuckDatabase, first: int, count: int) -> None:
    connection = database.connect()
    for n in range(first, first + count):
        with connection.transaction():
            connection.execute("INSERT INTO said VALUES ($1)", [n])
    connection.close()


def test_after_many_transactions_only(database: DuckDatabase, opened: list[str]) -> None:
    held = database.connect()
    say(database, 0, FEW)
    database.rest()
    assert opened == []
    say(database, FEW, 1)
    database.rest()
    assert len(opened) == 1
    database.rest()
    assert len(opened) == 1, "once it is, the count begins anew"
    assert held.execute("SELECT count(*) FROM said") == [(FEW + 1,)]
    with held.transaction():
        held.execute("INSERT INTO said VALUES (1000)")
    held.close()
    assert read(database, "SELECT max(n) FROM said") == [(1000,)]


def test_not_beside_a_transaction(database: DuckDatabase, opened: list[str]) -> None:
    """Which ends as it would have, whatever else is asked inside."""
    say(database, 0, FEW + 1)
    connection = database.connect()
    with connection.transaction():
        connection.execute("INSERT INTO said VALUES (1000)")
        assert not database._open_anew(0.0)
        assert read(database, "SELECT count(*) FROM said") == [(FEW + 1,)], "on a connection of its own"
    assert opened == [] and read(database, "SELECT count(*) FROM said") == [(FEW + 2,)]


def test_not_beside_a_statement(database: DuckDatabase, opened: list[str], tmp_path: Path) -> None:
    """However long it takes: this one reads what is only written later."""
    say(database, 0, FEW + 1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[object] = []
    connection = database.connect()
    sql = f"SELECT count(*) FROM read_csv('{pipe}', header = false, auto_detect = false, columns = {{a: 'VARCHAR'}})"
    asked = threading.Thread(target=lambda: found.extend(connection.execute(sql)))
    asked.start()
    with pipe.open("w") as file:  # as soon as it reads
        database.rest()
        assert opened == []
        file.write("one\ntwo\n")
    asked.join()
    assert found == [(2,)]
    database.rest()
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("IO Error: Could not read from file", "Could not read"),
        ("IO Error: Could not set lock on file: Conflicting lock is held in /usr/bin/duckdb (PID 77)", "process 77"),
    ],
)
def test_an_opening_that_fails_is_tried_again(
    database: DuckDatabase, monkeypatch: pytest.MonkeyPatch, error: str, said: str
) -> None:
    say(database, 0, FEW + 1)
    held = database.connect()
    connect, failures = duckdb.connect, [error] * 2

    def failing(*given: object, **options: object) -> duckdb.DuckDBPyConnection:
        if failures:
            raise duckdb.IOException(failures.pop())
        return connect(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("watcher.store.duck.duckdb.connect", failing)
    with pytest.raises(DatabaseTrouble, match=said):
        database.rest()
    with pytest.raises(DatabaseTrouble, match=said) as trouble:
        held.execute("SELECT 1")
    assert database.blame(trouble.value) == "ours", "nobody's rows are to blame"
    assert held.execute("SELECT count(*) FROM said") == [(FEW + 1,)]
    assert read(database, "SELECT count(*) FROM said") == [(FEW + 1,)]


def test_a_closed_database_stays_closed(database: DuckDatabase, opened: list[str]) -> None:
    say(database, 0, FEW + 1)
    held = database.connect()
    database.close()
    with pytest.raises(DatabaseTrouble, match="is closed"):
        database.rest()
    with pytest.raises(duckdb.ConnectionException):
        held.execute("SELECT 1")
    assert opened == []


def test_whatever_goes_on_meanwhile(
    database: DuckDatabase, opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers, readers, transactions that are undone and copies, beside a database that is opened anew all the time."""
    monkeypatch.setattr(duck, "MANY", -1)
    trouble: list[BaseException] = []
    ends = threading.Event()

    def write(first: int) -> None:
        connection = database.connect()
        for n in range(first, first + 200):
            with connection.transaction():
                connection.execute("INSERT INTO said VALUES ($1)", [n])
            if n % 10 == 0:
                with pytest.raises(duckdb.ConstraintException), connection.transaction():
                    connection.execute("INSERT INTO said VALUES ($1)", [n])
        connection.close()

    def look() -> None:
        held = database.connect()
        while not ends.is_set():
            (before,), (after,) = held.execute("SELECT count(*) FROM said"), read(database, "SELECT count(*) FROM said")
            assert before <= after
            ends.wait(0.001)

    def copy() -> None:
        while not ends.is_set():
            kept = database.keep_copy(tmp_path / "copies", "kept")
            assert kept is not None
            with duckdb.connect(str(kept), read_only=True) as found:
                assert found.execute("SELECT count(*) FROM said").fetchall() >= [(0,)]
            kept.unlink()
            ends.wait(0.02)

    def rest() -> None:
        while not ends.is_set():
            database.rest()

    def watched(work: object, *given: int) -> threading.Thread:
        def run() -> None:
            try:
                work(*given)  # type: ignore[operator]
            except BaseException as error:  # noqa: BLE001 — it is looked at by the test
                trouble.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    writers = [watched(write, first) for first in (0, 1000, 2000)]
    others = [watched(look), watched(copy), watched(rest)]
    for thread in writers:
        thread.join()
    until(lambda: opened.count(str(database.path)) > 3, "the file to be opened anew")
    ends.set()
    for thread in others:
        thread.join()
    assert trouble == []
    assert read(database, "SELECT count(*), count(DISTINCT n) FROM said") == [(600, 600)]
