"""The live service: the application plus observer, scheduler and settings reload."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from watcher.app import COLLECTOR, CORPORATE_MEMORY, HEALTH_CHECK, HOUSEKEEPING, Application, job_of
from watcher.errors import first_line
from watcher.health.findings import Finding, Level, of_settings, report, verdict
from watcher.jobs.runner import first_run
from watcher.jobs.scheduler import Schedule
from watcher.logs import Log
from watcher.pipeline.pipeline import Pipeline
from watcher.settings import Loaded, Settings
from watcher.settings.follow import SettingsFile
from watcher.store.job_log import jobs
from watcher.store.sql import Query
from watcher.watch.observer import Observer, ObserverHealth

log = Log()

#: Findings from a processor's tables; the number is the current time, in seconds since the epoch.
Fact = Callable[[Query, float], list[Finding]]

#: Interval at which owed sweeps and the settings file are checked, in seconds.
TICK = 1.0
#: Idle time (no write, no sweep) after which the database releases memory, in seconds.
REST = 20.0
#: Spacing of the first runs of all jobs but sweeps after a start, in seconds.
APART = 10.0
#: Settings tables that need a restart.
FIXED = ("paths", "node", "database", "observer", "http", "log")


class LiveService:
    """Follows the sessions folder until `stop`."""

    def __init__(self, loaded: Loaded, file: SettingsFile | None = None) -> None:
        """Build all parts; no thread is started. ``file``: the settings file to watch for changes, if any.

        Raises:
            StateInUse: another process uses the state folder.
            DatabaseTrouble: the database cannot be opened.
        """
        self.loaded, settings = loaded, loaded.settings
        self.core = Application(settings, "run", live=True)
        self.observer = Observer(
            self.core.tree.root,
            self._changed,
            self._owe_sweep,
            kind=settings.observer.kind,
            poll_interval=settings.observer.poll_interval,
            cookie_interval=settings.observer.cookie_interval,
        )
        self.schedule = Schedule()
        #: Additional health checks of a processor's tables, by processor name; registered from outside.
        self.facts: dict[str, Fact] = {}
        self._file = file
        #: Changed settings that need a restart.
        self.waiting_settings: list[str] = []
        self._told: dict[tuple[str, str], str] = {}
        #: Number of commits at the last tick.
        self._commits = 0
        #: Database activity at the last tick, since when it is unchanged, and whether memory was released since.
        self._done, self._since, self._rested = (0, 0), time.monotonic(), False
        #: The moment from which sweep times are counted.
        self._started = datetime.now(UTC)
        self.core.jobs.add(HEALTH_CHECK, self.check)

    def start(self) -> None:
        """Start the observer, then the pipelines, then a sweep of each, so that no change is missed."""
        self.core.job_log.interrupt()
        last = self.core.job_log.last_runs()
        self.observer.start()
        self.core.start()
        self.core.knowledge.start()
        for pipeline in self.core.pipelines.values():
            self._schedule_sweep(pipeline)
            self._sweep_soon(pipeline, "start")
        for number, (name, every) in enumerate(_cadences(self.core.settings).items(), start=1):
            first = first_run(datetime.now(UTC), last.get(name), every, min(number * APART, every))
            self.schedule.every(name, every, partial(self.core.jobs.by_the_clock, name), first)
        self.schedule.every("tick", TICK, self._tick)
        self.schedule.start()

    def stop(self) -> bool:
        """Stop all work and close; False if something did not end in time."""
        self.schedule.stop()
        in_time = self.observer.close(2.0)
        return self.core.stop() and in_time

    def alive(self) -> bool:
        """Whether all required threads run: observer, scheduler, workers and committers."""
        pipelines = self.core.pipelines.values()
        return self.observer.alive() and self.schedule.alive() and all(pipeline.alive() for pipeline in pipelines)

    def health(self) -> dict[str, Any]:
        """The full health report, ready for JSON."""
        return report(
            self.findings(),
            uptime_seconds=round(time.time() - self.core.started_at, 1),
            sessions=str(self.core.tree.root),
            observer=self.observer.health().state,
            processors=[pipeline.describe() for pipeline in self.core.pipelines.values()],
        )

    def findings(self) -> list[Finding]:
        """The current findings of all parts."""
        findings = _of_observer(self.observer.health()) + self.core.health.findings()
        trouble = self._file.trouble if self._file else None
        findings += of_settings(trouble, self.waiting_settings, self.loaded.unused)
        findings += self._of_tables()
        if not self.schedule.alive():
            message = "The scheduler has died: no sweeps and no jobs by the clock. Restart the service."
            findings.append(Finding("unhealthy", "scheduler_dead", message))
        return findings

    def _of_tables(self) -> list[Finding]:
        core, found = self.core, []
        with suppress(*core.database.Error):  # an unreadable database has a finding of its own
            for name, fact in self.facts.items():
                if name in core.pipelines:
                    found += fact(core.query, time.time())
        return found

    def jobs(self) -> list[dict[str, Any]]:
        """Every job with its next run and its last outcome; ready for JSON."""
        return jobs(self.core.query, self.core.jobs.names(), self.schedule.next_run)

    def take(self, loaded: Loaded) -> None:
        """Apply new settings; those that need a restart are listed in ``waiting_settings``."""
        before, after = self.core.settings, loaded.settings
        waiting = [
            f"{table}.{key}"
            for table in FIXED
            for key in type(getattr(after, table)).model_fields
            if getattr(getattr(before, table), key) != getattr(getattr(after, table), key)
        ]
        after = after.model_copy(update={table: getattr(before, table) for table in FIXED})
        pipelines = self.core.pipelines
        unconfigured = {name for name, pipeline in pipelines.items() if pipeline.unconfigured is not None}
        self.core.take(after)
        self.loaded = replace(loaded, settings=after)
        # Last: whoever reads of it finds the rest in force.
        self.waiting_settings = waiting
        for name in pipelines.keys() - self.core.pipelines.keys():
            self._unschedule_sweep(name)
        for name, pipeline in self.core.pipelines.items():
            if name not in pipelines or before.processor(name).sweep_every != after.processor(name).sweep_every:
                self._schedule_sweep(pipeline)
            if name not in pipelines:
                self._sweep_soon(pipeline, "enabled")
            elif name in unconfigured and pipeline.unconfigured is None:
                self._sweep_soon(pipeline, "configured")
            elif before.processor(name) != after.processor(name):
                self._sweep_soon(pipeline, "settings")  # the backfill after it recomputes what depends on them
        earlier, cadences = _cadences(before), _cadences(after)
        for name in earlier.keys() - cadences.keys():
            self.schedule.remove(name)
        for name, every in cadences.items():
            if every != earlier.get(name):
                first = every if name in earlier else 0.0
                self.schedule.every(name, every, partial(self.core.jobs.by_the_clock, name), first)
        log.info("settings_applied", restart_required=self.waiting_settings)
        loaded.warn()

    def _schedule_sweep(self, pipeline: Pipeline) -> None:
        # Counted from one start: sweeps due at the same moment share one listing of the tree, most of a sweep's cost.
        every = float(pipeline.plan.settings.sweep_every)
        run = partial(self._sweep, pipeline, "clock")
        self.schedule.every(job_of(pipeline.name), every, run, since=self._started)

    def _sweep_soon(self, pipeline: Pipeline, trigger: str) -> None:
        self.schedule.soon(f"{job_of(pipeline.name)}:{trigger}", partial(self._sweep, pipeline, trigger))

    def _unschedule_sweep(self, processor: str) -> None:
        self.schedule.remove(job_of(processor))

    def _sweep(self, pipeline: Pipeline, trigger: str) -> None:
        def work() -> Mapping[str, Any]:
            found = pipeline.sweep(trigger)
            backfilled = pipeline.backfill()
            told = {"scanned": found.scanned, "offered": len(found.offered), "unreadable": len(found.unreadable)}
            return {**told, "backfilled": backfilled} if backfilled else told

        self.core.jobs.by_the_clock(job_of(pipeline.name), trigger, work)

    def check(self) -> dict[str, Any]:
        """The health-check job of a running service: log new and resolved findings, and return them."""
        self.core.health.compare()
        found = {(one.name, _subject(one)): one for one in self.findings()}
        for key, one in found.items():
            if key not in self._told:
                log.warning("health_finding", severity=one.level, finding=one.name, message=one.message)
        for key in self._told.keys() - found.keys():
            log.info("health_recovered", finding=key[0], message=self._told[key])
        self._told = {key: one.message for key, one in found.items()}
        findings = list(found.values())
        return {"status": verdict(findings), "findings": [asdict(one) for one in findings]}

    def _tick(self) -> None:
        """Frequent checks, in one scheduled call: several would keep a core busy."""
        commits = sum(pipeline.committer.commits for pipeline in self.core.pipelines.values())
        if commits != self._commits:  # a commit may have added candidates
            self._commits = commits
            self.core.knowledge.wake()
        if (done := (self.core.database.transactions, self.core.look.made)) != self._done:
            self._done, self._since, self._rested = done, time.monotonic(), False
        elif not self._rested and time.monotonic() - self._since > REST:
            self._rested = True
            self.schedule.soon("rest", self.core.database.rest)
        self.core.model_calls.take(time.time())
        for pipeline in self.core.pipelines.values():
            if pipeline.owes():
                self.schedule.soon(f"debt:{pipeline.name}", pipeline.settle_debt)
        if self._file is not None and (loaded := self._file.step(time.monotonic())) is not None:
            self._apply(loaded, self._file)

    def _apply(self, loaded: Loaded, file: SettingsFile) -> None:
        try:
            self.take(loaded)
        except Exception as error:
            log.debug("settings_not_applied", exc_info=True)
            file.put_off(f"they could not be taken up: {type(error).__name__}: {first_line(error)}")
        else:
            file.taken_up()

    def _changed(self, path: bytes) -> None:
        key, now = self.core.tree.key(path), time.monotonic()
        for pipeline in self.core.pipelines.values():
            pipeline.queue.offer(key, now)

    def _owe_sweep(self, reason: str) -> None:
        for pipeline in self.core.pipelines.values():
            pipeline.queue.owe(reason)


def _cadences(settings: Settings) -> dict[str, float]:
    """Scheduled jobs other than sweeps, with their intervals in seconds."""
    cadences = {HEALTH_CHECK: float(settings.health.every), HOUSEKEEPING: float(settings.housekeeping.every)}
    if settings.collector.enabled:
        cadences[COLLECTOR] = float(settings.collector.every)
    if settings.corporate_memory.enabled:
        cadences[CORPORATE_MEMORY] = float(settings.corporate_memory.every)
    return cadences


def _subject(finding: Finding) -> str:
    """The processor or home of a finding, which distinguishes findings of one name."""
    return str(finding.details.get("processor", finding.details.get("home", "")))


def _of_observer(observer: ObserverHealth) -> list[Finding]:
    """The observer's state as a finding; while it is deaf, only sweeps detect changes."""
    if observer.state == "ok" or observer.state == "starting":
        return []
    level: Level = "unhealthy" if observer.state == "deaf" else "warning"
    return [Finding(level, f"observer_{observer.state}", observer.reason)]
