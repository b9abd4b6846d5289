"""Opens the database of the settings."""

from __future__ import annotations

from watcher.settings import Settings
from watcher.store.database import Database

#: The database file's name in the state folder.
FILE = "watcher.duckdb"


def open_database(settings: Settings, read_only: bool = False, threads: int | None = None) -> Database:
    """Open DuckDB in the state folder, or PostgreSQL where ``[database] url`` names one.

    ``threads``: cores for DuckDB, by default all.

    Raises:
        StateInUse: another process has it open.
        DatabaseTrouble: it cannot be opened.
    """
    if settings.database.url:
        # Imported lazily: the driver is an optional extra.
        from watcher.store.postgres import PostgresDatabase

        return PostgresDatabase(settings.database.url)
    # Imported lazily: slow, and child processes can load meanwhile.
    from watcher.store.duck import DuckDatabase

    settings.paths.state.mkdir(parents=True, exist_ok=True)
    return DuckDatabase(settings.paths.state / FILE, read_only, threads)
