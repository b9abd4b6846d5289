"""DuckDB: an embedded database file, used by one process with one cursor per thread."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from watcher.errors import DatabaseTrouble, StateInUse, first_line
from watcher.logs import Log
from watcher.malloc import give_back
from watcher.store.connection import PATIENCE, DuckConnection, Gate, is_poison, object_size, readable
from watcher.store.database import Blame, read
from watcher.store.sql import quoted, text
from watcher.store.wal import NotChecked, hidden_commits, place_beside

log = Log()

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # By default the cache may grow to most of the machine's memory.
    "memory_limit": "512MB",
    # A larger write-ahead log means fewer checkpoints under load, but its content is also held in memory.
    "checkpoint_threshold": "24MB",
    # Rows are read through /proc/self/fd paths, which are reused.
    "enable_external_file_cache": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_ROWS = (
    duckdb.ConversionException,
    duckdb.ConstraintException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.InvalidInputException,
    duckdb.InvalidTypeException,
    duckdb.OutOfRangeException,
    duckdb.ParserException,
    duckdb.TypeMismatchException,
)


#: When idle, a write-ahead log longer than this (bytes) is checkpointed, as its content is also held in memory.
LONG_LOG = 4 << 20


class DuckDatabase:
    """The database file and its connections."""

    row_id = "rowid"
    collate = ""
    row_hash = "hash(t)"
    Error: tuple[type[Exception], ...] = (duckdb.Error, DatabaseTrouble)

    def __init__(self, path: Path, read_only: bool = False, threads: int | None = None) -> None:
        """Open or create the file; ``threads``: cores to use, by default all.

        Raises:
            StateInUse: another process has it open.
            DatabaseTrouble: it cannot be opened.
        """
        self.path = path
        self._wal = path.with_name(path.name + ".wal")
        self.notices: list[str] = []
        self._read_only = read_only
        self._config = _CONFIG if threads is None else {**_CONFIG, "threads": threads}
        self._lock, self.gate = threading.Lock(), Gate()
        self._copying = threading.Lock()
        self._cursors: weakref.WeakSet[DuckConnection] = weakref.WeakSet()
        #: The number of the current opening, and of the last one that an error invalidated.
        self._opening = 0
        self._poisoned = -1
        self._closed = False
        # None after a failed reopening: the next connection tries again.
        self._root: duckdb.DuckDBPyConnection | None = self._open()

    @property
    def transactions(self) -> int:
        """The number of transactions begun so far."""
        return self.gate.passed

    def connect(self) -> DuckConnection:
        """A connection for one thread.

        Raises:
            DatabaseTrouble: it is closed, or must be reopened and cannot be.
        """
        with self._lock:
            connection = DuckConnection(self, *self._cursor())
            self._cursors.add(connection)
            return connection

    def cursor(self) -> tuple[duckdb.DuckDBPyConnection, int]:
        """A cursor for a connection that has lost its own, and the number of its opening."""
        with self._lock:
            return self._cursor()

    def _cursor(self) -> tuple[duckdb.DuckDBPyConnection, int]:
        if self._closed:
            raise DatabaseTrouble(f"{self.path} is closed")
        if self._poisoned == self._opening:  # the instance is freed only when every cursor is closed
            self._close_all()
            self._opening += 1
            log.warning("database_reopened", path=str(self.path))
        if self._root is None:
            self._root = self._open_again()
        return self._root.cursor(), self._opening

    def _open_again(self) -> duckdb.DuckDBPyConnection:
        try:
            return self._open()
        except StateInUse as error:  # a process that ignores our lock opened it in between; later attempts may succeed
            raise DatabaseTrouble(str(error)) from None

    def poisoned(self, opening: int) -> None:
        """Mark an opening as invalidated: the next connection reopens the file."""
        self._poisoned = max(self._poisoned, opening)

    def blame(self, error: Exception) -> Blame:
        """The cause of an error, by its class and, for an invalidated database, by its message."""
        if is_poison(error) or isinstance(error, duckdb.ConnectionException):
            return "broken"
        return "rows" if isinstance(error, _ROWS) and "No space left" not in str(error) else "ours"

    def checkpoint(self) -> None:
        """Write the write-ahead log into the file, once running transactions have ended."""
        deadline = time.monotonic() + PATIENCE
        connection = self.connect()
        try:
            with self.gate.held():
                while True:
                    try:
                        connection.execute("CHECKPOINT")
                        return
                    except duckdb.TransactionException:  # a single statement is a short transaction too
                        if time.monotonic() > deadline:
                            raise
                    time.sleep(0.005)
        finally:
            connection.close()

    def rest(self) -> None:
        """Release memory while idle: checkpoint a long write-ahead log, and return freed memory to the system."""
        if self._wal.exists() and self._wal.stat().st_size > LONG_LOG:
            self.checkpoint()
        # Setting the limit again makes DuckDB release its cached memory.
        read(self, f"SET memory_limit = {text(self._config['memory_limit'])}")
        give_back()

    def keep_copy(self, folder: Path, name: str) -> Path | None:
        """Back up the committed state to ``folder/name.duckdb`` during writes; the file appears complete.

        One backup at a time, and none is overwritten: a second one of the same name becomes ``name-2``.
        """
        with self._copying:
            return self._copy(folder, name)

    def _copy(self, folder: Path, name: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        names = itertools.chain([name], (f"{name}-{n}" for n in itertools.count(2)))
        target = next(path for one in names if not (path := folder / f"{one}.duckdb").exists())
        part = target.with_suffix(".part")
        for stale in (part, part.with_name(part.name + ".wal")):
            stale.unlink(missing_ok=True)
        connection = self.connect()
        try:
            ((this,),) = connection.execute("SELECT current_database()")
            connection.execute(f"ATTACH {text(part)} AS kept_copy")
            try:
                connection.execute(f"COPY FROM DATABASE {quoted(this)} TO kept_copy")
            finally:
                connection.execute("DETACH kept_copy")
        finally:
            connection.close()
        os.replace(part, target)
        return target

    def tables(self) -> dict[str, list[str]]:
        """Columns by table."""
        rows = read(
            self,
            "SELECT table_name, column_name FROM information_schema.columns ORDER BY table_name, ordinal_position",
        )
        found: dict[str, list[str]] = {}
        for table, column in rows:
            found.setdefault(table, []).append(column)
        return found

    def close(self) -> None:
        """Close every cursor; the last one writes a checkpoint. Idempotent."""
        with self._lock:
            self._closed = True
            self._close_all()

    def _close_all(self) -> None:
        for cursor in list(self._cursors):
            cursor.end()
        if self._root is not None:
            self._root.close()
            self._root = None

    def _open(self) -> duckdb.DuckDBPyConnection:
        try:
            root = self._connect()
        except duckdb.Error as error:
            wal = self._wal
            if "Could not set lock" in str(error):
                raise StateInUse(str(self.path), _holder(str(error))) from None
            if self._read_only or not wal.exists() or "No space left" in str(error):
                said = f"{self.path} cannot be opened: {first_line(error)}"
                if self._read_only and wal.exists():
                    said += "; where its log is damaged, a start of the service sets that aside and goes on"
                raise DatabaseTrouble(said) from None
            root = self._without(wal, error)
        else:
            self._look_behind(self._wal)
        root.execute("SET TimeZone = 'UTC'")
        return root

    def _connect(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.path), read_only=self._read_only, config=self._config)

    def _without(self, wal: Path, error: duckdb.Error) -> duckdb.DuckDBPyConnection:
        """Open at the last checkpoint, after renaming a damaged write-ahead log."""
        aside = place_beside(wal)
        os.replace(wal, aside)
        try:
            root = self._connect()
        except duckdb.Error as worse:
            os.replace(aside, wal)  # the log was not the cause: restore it
            raise DatabaseTrouble(f"{self.path} cannot be opened: {first_line(worse)}") from None
        log.error("wal_set_aside", path=str(aside), error=first_line(error))
        return root

    def _look_behind(self, wal: Path) -> None:
        """Detect a write-ahead log that was replayed only in part, and copy it before the first write changes it."""
        try:
            end = hidden_commits(wal)
        except NotChecked as unknown:
            log.info("wal_not_checked", path=str(wal), unknown=str(unknown))
            return
        if end is None:
            return
        where = f"commits follow an entry that is not whole, at byte {end}"
        if self._read_only:
            self.notices.append(
                f"The write-ahead log is damaged ({where}), and what is shown stands before it. A start of the service "
                "keeps the log beside it, and sweeps make good what the transcripts still hold."
            )
            return
        aside = place_beside(wal)
        try:
            shutil.copyfile(wal, aside)
        except OSError as error:  # disk full: opening goes on without the copy
            aside.unlink(missing_ok=True)
            self.notices.append(
                f"The write-ahead log was damaged ({where}) and could not be kept ({first_line(error)}); the database "
                "stands before it, and sweeps make good what the transcripts still hold. Look at the disk."
            )
        log.error("wal_damaged", path=str(wal), kept=str(aside) if aside.exists() else None, error=where)


def write_parquet(columns: Mapping[str, str], rows: Sequence[tuple[Any, ...]], path: Path) -> None:
    """Write rows of another database to a Parquet file; ``columns``: DuckDB types by name."""
    lines = msgspec.json.Encoder().encode_lines([dict(zip(columns, row, strict=True)) for row in rows])
    types = ", ".join(f"{text(name)}: {text(kind)}" for name, kind in columns.items())
    with duckdb.connect(config=_CONFIG) as memory, readable(lines) as source:
        memory.execute("SET TimeZone = 'UTC'")
        memory.execute(
            f"COPY (SELECT * FROM read_json({text(source)}, format = 'newline_delimited', columns = {{{types}}},"
            f" maximum_object_size = {object_size(lines)})) TO {text(path)} (FORMAT parquet)"
        )


def _holder(message: str) -> int | None:
    _, _, after = message.partition("(PID ")
    digits = after.partition(")")[0]
    return int(digits) if digits.isdigit() else None
