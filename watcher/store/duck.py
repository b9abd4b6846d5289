"""DuckDB, embedded: one file, one process, a cursor for each thread."""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from processors.contract import ColumnType
from watcher.errors import DatabaseTrouble, StateInUse, first_line
from watcher.logs import Log
from watcher.memory import give_back
from watcher.store.database import SQL_TYPES, Blame, read
from watcher.store.sql import quoted, text
from watcher.store.wal import hidden_commits, kept_beside, place_beside

log = Log()

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # The default would let the cache grow to most of the machine.
    "memory_limit": "512MB",
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
#: Of more lines than so many bytes it is worth knowing the longest.
FEW_LINES = 1 << 20


#: At rest, a write-ahead log longer than this is brought into the file: what is in it is held in memory too.
LONG_LOG = 4 << 20
#: A checkpoint, and the end, wait so long for single statements to end; seconds.
PATIENCE = 10.0


class _Gate:
    """Where transactions pass, and a checkpoint holds them up: the database refuses one beside a transaction."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._held = False

    @contextmanager
    def passing(self) -> Iterator[None]:
        """A transaction goes on inside."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def held(self) -> Iterator[None]:
        """No transaction goes on, and none begins."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held)
            self._held = True
            self._changed.wait_for(lambda: not self._inside)
        try:
            yield
        finally:
            with self._changed:
                self._held = False
                self._changed.notify_all()


class DuckConnection:
    """A cursor of the database, for one thread."""

    def __init__(
        self, another: Callable[[], duckdb.DuckDBPyConnection], gate: _Gate, poisoned: Callable[[], None]
    ) -> None:
        self._cursor = another()
        self._another = another
        self._gate = gate
        self._poisoned = poisoned

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; all of its rows (an unfinished result would block checkpoints)."""
        try:
            cursor = self._cursor.execute(sql, parameters) if parameters else self._cursor.execute(sql)
            return cursor.fetchall()
        except duckdb.Error as error:
            if _is_poison(error):
                self._poisoned()
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside, or none of it."""
        with self._gate.passing():
            try:
                self.execute("BEGIN")
                yield
                self.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        try:
            self._cursor.execute("ROLLBACK")
        except duckdb.Error as error:
            if "no transaction is active" in str(error):
                return  # neither is one after a COMMIT that failed
            # Without memory even this fails, and a cursor that is left in its transaction refuses everything for ever.
            self._cursor.close()
            self._cursor = self._another()

    @contextmanager
    def rows(self, columns: Mapping[str, ColumnType], lines: bytes) -> Iterator[str]:
        """JSON lines as a table function: parsed by the database, outside the interpreter's lock."""
        types = ", ".join(f"{name}: '{SQL_TYPES[kind]}'" for name, kind in columns.items())
        with _readable(lines) as path:
            yield (
                f"read_json('{path}', format = 'newline_delimited', columns = {{{types}}},"
                f" maximum_object_size = {_object_size(lines)})"
            )

    def to_parquet(self, select: str, path: Path) -> None:
        """Write what a query gives into a Parquet file, outside the interpreter's lock."""
        self.execute(f"COPY ({select}) TO {text(path)} (FORMAT parquet)")

    def close(self) -> None:
        """Give the cursor back. Idempotent."""
        self._cursor.close()

    def end(self) -> None:
        """The same, though another thread is at it: what that runs is broken off. Idempotent."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._cursor.close()
                return
            except duckdb.ResourceInUseException:
                if time.monotonic() > deadline:
                    raise
            self._cursor.interrupt()
            time.sleep(0.005)


class DuckDatabase:
    """The database file and every cursor into it."""

    row_id = "rowid"
    collate = ""
    row_hash = "hash(t)"
    Error: tuple[type[Exception], ...] = (duckdb.Error, DatabaseTrouble)

    def __init__(self, path: Path, read_only: bool = False, threads: int | None = None) -> None:
        """Open the file, or make it.

        Raises:
            StateInUse: another process has it open.
            DatabaseTrouble: it cannot be opened.
        """
        self.path = path
        self._wal = path.with_name(path.name + ".wal")
        self.notices: list[str] = []
        self._read_only = read_only
        self._config = _CONFIG if threads is None else {**_CONFIG, "threads": threads}
        self._lock, self._gate = threading.Lock(), _Gate()
        self._copying = threading.Lock()
        self._cursors: weakref.WeakSet[DuckConnection] = weakref.WeakSet()
        #: How often it was opened, and the last opening that a failed checkpoint has poisoned.
        self._opening = 0
        self._poisoned = -1
        self._closed = False
        # None after an opening that failed: the next connection tries again.
        self._root: duckdb.DuckDBPyConnection | None = self._open()

    def connect(self) -> DuckConnection:
        """A cursor for one thread.

        Raises:
            DatabaseTrouble: it was closed, or has to be opened anew and cannot be.
        """
        with self._lock:
            if self._closed:
                raise DatabaseTrouble(f"{self.path} is closed")
            if self._poisoned == self._opening:  # it is freed only when every cursor is closed
                self._close_all()
                self._opening += 1
                log.warning("database opened anew", path=str(self.path))
            if self._root is None:
                self._root = self._open()
            opening = self._opening
            connection = DuckConnection(self._root.cursor, self._gate, lambda: self._poison(opening))
            self._cursors.add(connection)
            return connection

    def _poison(self, opening: int) -> None:
        self._poisoned = max(self._poisoned, opening)

    def blame(self, error: Exception) -> Blame:
        """Whose trouble an error is, by its class and, for the poisoned database, by its words."""
        if _is_poison(error) or isinstance(error, duckdb.ConnectionException):
            return "broken"
        return "rows" if isinstance(error, _ROWS) and "No space left" not in str(error) else "ours"

    def checkpoint(self) -> None:
        """Bring the write-ahead log into the file, as soon as the transactions that run have ended."""
        deadline = time.monotonic() + PATIENCE
        connection = self.connect()
        try:
            with self._gate.held():
                while True:
                    try:
                        connection.execute("CHECKPOINT")
                        return
                    except duckdb.TransactionException:  # a single statement is a transaction too, a short one
                        if time.monotonic() > deadline:
                            raise
                    time.sleep(0.005)
        finally:
            connection.close()

    def rest(self) -> None:
        """Give back what memory nobody needs while nothing is written: what is only in the log, and what is freed."""
        if self._wal.exists() and self._wal.stat().st_size > LONG_LOG:
            self.checkpoint()
        # The same limit again: setting it has the database hand over what it keeps for the next burst.
        read(self, f"SET memory_limit = {text(self._config['memory_limit'])}")
        give_back()

    def keep_copy(self, folder: Path, name: str) -> Path | None:
        """Copy the database as it is committed at this moment, whoever writes meanwhile; it takes its place at once.

        One copy at a time, and none in an earlier one's place: the second of a moment is ``name-2``.
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
        """Every table with its columns."""
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
                raise DatabaseTrouble(f"{self.path} cannot be opened: {first_line(error)}") from None
            root = self._without(wal, error)
        else:
            # The log is as it was found until something is written.
            if not self._read_only and (end := hidden_commits(self._wal)) is not None:
                self._notice(kept_beside(self._wal, end))
        root.execute("SET TimeZone = 'UTC'")
        return root

    def _connect(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.path), read_only=self._read_only, config=self._config)

    def _without(self, wal: Path, error: duckdb.Error) -> duckdb.DuckDBPyConnection:
        """Open at the last checkpoint, with a damaged write-ahead log set aside by name."""
        aside = place_beside(wal)
        os.replace(wal, aside)
        try:
            root = self._connect()
        except duckdb.Error as worse:
            os.replace(aside, wal)  # it was not the log: leave everything as it was found
            raise DatabaseTrouble(f"{self.path} cannot be opened: {first_line(worse)}") from None
        self._notice(f"is set aside as {aside.name} ({first_line(error)}); the database stands at its last checkpoint")
        return root

    def _notice(self, what: str) -> None:
        notice = f"The write-ahead log was damaged and {what}, and sweeps make good what the transcripts still hold."
        self.notices.append(notice)
        log.error("damaged write-ahead log", path=str(self._wal), notice=notice)


