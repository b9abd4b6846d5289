"""A poisoned database is opened anew by the next connection, and by nothing once it is closed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from watcher.errors import DatabaseTrouble
from watcher.store.database import read
from watcher.store.duck import DuckDatabase


@pytest.fixture
def database(tmp_path: Path) -> Iterator[DuckDatabase]:
    database = DuckDatabase(tmp_path / "watcher.duckdb")
    read(database, "CREATE TABLE said (n BIGINT PRIMARY KEY)")
    read(database, "INSERT INTO said VALUES (1)")
    yield database
    database.close()


def test_a_poisoned_database_is_opened_anew(database: DuckDatabase) -> None:
    """Once for all who find it so: who holds a connection of before is told, and the next one works."""
    held, (_, opening) = database.connect(), database.cursor()
    database.poisoned(opening)
    assert database.cursor()[1] == opening + 1
    with pytest.raises(duckdb.ConnectionException) as trouble:
        held.execute("SELECT 1")
    assert database.blame(trouble.value) == "broken"
    database.poisoned(opening)  # the word of who comes late, about an opening that is gone
    assert database.cursor()[1] == opening + 1
    with database.connect().transaction():
        assert read(database, "SELECT n FROM said") == [(1,)]


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
    database.poisoned(database.cursor()[1])
    connect, failures = duckdb.connect, [error] * 2

    def failing(*given: object, **options: object) -> duckdb.DuckDBPyConnection:
        if failures:
            raise duckdb.IOException(failures.pop())
        return connect(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("watcher.store.duck.duckdb.connect", failing)
    for attempt in (database.rest, database.connect):
        with pytest.raises(DatabaseTrouble, match=said) as trouble:
            attempt()
        assert database.blame(trouble.value) == "ours", "nobody's rows are to blame"
    assert read(database, "SELECT count(*) FROM said") == [(1,)]


def test_a_closed_database_stays_closed(database: DuckDatabase) -> None:
    held = database.connect()
    database.poisoned(database.cursor()[1])
    database.close()
    with pytest.raises(DatabaseTrouble, match="is closed"):
        database.rest()
    with pytest.raises(duckdb.ConnectionException):
        held.execute("SELECT 1")
