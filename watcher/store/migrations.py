"""Numbered migrations: each is committed together with its record, after a backup of the database."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from processors.contract import Processor
from watcher.logs import Log
from watcher.store.database import Connection, Database
from watcher.store.dedup import Counting
from watcher.store.legacy import take_over
from watcher.store.sql import QUERIES, Query, fill

log = Log()

#: Packages with the service's own migrations, by the owner under which they are recorded.
ROOMS = {"watcher": "watcher.store", "knowledge": "watcher.knowledge"}

_RECORDS = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    owner VARCHAR NOT NULL, number BIGINT NOT NULL, name VARCHAR NOT NULL, applied_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (owner, number)
);
CREATE TABLE IF NOT EXISTS schema_views (
    owner VARCHAR PRIMARY KEY, digest VARCHAR NOT NULL
);
CREATE TABLE IF NOT EXISTS schema_view_names (
    owner VARCHAR NOT NULL, name VARCHAR NOT NULL, place BIGINT NOT NULL, PRIMARY KEY (owner, name)
);
CREATE TABLE IF NOT EXISTS schema_countings (
    owner VARCHAR NOT NULL, name VARCHAR NOT NULL, digest VARCHAR NOT NULL, PRIMARY KEY (owner, name)
);
"""
_FILE = re.compile(r"^(\d{3})_(\w+)\.sql$")
_PARTS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|;|[^'"\-;]+|.""", re.DOTALL)
_VIEW = re.compile(r"CREATE OR REPLACE VIEW (\w+)", re.IGNORECASE)


def migrate(database: Database, backups: Path) -> None:
    """Migrate the service's own tables, including those of a legacy database."""
    connection = database.connect()
    try:
        known = database.tables()
        if "schema_countings" not in known:
            with connection.transaction():
                _script(connection, _RECORDS)
        legacy = "session_extraction_state" in known or (
            "session_processor_state" in known and "processed_bytes" not in known["session_processor_state"]
        )
        if legacy:
            database.keep_copy(backups, f"before-takeover-{_stamp()}")
            with connection.transaction():
                take_over(connection, known, lambda: _apply(connection, "watcher", ROOMS["watcher"]))
        for owner, package in ROOMS.items():
            _pending(database, connection, owner, package, backups)
    finally:
        connection.close()


def is_current(database: Database) -> bool:
    """Whether all migrations of the service's own tables are applied."""
    if "schema_migrations" not in database.tables():
        return False
    connection = database.connect()
    try:
        done = {owner: {n for (n,) in connection.execute(QUERIES["migrations"], [owner])} for owner in ROOMS}
    finally:
        connection.close()
    return all({number for number, _, _ in _migrations(package)} <= done[owner] for owner, package in ROOMS.items())


def prepare(database: Database, processor: Processor, settings: Mapping[str, object], backups: Path) -> None:
    """Migrate a processor's tables and rebuild its views if they changed."""
    connection = database.connect()
    try:
        package = processor.schema.package
        _pending(database, connection, processor.name, package, backups)
        _recount(database, connection, processor)
        with _named(package, "views.sql"):
            _make_views(connection, processor, settings)
    finally:
        connection.close()


def is_prepared(execute: Query, processor: Processor, settings: Mapping[str, object]) -> bool:
    """Whether a processor's tables and views are there, as this version has them."""
    package = processor.schema.package
    done = {number for (number,) in execute(QUERIES["migrations"], [processor.name])}
    with _named(package, "views.sql"):
        script = _views(package, settings)
    return {number for number, _, _ in _migrations(package)} <= done and (
        script is None or _is_made(execute, processor, script)
    )


def _views(package: str, settings: Mapping[str, object]) -> str | None:
    file = files(package).joinpath("views.sql")
    return fill(file.read_text(encoding="utf-8"), settings) if file.is_file() else None


def _is_made(execute: Query, processor: Processor, script: str) -> bool:
    return execute("SELECT digest FROM schema_views WHERE owner = $1", [processor.name]) == [(_digest(script),)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _make_views(connection: Connection, processor: Processor, settings: Mapping[str, object]) -> None:
    script = _views(processor.schema.package, settings)
    if script is not None and not _is_made(connection.execute, processor, script):
        with connection.transaction():
            # Later views depend on earlier ones, and PostgreSQL cannot change a view's columns in place.
            made = connection.execute(
                "SELECT name FROM schema_view_names WHERE owner = $1 ORDER BY place DESC", [processor.name]
            )
            for view in dict.fromkeys([*(name for (name,) in made), *reversed(_VIEW.findall(script))]):
                connection.execute(f"DROP VIEW IF EXISTS {view}")
            connection.execute("DELETE FROM schema_view_names WHERE owner = $1", [processor.name])
            for place, view in enumerate(_VIEW.findall(script)):
                connection.execute(
                    "INSERT INTO schema_view_names (owner, name, place) VALUES ($1, $2, $3)",
                    [processor.name, view, place],
                )
            _script(connection, script)
            connection.execute("DELETE FROM schema_views WHERE owner = $1", [processor.name])
            connection.execute(
                "INSERT INTO schema_views (owner, digest) VALUES ($1, $2)", [processor.name, _digest(script)]
            )


def _recount(database: Database, connection: Connection, processor: Processor) -> None:
    """Recompute ``counted`` for all rows of tables whose deduplication rules changed, gone sessions included."""
    for name, table in processor.schema.tables.items():
        if table.once is None:
            continue
        rules = repr((table.once.by, table.once.best, sorted(table.once.merged.items())))
        digest = _digest(rules)
        known = connection.execute(
            "SELECT digest FROM schema_countings WHERE owner = $1 AND name = $2", [processor.name, name]
        )
        if known == [(digest,)]:
            continue
        with connection.transaction():
            Counting(name, table, table.once, database).recount(connection)
            connection.execute("DELETE FROM schema_countings WHERE owner = $1 AND name = $2", [processor.name, name])
            connection.execute(
                "INSERT INTO schema_countings (owner, name, digest) VALUES ($1, $2, $3)", [processor.name, name, digest]
            )


def _pending(database: Database, connection: Connection, owner: str, package: str, backups: Path) -> None:
    done = {number for (number,) in connection.execute(QUERIES["migrations"], [owner])}
    waiting = [migration for migration in _migrations(package) if migration[0] not in done]
    if waiting and done:  # the first migrations only add tables
        database.keep_copy(backups, f"before-{owner}-{waiting[0][0]:03d}-{_stamp()}")
    for number, name, script in waiting:
        with _named(package, f"migrations/{number:03d}_{name}.sql"), connection.transaction():
            _one(connection, owner, number, name, script)


@contextmanager
def _named(package: str, file: str) -> Iterator[None]:
    """Whatever fails here names the file."""
    try:
        yield
    except Exception as error:
        error.add_note(f"{package}/{file}")
        raise


def _apply(connection: Connection, owner: str, package: str) -> None:
    for number, name, script in _migrations(package):
        _one(connection, owner, number, name, script)


def _one(connection: Connection, owner: str, number: int, name: str, script: str) -> None:
    _script(connection, script)
    connection.execute(QUERIES["record_migration"], [owner, number, name, datetime.now(UTC)])
    log.info("migrated", owner=owner, number=number, name=name)


def _migrations(package: str) -> list[tuple[int, str, str]]:
    """Every migration of a package, in order.

    Raises:
        ValueError: a file is named otherwise than ``NNN_name.sql``, or two have the same number.
    """
    found: dict[int, tuple[int, str, str]] = {}
    for file in files(package).joinpath("migrations").iterdir():
        if not file.name.endswith(".sql"):
            continue
        match = _FILE.match(file.name)
        if match is None or int(match[1]) in found:
            raise ValueError(f"migrations/{file.name} must be named NNN_name.sql, with a number of its own")
        found[int(match[1])] = (int(match[1]), match[2], file.read_text(encoding="utf-8"))
    return [found[number] for number in sorted(found)]


def _script(connection: Connection, script: str) -> None:
    """Run a script statement by statement; semicolons inside quotes do not end a statement."""
    statement = ""
    for part in _PARTS.findall(script):
        if part == ";":
            if statement.strip():
                connection.execute(statement)
            statement = ""
        elif not part.startswith("--"):
            statement += part
    if statement.strip():
        connection.execute(statement)


def _stamp() -> str:
    return time.strftime("%Y%m%dT%H%M%S")
