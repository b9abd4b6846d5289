"""Commits passes: rows and state rows in one transaction.

Rows are inserted by the processor's schema; no processor code runs here. For one
processor, only one thread at a time may call this.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from processors.contract import ColumnType, Schema, Table
from watcher.store.database import Connection, Database
from watcher.store.dedup import Counting
from watcher.store.sql import QUERIES, quoted
from watcher.store.state import COLUMNS, State

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
#: Up to this many rows, single inserts are faster than a bulk insert.
FEW = 3
# The comparison shows which of the two applies; either costs a third of an upsert.
_NOTE_FIRST = (
    f"INSERT INTO session_processor_state ({', '.join(COLUMNS)})"
    f" VALUES ({', '.join(f'${n}' for n in range(1, len(COLUMNS) + 1))})"
)
_NOTE_AGAIN = (
    f"UPDATE session_processor_state SET {', '.join(f'{c} = ${n}' for n, c in enumerate(COLUMNS[2:], start=3))}"
    " WHERE processor_name = $1 AND session_file = $2"
)


@dataclass(slots=True)
class Pass:
    """The change of one session: a window's rows with the new state, or a new state alone."""

    key: str
    #: The state at the start of the pass; if it has changed since, the pass is void.
    before: State | None
    after: State
    #: Whether the session's stored rows are deleted first.
    replace: bool = False
    #: Rows by table, as JSON lines.
    rows: dict[str, bytes] = field(default_factory=dict)
    statements: list[tuple[str, list[Any]]] = field(default_factory=list)
    #: Whether the session is forgotten: rows and state are deleted.
    forget: bool = False
    #: Positions of the session's stored rows to delete, by table.
    withdrawn: dict[str, list[int]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Approximate memory use, in bytes."""
        return 2000 + sum(map(len, self.rows.values()))


class PassStore:
    """Reads and writes one processor's state rows, and writes its rows."""

    def __init__(self, database: Database, processor_name: str, schema: Schema) -> None:
        self._name = processor_name
        self._schema = schema
        #: The exports to Parquet files, by table.
        self.exports = schema.exports
        self._countings = {
            name: Counting(name, table, table.once, database)
            for name, table in schema.tables.items()
            if table.once is not None
        }

    def states(self, connection: Connection, keys: Sequence[str]) -> dict[str, State]:
        """The existing state rows of these sessions, by key."""
        if len(keys) == 1:  # a live append: half the cost of the query for several
            rows = connection.execute(QUERIES["state"], [self._name, keys[0]])
        else:
            rows = connection.execute(QUERIES["states"], [self._name, list(keys)])
        return {row[1]: State(**dict(zip(COLUMNS, row, strict=True))) for row in rows}

    def commit(self, connection: Connection, passes: Sequence[Pass], now: datetime) -> list[Outcome]:
        """Commit the passes that are not void, all or none; returns the outcome of each.

        A session may occur once: its next window starts from the state that this commit writes.
        """
        assert len({work.key for work in passes}) == len(passes)
        with connection.transaction():
            current = self.states(connection, [work.key for work in passes])
            outcomes: list[Outcome] = []
            holding: list[Pass] = []
            for work in passes:
                standing = current.get(work.key)
                void = (standing and standing.mark) != (work.before and work.before.mark)
                outcomes.append("void" if void else "committed")
                if not void:
                    holding.append(work)
            self._apply(connection, holding, set(current))
            self._note(
                connection,
                [
                    msgspec.structs.replace(work.after, processed_at=now) if work.after.processed_at else work.after
                    for work in holding
                    if not work.forget
                ],
                [work.key for work in holding if work.forget],
                current.keys(),
            )
        return outcomes

    def expiring(self, connection: Connection, before: datetime) -> dict[str, datetime]:
        """The tables with rows older than a time, and the time of the oldest row.

        In a table with deduplication, the counted row determines the age of all its duplicates.
        """
        found = {}
        for name, table in self._schema.tables.items():
            if table.expires is not None:
                column = quoted(table.expires)
                counted = " AND counted" if table.once is not None else ""
                ((oldest,),) = connection.execute(
                    f"SELECT min({column}) FROM {quoted(name)} WHERE {column} < $1{counted}", [before]
                )
                if oldest is not None:
                    found[name] = oldest
        return found

    def expire(self, connection: Connection, name: str, before: datetime) -> int:
        """Delete a table's rows older than a time, inside a transaction; returns their number.

        In a table with deduplication all duplicates go with the counted row, or one of them might count again.
        """
        table = self._schema.tables[name]
        assert table.expires is not None
        old = f"{quoted(table.expires)} < $1"
        if table.once is not None:
            by = ", ".join(map(quoted, table.once.by))
            old = f"({by}) IN (SELECT {by} FROM {quoted(name)} WHERE counted AND {old})"
        return len(connection.execute(f"DELETE FROM {quoted(name)} WHERE {old} RETURNING 1", [before]))

    def change(
        self, connection: Connection, key: str, change: Callable[[State], State | None], forget: bool = False
    ) -> State | None:
        """Change a session's state row, or forget the session; returns the new state, None if ``change`` declines.

        Call it inside a transaction on the committer's thread; passes that began from the old state become void.
        """
        state = self.states(connection, [key]).get(key)
        after = change(state) if state is not None else None
        if after is None:
            return None
        work = Pass(key, state, after, forget=forget)
        self._apply(connection, [work], {key})
        self._note(connection, [] if forget else [after], [key] if forget else [], {key})
        return after

    def change_all(
        self, connection: Connection, keys: Sequence[str], change: Callable[[State], State]
    ) -> dict[str, State]:
        """Change the state rows of many sessions, as `change` does; returns the new states of those that exist."""
        states = self.states(connection, keys)
        changed = {key: change(state) for key, state in states.items()}
        self._note(connection, list(changed.values()), [], states.keys())
        return changed

    def _apply(self, connection: Connection, passes: list[Pass], stored: set[str]) -> None:
        old = [work.key for work in passes if (work.replace or work.forget) and work.key in stored]
        new = not any(work.key in stored for work in passes)
        for name, table in self._schema.tables.items():
            lines = b"".join(work.rows.get(name, b"") for work in passes)
            withdrawn = {work.key: places for work in passes if (places := work.withdrawn.get(name))}
            if not lines and not old and not withdrawn:
                continue
            if (counting := self._countings.get(name)) is not None:
                counting.apply(connection, old, lines, withdrawn)
                continue
            if old:
                connection.execute(f"DELETE FROM {quoted(name)} WHERE {quoted(table.session)} = ANY($1)", [old])
            if lines:
                with connection.rows(table.columns, lines) as source:
                    connection.execute(_insert(name, table, source, new))
        for work in passes:
            for statement, parameters in work.statements:
                connection.execute(self._schema.statements[statement].sql, [work.key, *parameters])

    def _note(self, connection: Connection, states: list[State], forgotten: list[str], known: Collection[str]) -> None:
        if forgotten:
            connection.execute(QUERIES["forget_states"], [self._name, forgotten])
        if len(states) <= FEW:
            for state in states:
                note = _NOTE_AGAIN if state.session_file in known else _NOTE_FIRST
                connection.execute(note, msgspec.structs.astuple(state))
        else:
            table = Table(columns=_STATE_TYPES, key=("processor_name", "session_file"))
            with connection.rows(_STATE_TYPES, _lines.encode_lines(states)) as source:
                new = not any(state.session_file in known for state in states)
                connection.execute(_insert("session_processor_state", table, source, new))


def _insert(name: str, table: Table, source: str, new: bool) -> str:
    """The insert statement of a table; ``new``: no session has rows yet, so conflicts cannot occur."""
    columns = ", ".join(map(quoted, table.columns))
    sql = f"INSERT INTO {quoted(name)} ({columns}) SELECT {columns} FROM {source}"
    if table.key and not new:
        rest = [quoted(column) for column in table.columns if column not in table.key]
        action = f"UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in rest)}" if rest else "NOTHING"
        sql += f" ON CONFLICT ({', '.join(map(quoted, table.key))}) DO {action}"
    return sql
