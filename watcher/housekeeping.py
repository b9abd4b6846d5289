"""Housekeeping: drops what is older than it is to be kept, and keeps the database small and copied."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from watcher.pipeline import Pipeline
from watcher.settings.tables import Housekeeping
from watcher.store.database import Connection, Database
from watcher.store.ledger import Ledger

log = structlog.get_logger("watcher.housekeeping")

#: Old rows are dropped a month at a time, so that no transaction grows without bound.
SLICE = timedelta(days=30)
#: What copies' names begin with: those made here, and those that migrations leave.
KINDS = ("backup", "before")
NO_FILE = "the database is on a server, whose own tools copy it (pg_dump)"


def run(
    settings: Housekeeping, database: Database, ledger: Ledger, pipelines: Mapping[str, Pipeline], backups: Path
) -> dict[str, Any]:
    """Do all of it; what was done.

    Raises:
        OSError: the folder for copies or exports cannot be written.
    """
    dropped = 0
    if settings.keep_events:
        before = datetime.now(UTC) - timedelta(seconds=settings.keep_events)
        for pipeline in pipelines.values():
            dropped += drop_events(pipeline, before, Path(settings.export) if settings.export else None)
    ledger.drop(settings.keep_runs, settings.keep_audit)
    database.checkpoint()
    copy = back_up(database, backups) if settings.backups else None
    removed = rotate(backups, settings.backups) if settings.backups else 0
    return {
        "events_dropped": dropped,
        "backup": copy.name if copy else None,
        "backups_removed": removed,
    }


def drop_events(pipeline: Pipeline, before: datetime, export: Path | None) -> int:
    """Drop a processor's rows that tell of what was before a time, through its door; how many."""
    dropped = 0
    while expiring := pipeline.door.call(partial(pipeline.passes.expiring, before=before)):
        for table, oldest in expiring.items():
            until = min(before, oldest + SLICE)

            def drop(connection: Connection, table: str = table, until: datetime = until) -> int:
                return pipeline.passes.expire(connection, table, until, partial(_keep, export, table))

            count = pipeline.door.call(drop)
            log.info("old rows dropped", processor=pipeline.name, table=table, rows=count, before=until.isoformat())
            dropped += count
    return dropped


def back_up(database: Database, folder: Path, stamp: str | None = None) -> Path | None:
    """A copy of the database under today's name; None where the database is not a file of ours."""
    return database.keep_copy(folder, f"{KINDS[0]}-{stamp or time.strftime('%Y%m%dT%H%M%S')}")


def rotate(folder: Path, keep: int) -> int:
    """Remove all but the newest copies; how many went."""
    ours = [path for kind in KINDS for path in folder.glob(f"{kind}-*.duckdb")]
    copies = sorted(ours, key=lambda path: (path.stat().st_mtime_ns, path.name))
    for copy in copies[:-keep]:
        copy.unlink()
    return max(0, len(copies) - keep)


def _keep(export: Path | None, table: str, rows: list[dict[str, Any]]) -> None:
    """Write rows away, on disk before they are dropped; twice rather than never."""
    if export is None or not rows:
        return
    export.mkdir(parents=True, exist_ok=True)
    target = export / f"{table}-{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 10**9:09d}.jsonl.gz"
    part = target.with_suffix(".part")
    with part.open("wb") as file:
        with gzip.open(file, "wt", encoding="utf-8") as stream:
            for row in rows:
                stream.write(json.dumps(row, ensure_ascii=False, default=_plain) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, target)


def _plain(value: object) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
