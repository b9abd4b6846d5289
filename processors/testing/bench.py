"""A processor with its tables, given lines by hand; and what people see of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from processors.contract import Extraction, Lines, Processor, Schema, Session, Table, Work
from watcher.sandbox.reader import is_utf8
from watcher.sandbox.validation import RowWriter
from watcher.settings import Settings, of_views
from watcher.store.commits import Pass, PassStore
from watcher.store.database import SQL_TYPES, Database
from watcher.store.migrations import migrate, prepare
from watcher.store.state import State

#: Table or view to rows.
Rows = dict[str, list[tuple[Any, ...]]]

#: When everything is committed.
NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Bench:
    """A processor with its tables, given lines by hand."""

    def __init__(self, processor: Processor, settings: Settings, database: Database, folder: Path) -> None:
        self.processor, self.database = processor, database
        self.settings = settings.processor(processor.name)
        migrate(database, folder)
        prepare(database, processor, of_views(settings, processor.name), folder)
        self.writer = RowWriter(processor.schema)
        self.passes = PassStore(database, processor.name, processor.schema)
        self.connection = database.connect()
        self.states: dict[str, State] = {}

    def extract(self, key: str, data: bytes, start: int, carry: Mapping[str, Any]) -> Extraction:
        """One piece of work, its answer checked as the service checks it."""
        work = Work(Session(key, "ann"), Lines(data, is_utf8(data)), start, carry, self.settings)
        extraction = self.processor.extract(work)
        self.writer.check(extraction, data)
        return extraction

    def made(self, key: str, pieces: Sequence[bytes]) -> list[Pass]:
        """The passes that follow from a session that comes in these pieces."""
        made, start, carry = [], 0, b"{}"
        state = self.states.get(key)
        for piece in pieces:
            extraction = self.extract(key, piece, start, msgspec.json.decode(carry))
            carry = self.writer.carry(extraction.carry)
            after = State(
                processor_name=self.processor.name,
                session_file=key,
                username="ann",
                processed_at=NOW,
                items_extracted=extraction.items,
                processed_bytes=start + len(piece),
                processor_version=self.processor.version,
                carry=carry.decode(),
            )
            rows = self.writer.rows(extraction.rows, key)
            made.append(Pass(key, state, after, start == 0, rows, self.writer.after(extraction.after)))
            state, start = after, start + len(piece)
        return made

    def take(self, key: str, pieces: Sequence[bytes]) -> None:
        """Make the passes and commit each."""
        for work in self.made(key, pieces):
            done = self.passes.commit(self.connection, [work], NOW)
            assert done == ["committed"], f"{key} was not committed: {done}"
            self.states[key] = work.after

    def tables(self) -> Rows:
        """Everything that people see of it."""
        return shown(self.connection.execute, self.processor.schema)


def shown(query: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]], schema: Schema) -> Rows:
    """What people see of a processor: its views, or its tables where it has none; rows in one order."""
    views = files(schema.package).joinpath("views.sql")
    names = re.findall(r"VIEW (\w+)", views.read_text(encoding="utf-8")) if views.is_file() else list(schema.tables)
    found: Rows = {}
    for name in names:
        columns = [
            column
            for (column,) in query(
                "SELECT column_name FROM information_schema.columns WHERE table_name = $1 ORDER BY 1", [name]
            )
            # A table may have columns that fill themselves, which say when a row came, and not what it tells. Of a
            # position only the order means something, which is seen in what is made of it.
            if not column.endswith("position") and (name not in schema.tables or column in schema.tables[name].columns)
        ]
        rows = query(f"SELECT {', '.join(columns)} FROM {name}", [])
        found[name] = sorted((tuple(_plain(value) for value in row) for row in rows), key=repr)
    return found


def created(name: str, table: Table) -> str:
    """The SQL of a migration that makes a table as it is declared."""
    lines = [
        f"    {column} {SQL_TYPES[kind]}{' NOT NULL' * (column in table.key)}" for column, kind in table.columns.items()
    ]
    lines += [f"    PRIMARY KEY ({', '.join(table.key)})"] if table.key else []
    return f"CREATE TABLE {name} (\n" + ",\n".join(lines) + "\n);\n"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else round(float(value), 6)
    return round(value, 6) if isinstance(value, float) else value
