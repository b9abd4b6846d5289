"""The live service: the core, with an observer that tells it what changes and a schedule that sweeps."""

from __future__ import annotations

import time
from typing import Any

import structlog

from watcher import health
from watcher.observer import Observer, ObserverHealth
from watcher.schedule import Schedule
from watcher.service import Core
from watcher.settings import Settings

log = structlog.get_logger("watcher.live")

#: How often an owed sweep is looked for.
DEBTS = 1.0


class LiveService:
    """Follows the sessions folder until it is told to stop."""

    def __init__(self, settings: Settings) -> None:
        """Build everything; nothing runs yet.

        Raises:
            StateInUse: another process uses the state folder.
            DatabaseTrouble: the database cannot be opened.
        """
        self.core = Core(settings, "run", live=True)
        self.observer = Observer(
            self.core.tree.root,
            self._changed,
            self._owe_sweep,
            kind=settings.observer.kind,
            poll_interval=settings.observer.poll_interval,
            cookie_interval=settings.observer.cookie_interval,
        )
        self.schedule = Schedule(threads=2 + 2 * len(self.core.pipelines))

    def start(self) -> None:
        """Listen first, then work, then look at everything once: nothing falls between."""
        self.observer.start()
        self.core.start()
        for name, pipeline in self.core.pipelines.items():
            self.schedule.every(
                f"session-processor:{name}",
                pipeline.settings.sweep_every,
                lambda pipeline=pipeline: pipeline.sweep_if_free("by the clock"),  # type: ignore[misc]
                first=0.0,
            )
            self.schedule.every(f"debts:{name}", DEBTS, pipeline.settle_debt)
        self.schedule.start()

    def stop(self) -> bool:
        """No new work, finish what runs, close; False if something was late."""
        self.schedule.stop()
        in_time = self.observer.close(2.0)
        return self.core.stop() and in_time

    def health(self) -> dict[str, Any]:
        """Everything that is known about the service's state."""
        findings = _of_observer(self.observer.health()) + self.core.findings()
        if not self.schedule.alive():
            findings.append(
                health.Finding("unhealthy", "scheduler_dead", "The scheduler has died: no sweeps. Restart the service.")
            )
        return health.report(
            findings,
            uptime_seconds=round(time.time() - self.core.started_at, 1),
            sessions=str(self.core.tree.root),
            observer=self.observer.health().state,
            processors=self.core.describe(),
        )

    def _changed(self, path: bytes) -> None:
        key, now = self.core.tree.key(path), time.monotonic()
        for pipeline in self.core.pipelines.values():
            pipeline.queue.offer(key, now)

    def _owe_sweep(self, reason: str) -> None:
        for pipeline in self.core.pipelines.values():
            pipeline.queue.owe(reason)


def _of_observer(observer: ObserverHealth) -> list[health.Finding]:
    """A deaf observer means that changes are only noticed by sweeps."""
    if observer.state == "ok" or observer.state == "starting":
        return []
    level: health.Level = "unhealthy" if observer.state == "deaf" else "warning"
    return [health.Finding(level, f"observer_{observer.state}", observer.reason)]
