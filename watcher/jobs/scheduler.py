"""The schedule: what runs by the clock, on APScheduler. It knows names and functions, and no job knows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from watcher.logs import Log

log = Log()

#: More threads than jobs, so that none waits for another, however long that one hangs.
THREADS = 64
#: The schedule proves this often that it runs, and is taken for dead when it has not for so long; seconds.
HEARTBEAT, DEAD = 5.0, 30.0
_HEARTBEAT = "heartbeat"
#: A time of day that is changed by more than this is not only drifting; seconds.
JUMP = 1.0


class _Steady(BackgroundScheduler):  # type: ignore[misc]
    """Keeps its turns when the time of day is changed, or the machine has slept.

    The library keeps them as times of day: an hour back, and nothing would run for an hour; a month
    ahead, and every second of it would be counted as a turn that was missed.
    """

    _ahead: float | None = None

    def _process_jobs(self) -> Any:
        before, self._ahead = self._ahead, time.time() - time.monotonic()
        jump = 0.0 if before is None else self._ahead - before
        if abs(jump) > JUMP:
            log.warning("clock_jumped", seconds=round(jump, 1))
            now = datetime.now(UTC)
            for job in self.get_jobs():
                job.modify(next_run_time=max(now, job.next_run_time + timedelta(seconds=min(0.0, jump))))
        wait = super()._process_jobs()
        # What is changed between the two lines above is only seen by the next look: that one comes soon.
        return HEARTBEAT if wait is None else min(wait, HEARTBEAT)


class Schedule:
    """Named functions at intervals; one run of each at a time, and none forgotten for being late."""

    def __init__(self) -> None:
        self._scheduler = _Steady(
            executors={"default": ThreadPoolExecutor(THREADS)},
            # The default drops a run that is one second late.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone=UTC,
        )
        self._scheduler.add_listener(self._failed, EVENT_JOB_ERROR)
        self._beat = time.monotonic()
        self.every(_HEARTBEAT, HEARTBEAT, self._live, first=0.0)

    def every(
        self,
        name: str,
        seconds: float,
        run: Callable[[], object],
        first: float | None = None,
        since: datetime | None = None,
    ) -> None:
        """Run something at an interval, for the first time after ``first`` seconds (default: one interval).

        ``since``: at whole intervals after that moment, which is past.
        """
        now, interval = datetime.now(UTC), timedelta(seconds=seconds)
        at = now + (interval if first is None else timedelta(seconds=first))
        if since is not None and interval:  # none is left of less than a microsecond
            at = since + ((now - since) // interval + 1) * interval
        self._scheduler.add_job(
            run, "interval", seconds=seconds, id=name, name=name, next_run_time=at, replace_existing=True
        )

    def soon(self, name: str, run: Callable[[], object]) -> None:
        """Run something once, now; also where an earlier run of it is just ending."""
        at = datetime.now(UTC)
        self._scheduler.add_job(
            run, "date", run_date=at, id=name, name=name, replace_existing=True, max_instances=THREADS
        )

    def remove(self, name: str) -> None:
        """Run it no more; a run that is going on ends by itself. Idempotent."""
        try:
            self._scheduler.remove_job(name)
        except JobLookupError:
            return

    def next_run(self, name: str) -> datetime | None:
        """When something runs next, None if it is not in the schedule."""
        job = self._scheduler.get_job(name)
        return None if job is None else job.next_run_time

    def start(self) -> None:
        """Begin."""
        self._beat = time.monotonic()
        self._scheduler.start()

    def alive(self) -> bool:
        """Whether it runs what is due: a dead scheduler says of itself that it is running."""
        return bool(self._scheduler.running) and time.monotonic() - self._beat < DEAD

    def stop(self) -> None:
        """Run nothing more. What runs is not waited for: a hung job would never end. Idempotent."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _live(self) -> None:
        self._beat = time.monotonic()

    def _failed(self, event: JobExecutionEvent) -> None:
        log.error("scheduled_call_failed", job=event.job_id, error=str(event.exception))
