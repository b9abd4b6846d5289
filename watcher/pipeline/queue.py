"""The change queue: changed sessions, debounced and deduplicated.

A session is ready ``quiet`` after its last event and at the latest ``max_wait``
after its first. All times are seconds on one monotonic clock, passed in by the caller.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_LONG_AGO = float("-inf")


@dataclass(slots=True)
class _Waiting:
    first: float
    last: float


class ChangeQueue:
    """Debounced session keys of one processor. Thread-safe."""

    def __init__(self, quiet: float, max_wait: float, max_pending: int) -> None:
        self._quiet, self._max_wait, self._max_pending = quiet, max_wait, max_pending
        self._changed = threading.Condition()
        self._waiting: dict[str, _Waiting] = {}
        self._running: set[str] = set()
        self._later: dict[str, float] = {}
        # Heap of wake-up times, at least one per key and not after it is due; checked again when it comes up.
        self._alarms: list[tuple[float, str]] = []
        # Keys already due when offered, mostly by a sweep and in large numbers: they alternate with keys that become
        # due now, so that neither group starves the other.
        self._backlog: deque[str] = deque()
        self._backlog_next = False
        self._owed: str | None = None
        self._closed = False
        #: Keys dropped because the queue was full.
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        """The number of sessions taken and not done."""
        return len(self._running)

    def on_their_way(self) -> int:
        """The number of sessions that wait or run."""
        return len(self._waiting) + len(self._running)

    def offer(self, key: str, now: float, last: float | None = None, at_once: bool = False) -> bool:
        """Queue a changed session; ``last``: the time of the change, if known to be before ``now``.

        A session offered during its own pass runs again after it. ``at_once`` skips the debounce,
        for requests by a person. False if the queue is full: the key is dropped, and a sweep is owed.
        """
        last = now if last is None else min(last, now)
        with self._changed:
            if self._closed:
                return False
            known = self._waiting.get(key)
            if known is not None and not at_once:
                known.last = max(known.last, last)
            elif known is not None or len(self._waiting) < self._max_pending:
                waiting = self._waiting[key] = _Waiting(now, _LONG_AGO if at_once else last)
                if key not in self._running:
                    self._line_up(key, waiting, now)
            else:
                self.forgotten += 1
                self._owe(f"the queue was full ({self._max_pending} sessions)")
                return False
            return True

    def defer(self, key: str, until: float) -> None:
        """Queue a session at a later time, unless it is offered before."""
        with self._changed:
            if not self._closed and key not in self._waiting:
                self._later[key] = until
                self._alarm(until, key)

    def take(self, now: float, limit: int = 1) -> list[str]:
        """Take up to ``limit`` ready sessions; each counts as running until `done`."""
        taken: list[str] = []
        with self._changed:
            while not self._closed and len(taken) < limit and (key := self._next(now)) is not None:
                until = self._later.get(key)
                if until is not None and until <= now and key not in self._waiting:
                    del self._later[key]
                    self._waiting[key] = _Waiting(until, until - self._quiet)
                waiting = self._waiting.get(key)
                if waiting is None or key in self._running:
                    continue  # `done` sets the alarm again where it is needed
                if (at := self._due(waiting)) > now:
                    heapq.heappush(self._alarms, (at, key))
                    continue
                del self._waiting[key]
                self._later.pop(key, None)
                self._running.add(key)
                taken.append(key)
        return taken

    def done(self, key: str) -> None:
        """Mark a session's pass as ended; offers made meanwhile may run."""
        with self._changed:
            self._running.discard(key)
            if not self._waiting:
                self._waiting.clear()  # releases the memory of a dict that was once large
            if (waiting := self._waiting.get(key)) is not None:
                self._alarm(self._due(waiting), key)
            elif (until := self._later.get(key)) is not None:
                self._alarm(until, key)
            self._changed.notify_all()

    def owe(self, reason: str) -> None:
        """Record that events may have been lost and a sweep is owed."""
        with self._changed:
            self._owe(reason)

    def collect_debt(self) -> str | None:
        """Clear the owed sweep and return its reason, None if there is none; the caller must sweep."""
        with self._changed:
            owed, self._owed = self._owed, None
            return owed

    @property
    def owed(self) -> str | None:
        """Why a sweep is owed; None if none is."""
        return self._owed

    def tune(self, quiet: float, max_wait: float, max_pending: int) -> None:
        """Change the debounce times and the limit; waiting sessions are rescheduled."""
        with self._changed:
            self._quiet, self._max_wait, self._max_pending = quiet, max_wait, max_pending
            for key, waiting in self._waiting.items():
                self._alarm(self._due(waiting), key)

    def oldest(self) -> float | None:
        """When the longest-waiting session was first offered; None if none waits."""
        with self._changed:
            return min((waiting.first for waiting in self._waiting.values()), default=None)

    def idle(self) -> bool:
        """Whether no session waits or runs; deferred sessions do not count."""
        with self._changed:
            return not self._waiting and not self._running

    def pending(self, keys: Iterable[str]) -> set[str]:
        """The subset of these keys that wait or run."""
        with self._changed:
            return {key for key in keys if key in self._waiting or key in self._running}

    def crowded(self) -> bool:
        """Whether the queue is more than half full."""
        return len(self._waiting) * 2 > self._max_pending

    def wait(self, now: float, timeout: float, unless: Callable[[], bool] = lambda: False) -> None:
        """Block until a session is ready, the queue changes or the timeout ends; not at all if ``unless()``."""
        with self._changed:
            if self._alarms:
                timeout = min(timeout, self._alarms[0][0] - now)
            if timeout > 0 and not self._backlog and not self._closed and not unless():
                self._changed.wait(timeout)

    def rest(self, timeout: float, unless: Callable[[], bool] = lambda: False) -> None:
        """Block until the queue changes or the timeout ends; not at all if ``unless()``."""
        with self._changed:
            if not self._closed and not unless():
                self._changed.wait(timeout)

    def wake(self) -> None:
        """Wake every thread in `wait` or `rest`."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> list[str]:
        """Close the queue to offers and takes; returns the waiting keys. Idempotent."""
        with self._changed:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
            self._alarms.clear()
            self._backlog.clear()
            self._changed.notify_all()
            return left

    def _line_up(self, key: str, waiting: _Waiting, now: float) -> None:
        due = self._due(waiting)
        if due > now or waiting.last == _LONG_AGO:  # explicit requests come first
            self._alarm(due, key)
            return
        self._backlog.append(key)
        if len(self._backlog) == 1:
            self._changed.notify_all()

    def _next(self, now: float) -> str | None:
        """The next key to check; None if none is due."""
        due = bool(self._alarms) and self._alarms[0][0] <= now
        if self._backlog and (self._backlog_next or not due):
            self._backlog_next = False
            return self._backlog.popleft()
        self._backlog_next = True
        return heapq.heappop(self._alarms)[1] if due else None

    def _due(self, waiting: _Waiting) -> float:
        return min(waiting.last + self._quiet, waiting.first + self._max_wait)

    def _alarm(self, at: float, key: str) -> None:
        earliest = not self._alarms or at < self._alarms[0][0]
        heapq.heappush(self._alarms, (at, key))
        if earliest:
            self._changed.notify_all()

    def _owe(self, reason: str) -> None:
        self._owed = self._owed or reason
        self._changed.notify_all()
