"""Import of state rows from a database of the earlier generation.

It has two layouts: ``session_extraction_state`` (one unnamed processor) and a narrow
``session_processor_state`` with a name. Rows of ``usage`` are ignored, as that processor did
nothing. The others record that a session was processed up to an unknown offset; their MD5
identifies it at the session's next pass.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from watcher.errors import LegacyRefused
from watcher.store.database import Connection, Database
from watcher.transcripts.sessions import key_of

_FIELDS = ("username", "processed_at", "items_extracted", "file_hash")


@dataclass(frozen=True, slots=True)
class TakenIn:
    """The result of an import."""

    #: Rows in the other database, without those of ``usage``.
    found: int
    taken: int
    #: Sessions that have a state row already; it stays.
    known: int


def take_over(connection: Connection, tables: Mapping[str, list[str]], create: Callable[[], None]) -> int:
    """Move legacy rows into the new table, inside the caller's transaction; returns their number.

    If both tables hold a session, the named table wins, as it is the later one.
    """
    rows = _legacy_rows(connection.execute, tables)
    columns = tables.get("session_processor_state")
    narrow = columns is not None and "processed_bytes" not in columns
    if narrow:
        connection.execute("DROP TABLE session_processor_state")
    if narrow or columns is None:
        create()
    taken = _insert(connection, rows)
    if "session_extraction_state" in tables:
        connection.execute("DROP TABLE session_extraction_state")
    return taken


def take_in(path: Path, database: Database) -> TakenIn:
    """Import the rows of a legacy database, which is not changed. Idempotent.

    Raises:
        LegacyRefused: the file is missing, is no DuckDB database or has no legacy table.
    """
    rows = _rows_of(path)
    connection = database.connect()
    try:
        with connection.transaction():
            taken = _insert(connection, rows)
    finally:
        connection.close()
    return TakenIn(len(rows), taken, len(rows) - taken)


def _rows_of(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    # Imported lazily: rarely used.
    import duckdb

    if not os.path.isfile(path):  # Path.is_file() raises where a name is too long
        raise LegacyRefused(f"{path}: there is no such file; name a DuckDB database of the earlier generation")
    try:
        with duckdb.connect(str(path), read_only=True) as other:
            tables: dict[str, list[str]] = {}
            for table, column in other.execute(
                "SELECT table_name, column_name FROM information_schema.columns ORDER BY table_name, ordinal_position"
            ).fetchall():
                tables.setdefault(table, []).append(column)
            if not tables.keys() & {"session_extraction_state", "session_processor_state"}:
                raise LegacyRefused(f"{path}: it holds neither session_extraction_state nor session_processor_state")
            return _legacy_rows(lambda sql: other.execute(sql).fetchall(), tables)
    except duckdb.Error as error:
        raise LegacyRefused(f"{path}: it cannot be read as a DuckDB database ({str(error).splitlines()[0]})") from None


def _legacy_rows(
    execute: Callable[[str], list[tuple[Any, ...]]], tables: Mapping[str, list[str]]
) -> dict[tuple[str, str], dict[str, Any]]:
    """Legacy rows by processor and session key."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    if "session_extraction_state" in tables:
        for row in _read(execute, "session_extraction_state", tables["session_extraction_state"]):
            rows["verification", _key(row)] = row
    columns = tables.get("session_processor_state")
    if columns is not None and "processed_bytes" not in columns:
        for row in _read(execute, "session_processor_state", columns):
            if row["processor_name"] != "usage":
                rows[str(row["processor_name"]), _key(row)] = row
    return rows


def _insert(connection: Connection, rows: Mapping[tuple[str, str], Mapping[str, Any]]) -> int:
    """Insert the rows of sessions without a state row; returns their number."""
    taken = 0
    for (processor, key), row in rows.items():
        there = connection.execute(
            "SELECT 1 FROM session_processor_state WHERE processor_name = $1 AND session_file = $2", [processor, key]
        )
        if not there:
            connection.execute(
                "INSERT INTO session_processor_state (processor_name, session_file, username, processed_at,"
                " items_extracted, file_hash, processed_bytes, bad_lines, status, attempts)"
                " VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 'ok', 0)",
                [
                    processor,
                    key,
                    row["username"] or key.partition("/")[0],
                    _instant(row["processed_at"]),
                    row["items_extracted"] or 0,
                    row["file_hash"] or None,
                ],
            )
            taken += 1
    return taken


def _read(execute: Callable[[str], list[tuple[Any, ...]]], table: str, columns: list[str]) -> list[dict[str, Any]]:
    wanted = ["session_file", *(["processor_name"] if "processor_name" in columns else [])]
    wanted += [column for column in _FIELDS if column in columns]
    rows = execute(f"SELECT {', '.join(wanted)} FROM {table}")
    return [dict.fromkeys(_FIELDS) | dict(zip(wanted, row, strict=True)) for row in rows]


def _key(row: Mapping[str, Any]) -> str:
    """The session key of a legacy row, whose path may lack the user's folder."""
    path, user = str(row["session_file"]).lstrip("/"), row["username"]
    if user and "/" not in path:
        path = f"{user}/{path}"
    return key_of(path.encode("utf-8", "surrogateescape"))


def _instant(value: Any) -> datetime | None:
    """A legacy timestamp in UTC; one without a zone is local time."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return None
    return value.astimezone(UTC)  # treats a naive time as local
