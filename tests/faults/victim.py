"""A process that does what ``once`` does and kills itself, without a word, at a named point.

    python -m tests.faults.victim ROOT STATE POINT NTH DELAY

It wraps functions of the program from outside; the program itself knows nothing of it. Before it dies it
prints what was in flight, as one line of JSON; a process that never came to its point ends with 0.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from tests.support.harness import Subject
from watcher.sandbox.process import Child
from watcher.store import migrations
from watcher.store.commits import Outcome, Pass, PassStore
from watcher.store.connection import DuckConnection
from watcher.store.duck import DuckDatabase


class Point:
    """Where to die: at the n-th time that it is reached, a delay after that."""

    def __init__(self, name: str, nth: int, delay: float) -> None:
        self.name, self.nth, self.delay = name, nth, delay
        self._count = itertools.count(1)

    def reached(self, **in_flight: Any) -> None:
        """The program came by."""
        if next(self._count) != self.nth:
            return
        os.write(1, json.dumps({"point": self.name, **in_flight}).encode() + b"\n")
        if self.delay:
            threading.Thread(target=self._later, daemon=True).start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)

    def _later(self) -> None:
        time.sleep(self.delay)
        os.kill(os.getpid(), signal.SIGKILL)


def around_commits(point: Point, before: bool, then: Callable[[DuckConnection], None] | None = None) -> None:
    """Before or after a commit of passes, or after one with something more to do."""
    commit = PassStore.commit

    def wrapped(self: PassStore, connection: DuckConnection, passes: Sequence[Pass], now: datetime) -> list[Outcome]:
        if before:
            point.reached(passes=len(passes))
        outcomes = commit(self, connection, passes, now)
        if not before:
            point.reached(passes=len(passes))
            if then is not None:
                then(connection)
        return outcomes

    PassStore.commit = wrapped  # type: ignore[method-assign,assignment]


def inside_commits(point: Point) -> None:
    """Before some statement of a commit: rows are in, flags are set, the state is not yet noted, or is."""
    commit, execute = PassStore.commit, DuckConnection.execute
    inside = threading.local()

    def committing(self: PassStore, connection: DuckConnection, passes: Sequence[Pass], now: datetime) -> list[Outcome]:
        inside.passes = len(passes)
        try:
            return commit(self, connection, passes, now)
        finally:
            inside.passes = 0

    def executing(self: DuckConnection, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if getattr(inside, "passes", 0):
            point.reached(passes=inside.passes, before=sql[:40])
        return execute(self, sql, parameters)

    PassStore.commit = committing  # type: ignore[method-assign,assignment]
    DuckConnection.execute = executing  # type: ignore[method-assign]


def at_the_end_of_transactions(point: Point) -> None:
    """When everything is done and only COMMIT is left."""
    transaction = DuckConnection.transaction

    @contextmanager
    def wrapped(self: DuckConnection) -> Iterator[None]:
        whole: AbstractContextManager[None] = transaction(self)
        with whole:
            yield
            point.reached()

    DuckConnection.transaction = wrapped  # type: ignore[method-assign]


def in_checkpoints(point: Point) -> None:
    """While a checkpoint runs, asked for after each commit; the delay decides how far it came."""
    around_commits(point, before=False, then=lambda connection: _ignored(connection.execute("CHECKPOINT")))


def while_closing(point: Point) -> None:
    """While the database is closed, which is a checkpoint too."""
    close = DuckDatabase.close

    def wrapped(self: DuckDatabase) -> None:
        point.reached(wal=self.path.with_name(self.path.name + ".wal").exists())
        close(self)

    DuckDatabase.close = wrapped  # type: ignore[method-assign]


def while_the_child_reads(point: Point) -> None:
    """When a child process has its first jobs."""
    send = Child._send

    def wrapped(self: Child) -> None:
        send(self)
        point.reached(child=self.pid)

    Child._send = wrapped  # type: ignore[method-assign]


def the_child_itself(point: Point) -> None:
    """Not this process dies, but its child, with jobs in hand; what it had is done again."""
    send = Child._send
    count = itertools.count(1)

    def wrapped(self: Child) -> None:
        send(self)
        if next(count) == point.nth:
            os.write(1, json.dumps({"point": point.name, "child": self.pid}).encode() + b"\n")
            os.kill(self.pid or 0, signal.SIGKILL)

    Child._send = wrapped  # type: ignore[method-assign]


def in_migrations(point: Point) -> None:
    """Before some statement while the tables are made or taken over."""
    execute = DuckConnection.execute
    migrating = threading.local()

    def during(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any) -> Any:
            migrating.now = True
            try:
                return function(*arguments)
            finally:
                migrating.now = False

        return wrapped

    def executing(self: DuckConnection, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if getattr(migrating, "now", False):
            point.reached(before=sql.strip()[:40])
        return execute(self, sql, parameters)

    for module in (sys.modules["watcher.app"], migrations):
        for name in ("migrate", "prepare"):
            setattr(module, name, during(getattr(module, name)))
    DuckConnection.execute = executing  # type: ignore[method-assign]


def in_replacements(point: Point) -> None:
    """Before and after a file takes another's place (a copy of the database that is kept)."""
    replace = os.replace

    def wrapped(source: Any, target: Any, **more: Any) -> None:
        point.reached(target=os.fspath(target))
        replace(source, target, **more)
        point.reached(target=os.fspath(target))

    setattr(os, "replace", wrapped)  # noqa: B010


def at_a_random_instant(point: Point) -> None:
    """A while after the work began."""
    states = PassStore.states

    def wrapped(self: PassStore, *arguments: Any) -> Any:
        point.reached()
        return states(self, *arguments)

    PassStore.states = wrapped  # type: ignore[method-assign,assignment]


POINTS: dict[str, Callable[[Point], None]] = {
    "before a commit": lambda point: around_commits(point, before=True),
    "inside a commit": inside_commits,
    "at COMMIT": at_the_end_of_transactions,
    "after a commit": lambda point: around_commits(point, before=False),
    "in a checkpoint": in_checkpoints,
    "while closing": while_closing,
    "while the child reads": while_the_child_reads,
    "the child itself": the_child_itself,
    "in a migration": in_migrations,
    "in a file's replacement": in_replacements,
    "at a random instant": at_a_random_instant,
}


def _ignored(_rows: object) -> None:
    """What a statement gave back, where nobody wants it."""


def main() -> None:
    """Come to the point."""
    root, state, name, nth, delay = sys.argv[1:]
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    POINTS[name](Point(name, int(nth), float(delay)))
    subject = Subject(Path(root), Path(state), {"retry.first": "1s"})
    while any(detail.processed or detail.errors for detail in subject.catch_up()):
        pass
    subject.close()


if __name__ == "__main__":
    main()
