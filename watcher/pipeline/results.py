"""Outcomes: turns a child's replies into passes and new states, and decides when a session is tried again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from random import Random

from watcher.logs import Log
from watcher.pipeline.backoff import Retry
from watcher.pipeline.committer import Abandoned, Committer
from watcher.pipeline.pace import Pace
from watcher.pipeline.queue import ChangeQueue
from watcher.sandbox import protocol
from watcher.store.commits import Outcome, Pass
from watcher.store.state import Seen, State, Version

log = Log()


@dataclass(slots=True)
class Tally:
    """Counts of sessions by outcome, and of the items, bytes and lines processed."""

    processed: int = 0
    skipped: int = 0
    failed: int = 0
    gone: int = 0
    items: int = 0
    bytes: int = 0
    lines: int = 0
    bad_lines: int = 0


@dataclass(slots=True)
class Visit:
    """A session being processed, with the number of its passes that have no outcome yet."""

    base: State | None
    username: str
    #: The file's signature before it was read.
    seen: Seen | None = None
    #: The file's signature as the child saw it.
    read_as: Seen | None = None
    undecided: int = 0
    read: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class _Answer:
    """The committer's outcome of a pass."""

    key: str
    visit: Visit
    work: Pass
    #: The window of the pass; None for a change of state alone.
    window: protocol.Window | None
    outcome: Outcome | Exception


