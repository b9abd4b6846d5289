"""Which database the settings mean."""

from __future__ import annotations

from watcher.settings import Settings
from watcher.store.database import Database

#: The database file's name in the state folder.
FILE = "watcher.duckdb"


def open_database(settings: Settings, read_only: bool = False, threads: int | None = None) -> Database:
    """Open DuckDB in the state folder, or PostgreSQL where ``[database] url`` names one.

    ``threads``: how many cores an embedded database may use; by default all.

    Raises:
        StateInUse: another process has it open.
        DatabaseTrouble: it cannot be opened.
    """
    if settings.database.url:
        # Loaded when used: the driver is an extra that most installations do without.
        from watcher.store.postgres import PostgresDatabase

        return PostgresDatabase(settings.database.url)
    # Loaded when used: it takes a while, in which children can load too.
    from watcher.store.duck import DuckDatabase

    settings.paths.state.mkdir(parents=True, exist_ok=True)
    return DuckDatabase(settings.paths.state / FILE, read_only, threads)
