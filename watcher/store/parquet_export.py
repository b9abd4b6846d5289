"""Parquet export: one file per table and day, ``<folder>/<table>/day=2026-03-01/rows.parquet``.

Days are in UTC; rows without a timestamp are under the Hive name for NULL. A file is replaced as a whole, and only
when its rows have changed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb

from processors.contract import Export
from watcher.errors import ExportRefused
from watcher.logs import Log
from watcher.store.database import Connection, Database
from watcher.store.sql import quoted, text

log = Log()

#: The Hive partition name for NULL.
NO_DAY = "__HIVE_DEFAULT_PARTITION__"
FILE = "rows.parquet"
# File metadata: a checksum of the table's rows, and whether the file holds rows that were dropped from the table.
_ROWS, _KEPT = "session_watcher_rows", "session_watcher_kept"


@dataclass(frozen=True, slots=True)
class _Written:
    rows: str
    kept: bool


class DayFiles:
    """The exported files below one folder."""

    #: Errors that writing may raise besides those of the database.
    Error: tuple[type[Exception], ...] = (OSError, duckdb.Error)

    def __init__(self, folder: Path, database: Database) -> None:
        """Writes nothing yet.

        Raises:
            ExportRefused: the folder's name contains a wildcard character.
        """
        if found := set("*?[{") & set(str(folder)):
            raise ExportRefused(f"housekeeping.export: {folder} holds {min(found)!r}; name a folder without it")
        self._folder, self.database = folder, database

    def write(self, connection: Connection, exports: Mapping[str, Export], dropping: datetime | None = None) -> int:
        """Update the files of these tables; returns the number written.

        ``dropping``: rows before this time are about to be dropped. Only their days are updated, and rows in those
        files are kept from then on, whatever happens to the table.

        Raises:
            OSError: the folder cannot be written.
        """
        count = 0
        with duckdb.connect(config={"enable_external_file_cache": False}) as files:
            files.execute("SET TimeZone = 'UTC'")
            for name, export in exports.items():
                if dropping is None or export.key:
                    count += self._table(connection, files, name, export, dropping)
        return count

    def _table(
        self,
        connection: Connection,
        files: duckdb.DuckDBPyConnection,
        name: str,
        export: Export,
        dropping: datetime | None,
    ) -> int:
        day = f"CAST({quoted(export.at)} AT TIME ZONE 'UTC' AS DATE)"
        until = f" WHERE {day} <= {_day(dropping.date())}" if dropping else ""
        there: dict[date | None, str] = {
            at: f"{count}:{total}"
            for at, count, total in connection.execute(
                f"SELECT {day}, count(*), sum({self.database.row_hash})"
                f" FROM (SELECT * FROM {quoted(name)}{until}) AS t GROUP BY 1"
            )
        }
        written = self._written(files, name)
        count = 0
        for at, rows in there.items():
            before = written.get(at)
            kept = dropping is not None or (before is not None and before.kept)
            if before != _Written(rows, kept):
                where = f"{day} IS NULL" if at is None else f"{day} = {_day(at)}"
                select = f"SELECT * FROM {quoted(name)} WHERE {where} ORDER BY {quoted(export.at)}"
                old = export.key if kept and before is not None else ()
                self._day(connection, files, self._path(name, at), select, old, _Written(rows, kept))
                count += 1
        if dropping is None:
            for at, before in written.items():
                if at not in there and not before.kept:  # no row of that day is left in the table
                    self._path(name, at).unlink()
                    self._path(name, at).parent.rmdir()
        for left in self._parts(self._folder / name):  # of this run, or of one that was interrupted
            left.unlink(missing_ok=True)
        if count:
            log.info("exported", table=name, days=count)
        return count

    def _day(
        self,
        connection: Connection,
        files: duckdb.DuckDBPyConnection,
        path: Path,
        select: str,
        kept_by: tuple[str, ...],
        notes: _Written,
    ) -> None:
        """Replace one day's file; ``kept_by``: key columns by which the old file's rows stay, if not in the table."""
        path.parent.mkdir(parents=True, exist_ok=True)
        present, part = self._parts(path.parent.parent)
        connection.to_parquet(select, present)
        rows = f"SELECT * FROM read_parquet({text(present)})"
        if kept_by:
            key = ", ".join(map(quoted, kept_by))
            rows = (
                f"SELECT * FROM read_parquet({text(path)}, hive_partitioning = false) WHERE ({key}) NOT IN"
                f" (SELECT ({key}) FROM read_parquet({text(present)})) UNION ALL BY NAME {rows}"
            )
        told = f"{{{_ROWS}: {text(notes.rows)}, {_KEPT}: {text(int(notes.kept))}}}"
        files.execute(f"COPY ({rows}) TO {text(part)} (FORMAT parquet, COMPRESSION zstd, KV_METADATA {told})")
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)

    def _written(self, files: duckdb.DuckDBPyConnection, name: str) -> dict[date | None, _Written]:
        """The metadata of the exported files, by day."""
        found: dict[date | None, _Written] = {}
        for path in (self._folder / name).glob(f"day=*/{FILE}"):
            word = path.parent.name.removeprefix("day=")
            told = dict(
                files.execute(f"SELECT decode(key), decode(value) FROM parquet_kv_metadata({text(path)})").fetchall()
            )
            at = None if word == NO_DAY else date.fromisoformat(word)
            found[at] = _Written(told.get(_ROWS, ""), told.get(_KEPT) == "1")
        return found

    def _parts(self, table: Path) -> tuple[Path, Path]:
        """Temporary files, outside the day folders, where readers do not look."""
        return table / "rows.present", table / "rows.part"

    def _path(self, name: str, at: date | None) -> Path:
        return self._folder / name / f"day={NO_DAY if at is None else at.isoformat()}" / FILE


def _day(at: date) -> str:
    return f"DATE '{at.isoformat()}'"
