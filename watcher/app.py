"""The application: builds, starts and stops the parts that the service and the `once` command share."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from processors import llm
from processors.contract import Processor
from watcher.collector.job import Collector
from watcher.errors import ProcessorUnconfigured
from watcher.health.check import HealthCheck
from watcher.jobs import housekeeping
from watcher.jobs.runner import Jobs
from watcher.knowledge.model_judge import AsSet
from watcher.knowledge.notes.job import CorporateMemory
from watcher.knowledge.service import Knowledge
from watcher.logs import Log
from watcher.pipeline.backoff import Retry
from watcher.pipeline.pipeline import Cadence, Pipeline, Plan, RunDetails, children
from watcher.plugins import NO_TABLES, RefusedProcessor, discover, refusal
from watcher.sandbox.process import Child
from watcher.sessions.commands import SessionCommands
from watcher.settings import Settings, model_access, of_views, own
from watcher.store.database import Database, read
from watcher.store.job_log import JobLog
from watcher.store.lock import Holder, StateLock
from watcher.store.migrations import migrate, prepare
from watcher.store.model_calls import ModelCalls
from watcher.store.open import open_database
from watcher.store.state import Version
from watcher.transcripts.sessions import TOGETHER, TOGETHER_AT_LEISURE, Looks, Tree

log = Log()

HEALTH_CHECK, HOUSEKEEPING, COLLECTOR = "health-check", "housekeeping", "session-collector"
CORPORATE_MEMORY, INTAKE = "corporate-memory", "knowledge-intake"

#: Workers per processor, at most; more would only wait for its committer.
MOST_WORKERS = 8


def job_of(processor: str) -> str:
    """The name of a processor's sweep job."""
    return f"session-processor:{processor}"


