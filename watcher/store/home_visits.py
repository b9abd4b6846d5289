"""The last visit of each home, kept across restarts; the job log expires and has no entry per home."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from processors.contract import ColumnType
from watcher.store.database import Connection
from watcher.store.sql import QUERIES
from watcher.transcripts.expiry import Home, after_visit

_COLUMNS: dict[str, ColumnType] = {
    "node": "text",
    "home": "text",
    "username": "text",
    "known_since": "timestamp",
    "visited_at": "timestamp",
    "kept_days": "real",
    "doubt": "text",
    "files_expiring": "integer",
    "oldest_ns": "integer",
}


def homes_of(query: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]], node: str) -> list[Home]:
    """All known homes of a node."""
    return [
        Home(path, user, known.timestamp(), None if visited is None else visited.timestamp(), *rest)
        for path, user, known, visited, *rest in query(QUERIES["homes"], [node])
    ]


def note_visits(connection: Connection, node: str, visits: Sequence[Home], is_kept: Callable[[str], bool]) -> None:
    """Store visits; other known homes stay if ``is_kept(path)``, and are deleted if not."""
    with connection.transaction():
        known = {home.path: home for home in homes_of(connection.execute, node)}
        met = {visit.path: after_visit(known.get(visit.path), visit) for visit in visits}
        rows = [*met.values(), *(home for path, home in known.items() if path not in met and is_kept(path))]
        connection.execute(QUERIES["forget_homes"], [node])
        if rows:
            lines = msgspec.json.Encoder().encode_lines([_row(node, home) for home in rows])
            with connection.rows(_COLUMNS, lines) as source:
                columns = ", ".join(_COLUMNS)
                connection.execute(f"INSERT INTO homes_visited ({columns}) SELECT {columns} FROM {source}")


def _row(node: str, home: Home) -> dict[str, Any]:
    visited = None if home.visited_at is None else datetime.fromtimestamp(home.visited_at, UTC)
    values = [node, home.path, home.user, datetime.fromtimestamp(home.known_since, UTC), visited]
    return dict(zip(_COLUMNS, [*values, home.days, home.doubt, home.files, home.oldest_ns], strict=True))
