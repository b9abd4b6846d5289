"""Commits passes: their rows and the state that says they were made, in one transaction.

Everything here is declarative: what a processor returned is put in by its schema, no
processor's code runs. One thread at a time works for one processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from processors.contract import ColumnType, Once, Schema, Table
from watcher.state import COLUMNS, State
from watcher.store.database import Connection, Database
from watcher.store.sql import QUERIES, quoted

Outcome = Literal["committed", "void"]

_STATE_TYPES: dict[str, ColumnType] = {
    name: "timestamp"
    if name in ("processed_at", "next_attempt_at")
    else "text"
    if name in ("processor_name", "session_file", "username", "file_hash", "status", "last_error", "carry")
    else "integer"
    for name in COLUMNS
}
_lines = msgspec.json.Encoder()


@dataclass(slots=True)
class Pass:
    """What is to be committed for one session: a window's rows, or just a new state."""

    key: str
    #: The state it began from; if that has changed meanwhile, the pass is void.
    before: State | None
    after: State
    #: Whether the session's old rows go first.
    replace: bool = False
    #: Table to its rows as JSON lines.
    rows: dict[str, bytes] = field(default_factory=dict)
    statements: list[tuple[str, list[Any]]] = field(default_factory=list)
    #: Whether the session itself goes, with its rows and its state.
    forget: bool = False

    @property
    def size(self) -> int:
        """About how much memory it takes, in bytes."""
        return 2000 + sum(map(len, self.rows.values()))


class PassStore:
    """Writes one processor's passes."""

    def __init__(self, database: Database, processor_name: str, schema: Schema) -> None:
        self._name = processor_name
        self._schema = schema
        self._recounts = {
            name: _recount(name, table, table.once, database)
            for name, table in schema.tables.items()
            if table.once is not None
        }

    def states(self, connection: Connection, keys: Sequence[str]) -> dict[str, State]:
        """The state rows of these sessions, as far as there are any."""
        rows = connection.execute(QUERIES["states"], [self._name, list(keys)])
        return {row[1]: State(**dict(zip(COLUMNS, row, strict=True))) for row in rows}

    def commit(self, connection: Connection, passes: Sequence[Pass], now: datetime) -> list[Outcome]:
        """Commit the passes that still hold, all of them or none; which of them were void."""
        with connection.transaction():
            current = self.states(connection, list({work.key for work in passes}))
            outcomes: list[Outcome] = []
            # The n-th window of every session goes in together: no statement meets a key twice.
            rounds: list[list[Pass]] = []
            depth: dict[str, int] = {}
            stored = set(current)
            final: dict[str, State] = {}
            for work in passes:
                standing = current.get(work.key)
                if (standing and standing.mark) != (work.before and work.before.mark):
                    outcomes.append("void")
                    continue
                outcomes.append("committed")
                place = depth[work.key] = depth.get(work.key, -1) + 1
                if place == len(rounds):
                    rounds.append([])
                rounds[place].append(work)
                current[work.key] = work.after
                final[work.key] = (
                    msgspec.structs.replace(work.after, processed_at=now) if work.after.processed_at else work.after
                )
            for together in rounds:
                self._apply(connection, together, stored)
                stored.update(work.key for work in together)
            forgotten = {work.key for work in passes if work.forget}
            self._note(connection, [state for key, state in final.items() if key not in forgotten], forgotten)
        return outcomes

    def _apply(self, connection: Connection, passes: list[Pass], stored: set[str]) -> None:
        old = [work.key for work in passes if (work.replace or work.forget) and work.key in stored]
        for name, table in self._schema.tables.items():
            lines = b"".join(work.rows.get(name, b"") for work in passes)
            if not lines and not old:
                continue
            target = quoted(name)
            sources: list[str] = []
            if old:
                where = f"WHERE {quoted(table.session)} = ANY($1)"
                if table.once:
                    connection.execute("DROP TABLE IF EXISTS outgoing")
                    keys = ", ".join(map(quoted, table.once.by))
                    outgoing = connection.execute(f"SELECT DISTINCT {keys} FROM {target} {where}", [old])
                    self._touch(connection, table, outgoing)
                    sources.append("SELECT * FROM outgoing")
                connection.execute(f"DELETE FROM {target} {where}", [old])
            if lines:
                with connection.rows(table.columns, lines) as source:
                    connection.execute(_insert(target, table, source))
                    if table.once:
                        keys = ", ".join(map(quoted, table.once.by))
                        sources.append(f"SELECT {keys} FROM {source}")
                        self._recount(connection, name, sources)
            elif table.once:
                self._recount(connection, name, sources)
        for work in passes:
            for statement, parameters in work.statements:
                connection.execute(self._schema.statements[statement].sql, [work.key, *parameters])

    def _touch(self, connection: Connection, table: Table, keys: list[tuple[Any, ...]]) -> None:
        assert table.once is not None
        columns: dict[str, ColumnType] = {name: table.columns[name] for name in table.once.by}
        lines = b"\n".join(_lines.encode(dict(zip(columns, key, strict=True))) for key in keys)
        with connection.rows(columns, lines or b"\n") as source:
            connection.execute(f"CREATE TEMPORARY TABLE outgoing AS SELECT * FROM {source}")

    def _recount(self, connection: Connection, name: str, sources: list[str]) -> None:
        connection.execute("DROP TABLE IF EXISTS touched")
        connection.execute(f"CREATE TEMPORARY TABLE touched AS {' UNION '.join(sources)}")
        connection.execute(self._recounts[name])

    def _note(self, connection: Connection, states: list[State], forgotten: set[str]) -> None:
        if forgotten:
            connection.execute(QUERIES["forget_states"], [self._name, list(forgotten)])
        if states:
            table = Table(columns=_STATE_TYPES, key=("processor_name", "session_file"))
            with connection.rows(_STATE_TYPES, _lines.encode_lines(states)) as source:
                connection.execute(_insert("session_processor_state", table, source))


