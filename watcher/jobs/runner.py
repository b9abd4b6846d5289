"""Jobs: what runs by the clock or because somebody asks, one run of each at a time, every run recorded."""

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

#: Does a job's work; what it did, for people and programs.
Work = Callable[[], Mapping[str, Any]]


@dataclass(slots=True)
class _Job:
    work: Work
    lock: threading.Lock
    #: When the run that is going on began, on the steady clock.
    since: float | None = None
    #: How its last run ended, since the service started.
    failed: str | None = None


class Jobs:
    """Every job by its name. A job's trouble is contained here: it ends in its record and the log."""

    def __init__(self, job_log: JobLog) -> None:
        self.job_log = job_log
        #: How often each job ended in each way, since the service started.
        self.ends: Counter[tuple[str, str]] = Counter()
        self._jobs: dict[str, _Job] = {}

    def add(self, name: str, work: Work) -> None:
        """There is a job of this name from now on."""
        self._jobs[name] = _Job(work, threading.Lock())

    def remove(self, name: str) -> None:
        """There is none any more; a run that is going on ends by itself."""
        self._jobs.pop(name, None)

    def names(self) -> list[str]:
        """Every job."""
        return list(self._jobs)

    def run(self, name: str, trigger: str, work: Work | None = None) -> dict[str, Any]:
        """Run a job now (or other work in its name); what it did.

        Raises:
            NoSuchJob: there is none of that name.
            JobUnderWay: it runs already; it is refused, not queued.
            JobFailed: it raised; the record holds the same sentence.
            ProcessorUnconfigured: what it works for cannot work as it is set; recorded likewise.
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
        """The same for the schedule, to which a job's trouble is nothing: it is recorded."""
        try:
            self.run(name, trigger, work)
        except (JobFailed, JobUnderWay, NoSuchJob, ProcessorUnconfigured) as error:
            log.info("job_not_run", job=name, reason=str(error))

    def running(self, now: float) -> dict[str, float]:
        """The jobs that run, with the seconds since they began."""
        return {name: now - job.since for name, job in list(self._jobs.items()) if job.since is not None}

    def failures(self) -> dict[str, str]:
        """The jobs whose last run failed, with the reason."""
        return {name: job.failed for name, job in list(self._jobs.items()) if job.failed is not None}

    def _recorded(self, name: str, trigger: str, job: _Job, work: Work) -> dict[str, Any]:
        run = self.job_log.begin(name, trigger)
        try:
            stats = dict(work())
        except JobUnderWay as refused:  # something that it stands on is busy: nothing was done
            self._ended(run, name, "refused", {}, str(refused))
            raise
        except ProcessorUnconfigured as error:
            job.failed = None  # health has a finding of its own for it
            self._ended(run, name, "failed", {}, str(error))
            raise
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            if isinstance(error, WatcherError):  # its text is all that people need to read
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
    """Seconds until a job's first run after a start: where it would have been, but not before its offset.

    A job that was run a moment ago is not run again, one that is overdue comes soon; a last run in the
    future (the clock was wrong) counts as one just now.
    """
    if last is None:
        return offset
    since = max(0.0, (now - last.astimezone(UTC)).total_seconds())
    return max(offset, every - since)
