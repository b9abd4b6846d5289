"""The worker: takes sessions that are ready, has them read, and hands what follows to the door.

`Worker.step` does one round and works without a thread; the thread only repeats it.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import structlog

from watcher import frames
from watcher.child import Child, ChildStartError, Stopped
from watcher.door import Abandoned, Door
from watcher.pace import Pace
from watcher.queue import ChangeQueue
from watcher.retry import Retry
from watcher.sessions import Tree, path_of
from watcher.state import Seen, State
from watcher.store.database import Connection, Database
from watcher.store.passes import Outcome, Pass, PassStore

log = structlog.get_logger("watcher.worker")

#: Sessions taken from the queue at once.
BATCH = 64
#: A child that has had nothing to do for so long is put away.
IDLE = 60.0
#: After trouble of ours, how long until the next try.
PAUSE = 2.0


@dataclass(slots=True)
class Tally:
    """What became of the sessions that were looked at."""

    processed: int = 0
    skipped: int = 0
    failed: int = 0
    gone: int = 0
    items: int = 0
    bytes: int = 0
    bad_lines: int = 0


@dataclass(slots=True)
class _Visit:
    """A session on its way through: how many of its windows the door has yet to decide."""

    base: State | None
    username: str
    #: The file as it was before anybody read it.
    seen: Seen | None = None
    #: The file as the child saw it.
    read_as: Seen | None = None
    undecided: int = 0
    read: bool = False
    again: bool = False


class Worker:
    """Drains one processor's queue; owns one child process."""

    def __init__(
        self,
        name: str,
        version: int,
        tree: Tree,
        queue: ChangeQueue,
        child: Child,
        door: Door,
        database: Database,
        passes: PassStore,
        retry: Retry,
        pace: Pace | None = None,
        *,
        second_look: float = 2.0,
        workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
        random: Random | None = None,
    ) -> None:
        self.name = name
        self.tally = Tally()
        self._told = Tally()
        #: What keeps this processor from working at present, None if nothing does.
        self.trouble: str | None = None
        #: How often in a row it got nowhere for trouble of ours.
        self.stumbles = 0
        self._resting_until = 0.0
        self._pace = pace if pace is not None else Pace()
        #: When it last got anywhere, on its clock.
        self.beat = clock()
        self._version, self._tree, self._queue = version, tree, queue
        self._child, self._door, self._database, self._passes = child, door, database, passes
        self._ours: tuple[type[Exception], ...] = (*database.Error, ChildStartError, OSError)
        self._retry, self._second_look, self._workers = retry, second_look, workers
        self._clock = clock
        self._random = random or Random()
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._failures: deque[tuple[float, str, str]] = deque(maxlen=1000)
        self._stopping = threading.Event()
        self._idle_since = clock()
        self._thread = threading.Thread(target=self._run, name=f"worker:{name}", daemon=True)

    @property
    def paused_until(self) -> float:
        """Not before then does it take another session: trouble of ours, or a provider that is down for all."""
        return max(self._resting_until, self._pace.paused_until)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Take nothing more; what the child has read already still goes to the door. Idempotent."""
        self._stopping.set()
        self._queue.wake()

    def join(self, timeout: float) -> bool:
        """Wait for the end; False if it is late."""
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    wait = self.step(self._clock())
                except Exception as error:
                    log.exception("the worker stumbled", processor=self.name)
                    self.trouble = f"an internal error, see the log: {type(error).__name__}: {error}"
                    self._resting_until = self._clock() + PAUSE
                    self.stumbles += 1
                    continue
                if wait <= 0:
                    continue
                if self.paused_until > self._clock():
                    self._stopping.wait(wait)  # sessions may be ready, and are not to be taken
                else:
                    self._queue.wait(self._clock(), wait)
        finally:
            self.close()

    def failures(self, since: float) -> dict[str, str]:
        """The sessions that failed since then (on its clock; the last thousand), with the reason."""
        return {key: error for at, key, error in list(self._failures) if at >= since}

    def close(self) -> None:
        """Put the child away and give the connection back. Idempotent."""
        self._child.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def step(self, now: float) -> float:
        """Do one round: what is ready now. Seconds until there may be more to do (0: at once)."""
        self.beat = now
        if now < self.paused_until:
            return min(self.paused_until - now, 1.0)
        # Several workers leave something for each other until the end.
        share = BATCH if self._workers == 1 else max(1, len(self._queue) // (2 * self._workers))
        keys = self._queue.take(now, min(BATCH, share))
        if not keys:
            if now - self._idle_since > IDLE:
                self._child.close()
            self._tell()
            return 1.0
        self._idle_since = now
        try:
            self._look(keys)
        except self._ours as error:
            self._struggle(keys, error)
        else:
            if self.paused_until <= self._clock():
                self.trouble = None
                self.stumbles = 0
        return 0.0

    def _tell(self) -> None:
        """Say what was done since this was last said, once there is nothing more to do."""
        done = Tally(*(getattr(self.tally, name) - getattr(self._told, name) for name in Tally.__dataclass_fields__))
        if not (done.processed or done.failed or done.gone) or not self._queue.idle():
            return
        self._told = dataclasses.replace(self.tally)
        said = {name: count for name, count in dataclasses.asdict(done).items() if count and name != "skipped"}
        log.info("caught up", processor=self.name, **said)

    def _struggle(self, keys: list[str], error: Exception) -> None:
        """Trouble of ours: nothing is marked, everything is offered again after a pause."""
        self.trouble = str(error).strip().partition("\n")[0]
        log.error("sessions wait for trouble to pass", processor=self.name, error=self.trouble)
        if isinstance(error, self._database.Error) and self._connection is not None:
            self._connection.close()
            self._connection = None
        self._child.close()
        self.stumbles += 1
        self._resting_until = self._clock() + PAUSE

    def _look(self, keys: list[str]) -> None:
        visits: dict[str, _Visit] = {}
        left = set(keys)
        try:
            if self._connection is None:
                self._connection = self._database.connect()
            states = self._passes.states(self._connection, keys)
            visits = {key: _Visit(states.get(key), self._tree.username(key)) for key in keys}
            jobs = [self._job(key, visit) for key, visit in visits.items()]
            with closing(self._child.run(jobs, self._stopping.is_set)) as replies:
                for job, reply in replies:
                    self.beat = self._clock()
                    if not isinstance(reply, frames.Window) or reply.last:
                        left.discard(job.key)
                    self._hear(job, visits[job.key], reply)
                    if self.paused_until > self._clock():
                        break  # the others wait too, instead of meeting the same trouble
        except Stopped:
            pass
        finally:
            now = self._clock()
            for key in left:  # not looked at after all
                visit = visits.get(key)
                if visit is None:
                    self._queue.done(key)
                    self._queue.offer(key, now)
                else:
                    visit.again = visit.read = True
                    self._finish(key, visit)

    def _job(self, key: str, visit: _Visit) -> frames.Job:
        state = visit.base
        path, username = path_of(key), visit.username
        visit.seen = self._tree.signature(path)
        if state is None:
            return frames.Job(key, username, path, 0, None, (None, None, None, None), True, True, None)
        older = state.processor_version is not None and state.processor_version < self._version
        due = state.next_attempt_at is not None and state.next_attempt_at <= datetime.now(UTC)
        return frames.Job(
            key,
            username,
            path,
            state.processed_bytes,
            state.file_hash,
            state.signature,
            whole=older,
            force=due,
            carry=state.carry.encode() if state.carry else None,
        )

    def _hear(self, job: frames.Job, visit: _Visit, reply: frames.Reply) -> None:
        if not isinstance(reply, frames.Gone):
            self._pace.there(job.key)
        if isinstance(reply, frames.Window):
            self._take(job.key, visit, reply)
            return
        visit.read = True
        if isinstance(reply, frames.Unchanged):
            self._unchanged(job.key, visit, reply)
        elif isinstance(reply, frames.Gone):
            self._gone(job.key, visit)
        elif isinstance(reply, frames.Trouble):
            self.trouble = reply.error
            self.stumbles += 1
            self._resting_until = self._clock() + PAUSE
            visit.again = True
        elif reply.transient:
            self._slow_down(job.key, visit, reply)
        else:
            self._failed(job.key, visit, visit.base, reply.error, reply.signature)
        self._finish(job.key, visit)

    def _take(self, key: str, visit: _Visit, window: frames.Window) -> None:
        before = visit.base
        base = before or State(processor_name=self.name, session_file=key, username=visit.username)
        state = base.taken(window, self._version)
        visit.base = state
        visit.read = window.last
        visit.read_as = window.signature
        visit.again = visit.again or window.more
        work = Pass(key, before, state, window.start == 0, window.rows, window.after)
        self._submit(key, visit, work, window)

    def _unchanged(self, key: str, visit: _Visit, reply: frames.Unchanged) -> None:
        state = visit.base
        self.tally.skipped += 1
        if state is None:
            return
        if state.next_attempt_at is not None and state.status != "quarantined":
            self._queue.defer(key, self._clock() + _seconds_until(state.next_attempt_at))

    def _gone(self, key: str, visit: _Visit) -> None:
        state = visit.base
        if state is None or state.status == "gone":
            self._pace.there(key)
            return
        now = self._clock()
        first = self._pace.missing_since(key, now)
        if now - first < self._second_look:
            self._queue.defer(key, first + self._second_look)
            return
        self._pace.there(key)
        self.tally.gone += 1
        self._submit(key, visit, Pass(key, state, state.gone()))

    def _slow_down(self, key: str, visit: _Visit, reply: frames.Failed) -> None:
        """The provider is in trouble: the whole processor slows; it is nobody's fault while nobody succeeds."""
        slowdowns, others_succeeded = self._pace.slow_down(key)
        delay = self._retry.delay(slowdowns, self._random)
        if reply.retry_after is not None:
            delay = max(delay, reply.retry_after)
        self._pace.pause(self._clock() + delay)
        self.trouble = reply.error
        self._failed(key, visit, visit.base, reply.error, reply.signature, counts=others_succeeded, delay=delay)

    def _failed(
        self,
        key: str,
        visit: _Visit,
        before: State | None,
        error: str,
        signature: Seen | None,
        counts: bool = True,
        delay: float | None = None,
        refused: bool = False,
    ) -> None:
        """Note a failure in the state row; what was taken before stands."""
        state = before or State(processor_name=self.name, session_file=key, username=visit.username)
        attempts = state.attempts + counts
        quarantined = counts and attempts >= self._retry.max_attempts
        if delay is None:
            delay = self._retry.delay(max(attempts, 1), self._random)
        again_at = None if quarantined else datetime.now(UTC) + timedelta(seconds=delay)
        after = state.failed(error, signature or visit.seen or state.signature, attempts, again_at, self._version)
        self.tally.failed += 1
        self._failures.append((self._clock(), key, error[:500]))
        log.warning("session failed", processor=self.name, session=key, attempts=attempts, error=error[:300])
        if not refused:  # later windows of one that was refused are void
            visit.base = after
        self._submit(key, visit, Pass(key, before, after), at_once=True)
        if not quarantined:
            self._queue.defer(key, self._clock() + delay)

    def _submit(
        self, key: str, visit: _Visit, work: Pass, window: frames.Window | None = None, at_once: bool = False
    ) -> None:
        with self._lock:
            visit.undecided += 1

        def decided(answer: Outcome | Exception) -> None:
            if isinstance(answer, Exception):
                self._refused(key, visit, work, answer)
            elif answer == "void":
                visit.again = True
            elif window is not None:
                self._committed(key, work, window)
            with self._lock:
                visit.undecided -= 1
            self._finish(key, visit)

        self._door.submit(work, decided, at_once)

    def _committed(self, key: str, work: Pass, window: frames.Window) -> None:
        self.tally.bytes += window.processed_bytes - window.start
        self.tally.bad_lines += window.bad_lines
        self.tally.items += window.items
        if not window.last:
            return
        self.tally.processed += 1
        self._pace.succeeded(key)
        if work.after.next_attempt_at is not None:
            self._queue.defer(key, self._clock() + _seconds_until(work.after.next_attempt_at))

    def _refused(self, key: str, visit: _Visit, work: Pass, error: Exception) -> None:
        """The database did not take the rows: this pass failed, and what followed it is void."""
        if isinstance(error, Abandoned):
            visit.again = True
            return
        message = f"its rows were refused: {str(error).strip().partition(chr(10))[0]}"
        self._failed(key, visit, work.before, message, visit.read_as, refused=True)

    def _finish(self, key: str, visit: _Visit) -> None:
        """Let the session go once it is read and everything of it is decided."""
        with self._lock:
            if visit.undecided or not visit.read:  # the child is still at it, whatever was decided meanwhile
                return
            again, visit.again, visit.read = visit.again, False, False
        if again:  # a queue that is closed takes nothing more
            self._queue.offer(key, self._clock(), last=0.0)
        self._queue.done(key)


def _seconds_until(moment: datetime) -> float:
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