def write_parquet(columns: Mapping[str, str], rows: Sequence[tuple[Any, ...]], path: Path) -> None:
    """The same for rows from another database; ``columns``: name to type."""
    lines = msgspec.json.Encoder().encode_lines([dict(zip(columns, row, strict=True)) for row in rows])
    types = ", ".join(f"{text(name)}: {text(kind)}" for name, kind in columns.items())
    with duckdb.connect(config=_CONFIG) as memory, _readable(lines) as source:
        memory.execute("SET TimeZone = 'UTC'")
        memory.execute(
            f"COPY (SELECT * FROM read_json({text(source)}, format = 'newline_delimited', columns = {{{types}}},"
            f" maximum_object_size = {_object_size(lines)})) TO {text(path)} (FORMAT parquet)"
        )


def _object_size(lines: bytes) -> int:
    """The longest row to be ready for; each thread of a scan takes twice of it, and that counts as memory in use."""
    longest = len(lines) if len(lines) <= FEW_LINES else max(map(len, lines.split(b"\n")))
    return min(LONGEST_ROW, max(longest + 1, 4096))


def _is_poison(error: BaseException) -> bool:
    """Whether nothing works any more until the database is opened anew."""
    return isinstance(error, (duckdb.FatalException, duckdb.InternalException)) or "has been invalidated" in str(error)


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
