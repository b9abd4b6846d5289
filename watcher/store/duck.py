"""DuckDB, embedded: one file, one process, a cursor for each thread."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import structlog

from processors.contract import ColumnType
from watcher.errors import DatabaseTrouble, StateInUse
from watcher.store.database import SQL_TYPES, Blame, Connection

log = structlog.get_logger("watcher.store")

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # The default would let the cache grow to most of the machine.
    "memory_limit": "1GB",
    # A larger write-ahead log makes for fewer checkpoints under load; it is replayed at 50 MB/s and more.
    "checkpoint_threshold": "64MB",
    # Rows come in through descriptors whose names are used again.
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


#: A row may be this long as JSON, in bytes.
LONGEST_ROW = 64 << 20


class DuckConnection:
    """A cursor of the database, for one thread."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, generation: int) -> None:
        self._cursor = cursor
        #: Which opening of the database it belongs to.
        self.generation = generation

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; all of its rows (an unfinished result would block checkpoints)."""
        return self._cursor.execute(sql, parameters).fetchall() if parameters else self._cursor.execute(sql).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside, or none of it."""
        self._cursor.execute("BEGIN")
        try:
            yield
            self._cursor.execute("COMMIT")
        except BaseException:
            # A failed COMMIT has rolled back already; the error that matters is on its way.
            with suppress(duckdb.Error):
                self._cursor.execute("ROLLBACK")
            raise

    @contextmanager
    def rows(self, columns: Mapping[str, ColumnType], lines: bytes) -> Iterator[str]:
        """JSON lines as a table function: parsed by the database, outside the interpreter's lock."""
        types = ", ".join(f"{name}: '{SQL_TYPES[kind]}'" for name, kind in columns.items())
        with _readable(lines) as path:
            yield (
                f"read_json('{path}', format = 'newline_delimited', columns = {{{types}}},"
                f" maximum_object_size = {LONGEST_ROW})"
            )

    def close(self) -> None:
        """Give the cursor back. Idempotent."""
        self._cursor.close()


class DuckDatabase:
    """The database file and every cursor into it."""

    row_id = "rowid"
    collate = ""
    Error: type[Exception] = duckdb.Error

    def __init__(self, path: Path, read_only: bool = False) -> None:
        """Open the file, or make it.

        Raises:
            StateInUse: another process has it open.
            DatabaseTrouble: it cannot be opened.
        """
        self.path = path
        self.notices: list[str] = []
        self._read_only = read_only
        self._lock = threading.Lock()
        self._cursors: weakref.WeakSet[DuckConnection] = weakref.WeakSet()
        self._generation = 0
        self._root = self._open()

    def connect(self) -> DuckConnection:
        """A cursor for one thread."""
        with self._lock:
            connection = DuckConnection(self._root.cursor(), self._generation)
            self._cursors.add(connection)
            return connection

    def blame(self, error: Exception) -> Blame:
        """Whose trouble an error is, by its class and, for the poisoned database, by its words."""
        if isinstance(error, duckdb.FatalException) or "has been invalidated" in str(error):
            return "broken"
        if isinstance(error, (duckdb.ConnectionException, duckdb.InternalException)):
            return "broken"
        return "rows" if isinstance(error, _ROWS) and "No space left" not in str(error) else "ours"

    def reopen(self, broken: Connection) -> None:
        """Close every cursor and open anew: a poisoned database is freed only when all are closed.

        Nothing is done if that has happened since the broken connection was made.
        """
        with self._lock:
            if isinstance(broken, DuckConnection) and broken.generation != self._generation:
                return
            self._generation += 1
            self._close_all()
            self._root = self._open()
        log.warning("database reopened", path=str(self.path))

    def checkpoint(self) -> None:
        """Bring the write-ahead log into the file."""
        connection = self.connect()
        try:
            connection.execute("CHECKPOINT")
        finally:
            connection.close()

    def keep_copy(self, folder: Path, name: str) -> Path | None:
        """Copy the file as it stands after a checkpoint."""
        self.checkpoint()
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{name}.duckdb"
        part = target.with_suffix(".part")
        shutil.copyfile(self.path, part)
        os.replace(part, target)
        return target

    def tables(self) -> dict[str, list[str]]:
        """Every table with its columns."""
        connection = self.connect()
        try:
            rows = connection.execute(
                "SELECT table_name, column_name FROM information_schema.columns ORDER BY table_name, ordinal_position"
            )
        finally:
            connection.close()
        found: dict[str, list[str]] = {}
        for table, column in rows:
            found.setdefault(table, []).append(column)
        return found

    def close(self) -> None:
        """Close every cursor; the last one writes a checkpoint. Idempotent."""
        with self._lock:
            self._close_all()

    def _close_all(self) -> None:
        for cursor in list(self._cursors):
            cursor.close()
        self._root.close()

    def _open(self) -> duckdb.DuckDBPyConnection:
        try:
            root = self._connect()
        except duckdb.Error as error:
            wal = self.path.with_name(self.path.name + ".wal")
            if "Could not set lock" in str(error):
                raise StateInUse(str(self.path), _holder(str(error))) from None
            if self._read_only or not wal.exists() or "No space left" in str(error):
                raise DatabaseTrouble(f"{self.path} cannot be opened: {_first_line(error)}") from None
            root = self._without(wal, error)
        root.execute("SET TimeZone = 'UTC'")
        return root

    def _connect(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.path), read_only=self._read_only, config=_CONFIG)

    def _without(self, wal: Path, error: duckdb.Error) -> duckdb.DuckDBPyConnection:
        """Open at the last checkpoint, with a damaged write-ahead log set aside by name."""
        aside = wal.with_name(f"{wal.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
        os.replace(wal, aside)
        try:
            root = self._connect()
        except duckdb.Error as worse:
            os.replace(aside, wal)  # it was not the log: leave everything as it was found
            raise DatabaseTrouble(f"{self.path} cannot be opened: {_first_line(worse)}") from None
        notice = (
            f"The write-ahead log was damaged and is set aside as {aside.name} ({_first_line(error)}); "
            "the database stands at its last checkpoint, and sweeps make good what the transcripts still hold."
        )
        self.notices.append(notice)
        log.error("damaged write-ahead log set aside", path=str(aside), error=_first_line(error))
        return root


@contextmanager
def _readable(lines: bytes) -> Iterator[str]:
    """A path under which the bytes can be read; in memory where the system can do that."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("rows")
        try:
            view = memoryview(lines)
            while view:
                view = view[os.write(descriptor, view) :]
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.NamedTemporaryFile(prefix="session-watcher-rows-") as file:
            file.write(lines)
            file.flush()
            yield file.name


def _holder(message: str) -> int | None:
    _, _, after = message.partition("(PID ")
    digits = after.partition(")")[0]
    return int(digits) if digits.isdigit() else None


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
