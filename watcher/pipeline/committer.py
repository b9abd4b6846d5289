"""The committer: the only writer of a processor's rows.

Waiting passes are committed as a group. A group that the database rejects is committed
one pass at a time, so that only the faulty pass fails. Failures of the environment (a
full disk, an invalidated database) mark nothing and are retried until they end.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from watcher.errors import first_line
from watcher.logs import Log
from watcher.pipeline.histogram import Durations
from watcher.store.commits import Outcome, Pass, PassStore
from watcher.store.database import Connection, Database

log = Log()

T = TypeVar("T")

#: The limits of one transaction, and of the passes that wait in memory.
GROUP_PASSES = 256
GROUP_BYTES = 12 << 20
WAITING_BYTES = 28 << 20
#: A lingering committer commits after this time without a new pass, in seconds.
LULL = 0.03

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0
# A pass that breaks the connection this often on its own is treated as faulty.
_MAX_BROKEN = 3


class Abandoned(Exception):
    """The service stopped before the pass was committed; the session is processed again at the next start."""


@dataclass(slots=True)
class _Waiting:
    work: Pass
    done: Callable[[Outcome | Exception], None]


@dataclass(slots=True)
class _Call:
    """Another change of this processor's rows, run on the committer's thread."""

    run: Callable[[Connection], None]
    fail: Callable[[Exception], None]


class Committer:
    """One processor's writer thread, fed by `submit`."""

    def __init__(
        self,
        database: Database,
        passes: PassStore,
        name: str,
        linger: float = 0.0,
        expected: Callable[[], int] = lambda: 0,
    ) -> None:
        """``linger``: seconds to gather passes for one commit while more keep coming.

        ``expected``: the number of sessions queued or running, including those that wait for their commit.
        """
        self._linger, self._expected = linger, expected
        self._database = database
        self._passes = passes
        self._name = name
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting | _Call] = deque()
        self._bytes = 0
        self._busy = False
        self._closing = False
        self._abandon = threading.Event()
        self._connection: Connection | None = None
        #: Why commits fail at present; None if they do not.
        self.trouble: str | None = None
        self.commits = 0
        self.passes = 0
        #: Duration of each commit.
        self.durations = Durations()
        self._thread = threading.Thread(target=self._run, name=f"committer:{name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def submit(self, work: Pass, done: Callable[[Outcome | Exception], None], at_once: bool = False) -> None:
        """Queue a pass; blocks while more than `WAITING_BYTES` wait, unless ``at_once``.

        ``done`` is called on the committer's thread: with ``"committed"``, with ``"void"`` if the
        state row was changed since the pass began, or with the error if its rows were rejected.
        """
        with self._changed:
            while self._bytes > WAITING_BYTES and not self._closing and not at_once:
                self._changed.wait()
            self._waiting.append(_Waiting(work, done))
            self._bytes += work.size
            self._changed.notify_all()

    def call(self, work: Callable[[Connection], T], timeout: float = 60.0) -> T:
        """Run a function in its own transaction, in order with the passes; returns its result.

        Raises:
            Abandoned: the committer is closed.
            TimeoutError: it has not run in time; it may still run.
            Exception: whatever the function raised; nothing is changed.
        """
        future: Future[T] = Future()

        def run(connection: Connection) -> None:
            with connection.transaction():
                result = work(connection)
            future.set_result(result)

        with self._changed:
            if self._closing:
                raise Abandoned
            self._waiting.append(_Call(run, future.set_exception))
            self._changed.notify_all()
        return future.result(timeout)

    def flush(self, timeout: float) -> bool:
        """Wait until every submitted pass has its outcome; False on timeout."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout)

    def close(self, timeout: float) -> bool:
        """Commit waiting passes and end the thread; passes not committed in time are abandoned. Idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if not self._thread.is_alive():
            return True
        self._thread.join(timeout)
        self._abandon.set()
        self._thread.join(1.0)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while (group := self._next_group()) is not None:
                try:
                    if isinstance(group, _Call):
                        self._do(group)
                    else:
                        self._decide(group)
                finally:
                    with self._changed:
                        self._busy = False
                        if not isinstance(group, _Call):
                            self._bytes -= sum(waiting.work.size for waiting in group)
                        self._changed.notify_all()
        finally:
            self._disconnect()

    def _next_group(self) -> list[_Waiting] | _Call | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if self._abandon.is_set():
                for left in self._waiting:
                    left.fail(Abandoned()) if isinstance(left, _Call) else left.done(Abandoned())
                self._waiting.clear()
            if not self._waiting:
                return None
            self._gather()
            self._busy = True
            if isinstance(work := self._waiting[0], _Call):
                self._waiting.popleft()
                return work
            group: list[_Waiting] = []
            later: list[_Waiting] = []
            keys: set[str] = set()
            size = 0
            while self._waiting and len(group) < GROUP_PASSES and size < GROUP_BYTES:
                waiting = self._waiting[0]
                if isinstance(waiting, _Call):
                    break
                self._waiting.popleft()
                if waiting.work.key in keys:  # a session's next window waits for this one's commit
                    later.append(waiting)
                    continue
                keys.add(waiting.work.key)
                group.append(waiting)
                size += waiting.work.size
            self._waiting.extendleft(reversed(later))
            return group

    def _do(self, work: _Call) -> None:
        try:
            if self._connection is None:
                self._connection = self._database.connect()
            work.run(self._connection)
        except Exception as error:  # noqa: BLE001 — passed on to the caller
            if isinstance(error, self._database.Error) and self._database.blame(error) == "broken":
                self._disconnect()
            work.fail(error)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _gather(self) -> None:
        """Wait for more passes: a large group costs little more than a small one. Stops when most have arrived."""
        until = time.monotonic() + self._linger
        while time.monotonic() < until and not self._closing:
            before = len(self._waiting)
            if before >= GROUP_PASSES or self._bytes >= GROUP_BYTES or self._expected() <= 2 * before:
                return
            self._changed.wait_for(lambda before=before: len(self._waiting) > before or self._closing, LULL)  # type: ignore[misc]
            if len(self._waiting) == before:
                return

    def _decide(self, group: list[_Waiting]) -> None:
        answers = self._commit(group)
        if answers is None:  # find the faulty pass
            for waiting in group:
                (answer,) = self._commit([waiting]) or [Abandoned()]
                waiting.done(answer)
            return
        for waiting, answer in zip(group, answers, strict=True):
            waiting.done(answer)

    def _commit(self, group: list[_Waiting]) -> list[Outcome | Exception] | None:
        """The outcome of each pass; None if the group must be committed one by one."""
        pause = _FIRST_PAUSE
        broken = 0
        while not self._abandon.is_set():
            began = time.monotonic()
            try:
                if self._connection is None:
                    self._connection = self._database.connect()
                answers = self._passes.commit(self._connection, [waiting.work for waiting in group], datetime.now(UTC))
            except self._database.Error as error:
                blame = self._database.blame(error)
                broken += blame == "broken"
                if blame == "rows" or (broken > _MAX_BROKEN and "No space left" not in str(error)):
                    if len(group) > 1:
                        return None
                    self._note_success()
                    return [error]
                self._note_failure(error, blame == "broken")
            except OSError as error:  # no descriptor or memory left for the rows
                self._note_failure(error, broken=False)
            except Exception as error:
                if len(group) > 1:
                    return None
                log.exception("pass_not_committed", processor=self._name, session=group[0].work.key)
                return [error]
            else:
                self._note_success()
                self.durations.note(time.monotonic() - began)
                self.commits += 1
                self.passes += len(group)
                return list(answers)
            self._abandon.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return None if len(group) > 1 else [Abandoned()]

    def _note_failure(self, error: Exception, broken: bool) -> None:
        reason = first_line(error)
        if self.trouble is None:
            log.error("commits_failing", processor=self._name, error=reason)
        self.trouble = reason
        if broken:
            self._disconnect()

    def _note_success(self) -> None:
        if self.trouble is not None:
            log.info("commits_recovered", processor=self._name, after=self.trouble)
        self.trouble = None
