"""The pace of a processor: what its workers know together of trouble outside, and of files that are missing."""

from __future__ import annotations

import threading


class Pace:
    """Shared by the workers of one processor; a provider that is down is down for all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: Not before then is another session taken, on the workers' clock.
        self.paused_until = 0.0
        #: What is to be set before it can work, None if nothing is known to be missing.
        self.unconfigured: str | None = None
        self._slowdowns = 0
        self._successes = 0
        #: Sessions with trouble outside, and how many had succeeded when it came.
        self._transient: dict[str, int] = {}
        self._missing: dict[str, float] = {}

    def slow_down(self, key: str) -> tuple[int, bool]:
        """Trouble outside came with a session: how often in a row, and whether others succeeded since its last."""
        with self._lock:
            others_succeeded = self._transient.get(key, self._successes) != self._successes
            self._transient[key] = self._successes
            self._slowdowns += 1
            return self._slowdowns, others_succeeded

    def pause(self, until: float) -> None:
        """Take nothing before then; a longer pause that is on already stays."""
        with self._lock:
            self.paused_until = max(self.paused_until, until)

    def refuse(self, reason: str, until: float) -> None:
        """It cannot work as it is set: nothing is taken before then, unless something changes."""
        with self._lock:
            self.unconfigured = reason
            self.paused_until = max(self.paused_until, until)

    def resume(self) -> None:
        """Something was set, or somebody asks: what kept it from working may have passed."""
        with self._lock:
            self.unconfigured = None
            self.paused_until = 0.0

    def succeeded(self, key: str) -> None:
        """A session went through: the trouble, if there was any, is over."""
        with self._lock:
            self._successes += 1
            self.unconfigured = None
            self._slowdowns = 0
            self._transient.pop(key, None)

    def missing_since(self, key: str, now: float) -> float:
        """When a file was first seen to be missing: now, if it was not before."""
        with self._lock:
            return self._missing.setdefault(key, now)

    def there(self, key: str) -> None:
        """A file is not missing, or is known to be gone."""
        with self._lock:
            self._missing.pop(key, None)