def _insert(target: str, table: Table, source: str) -> str:
    columns = ", ".join(map(quoted, table.columns))
    sql = f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {source}"
    if table.key:
        rest = [quoted(column) for column in table.columns if column not in table.key]
        action = f"UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in rest)}" if rest else "NOTHING"
        sql += f" ON CONFLICT ({', '.join(map(quoted, table.key))}) DO {action}"
    return sql


def _recount(name: str, table: Table, once: Once, database: Database) -> str:
    """SQL that says, of every thing in ``touched``, which row counts, and what it is merged to."""
    target, by = quoted(name), ", ".join(map(quoted, once.by))
    row_id, best = database.row_id, ", ".join(_term(table, term, database.collate) for term in once.best)
    over = f"OVER (PARTITION BY {by})"
    merged = "".join(f", {aggregate} {over} AS {quoted('merged_' + column)}" for column, aggregate in once.merged.items())
    sets = "".join(f", {quoted(column)} = ranked.{quoted('merged_' + column)}" for column in once.merged)
    differs = "".join(
        f" OR (ranked.place = 1 AND {target}.{quoted(column)} IS DISTINCT FROM ranked.{quoted('merged_' + column)})"
        for column in once.merged
    )
    return (
        f"UPDATE {target} SET counted = (ranked.place = 1){sets} FROM ("
        f"SELECT {row_id} AS row_place, row_number() OVER (PARTITION BY {by} ORDER BY {best}) AS place"
        f"{merged} FROM {target} WHERE ({by}) IN (SELECT {by} FROM touched)"
        f") AS ranked WHERE {target}.{row_id} = ranked.row_place"
        f" AND ({target}.counted IS DISTINCT FROM (ranked.place = 1){differs})"
    )


def _term(table: Table, term: str, collate: str) -> str:
    """An ORDER BY term over a column, with text sorted by code point."""
    column, _, rest = term.partition(" ")
    return f"{quoted(column)}{collate if table.columns[column] == 'text' else ''} {rest}".rstrip()
