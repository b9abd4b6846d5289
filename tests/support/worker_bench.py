"""A worker that does what it is told, round by round, on real files and a real child."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.databases import SCHEMA, database_in
from tests.support.stranger import install
from watcher.pipeline.backoff import Retry
from watcher.pipeline.committer import Committer
from watcher.pipeline.queue import ChangeQueue
from watcher.pipeline.worker import Worker
from watcher.sandbox.process import Child, ChildSettings
from watcher.store.commits import PassStore
from watcher.store.state import State
from watcher.transcripts.sessions import Tree

#: Notes every call, counts all lines of the session so far, and does what it was told to do about this session.
OBEYS = """\
folder = {folder!r}
with open(folder + "/calls", "a") as calls:
    calls.write(f"{{work.session.stem}} {{work.start}}\\n")
new = sum(1 for _ in work.lines)
total = work.carry.get("lines", 0) + new
answer = Extraction({{"strange": [{{"lines": total}}]}}, items=new, carry={{"lines": total}})
order = f"{{folder}}/{{work.session.stem}}"
if os.path.exists(order):
    seen = {{**globals(), "work": work, "answer": answer, "total": total}}
    exec(open(order).read(), seen)
    answer = seen["answer"]
return answer
"""

#: Orders: rows that no database takes, and the first line as a window of its own.
REFUSED = 'answer = Extraction({"strange": [{"lines": 2**63}]}, items=7)'


class Place:
    """A tree, a database, and a stranger's processor that is told what to do."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.orders, self.root = folder / "orders", folder / "sessions"
        (self.root / "ann").mkdir(parents=True)
        self.orders.mkdir()
        plugin = install(folder / "plugin", OBEYS.format(folder=str(self.orders)))
        monkeypatch.setenv("PYTHONPATH", str(plugin), prepend=os.pathsep)
        self.database = database_in(folder)
        self.connection = self.database.connect()
        self.passes = PassStore(self.database, "stranger", SCHEMA)

    def write(self, name: str, data: str) -> str:
        """A session as it is from now on; its key."""
        key = f"ann/{name}.jsonl"
        (self.root / key).write_text(data)
        return key

    def append(self, key: str, data: str) -> None:
        with (self.root / key).open("a") as file:
            file.write(data)

    def tell(self, key: str, order: str) -> None:
        """What the processor is to do about a session, from now on."""
        (self.orders / Path(key).stem).write_text(order)

    def calls(self) -> list[str]:
        """What the processor was asked so far: session and start."""
        path = self.orders / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def state(self, key: str) -> State | None:
        return self.passes.states(self.connection, [key]).get(key)

    def stands(self, key: str) -> State:
        """The state row that there must be."""
        state = self.state(key)
        assert state is not None
        return state

    def rows(self) -> dict[str, Any]:
        return dict(self.connection.execute("SELECT session_file, lines FROM strange"))


class Bench(Place):
    """A place with a worker, that does what it is told to, round by round."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, monkeypatch)
        self.now = 1000.0
        self.queue = ChangeQueue(0.0, 0.0, 100)
        self.stack = ExitStack()
        self.begin()

    def begin(self, version: int = 1, max_attempts: int = 3, open: bool = True, stands_from: int | None = None) -> None:
        """A worker from scratch, as after a restart; its committer may be opened later."""
        self.end()
        self.committer = Committer(self.database, self.passes, "stranger")
        self.child = Child(ChildSettings("stranger", os.fsencode(self.root), {}, 20.0, 200_000_000, 60.0))
        self.worker = Worker(
            "stranger", version, Tree(self.root), self.queue, self.child, self.committer, self.database, self.passes,
            Retry(30.0, 3600.0, max_attempts), stands_from=stands_from, clock=lambda: self.now, random=Random(7),
        )  # fmt: skip
        self.stack.callback(self.committer.close, 20)
        self.stack.callback(self.worker.close)
        if open:
            self.committer.start()

    def end(self) -> None:
        """Put the worker away."""
        self.stack.close()

    def round(self, *keys: str) -> None:
        """Offer these and do one round, its commits included."""
        for key in keys:
            self.queue.offer(key, self.now)
        self.worker.step(self.now)
        self.settle()

    def settle(self) -> None:
        """Wait until everything handed in is committed, and have the worker take the answers in."""
        while True:
            assert self.committer.flush(20)
            if self.worker.outcomes.settle():
                return

    def at_rest(self) -> bool:
        """Whether there is nothing that could be done now."""
        return not self.queue.take(self.now, 100)
