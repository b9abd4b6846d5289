"""Jobs: scheduled or requested work, one run of each at a time, every run recorded in the job log."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from watcher.errors import JobFailed, JobUnderWay, NoSuchJob, ProcessorUnconfigured, WatcherError
from watcher.logs import Log
from watcher.store.job_log import JobLog

log = Log()

#: A job's function; returns its statistics.
Work = Callable[[], Mapping[str, Any]]


@dataclass(slots=True)
class _Job:
    work: Work
    lock: threading.Lock
    #: Start of the current run, on the monotonic clock; None if it does not run.
    since: float | None = None
    #: The error of its last run; None if it succeeded or has not run since the start.
    failed: str | None = None


class Jobs:
    """All jobs by name. A job's exception is recorded in the job log and logged."""

    def __init__(self, job_log: JobLog) -> None:
        self.job_log = job_log
        #: Number of runs by job and outcome, since the start.
        self.ends: Counter[tuple[str, str]] = Counter()
        self._jobs: dict[str, _Job] = {}

    def add(self, name: str, work: Work) -> None:
        """Add a job."""
        self._jobs[name] = _Job(work, threading.Lock())

    def remove(self, name: str) -> None:
        """Remove a job; a current run is not interrupted."""
        self._jobs.pop(name, None)

    def names(self) -> list[str]:
        """The names of all jobs."""
        return list(self._jobs)

    def run(self, name: str, trigger: str, work: Work | None = None) -> dict[str, Any]:
        """Run a job now; returns its statistics. ``work`` replaces its function for this run.

        Raises:
            NoSuchJob: no job has that name.
            JobUnderWay: it is running; the request is refused, not queued.
            JobFailed: it raised an exception; the job log holds the same message.
            ProcessorUnconfigured: its processor lacks a setting; recorded likewise.
        """
        job = self._jobs.get(name)
        if job is None:
            raise NoSuchJob(name, self.names())
        if not job.lock.acquire(blocking=False):
            raise JobUnderWay(name)
        try:
            job.since = time.monotonic()
            return self._recorded(name, trigger, job, work or job.work)
        finally:
            job.since = None
            job.lock.release()

    def by_the_clock(self, name: str, trigger: str = "clock", work: Work | None = None) -> None:
        """Run a job for the scheduler: failures are recorded and not raised."""
        try:
            self.run(name, trigger, work)
        except (JobFailed, JobUnderWay, NoSuchJob, ProcessorUnconfigured) as error:
            log.info("job_not_run", job=name, reason=str(error))

    def running(self, now: float) -> dict[str, float]:
        """Running jobs, with the seconds since their start."""
        return {name: now - job.since for name, job in list(self._jobs.items()) if job.since is not None}

    def failures(self) -> dict[str, str]:
        """The error of each job whose last run failed."""
        return {name: job.failed for name, job in list(self._jobs.items()) if job.failed is not None}

    def _recorded(self, name: str, trigger: str, job: _Job, work: Work) -> dict[str, Any]:
        run = self.job_log.begin(name, trigger)
        try:
            stats = dict(work())
        except JobUnderWay as refused:  # a resource of the job is busy; nothing was done
            self._ended(run, name, "refused", {}, str(refused))
            raise
        except ProcessorUnconfigured as error:
            job.failed = None  # health has a separate finding
            self._ended(run, name, "failed", {}, str(error))
            raise
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            if isinstance(error, WatcherError):  # its message needs no class name
                reason = str(error)
            job.failed = reason
            self._ended(run, name, "failed", {}, reason)
            log.error("job_failed", job=name, trigger=trigger, error=reason, exc_info=True)
            raise JobFailed(name, reason) from error
        job.failed = None
        self._ended(run, name, "ok", stats, None)
        log.debug("job_done", job=name, trigger=trigger, **stats)
        return stats

    def _ended(self, run: str, name: str, outcome: str, stats: Mapping[str, Any], error: str | None) -> None:
        self.ends[name, outcome] += 1
        self.job_log.finish(run, outcome, stats, error)


def first_run(now: datetime, last: datetime | None, every: float, offset: float) -> float:
    """Seconds until a job's first run after a start: its regular time, but not before ``offset``.

    An overdue job runs after ``offset``; a last run in the future (a wrong clock) counts as one now.
    """
    if last is None:
        return offset
    since = max(0.0, (now - last.astimezone(UTC)).total_seconds())
    return max(offset, every - since)
