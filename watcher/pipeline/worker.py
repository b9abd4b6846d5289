"""The worker: takes ready sessions, has its child process read them, and submits the passes to the committer.

`Worker.step` does one iteration and needs no thread; the thread only repeats it.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from random import Random

from watcher.errors import first_line
from watcher.logs import Log
from watcher.malloc import give_back
from watcher.pipeline.backoff import Retry
from watcher.pipeline.committer import Committer
from watcher.pipeline.histogram import Durations
from watcher.pipeline.pace import Pace
from watcher.pipeline.queue import ChangeQueue
from watcher.pipeline.results import Outcomes, Tally, Visit
from watcher.sandbox import protocol
from watcher.sandbox.process import Child, ChildStartError, Stopped
from watcher.store.commits import PassStore
from watcher.store.database import Connection, Database
from watcher.store.state import Version
from watcher.transcripts.sessions import Tree, path_of

log = Log()

#: Sessions taken from the queue at a time.
BATCH = 64
#: Idle time after which the child process is ended, in seconds.
IDLE = 60.0
#: Pause after a failure of the service or its environment, in seconds.
PAUSE = 2.0


class Worker:
    """Drains one processor's queue, with one child process of its own."""

    def __init__(
        self,
        name: str,
        version: int,
        tree: Tree,
        queue: ChangeQueue,
        child: Child,
        committer: Committer,
        database: Database,
        passes: PassStore,
        retry: Retry,
        pace: Pace | None = None,
        *,
        stands_from: int | None = None,
        second_look: float = 2.0,
        workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
        random: Random | None = None,
    ) -> None:
        """``stands_from``: the lowest version whose rows are not reprocessed automatically; None: ``version``."""
        self.name = name
        self._logged = Tally()
        #: Duration of each pass, from when the child could begin it to its last reply.
        self.durations = Durations()
        #: Why this worker makes no progress at present; None if it does.
        self.trouble: str | None = None
        #: Consecutive attempts that failed without fault of a session.
        self.stumbles = 0
        self._resting_until = 0.0
        self._pace = pace if pace is not None else Pace()
        #: Time of the last progress, on the worker's clock.
        self.beat = clock()
        self._version = Version(version, version if stands_from is None else stands_from)
        self._tree, self._queue = tree, queue
        self._child, self._database, self._passes = child, database, passes
        self._ours: tuple[type[Exception], ...] = (*database.Error, ChildStartError, OSError)
        self._workers, self._clock = workers, clock
        self.outcomes = Outcomes(
            name, self._version, queue, committer, retry, self._pace, second_look, clock, random or Random()
        )
        self._committer = committer
        self._connection: Connection | None = None
        self._stopping, self._ended = threading.Event(), threading.Event()
        self._idle_since = clock()
        self._thread = threading.Thread(target=self._run, name=f"worker:{name}", daemon=True)

    @property
    def paused_until(self) -> float:
        """The time before which no session is taken: the worker's own pause or the processor's."""
        return max(self._resting_until, self._pace.paused_until)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Take no more sessions; what the child has already read still goes to the committer. Idempotent."""
        self._stopping.set()
        self._queue.wake()

    def ended(self, timeout: float) -> bool:
        """Wait, after `stop`, until nothing more is submitted to the committer; False on timeout."""
        return not self._thread.is_alive() or self._ended.wait(timeout)

    def join(self, timeout: float) -> bool:
        """Wait for the thread's end, which follows the committer's last outcome; False on timeout."""
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    wait = self.step(self._clock())
                except Exception as error:
                    log.exception("worker_failed", processor=self.name)
                    self.trouble = f"an internal error, see the log: {type(error).__name__}: {error}"
                    self._resting_until = self._clock() + PAUSE
                    self.stumbles += 1
                    continue
                if wait <= 0:
                    continue
                if self.paused_until > self._clock():  # ready sessions must not end the wait
                    self._queue.rest(wait, self.outcomes.waiting)
                else:
                    self._queue.wait(self._clock(), wait, self.outcomes.waiting)
        finally:
            self.close()
            self._ended.set()
            while not self.outcomes.settle(1.0) and self._committer.alive():
                pass
            self.outcomes.settle()

    def close(self) -> None:
        """End the child process and close the connection. Idempotent."""
        self._child.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def step(self, now: float) -> float:
        """One iteration: the committer's outcomes, then ready sessions; seconds until the next may find work."""
        self.beat = now
        self.outcomes.settle()
        if now < self.paused_until:
            return min(self.paused_until - now, 1.0)
        # Several workers take small shares, so that the last sessions are spread over all of them.
        share = BATCH if self._workers == 1 else max(1, len(self._queue) // (2 * self._workers))
        keys = self._queue.take(now, min(BATCH, share))
        if not keys:
            if now - self._idle_since > IDLE and self._child.pid is not None:
                self._child.close()
                give_back()
            self._log_progress()
            return 1.0
        self._idle_since = now
        try:
            self._process(keys)
        except self._ours as error:
            self._pause_after_failure(error)
        else:
            if self.paused_until <= self._clock():
                self.trouble = None
                self.stumbles = 0
        return 0.0

    def _log_progress(self) -> None:
        """Log the tally since the last such entry, once the queue is idle."""
        tally, told = self.outcomes.tally, self._logged
        done = Tally(*(getattr(tally, name) - getattr(told, name) for name in Tally.__dataclass_fields__))
        if not (done.processed or done.failed or done.gone) or not self._queue.idle():
            return
        self._logged = dataclasses.replace(tally)
        said = {name: count for name, count in dataclasses.asdict(done).items() if count and name != "skipped"}
        log.info("caught_up", processor=self.name, **said)

    def _pause_after_failure(self, error: Exception) -> None:
        """Pause after a failure that no session caused; state rows stay, and the sessions are offered again."""
        self.trouble = first_line(error)
        log.error("processing_paused", processor=self.name, error=self.trouble)
        if isinstance(error, self._database.Error) and self._connection is not None:
            self._connection.close()
            self._connection = None
        self._child.close()
        self.stumbles += 1
        self._resting_until = self._clock() + PAUSE

    def _process(self, keys: list[str]) -> None:
        visits: dict[str, Visit] = {}
        left = set(keys)
        try:
            if self._connection is None:
                self._connection = self._database.connect()
            states = self._passes.states(self._connection, keys)
            visits = {key: Visit(states.get(key), self._tree.username(key)) for key in keys}
            jobs = [self._job(key, visit) for key, visit in visits.items()]
            with closing(self._child.run(jobs, self._is_stopped)) as replies:
                began = self._clock()
                for job, reply in replies:
                    self.beat = self._clock()
                    if not isinstance(reply, protocol.Window) or reply.last:
                        left.discard(job.key)
                        if isinstance(reply, (protocol.Window, protocol.Failed)):
                            self.durations.note(self.beat - began)
                        began = self.beat
                    if isinstance(reply, protocol.Trouble):
                        self.trouble = reply.error
                    if isinstance(reply, protocol.Trouble) and reply.paused is None and not reply.unconfigured:
                        self.stumbles += 1
                        self._resting_until = self._clock() + PAUSE
                    self.trouble = self.outcomes.handle(job, visits[job.key], reply) or self.trouble
                    if self.paused_until > self._clock():
                        break  # the remaining sessions would fail for the same reason
        except Stopped:
            pass
        finally:
            now = self._clock()
            for key in left:  # not processed
                visit = visits.get(key)
                if visit is None:
                    self._queue.done(key)
                    self._queue.offer(key, now)
                else:
                    self.outcomes.skip(key, visit)

    def _is_stopped(self) -> bool:
        """Whether to stop; called several times a second while the child reads, so outcomes are handled here too."""
        self.outcomes.settle()
        return self._stopping.is_set()

    def _job(self, key: str, visit: Visit) -> protocol.Job:
        state = visit.base
        path, username = path_of(key), visit.username
        visit.seen = self._tree.signature(path)
        if state is None:
            return protocol.Job(key, username, path, 0, None, (None, None, None, None), True, True, None)
        due = state.next_attempt_at is not None and state.next_attempt_at <= datetime.now(UTC)
        return protocol.Job(
            key,
            username,
            path,
            state.processed_bytes,
            state.file_hash,
            state.signature,
            whole=state.is_before(self._version.stands_from),
            force=due,
            carry=state.carry.encode() if state.carry else None,
        )
