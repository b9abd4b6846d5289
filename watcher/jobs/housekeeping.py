"""Housekeeping: applies retention, exports rows, checkpoints and backs up the database."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from watcher.errors import ExportRefused, first_line
from watcher.logs import Log
from watcher.pipeline.pipeline import Pipeline
from watcher.settings.tables import HousekeepingTable
from watcher.store.database import Connection, Database
from watcher.store.job_log import JobLog
from watcher.store.parquet_export import DayFiles

log = Log()

#: Expired rows are deleted a month at a time, to bound the size of a transaction.
SLICE = timedelta(days=30)
#: Prefixes of backup names: those made here, and those of migrations.
KINDS = ("backup", "before")
#: Time limit for one slice with its exported files, in seconds.
PATIENCE = 600.0
NO_FILE = "the database is on a server, whose own tools copy it (pg_dump)"


def run(
    settings: HousekeepingTable, database: Database, job_log: JobLog, pipelines: Mapping[str, Pipeline], backups: Path
) -> dict[str, Any]:
    """Run all steps; returns their statistics.

    Raises:
        OSError: the backup folder cannot be written.
        ExportRefused: an export failed; all other steps are done, and rows that were not exported are kept.
    """
    export = DayFiles(Path(settings.export), database) if settings.export else None
    exported, missing = _export(export, pipelines) if export else (0, {})
    dropped = 0
    if settings.keep_events:
        before = datetime.now(UTC) - timedelta(seconds=settings.keep_events)
        for name, pipeline in pipelines.items():
            if name not in missing:
                dropped += drop_events(pipeline, before, export)
    job_log.drop(settings.keep_runs, settings.keep_audit)
    database.checkpoint()
    copy = back_up(database, backups) if settings.backups else None
    removed = rotate(backups, settings.backups) if settings.backups else 0
    if missing:
        told = "; ".join(f"{name}: {reason}" for name, reason in missing.items())
        raise ExportRefused(f"not everything could be exported to {settings.export} ({told}); the rest is done")
    return {
        "days_exported": exported,
        "events_dropped": dropped,
        "backup": copy.name if copy else None,
        "backups_removed": removed,
    }


def _export(export: DayFiles, pipelines: Mapping[str, Pipeline]) -> tuple[int, dict[str, str]]:
    """Export all processors; the number of files written, and errors by processor, which do not stop the others."""
    count, missing = 0, {}
    for name, pipeline in pipelines.items():
        try:
            connection = export.database.connect()
            try:
                count += export.write(connection, pipeline.passes.exports)
            finally:
                connection.close()
        except (*export.database.Error, *DayFiles.Error) as error:
            missing[name] = first_line(error)
            log.error("export_failed", processor=name, error=missing[name])
    return count, missing


def drop_events(pipeline: Pipeline, before: datetime, export: DayFiles | None) -> int:
    """Delete a processor's rows older than a time, through its committer; returns their number."""
    dropped = 0
    while expiring := pipeline.committer.call(partial(pipeline.passes.expiring, before=before)):
        for table, oldest in expiring.items():
            until = min(before, oldest + SLICE)

            def drop(connection: Connection, table: str = table, until: datetime = until) -> int:
                if export is not None:  # on the committer's thread, so that no row is added between export and delete
                    export.write(connection, pipeline.passes.exports, dropping=until)
                return pipeline.passes.expire(connection, table, until)

            count = pipeline.committer.call(drop, timeout=PATIENCE)
            log.info("rows_expired", processor=pipeline.name, table=table, rows=count, before=until.isoformat())
            dropped += count
    return dropped


def back_up(database: Database, folder: Path, stamp: str | None = None) -> Path | None:
    """Back up the database under the current time; None for a database on a server."""
    return database.keep_copy(folder, f"{KINDS[0]}-{stamp or time.strftime('%Y%m%dT%H%M%S')}")


def rotate(folder: Path, keep: int) -> int:
    """Delete all but the newest ``keep`` backups; returns the number deleted."""
    ours = [path for kind in KINDS for path in folder.glob(f"{kind}-*.duckdb")]
    copies = sorted(ours, key=lambda path: (path.stat().st_mtime_ns, path.name))
    for copy in copies[:-keep]:
        copy.unlink()
    return max(0, len(copies) - keep)
