"""A cursor into DuckDB's file: one thread's connection, and the gate that transactions pass."""

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

#: A row may be this long as JSON, in bytes.
LONGEST_ROW = 64 << 20
#: Of more lines than so many bytes it is worth knowing the longest.
FEW_LINES = 1 << 20
#: Who closes a cursor waits so long for what another thread runs on it to end; seconds.
PATIENCE = 10.0


class Gate:
    """Where transactions pass; a checkpoint holds them up, since the database refuses one beside them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._transactions = 0
        self._held = False
        #: Transactions that have begun.
        self.passed = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction goes on inside."""
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
        """No transaction goes on, and none begins."""
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
    """Where cursors come from: the open file."""

    gate: Gate

    def cursor(self) -> tuple[duckdb.DuckDBPyConnection, int]:
        """A cursor, and the number of the opening that it belongs to."""
        ...

    def poisoned(self, opening: int) -> None:
        """Nothing works any more in this opening of the file."""
        ...


class DuckConnection:
    """A cursor of the database, for one thread."""

    def __init__(self, source: Source, cursor: duckdb.DuckDBPyConnection, opening: int) -> None:
        self._source, self._cursor, self._opening = source, cursor, opening
        #: Whether the cursor was given up, and the next statement takes another.
        self._lost = False

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; all of its rows (an unfinished result would block checkpoints)."""
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
        """Commit what is done inside, or none of it."""
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
                return  # neither is one after a COMMIT that failed
            # Without memory even this fails, and a cursor that is left in its transaction refuses everything for ever.
            self._cursor.close()
            self._lost = True

    @contextmanager
    def rows(self, columns: Mapping[str, ColumnType], lines: bytes) -> Iterator[str]:
        """JSON lines as a table function: parsed by the database, outside the interpreter's lock."""
        types = ", ".join(f"{name}: '{SQL_TYPES[kind]}'" for name, kind in columns.items())
        with readable(lines) as path:
            yield (
                f"read_json('{path}', format = 'newline_delimited', columns = {{{types}}},"
                f" maximum_object_size = {object_size(lines)})"
            )

    def to_parquet(self, select: str, path: Path) -> None:
        """Write what a query gives into a Parquet file, outside the interpreter's lock."""
        self.execute(f"COPY ({select}) TO {text(path)} (FORMAT parquet)")

    def close(self) -> None:
        """Give the cursor back. Idempotent."""
        self._lost = False
        self._cursor.close()

    def end(self) -> None:
        """Close it, though another thread is at it: what that runs is broken off. Idempotent."""
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
    """The longest row to be ready for; each thread of a scan takes twice of it, and that counts as memory in use."""
    longest = len(lines) if len(lines) <= FEW_LINES else max(map(len, lines.split(b"\n")))
    return min(LONGEST_ROW, max(longest + 1, 4096))


def is_poison(error: BaseException) -> bool:
    """Whether nothing works any more until the database is opened anew."""
    return isinstance(error, (duckdb.FatalException, duckdb.InternalException)) or "has been invalidated" in str(error)


@contextmanager
def readable(lines: bytes) -> Iterator[str]:
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
