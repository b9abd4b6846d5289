"""What the service needs of a database; DuckDB and PostgreSQL both are one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, Protocol

from processors.contract import ColumnType

#: Whose trouble an error is: the rows' (they do not fit), ours (disk, memory, a lost
#: connection; try again), or the connection is ``broken`` and the next one begins anew.
Blame = Literal["rows", "ours", "broken"]

#: Column types in the common tongue of both databases.
SQL_TYPES: dict[ColumnType, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "real": "DOUBLE PRECISION",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMPTZ",
}


class Connection(Protocol):
    """One thread's way into the database."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement with ``$1`` … placeholders; all of its rows."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Commit what is done inside, or none of it."""
        ...

    def rows(self, columns: Mapping[str, ColumnType], lines: bytes) -> AbstractContextManager[str]:
        """JSON lines as something that can stand after FROM, for as long as the context lasts."""
        ...

    def to_parquet(self, select: str, path: Path) -> None:
        """Write what a query gives, at least one row, into a Parquet file."""
        ...

    def close(self) -> None:
        """Give it back. Idempotent."""
        ...


class Database(Protocol):
    """The one database of a service."""

    #: What names a row's place in its table.
    row_id: str
    #: What makes text sort by code point, where it would not by itself.
    collate: str
    #: A number made from all of a row ``t``.
    row_hash: str
    #: The errors that everything the database says is a kind of.
    Error: tuple[type[Exception], ...]
    #: What a person should know of that was met while opening, and is shown by nothing else.
    notices: list[str]

    @property
    def transactions(self) -> int:
        """How many have begun so far; always 0 where that makes no difference to `rest`."""
        ...

    def connect(self) -> Connection:
        """A connection for one thread."""
        ...

    def blame(self, error: Exception) -> Blame:
        """Whose trouble an error is."""
        ...

    def checkpoint(self) -> None:
        """Bring everything that is committed into the database file."""
        ...

    def rest(self) -> None:
        """Give back the memory that nobody needs while nothing is written."""
        ...

    def keep_copy(self, folder: Path, name: str) -> Path | None:
        """Leave a copy of the whole database behind; None where the database is not a file of ours."""
        ...

    def tables(self) -> dict[str, list[str]]:
        """Every table with its columns."""
        ...

    def close(self) -> None:
        """Close every connection. Idempotent."""
        ...


def read(database: Database, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows of a query, on a connection of its own."""
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
    """The same of a query that also reads JSON lines, as a table of that name."""
    connection = database.connect()
    try:
        with connection.rows(columns, lines) as source:
            return connection.execute(f"WITH {name} AS (SELECT * FROM {source}) {sql}", parameters)
    finally:
        connection.close()
