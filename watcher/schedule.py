"""The schedule: what runs by the clock, on APScheduler."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

log = structlog.get_logger("watcher.schedule")


class Schedule:
    """Named jobs at intervals; one run of a job at a time, and none forgotten for being late."""

    def __init__(self, threads: int = 8) -> None:
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(threads)},
            # The default drops a run that is one second late.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone=UTC,
        )
        self._scheduler.add_listener(self._failed, EVENT_JOB_ERROR)

    def every(self, name: str, seconds: float, run: Callable[[], object], first: float | None = None) -> None:
        """Run something at an interval, for the first time after ``first`` seconds (default: one interval)."""
        at = datetime.now(UTC) + timedelta(seconds=seconds if first is None else first)
        self._scheduler.add_job(
            run, "interval", seconds=seconds, id=name, name=name, next_run_time=at, replace_existing=True
        )

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def alive(self) -> bool:
        """Whether it would run anything."""
        thread = getattr(self._scheduler, "_thread", None)
        return bool(self._scheduler.running and thread is not None and thread.is_alive())

    def stop(self) -> None:
        """Run nothing more. What runs is not waited for: a hung job would never end. Idempotent."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _failed(self, event: JobExecutionEvent) -> None:
        log.error("job failed", job=event.job_id, error=str(event.exception))
