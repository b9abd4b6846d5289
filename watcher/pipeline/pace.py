"""Pauses of a processor, shared by its workers: provider failures, missing settings and missing files."""

from __future__ import annotations

import threading


class Pace:
    """Shared state of one processor's workers: a provider that is down is down for all of them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: No session is taken before this time, on the workers' clock.
        self.paused_until = 0.0
        #: The missing setting; None if none is known.
        self.unconfigured: str | None = None
        self._slowdowns = 0
        self._successes = 0
        #: Sessions with transient failures, and the number of successes at that time.
        self._transient: dict[str, int] = {}
        self._missing: dict[str, float] = {}

    def slow_down(self, key: str) -> tuple[int, bool]:
        """Record a transient failure; its number in a row, and whether other sessions succeeded since the last one."""
        with self._lock:
            others_succeeded = self._transient.get(key, self._successes) != self._successes
            self._transient[key] = self._successes
            self._slowdowns += 1
            return self._slowdowns, others_succeeded

    def pause(self, until: float) -> None:
        """Pause until a time; a longer pause stays."""
        with self._lock:
            self.paused_until = max(self.paused_until, until)

    def refuse(self, reason: str, until: float) -> None:
        """Mark the processor as unconfigured and pause until a time."""
        with self._lock:
            self.unconfigured = reason
            self.paused_until = max(self.paused_until, until)

    def resume(self) -> None:
        """End every pause, after a change of settings or on request."""
        with self._lock:
            self.unconfigured = None
            self.paused_until = 0.0

    def succeeded(self, key: str) -> None:
        """Record a success, which ends a series of failures."""
        with self._lock:
            self._successes += 1
            self.unconfigured = None
            self._slowdowns = 0
            self._transient.pop(key, None)

    def missing_since(self, key: str, now: float) -> float:
        """When a file was first found missing: ``now`` for a new one."""
        with self._lock:
            return self._missing.setdefault(key, now)

    def there(self, key: str) -> None:
        """Clear a file's missing mark: it exists, or is recorded as gone."""
        with self._lock:
            self._missing.pop(key, None)
