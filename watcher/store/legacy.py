"""Takes over what an earlier generation left in the database.

It knew two shapes: ``session_extraction_state`` (one processor, no name) and a narrow
``session_processor_state`` with a name. Their ``usage`` rows came from a processor that did
nothing, so they say nothing; all others say that a session was taken up to some point, and
their MD5 tells up to which, when the session is next looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from watcher.sessions import key_of
from watcher.store.database import Connection

_FIELDS = ("username", "processed_at", "items_extracted", "file_hash")


def take_over(connection: Connection, known: Mapping[str, list[str]], create: Callable[[], None]) -> int:
    """Move the legacy rows into the new table, inside the caller's transaction; how many.

    Where both tables hold a row for the same session, the named table's wins: it is the later.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    if "session_extraction_state" in known:
        for row in _read(connection, "session_extraction_state", known["session_extraction_state"]):
            rows["verification", _key(row)] = row
    columns = known.get("session_processor_state")
    narrow = columns is not None and "processed_bytes" not in columns
    if columns is not None and narrow:
        for row in _read(connection, "session_processor_state", columns):
            if row["processor_name"] != "usage":
                rows[str(row["processor_name"]), _key(row)] = row
        connection.execute("DROP TABLE session_processor_state")
    if narrow or columns is None:
        create()
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
    if "session_extraction_state" in known:
        connection.execute("DROP TABLE session_extraction_state")
    return taken


def _read(connection: Connection, table: str, columns: list[str]) -> list[dict[str, Any]]:
    wanted = ["session_file", *(["processor_name"] if "processor_name" in columns else [])]
    wanted += [column for column in _FIELDS if column in columns]
    rows = connection.execute(f"SELECT {', '.join(wanted)} FROM {table}")
    return [dict.fromkeys(_FIELDS) | dict(zip(wanted, row, strict=True)) for row in rows]


def _key(row: Mapping[str, Any]) -> str:
    """The session key of a legacy row, whose file may be named with or without its user's folder."""
    path, user = str(row["session_file"]).lstrip("/"), row["username"]
    if user and "/" not in path:
        path = f"{user}/{path}"
    return key_of(path.encode("utf-8", "surrogateescape"))


def _instant(value: Any) -> datetime | None:
    """When it was processed; a time without a zone was the machine's local time."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return None
    return value.astimezone(UTC)  # which takes a naive time as local
