"""Which processors cannot be used, where no service says it: their tables are made in a scratch database."""

from __future__ import annotations

import tempfile
from pathlib import Path

from processors.contract import Processor
from watcher.plugins import NO_TABLES, RefusedProcessor, discover, refusal
from watcher.settings.tables import Settings, of_views
from watcher.store.migrations import is_prepared, migrate, prepare
from watcher.store.sql import Query


def refused(settings: Settings, query: Query | None = None) -> list[RefusedProcessor]:
    """Those that cannot be imported or used, and the enabled ones whose migrations or views fail.

    ``query``: reads the tables; a processor that has its own there is not tried. What fails only on the rows that the
    database holds is found by `run` and `once` alone.
    """
    found: list[RefusedProcessor] = []
    untried: list[Processor] = []
    for name, one in discover().items():
        if isinstance(one, RefusedProcessor):
            found.append(one)
        elif settings.processor(name).enabled:
            try:
                if query is None or not is_prepared(query, one, of_views(settings, name)):
                    untried.append(one)
            except Exception as error:  # noqa: BLE001 — a package without its SQL may raise anything
                found.append(refusal(name, NO_TABLES, error))
    return sorted(found + _rehearsed(settings, untried), key=lambda one: one.name)


def _rehearsed(settings: Settings, untried: list[Processor]) -> list[RefusedProcessor]:
    """Those whose tables cannot be made in a database that is thrown away."""
    if not untried:
        return []
    # Loaded when used: most of the time there is nothing to try.
    from watcher.store.duck import DuckDatabase

    found: list[RefusedProcessor] = []
    with tempfile.TemporaryDirectory() as folder:
        database = DuckDatabase(Path(folder, "rehearsal.duckdb"), threads=1)
        try:
            migrate(database, Path(folder))
            for one in untried:
                try:
                    prepare(database, one, of_views(settings, one.name), Path(folder))
                except Exception as error:  # noqa: BLE001 — a stranger's SQL may raise anything
                    found.append(refusal(one.name, NO_TABLES, error))
        finally:
            database.close()
    return found
