"""Memory that runs out in a transaction: nothing of it stays, and the same connection goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from watcher.store import duck
from watcher.store.connection import DuckConnection
from watcher.store.duck import DuckDatabase


class Short:
    """A real cursor to which memory runs out when it does one thing, once: before or after it is done."""

    def __init__(self, cursor: Any, statement: str, done: bool) -> None:
        self._cursor, self._statement, self._done = cursor, statement, done

    def execute(self, sql: str, *parameters: Any) -> Any:
        if sql == self._statement:
            self._statement = ""
            if self._done:
                self._cursor.execute(sql)
            raise duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate data of size 4.0 KiB")
        return self._cursor.execute(sql, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


def short(connection: DuckConnection, statement: str, done: bool = False) -> None:
    """Let memory run out there."""
    connection._cursor = Short(connection._cursor, statement, done)  # type: ignore[assignment]


def numbers(database: DuckDatabase) -> list[int]:
    """What another connection sees."""
    other = database.connect()
    try:
        return [number for (number,) in other.execute("SELECT number FROM rows ORDER BY number")]
    finally:
        other.close()


@pytest.fixture
def database(tmp_path: Path) -> DuckDatabase:
    database = DuckDatabase(tmp_path / "watcher.duckdb")
    connection = database.connect()
    connection.execute("CREATE TABLE rows (number BIGINT PRIMARY KEY)")
    connection.close()
    return database


@pytest.mark.parametrize(("statement", "done"), [("BEGIN", True), ("BEGIN", False), ("ROLLBACK", False)])
def test_a_connection_is_never_left_in_a_transaction(database: DuckDatabase, statement: str, done: bool) -> None:
    """It cannot begin, or not even roll back: the next transaction finds a connection that works."""
    connection = database.connect()
    short(connection, statement, done)
    with pytest.raises(duckdb.Error), connection.transaction():
        connection.execute("INSERT INTO rows VALUES (1)")
        connection.execute("INSERT INTO rows VALUES (1)")  # which no key allows
    assert numbers(database) == []
    with connection.transaction():
        connection.execute("INSERT INTO rows VALUES (1)")
    assert numbers(database) == [1]
    database.checkpoint()  # no transaction is left behind that would hold it up
    database.close()


def test_a_commit_that_fails_is_the_error_that_is_told(database: DuckDatabase) -> None:
    """And the connection stays what it was."""
    connection = database.connect()
    cursor = connection._cursor
    connection._cursor = Short(cursor, "COMMIT", done=False)  # type: ignore[assignment]
    with pytest.raises(duckdb.OutOfMemoryException), connection.transaction():
        connection.execute("INSERT INTO rows VALUES (1)")
    assert numbers(database) == []
    with connection.transaction():
        connection.execute("INSERT INTO rows VALUES (2)")
    assert numbers(database) == [2]
    database.close()


def test_few_rows_take_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a row may be: three processors at once are not to want as much as the longest could."""
    monkeypatch.setitem(duck._CONFIG, "memory_limit", "80MB")
    database = DuckDatabase(tmp_path / "watcher.duckdb")
    connection = database.connect()
    connection.execute("CREATE TABLE rows (number BIGINT, word VARCHAR)")
    for number in range(20):
        lines = b"".join(b'{"number": %d, "word": "%s"}\n' % (number, b"x" * 100) for _ in range(1000))
        with (
            connection.transaction(),
            connection.rows({"number": "integer", "word": "text"}, lines) as given,
        ):
            connection.execute(f"INSERT INTO rows SELECT number, word FROM {given}")
    assert connection.execute("SELECT count(*), min(length(word)) FROM rows") == [(20_000, 100)]
    database.close()
