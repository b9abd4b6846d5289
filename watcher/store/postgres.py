"""PostgreSQL: the same store on a server; any number of processes may use it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from processors.contract import ColumnType
from watcher.errors import DatabaseTrouble
from watcher.store.database import SQL_TYPES, Blame
from watcher.store.duck import write_parquet

_ROWS = (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError, psycopg.NotSupportedError)


class PostgresConnection:
    """A server connection, for one thread."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection
        self._names = itertools.count()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement with ``$1`` … placeholders; all of its rows."""
        with psycopg.RawCursor(self._connection) as cursor:
            cursor.execute(sql.encode(), list(parameters) or None)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside, or none of it."""
        with self._connection.transaction():
            yield

    @contextmanager
    def rows(self, columns: Mapping[str, ColumnType], lines: bytes) -> Iterator[str]:
        """JSON lines as a temporary table, which statements can read more than once."""
        name = f"incoming_{next(self._names)}"
        typed = ", ".join(f'"{column}" {SQL_TYPES[kind]}' for column, kind in columns.items())
        # A line break inside JSON text is always escaped: a bare one stands between rows.
        array = b"[" + lines.strip().replace(b"\n", b",") + b"]"
        self.execute(f"CREATE TEMPORARY TABLE {name} ({typed})")
        self.execute(f"INSERT INTO {name} SELECT * FROM json_to_recordset($1::json) AS r({typed})", [array.decode()])
        yield name
        self.execute(f"DROP TABLE {name}")

    def to_parquet(self, select: str, path: Path) -> None:
        """Write what a query gives into a Parquet file."""
        with psycopg.RawCursor(self._connection) as cursor:
            cursor.execute(select.encode())
            kinds = cursor.adapters.types
            columns = {one.name: kinds[one.type_code].name for one in cursor.description or ()}
            write_parquet(columns, cursor.fetchall(), path)

    def close(self) -> None:
        """End it. Idempotent."""
        self._connection.close()


class PostgresDatabase:
    """A database on a PostgreSQL server."""

    row_id = "ctid"
    # A database's own order of text may follow a language; ours is by code point.
    collate = ' COLLATE "C"'
    row_hash = "hashtextextended(CAST(t AS text), 0)"
    transactions = 0
    Error: tuple[type[Exception], ...] = (psycopg.Error,)

    def __init__(self, url: str) -> None:
        """Remember where it is, and see that it answers.

        Raises:
            DatabaseTrouble: it does not.
        """
        self._url = url
        self.notices: list[str] = []
        try:
            self.connect().close()
        except psycopg.Error as error:
            raise DatabaseTrouble(f"PostgreSQL does not answer: {str(error).strip().splitlines()[0]}") from None

    def connect(self) -> PostgresConnection:
        """A connection of its own for one thread."""
        connection = psycopg.connect(
            self._url, autocommit=True, options="-c TimeZone=UTC -c client_min_messages=warning"
        )
        return PostgresConnection(connection)

    def blame(self, error: Exception) -> Blame:
        """Whose trouble an error is: data that does not fit is the rows', a lost connection is broken."""
        if isinstance(error, _ROWS):
            return "rows"
        return "broken" if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) else "ours"

    def checkpoint(self) -> None:
        """The server makes its own."""

    def rest(self) -> None:
        """It holds no memory of ours."""

    def keep_copy(self, folder: Path, name: str) -> Path | None:
        """The server's backups are its operator's."""
        return None

    def tables(self) -> dict[str, list[str]]:
        """Every table with its columns."""
        connection = self.connect()
        try:
            rows = connection.execute(
                "SELECT table_name, column_name FROM information_schema.columns"
                " WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
            )
        finally:
            connection.close()
        found: dict[str, list[str]] = {}
        for table, column in rows:
            found.setdefault(table, []).append(column)
        return found

    def close(self) -> None:
        """Nothing is shared, so there is nothing to close."""
