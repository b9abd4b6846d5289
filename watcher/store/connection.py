"""DuckDB connections: one cursor per thread, and the gate that keeps transactions and checkpoints apart."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import duckdb

from processors.contract import ColumnType
from watcher.store.database import SQL_TYPES
from watcher.store.sql import text

#: The longest row as JSON, in bytes.
LONGEST_ROW = 64 << 20
#: Above this size of all rows, in bytes, the longest one is determined.
FEW_LINES = 1 << 20
#: How long closing waits for a statement of another thread, in seconds.
PATIENCE = 10.0


class Gate:
    """Shared/exclusive lock: transactions share it, a checkpoint excludes them, as DuckDB refuses both at once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._transactions = 0
        self._held = False
        #: The number of transactions begun so far.
        self.passed = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the lock shared, for a transaction."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held)
            self._transactions += 1
            self.passed += 1
        try:
            yield
        finally:
            with self._changed:
                self._transactions -= 1
                self._changed.notify_all()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock exclusively: no transaction runs or begins."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held)
            self._held = True
            self._changed.wait_for(lambda: not self._transactions)
        try:
            yield
        finally:
            with self._changed:
                self._held = False
                self._changed.notify_all()


class Source(Protocol):
    """The open database file, which supplies cursors."""

    gate: Gate

    def cursor(self) -> tuple[duckdb.DuckDBPyConnection, int]:
        """A cursor, and the number of its opening of the file."""
        ...

    def poisoned(self, opening: int) -> None:
        """Mark an opening of the file as invalidated."""
        ...


class DuckConnection:
    """A cursor of the database, for one thread."""

    def __init__(self, source: Source, cursor: duckdb.DuckDBPyConnection, opening: int) -> None:
        self._source, self._cursor, self._opening = source, cursor, opening
        #: Whether the cursor was closed, and the next statement opens another.
        self._lost = False

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; all rows, as an unfinished result would block checkpoints."""
        if self._lost:
            self._cursor, self._opening = self._source.cursor()
            self._lost = False
        try:
            cursor = self._cursor.execute(sql, parameters) if parameters else self._cursor.execute(sql)
            return cursor.fetchall()
        except duckdb.Error as error:
            if is_poison(error):
                self._source.poisoned(self._opening)
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction: commit on exit, roll back on an exception."""
        with self._source.gate.transaction():
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
                return  # which is also so after a failed COMMIT
            # Without memory a ROLLBACK fails too, and a cursor left in a transaction refuses every statement.
            self._cursor.close()
            self._lost = True

    @contextmanager
    def rows(self, columns: Mapping[str, ColumnType], lines: bytes) -> Iterator[str]:
        """JSON lines as a table function, parsed by the database without the interpreter's lock."""
        types = ", ".join(f"{name}: '{SQL_TYPES[kind]}'" for name, kind in columns.items())
        with readable(lines) as path:
            yield (
                f"read_json('{path}', format = 'newline_delimited', columns = {{{types}}},"
                f" maximum_object_size = {object_size(lines)})"
            )

    def to_parquet(self, select: str, path: Path) -> None:
        """Write a query's rows to a Parquet file, without the interpreter's lock."""
        self.execute(f"COPY ({select}) TO {text(path)} (FORMAT parquet)")

    def close(self) -> None:
        """Close the cursor. Idempotent."""
        self._lost = False
        self._cursor.close()

    def end(self) -> None:
        """Close the cursor from another thread, interrupting its running statement. Idempotent."""
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


def object_size(lines: bytes) -> int:
    """``maximum_object_size`` for these rows, in bytes; each scan thread reserves twice of it."""
    longest = len(lines) if len(lines) <= FEW_LINES else max(map(len, lines.split(b"\n")))
    return min(LONGEST_ROW, max(longest + 1, 4096))


def is_poison(error: BaseException) -> bool:
    """Whether an error invalidates the database until it is reopened."""
    return isinstance(error, (duckdb.FatalException, duckdb.InternalException)) or "has been invalidated" in str(error)


@contextmanager
def readable(lines: bytes) -> Iterator[str]:
    """A path from which the bytes can be read; in memory where the system supports it."""
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