class Application:
    """State lock, database, jobs, and one pipeline per enabled processor; shared by `run` and one-off commands."""

    def __init__(self, settings: Settings, command: str, live: bool, early: bool = False) -> None:
        """Lock the state folder, open the database and build the pipelines; no thread is started.

        ``early``: start the child processes at once, so that they load while the database is opened.

        Raises:
            StateInUse: another process uses the state folder.
            DatabaseTrouble: the database cannot be opened.
        """
        self.settings = settings
        self.command = command
        self.started_at = time.time()
        self.tree = Tree(settings.paths.sessions.resolve(), settings.paths.layout, settings.node.name)
        #: The current listing of the tree.
        self.look = Looks(self.tree.list, TOGETHER_AT_LEISURE if live else TOGETHER)
        self.refused: list[RefusedProcessor] = []
        #: Replaced as a whole when a pipeline is added or removed, so readers need no lock.
        self.pipelines: dict[str, Pipeline] = {}
        self.collector = Collector(lambda: self.settings)
        self._live = live
        self._started = False
        self._stack = ExitStack()
        wanted = self._wanted()
        cores = os.cpu_count() or 1
        # A one-off command uses every core: for child processes first, then for the database.
        self._least_workers = 1 if live else min(MOST_WORKERS, max(1, cores // max(1, len(wanted))))
        threads = None if live else max(1, cores - self._least_workers * len(wanted))
        with ExitStack() as stack:
            self.lock = StateLock(settings.paths.state).acquire(Holder(os.getpid(), command))
            stack.callback(self.lock.release)
            started = {processor.name: self._start_early(processor, stack) for processor in wanted if early}
            self.database: Database = open_database(settings, threads=threads)
            stack.callback(self.database.close)
            migrate(self.database, self.backups)
            self.job_log = JobLog(self.database)
            stack.callback(self.job_log.close)
            self.knowledge = Knowledge(self.database, AsSet(lambda: self.settings))
            stack.callback(self.knowledge.close)
            self.corporate_memory = CorporateMemory(lambda: self.settings, self.knowledge.writer)
            self.model_calls = ModelCalls(Path(model_access(settings).journal), self.job_log)
            self.model_calls.take(time.time())
            self.jobs = Jobs(self.job_log)
            self.sessions = SessionCommands(self.database, self.tree, self.knowledge, lambda: self.pipelines)
            self.health = HealthCheck(
                settings=lambda: self.settings,
                pipelines=lambda: self.pipelines,
                refused=lambda: self.refused,
                tree=self.tree,
                look=self.look,
                database=self.database,
                job_log=self.job_log,
                jobs=self.jobs,
                collector=self.collector,
                notes=self.corporate_memory,
                knowledge=self.knowledge,
            )
            self.jobs.add(HEALTH_CHECK, self.health.run)
            self.jobs.add(HOUSEKEEPING, self.keep_house)
            self.jobs.add(INTAKE, lambda: asdict(self.knowledge.drain()))
            self.jobs.add(COLLECTOR, self.collect)
            self.jobs.add(CORPORATE_MEMORY, self.take_notes)
            for processor in wanted:
                self._add(processor, started.get(processor.name))
            self._stack = stack.pop_all()

    @property
    def backups(self) -> Path:
        """The folder of database backups."""
        return self.settings.paths.state / "backups"

    def take(self, settings: Settings) -> None:
        """Apply new settings: add, remove and reconfigure processors; queued sessions stay queued."""
        self.settings = settings
        wanted = {processor.name: processor for processor in self._wanted()}
        for name in [name for name in self.pipelines if name not in wanted]:
            self._remove(name)
        for name, processor in wanted.items():
            if name not in self.pipelines:
                self._add(processor)
                continue
            # Views may use settings outside the processor's own table; unchanged views are not rebuilt.
            prepare(self.database, processor, of_views(settings, name), self.backups)
            plan = self._plan(processor)
            if plan != self.pipelines[name].plan:
                self.pipelines[name].change(plan)
                log.info("settings_changed", processor=name)

    def _wanted(self) -> list[Processor]:
        """The enabled processors; unusable ones go to ``refused`` with the reason."""
        enabled, self.refused = [], []
        for name, processor in discover().items():
            if isinstance(processor, RefusedProcessor):
                self._refuse(processor)
            elif self.settings.processor(name).enabled:
                enabled.append(processor)
        return enabled

    def _refuse(self, one: RefusedProcessor) -> None:
        self.refused.append(one)
        log.error("processor_refused", processor=one.name, reason=one.reason, traceback=one.trace)

    def _start_early(self, processor: Processor, stack: ExitStack) -> list[Child]:
        made = children(processor.name, self.tree, self._plan(processor))
        for child in made:
            stack.callback(child.close)
            child.start()
        return made

    def _add(self, processor: Processor, early: list[Child] | None = None) -> None:
        plan = self._plan(processor)
        troubles: tuple[type[Exception], ...] = (*self.database.Error, ImportError, KeyError, ValueError, OSError)
        try:
            prepare(self.database, processor, of_views(self.settings, processor.name), self.backups)
        except troubles as error:
            if isinstance(error, self.database.Error) and self.database.blame(error) != "rows":
                raise
            # A faulty schema disables its own processor only.
            self._refuse(refusal(processor.name, NO_TABLES, error))
            return
        pipeline = Pipeline(processor, plan, self.tree, self.look, self.database, early)
        self.pipelines = {**self.pipelines, processor.name: pipeline}
        self.jobs.add(job_of(processor.name), lambda: asdict(pipeline.run_now(self.settings.service.time_budget)))
        if self._started:
            pipeline.start()

    def _remove(self, name: str) -> None:
        pipeline = self.pipelines[name]
        self.pipelines = {other: kept for other, kept in self.pipelines.items() if other != name}
        self.jobs.remove(job_of(name))
        pipeline.stop()
        if not pipeline.finish(self.settings.service.stop_timeout):
            log.error("stopped_with_work_left", processor=name)

    def _plan(self, processor: Processor) -> Plan:
        settings, live = self.settings, self._live
        chosen = settings.processor(processor.name)
        cadence = Cadence(
            quiet=chosen.quiet if live else 0.0,
            max_wait=chosen.max_wait if live else 0.0,
            max_pending=settings.queue.max_pending,
            settle=settings.queue.settle,
            second_look=2.0 if live else 0.0,
            workers=max(chosen.concurrency, self._least_workers),
            linger=0.0 if live else 0.5,
        )
        retry = Retry(settings.retry.first, settings.retry.longest, settings.retry.max_attempts)
        model = model_access(settings) if chosen.asks_model else None
        missing = llm.unconfigured(model) if model is not None else None
        return Plan(chosen, own(settings, processor.name), cadence, retry, model, missing)

    def versions(self) -> dict[str, Version]:
        """The enabled processors' versions."""
        return {name: pipeline.versions for name, pipeline in self.pipelines.items()}

    def run_alone(self, job: str) -> dict[str, Any]:
        """Run one job in this process, without a service.

        Raises:
            NoSuchJob, JobFailed: see `Jobs.run`.
        """
        self.start()
        return self.jobs.run(job, "asked")

    def start(self) -> None:
        """Start every pipeline."""
        self._started = True
        for pipeline in self.pipelines.values():
            pipeline.start()

    def run_now(self, names: list[str], budget: float, stop: Callable[[], bool]) -> list[RunDetails]:
        """Sweep and drain these processors in parallel; an unconfigured one reports an error in its details."""
        details: dict[str, RunDetails] = {}

        def run(name: str) -> None:
            try:
                details[name] = self.pipelines[name].run_now(budget, stop)
            except ProcessorUnconfigured as error:
                details[name] = RunDetails(name, errors=1, errors_detail=[{"session": "", "error": str(error)}])

        threads = [threading.Thread(target=run, args=(name,), name=f"run:{name}") for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.health.note_expiring()
        return [details[name] for name in names]

    def stop(self) -> bool:
        """Stop: finish or roll back running work within ``stop_timeout``, then close; False if that timed out."""
        deadline = time.monotonic() + self.settings.service.stop_timeout
        self.collector.stop()
        self.corporate_memory.stop()
        for pipeline in self.pipelines.values():
            pipeline.stop()
        in_time = True
        for pipeline in self.pipelines.values():
            if not pipeline.finish(max(0.0, deadline - time.monotonic())):
                in_time = False
                log.error("stopped_with_work_left", processor=pipeline.name)
        self.model_calls.take(time.time())
        self._stack.close()
        return in_time

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query, read on a separate connection."""
        return read(self.database, sql, parameters)

    def keep_house(self) -> dict[str, Any]:
        """The housekeeping job: drop expired rows, checkpoint and back up the database."""
        return housekeeping.run(self.settings.housekeeping, self.database, self.job_log, self.pipelines, self.backups)

    def collect(self, dry_run: bool = False, verbose: bool = False) -> dict[str, Any]:
        """The session-collector job: copy new transcripts from people's homes."""
        stats = self.collector.run(dry_run, verbose)[1]
        if not dry_run:
            self.job_log.note_visits(self.settings.node.name, self.collector.seen, self.collector.is_kept)
        return stats

    def take_notes(self) -> dict[str, Any]:
        """The corporate-memory job: process changed notes files."""
        try:
            return self.corporate_memory.run()
        finally:
            self.knowledge.wake()
