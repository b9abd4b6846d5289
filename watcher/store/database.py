"""The database interface, implemented for DuckDB and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, Protocol

from processors.contract import ColumnType

#: The cause of an error: ``rows`` (invalid data), ``ours`` (disk, memory; try again), or
#: ``broken`` (the connection or database must be reopened).
Blame = Literal["rows", "ours", "broken"]

#: Column types in SQL that both databases accept.
SQL_TYPES: dict[ColumnType, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "real": "DOUBLE PRECISION",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMPTZ",
}


class Connection(Protocol):
    """A database connection, for one thread."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement with ``$1`` … placeholders; all rows."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """A transaction: commit on exit, roll back on an exception."""
        ...

    def rows(self, columns: Mapping[str, ColumnType], lines: bytes) -> AbstractContextManager[str]:
        """JSON lines as an SQL expression usable after FROM inside the context."""
        ...

    def to_parquet(self, select: str, path: Path) -> None:
        """Write a query's rows, at least one, to a Parquet file."""
        ...

    def close(self) -> None:
        """Close the connection. Idempotent."""
        ...


class Database(Protocol):
    """The database of a service."""

    #: The pseudo-column that identifies a row.
    row_id: str
    #: The COLLATE clause that sorts text by code point; empty where that is the default.
    collate: str
    #: SQL for a hash of all columns of a row ``t``.
    row_hash: str
    #: The base classes of all database errors.
    Error: tuple[type[Exception], ...]
    #: Messages about damage found while opening, for the health report.
    notices: list[str]

    @property
    def transactions(self) -> int:
        """The number of transactions begun so far; always 0 where `rest` does nothing."""
        ...

    def connect(self) -> Connection:
        """A connection for one thread."""
        ...

    def blame(self, error: Exception) -> Blame:
        """The cause of an error."""
        ...

    def checkpoint(self) -> None:
        """Write the write-ahead log into the database file."""
        ...

    def rest(self) -> None:
        """Release memory that is not needed while the service is idle."""
        ...

    def keep_copy(self, folder: Path, name: str) -> Path | None:
        """Back up the whole database; None for a database on a server."""
        ...

    def tables(self) -> dict[str, list[str]]:
        """Columns by table."""
        ...

    def close(self) -> None:
        """Close every connection. Idempotent."""
        ...


def read(database: Database, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows of a query, on a separate connection."""
    connection = database.connect()
    try:
        return connection.execute(sql, parameters)
    finally:
        connection.close()


def read_beside(
    database: Database,
    name: str,
    columns: Mapping[str, ColumnType],
    lines: bytes,
    sql: str,
    parameters: Sequence[Any] = (),
) -> list[tuple[Any, ...]]:
    """All rows of a query that also reads JSON lines as the table ``name``."""
    connection = database.connect()
    try:
        with connection.rows(columns, lines) as source:
            return connection.execute(f"WITH {name} AS (SELECT * FROM {source}) {sql}", parameters)
    finally:
        connection.close()