class Outcomes:
    """The outcomes of one worker, used on its thread alone; the committer's answers are queued for `settle`."""

    def __init__(
        self,
        name: str,
        version: Version,
        queue: ChangeQueue,
        committer: Committer,
        retry: Retry,
        pace: Pace,
        second_look: float,
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self.name = name
        self.tally = Tally()
        self._version, self._queue, self._committer = version, queue, committer
        self._retry, self._pace, self._second_look = retry, pace, second_look
        self._clock, self._random = clock, random
        self._answers: SimpleQueue[_Answer] = SimpleQueue()
        #: The number of passes without an outcome.
        self._unanswered = 0
        self._failures: deque[tuple[float, str, str]] = deque(maxlen=1000)

    def handle(self, job: protocol.Job, visit: Visit, reply: protocol.Reply) -> str | None:
        """Handle one reply of the child; returns the error of a transient failure, which pauses the processor."""
        trouble = None
        if not isinstance(reply, protocol.Gone):
            self._pace.there(job.key)
        if isinstance(reply, protocol.Window):
            self._take(job.key, visit, reply)
            return None
        visit.read = True
        if isinstance(reply, protocol.Unchanged):
            self._unchanged(job.key, visit)
        elif isinstance(reply, protocol.Gone):
            self._gone(job.key, visit)
        elif isinstance(reply, protocol.Trouble):
            visit.again = True
            if reply.unconfigured:
                self._pace.refuse(reply.error, self._clock() + self._retry.longest)
            elif reply.paused is not None:
                self._pace.pause(self._clock() + reply.paused)
        elif reply.transient:
            trouble = reply.error
            self._slow_down(job.key, visit, reply)
        else:
            self._failed(job.key, visit, visit.base, reply.error, reply.signature)
        self._finish(job.key, visit)
        return trouble

    def settle(self, timeout: float = 0.0) -> bool:
        """Handle the queued answers, waiting ``timeout`` seconds for the first; whether none is outstanding."""
        try:
            answer = self._answers.get(timeout=timeout) if timeout and self._unanswered else self._answers.get_nowait()
            while True:
                self._answered(answer)
                answer = self._answers.get_nowait()
        except Empty:
            return not self._unanswered

    def waiting(self) -> bool:
        """Whether an answer is queued."""
        return not self._answers.empty()

    def skip(self, key: str, visit: Visit) -> None:
        """Offer a session again that was taken but not processed."""
        visit.again = visit.read = True
        self._finish(key, visit)

    def failures(self, since: float) -> dict[str, str]:
        """Errors by session since a time on the worker's clock; at most the last thousand."""
        return {key: error for at, key, error in list(self._failures) if at >= since}

    def _take(self, key: str, visit: Visit, window: protocol.Window) -> None:
        before = visit.base
        base = before or State(processor_name=self.name, session_file=key, username=visit.username)
        state = _after(base, window, self._version.now)
        visit.base = state
        visit.read = window.last
        visit.read_as = window.signature
        visit.again = visit.again or window.more
        work = Pass(key, before, state, window.start == 0, window.rows, window.after, withdrawn=window.withdrawn)
        self._submit(key, visit, work, window)

    def _unchanged(self, key: str, visit: Visit) -> None:
        state = visit.base
        self.tally.skipped += 1
        if state is None:
            return
        if state.next_attempt_at is not None and state.status != "quarantined":
            self._queue.defer(key, self._clock() + _seconds_until(state.next_attempt_at))

    def _gone(self, key: str, visit: Visit) -> None:
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

    def _slow_down(self, key: str, visit: Visit, reply: protocol.Failed) -> None:
        """Pause the processor after a transient failure; it counts as an attempt only if other sessions succeeded."""
        slowdowns, others_succeeded = self._pace.slow_down(key)
        delay = self._retry.delay(slowdowns, self._random)
        if reply.retry_after is not None:
            delay = max(delay, reply.retry_after)
        self._pace.pause(self._clock() + delay)
        self._failed(key, visit, visit.base, reply.error, reply.signature, counts=others_succeeded, delay=delay)

    def _failed(
        self,
        key: str,
        visit: Visit,
        before: State | None,
        error: str,
        signature: Seen | None,
        counts: bool = True,
        delay: float | None = None,
        refused: bool = False,
    ) -> None:
        """Record a failure in the state row; rows committed before stay."""
        state = before or State(processor_name=self.name, session_file=key, username=visit.username)
        attempts = state.attempts + counts
        quarantined = counts and attempts >= self._retry.max_attempts
        if delay is None:
            delay = self._retry.delay(max(attempts, 1), self._random)
        again_at = None if quarantined else datetime.now(UTC) + timedelta(seconds=delay)
        after = state.failed(error, signature or visit.seen or state.signature, attempts, again_at, self._version)
        self.tally.failed += 1
        self._failures.append((self._clock(), key, error[:500]))
        log.warning("session_failed", processor=self.name, session=key, attempts=attempts, error=error[:300])
        if not refused:  # the later windows of a refused pass are void
            visit.base = after
        self._submit(key, visit, Pass(key, before, after), at_once=True)
        if not quarantined:
            self._queue.defer(key, self._clock() + delay)

    def _submit(
        self, key: str, visit: Visit, work: Pass, window: protocol.Window | None = None, at_once: bool = False
    ) -> None:
        visit.undecided += 1
        self._unanswered += 1

        def decided(outcome: Outcome | Exception) -> None:  # on the committer's thread
            self._answers.put(_Answer(key, visit, work, window, outcome))
            self._queue.wake()

        self._committer.submit(work, decided, at_once)

    def _answered(self, answer: _Answer) -> None:
        key, visit = answer.key, answer.visit
        if isinstance(answer.outcome, Exception):
            self._refused(key, visit, answer.work, answer.outcome)
        elif answer.outcome == "void":
            visit.again = True
        elif answer.window is not None:
            self._committed(key, answer.work, answer.window)
        visit.undecided -= 1
        self._unanswered -= 1
        self._finish(key, visit)

    def _committed(self, key: str, work: Pass, window: protocol.Window) -> None:
        self.tally.bytes += window.processed_bytes - window.start
        self.tally.lines += window.lines
        self.tally.bad_lines += window.bad_lines
        self.tally.items += window.items
        if not window.last:
            return
        self.tally.processed += 1
        self._pace.succeeded(key)
        if work.after.next_attempt_at is not None:
            self._queue.defer(key, self._clock() + _seconds_until(work.after.next_attempt_at))

    def _refused(self, key: str, visit: Visit, work: Pass, error: Exception) -> None:
        """Handle rows that the database rejected: the pass failed, and the windows after it are void."""
        if isinstance(error, Abandoned):
            visit.again = True
            return
        message = f"its rows were refused: {str(error).strip().partition(chr(10))[0]}"
        self._failed(key, visit, work.before, message, visit.read_as, refused=True)

    def _finish(self, key: str, visit: Visit) -> None:
        """Release the session once it is read and all its passes have an outcome."""
        if visit.undecided or not visit.read:  # not fully read, or passes without an outcome
            return
        again, visit.again, visit.read = visit.again, False, False
        if again:  # ignored by a closed queue
            self._queue.offer(key, self._clock(), last=0.0)
        self._queue.done(key)


def _after(state: State, window: protocol.Window, version: int) -> State:
    """The state after a window was read; earlier failures are over."""
    anew = window.start == 0
    inode, size, mtime_ns, ctime_ns = window.signature
    unfinished = not window.last or window.more
    return State(
        processor_name=state.processor_name,
        session_file=state.session_file,
        username=state.username,
        processed_at=datetime.now(UTC),
        items_extracted=window.items + (0 if anew else state.items_extracted),
        file_hash=window.file_hash,
        file_inode=inode,
        file_size=size,
        file_mtime_ns=mtime_ns,
        # While more is to be taken from the file as it is, it must not look as it was seen.
        file_ctime_ns=None if unfinished else ctime_ns,
        processed_bytes=window.processed_bytes,
        bad_lines=window.bad_lines + (0 if anew else state.bad_lines),
        # What an earlier version began stays its own, until it is made anew.
        processor_version=version if anew or not state.is_before(version) else state.processor_version,
        next_attempt_at=None if window.settles_at is None else datetime.fromtimestamp(window.settles_at, UTC),
        carry=window.carry.decode() if window.carry != b"{}" else None,
    )


def _seconds_until(moment: datetime) -> float:
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
