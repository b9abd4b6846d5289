"""PostgreSQL: the store on a server, which any number of processes may use."""

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
        """Run a statement with ``$1`` … placeholders; all rows."""
        with psycopg.RawCursor(self._connection) as cursor:
            cursor.execute(sql.encode(), list(parameters) or None)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction: commit on exit, roll back on an exception."""
        with self._connection.transaction():
            yield

    @contextmanager
    def rows(self, columns: Mapping[str, ColumnType], lines: bytes) -> Iterator[str]:
        """JSON lines as a temporary table, readable more than once."""
        name = f"incoming_{next(self._names)}"
        typed = ", ".join(f'"{column}" {SQL_TYPES[kind]}' for column, kind in columns.items())
        # Line breaks inside JSON text are escaped, so a bare one separates rows.
        array = b"[" + lines.strip().replace(b"\n", b",") + b"]"
        self.execute(f"CREATE TEMPORARY TABLE {name} ({typed})")
        self.execute(f"INSERT INTO {name} SELECT * FROM json_to_recordset($1::json) AS r({typed})", [array.decode()])
        yield name
        self.execute(f"DROP TABLE {name}")

    def to_parquet(self, select: str, path: Path) -> None:
        """Write a query's rows to a Parquet file."""
        with psycopg.RawCursor(self._connection) as cursor:
            cursor.execute(select.encode())
            kinds = cursor.adapters.types
            columns = {one.name: kinds[one.type_code].name for one in cursor.description or ()}
            write_parquet(columns, cursor.fetchall(), path)

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._connection.close()


class PostgresDatabase:
    """A database on a PostgreSQL server."""

    row_id = "ctid"
    # The default collation may be language-specific; text must sort by code point.
    collate = ' COLLATE "C"'
    row_hash = "hashtextextended(CAST(t AS text), 0)"
    transactions = 0
    Error: tuple[type[Exception], ...] = (psycopg.Error,)

    def __init__(self, url: str) -> None:
        """Check that the server is reachable.

        Raises:
            DatabaseTrouble: it is not.
        """
        self._url = url
        self.notices: list[str] = []
        try:
            self.connect().close()
        except psycopg.Error as error:
            raise DatabaseTrouble(f"PostgreSQL does not answer: {str(error).strip().splitlines()[0]}") from None

    def connect(self) -> PostgresConnection:
        """A new connection for one thread."""
        connection = psycopg.connect(
            self._url, autocommit=True, options="-c TimeZone=UTC -c client_min_messages=warning"
        )
        return PostgresConnection(connection)

    def blame(self, error: Exception) -> Blame:
        """The cause of an error: ``rows`` for invalid data, ``broken`` for a lost connection, else ``ours``."""
        if isinstance(error, _ROWS):
            return "rows"
        return "broken" if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) else "ours"

    def checkpoint(self) -> None:
        """Does nothing: the server checkpoints by itself."""

    def rest(self) -> None:
        """Does nothing: the server manages its memory."""

    def keep_copy(self, folder: Path, name: str) -> Path | None:
        """None: backups are made with the server's own tools."""
        return None

    def tables(self) -> dict[str, list[str]]:
        """Columns by table."""
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
        """Does nothing: no connection is shared."""
