"""A process that learns from sessions as ``once`` does, or decides something, and kills itself at a named point.

    python -m tests.faults.knowing_victim ROOT STATE POINT NTH DELAY

As `tests.faults.victim`, of which it has the points of a pass; those of the intake and of decisions are its own.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog

from tests.faults.victim import POINTS as OF_PASSES
from tests.faults.victim import Point
from tests.support.harness import Subject
from watcher.app import Application
from watcher.knowledge.index import Entry
from watcher.knowledge.intake import Intake
from watcher.knowledge.judge import Verdict, Words
from watcher.knowledge.review import Edit
from watcher.knowledge.writer import Writer
from watcher.store.connection import DuckConnection
from watcher.store.database import Connection

T = TypeVar("T")


def inside_the_intake(point: Point) -> None:
    """Before some statement of what the intake writes."""
    write, execute = Writer.write, DuckConnection.execute
    inside = threading.local()

    def writing(self: Writer, errand: Callable[[Connection], T], durable: bool = False) -> T:
        inside.now = True
        try:
            return write(self, errand, durable)
        finally:
            inside.now = False

    def executing(self: DuckConnection, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if getattr(inside, "now", False) and sql.startswith(("INSERT", "UPDATE", "DELETE")):
            point.reached(before=sql[:40])
        return execute(self, sql, parameters)

    Writer.write = writing  # type: ignore[method-assign]
    DuckConnection.execute = executing  # type: ignore[method-assign]


def around_the_intake(point: Point, before: bool) -> None:
    """When everything of a batch is written and only COMMIT is left, or right after it."""
    put, take = Intake._put, Intake._take

    def putting(self: Intake, connection: Connection, plan: Any) -> None:
        put(self, connection, plan)
        if plan.intake and before:
            point.reached(candidates=len(plan.intake))

    def taking(self: Intake, limit: int) -> Any:
        taken = take(self, limit)
        if taken.candidates and not before:
            point.reached(candidates=taken.candidates)
        return taken

    Intake._put = putting  # type: ignore[method-assign]
    Intake._take = taking  # type: ignore[method-assign]


def while_it_judges(point: Point) -> None:
    """When a comparison is under way, and nothing of it is written."""
    contradictions = Words.contradictions

    def judging(self: Words, new: Entry, others: Sequence[Entry]) -> list[Verdict]:
        point.reached(new=new.item_id)
        return contradictions(self, new, others)

    Words.contradictions = judging  # type: ignore[method-assign]


def after_a_check(point: Point) -> None:
    """When a comparison is written."""
    enter = Intake._enter

    def entering(self: Intake, *arguments: Any) -> Any:
        taken = enter(self, *arguments)
        point.reached(checks=taken.checks)
        return taken

    Intake._enter = entering  # type: ignore[method-assign,assignment]


POINTS: dict[str, Callable[[Point], None]] = {
    "while the child reads": OF_PASSES["while the child reads"],
    "inside a commit": OF_PASSES["inside a commit"],
    "after a commit": OF_PASSES["after a commit"],
    "inside the intake": inside_the_intake,
    "at the intake's COMMIT": lambda point: around_the_intake(point, before=True),
    "after the intake's COMMIT": lambda point: around_the_intake(point, before=False),
    "while it judges": while_it_judges,
    "after a check": after_a_check,
    "while closing": OF_PASSES["while closing"],
}


def _first(core: Application, status: str) -> str:
    return str(core.query("SELECT min(item_id) FROM knowledge_items WHERE status = $1", [status])[0][0])


def _pair(core: Application) -> str:
    return str(core.query("SELECT min(contradiction_id) FROM knowledge_contradictions", [])[0][0])


#: What is decided, right before the process dies.
DECISIONS: dict[str, Callable[[Application], object]] = {
    "approve": lambda core: core.knowledge.review.decide("approve", _first(core, "pending"), "eva"),
    "add": lambda core: core.knowledge.review.add("eva", Edit(title="added", content="by an admin"), mandatory=True),
    "edit": lambda core: core.knowledge.review.edit(_first(core, "pending"), "eva", Edit(content="edited words")),
    "vote": lambda core: core.knowledge.review.vote(_first(core, "pending"), "eva", 1),
    "resolve": lambda core: core.knowledge.review.resolve(_pair(core), "kept_a", "eva"),
    "forget": lambda core: core.knowledge.forget("ann/0.jsonl"),
}


def main() -> None:
    """Come to the point."""
    root, state, name, nth, delay = sys.argv[1:]
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if name in POINTS:
        POINTS[name](Point(name, int(nth), float(delay)))
    subject = Subject(Path(root), Path(state))
    if name in DECISIONS:
        DECISIONS[name](subject.open())
        os.write(1, b"{}\n")
        os.kill(os.getpid(), signal.SIGKILL)
    subject.catch_up(["verification"])
    subject.open().knowledge.drain()
    subject.close()


if __name__ == "__main__":
    main()
