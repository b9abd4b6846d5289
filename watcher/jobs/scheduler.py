"""The scheduler, on APScheduler. It calls functions by name; jobs have no reference to it."""

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

#: More threads than jobs, so that a hanging job delays no other.
THREADS = 64
#: Interval of the scheduler's heartbeat, and the age at which it counts as dead; seconds.
HEARTBEAT, DEAD = 5.0, 30.0
_HEARTBEAT = "heartbeat"
#: A larger change of the wall clock is a jump, not drift; seconds.
JUMP = 1.0


class _Steady(BackgroundScheduler):  # type: ignore[misc]
    """Scheduler that tolerates clock jumps and suspends.

    The library stores due times as wall-clock times: after a jump of an hour back nothing would run for an hour;
    after a jump of a month ahead every missed interval would be counted.
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
        # A jump between the lines above is detected by the next call, at the latest after `HEARTBEAT`.
        return HEARTBEAT if wait is None else min(wait, HEARTBEAT)


class Schedule:
    """Named functions at intervals; one run of each at a time, late runs are not dropped."""

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
        """Schedule a function every ``seconds``, first after ``first`` seconds (default: one interval).

        ``since``: run at whole intervals after that moment, which is in the past.
        """
        now, interval = datetime.now(UTC), timedelta(seconds=seconds)
        at = now + (interval if first is None else timedelta(seconds=first))
        if since is not None and interval:  # none is left of less than a microsecond
            at = since + ((now - since) // interval + 1) * interval
        self._scheduler.add_job(
            run, "interval", seconds=seconds, id=name, name=name, next_run_time=at, replace_existing=True
        )

    def soon(self, name: str, run: Callable[[], object]) -> None:
        """Run a function once, now; also while an earlier run of it is ending."""
        at = datetime.now(UTC)
        self._scheduler.add_job(
            run, "date", run_date=at, id=name, name=name, replace_existing=True, max_instances=THREADS
        )

    def remove(self, name: str) -> None:
        """Remove a function; a current run is not interrupted. Idempotent."""
        try:
            self._scheduler.remove_job(name)
        except JobLookupError:
            return

    def next_run(self, name: str) -> datetime | None:
        """The next run of a function; None if it is not scheduled."""
        job = self._scheduler.get_job(name)
        return None if job is None else job.next_run_time

    def start(self) -> None:
        """Start the scheduler."""
        self._beat = time.monotonic()
        self._scheduler.start()

    def alive(self) -> bool:
        """Whether the heartbeat is recent; APScheduler reports a dead scheduler as running."""
        return bool(self._scheduler.running) and time.monotonic() - self._beat < DEAD

    def stop(self) -> None:
        """Stop without waiting for running functions, as one may hang. Idempotent."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _live(self) -> None:
        self._beat = time.monotonic()

    def _failed(self, event: JobExecutionEvent) -> None:
        log.error("scheduled_call_failed", job=event.job_id, error=str(event.exception))
