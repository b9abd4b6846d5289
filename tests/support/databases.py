"""Small databases for tests of one room."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from processors.contract import Schema, Statement, Table
from watcher.store.duck import DuckDatabase
from watcher.store.migrations import migrate

SCHEMA = Schema(
    package="tests.unit",
    tables={"strange": Table(columns={"session_file": "text", "lines": "integer"}, key=("session_file",))},
    statements={"wrong": Statement("UPDATE strange SET lines = $2 WHERE nowhere = $1")},
)


@cache
def _made_once() -> bytes:
    """A database file with the service's tables and the stranger's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "watcher.duckdb"
        database = DuckDatabase(path)
        migrate(database, Path(folder))
        database.connect().execute("CREATE TABLE strange (session_file VARCHAR PRIMARY KEY, lines BIGINT)")
        database.close()
        return path.read_bytes()


def database_in(folder: Path) -> DuckDatabase:
    """A database that is ready for passes of a stranger's processor."""
    path = folder / "watcher.duckdb"
    path.write_bytes(_made_once())
    return DuckDatabase(path)
