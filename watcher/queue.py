"""The change queue: sessions that changed, once each, ready when they have come to rest.

A session is ready ``quiet`` after its last event and at the latest ``max_wait``
after its first. All times are seconds on one steady clock, given by the caller.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Waiting:
    first: float
    last: float


@dataclass(slots=True)
class _Shelf:
    """Times by key, with a heap that may hold outdated entries."""

    times: dict[str, float] = field(default_factory=dict)
    heap: list[tuple[float, str]] = field(default_factory=list)

    def put(self, key: str, at: float) -> None:
        self.times[key] = at
        heapq.heappush(self.heap, (at, key))

    def head(self) -> tuple[float, str] | None:
        """The earliest entry that still holds."""
        while self.heap:
            at, key = self.heap[0]
            if self.times.get(key) == at:
                return at, key
            heapq.heappop(self.heap)
        return None


class ChangeQueue:
    """Debounced session keys for one processor. Safe to use from many threads."""

    def __init__(self, quiet: float, max_wait: float, max_pending: int) -> None:
        self._quiet, self._max_wait, self._max_pending = quiet, max_wait, max_pending
        self._changed = threading.Condition()
        self._waiting: dict[str, _Waiting] = {}
        self._ready = _Shelf()
        self._later = _Shelf()
        self._running: set[str] = set()
        self._owed: str | None = None
        self._closed = False
        #: Keys that were forgotten because the queue was full.
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Sessions taken and not yet done."""
        return len(self._running)

    def offer(self, key: str, now: float, last: float | None = None) -> bool:
        """Say that a session changed (at ``last``, if that is known to be earlier than now).

        An offer during the session's pass stays and runs after it. False if the queue is
        full: the key is forgotten, and a sweep is owed.
        """
        last = now if last is None else min(last, now)
        with self._changed:
            if self._closed:
                return False
            known = self._waiting.get(key)
            if known is None:
                if len(self._waiting) >= self._max_pending:
                    self.forgotten += 1
                    self._owe(f"the queue was full ({self._max_pending} sessions)")
                    return False
                self._waiting[key] = known = _Waiting(now, last)
            else:
                known.last = max(known.last, last)
            if key not in self._running:
                self._shelve(key, known)
            return True

    def defer(self, key: str, until: float) -> None:
        """Offer a session at a later time, unless it is offered before that."""
        with self._changed:
            if not self._closed and key not in self._waiting:
                self._later.put(key, until)
                self._changed.notify_all()

    def take(self, now: float, limit: int = 1) -> list[str]:
        """Up to ``limit`` sessions that are ready; each is running until `done`."""
        with self._changed:
            self._due(now)
            taken: list[str] = []
            while len(taken) < limit and not self._closed:
                head = self._ready.head()
                if head is None or head[0] > now:
                    break
                key = head[1]
                del self._ready.times[key]
                del self._waiting[key]
                self._later.times.pop(key, None)
                self._running.add(key)
                taken.append(key)
            return taken

    def done(self, key: str) -> None:
        """A session's pass has ended; what was offered meanwhile may run."""
        with self._changed:
            self._running.discard(key)
            waiting = self._waiting.get(key)
            if waiting is not None:
                self._shelve(key, waiting)
            self._changed.notify_all()

    def owe(self, reason: str) -> None:
        """Say that events may have been lost: a sweep is owed."""
        with self._changed:
            self._owe(reason)

    def settle_debt(self) -> str | None:
        """The reason for which a sweep is owed, if one is; the debt is then the caller's."""
        with self._changed:
            owed, self._owed = self._owed, None
            return owed

    def tune(self, quiet: float, max_wait: float) -> None:
        """Change the debounce times; what waits is re-timed."""
        with self._changed:
            self._quiet, self._max_wait = quiet, max_wait
            for key, waiting in self._waiting.items():
                if key not in self._running:
                    self._shelve(key, waiting)

    def next_ready(self) -> float | None:
        """When the next session will be ready, None if none waits."""
        with self._changed:
            heads = [head[0] for shelf in (self._ready, self._later) if (head := shelf.head())]
            return min(heads, default=None)

    def oldest(self) -> float | None:
        """When the longest-waiting session was first offered."""
        with self._changed:
            return min((waiting.first for waiting in self._waiting.values()), default=None)

    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        with self._changed:
            return not self._waiting and not self._running

    def wait(self, timeout: float) -> None:
        """Sleep until something is offered or done, the queue is closed, or time is up."""
        with self._changed:
            if not self._closed:
                self._changed.wait(timeout)

    def close(self) -> Iterable[str]:
        """End it: nothing more is taken or offered. Returns what still waited. Idempotent."""
        with self._changed:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
            return left

    def _shelve(self, key: str, waiting: _Waiting) -> None:
        at = min(waiting.last + self._quiet, waiting.first + self._max_wait)
        before = self._ready.head()
        self._ready.put(key, at)
        if before is None or at < before[0]:
            self._changed.notify_all()

    def _due(self, now: float) -> None:
        while (head := self._later.head()) is not None and head[0] <= now:
            at, key = head
            del self._later.times[key]
            if key not in self._waiting:
                self._waiting[key] = _Waiting(at, at - self._quiet)
                if key not in self._running:
                    self._shelve(key, self._waiting[key])

    def _owe(self, reason: str) -> None:
        self._owed = self._owed or reason
        self._changed.notify_all()
