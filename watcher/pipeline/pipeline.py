"""A pipeline: one processor's queue, workers, committer and sweep, independent of the other processors."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from processors.contract import ModelAccess, Processor, ProcessorSettings
from watcher.errors import ProcessorUnconfigured, SweepUnderWay, first_line
from watcher.logs import Log
from watcher.pipeline import backfill
from watcher.pipeline.backoff import Retry
from watcher.pipeline.committer import Abandoned, Committer
from watcher.pipeline.histogram import Durations
from watcher.pipeline.pace import Pace
from watcher.pipeline.queue import ChangeQueue
from watcher.pipeline.results import Tally
from watcher.pipeline.sweep import Sweep, SweepResult
from watcher.pipeline.worker import Worker
from watcher.sandbox.process import Child, ChildSettings, Stopped
from watcher.store.commits import PassStore
from watcher.store.database import Database
from watcher.store.state import Version
from watcher.transcripts.sessions import Listing, Tree

#: Consecutive failures after which a worker counts as stuck.
STUCK = 5

#: Polling interval of `run_now`, in seconds; with at most `MANY` sessions left it also checks at every queue change.
GLANCE, MANY = 0.05, 50

#: The longest pause that `run_now` waits for, in seconds.
PATIENT = 61.0

log = Log()


@dataclass(frozen=True, slots=True)
class RunDetails:
    """The result of a requested run."""

    processor: str
    scanned: int = 0
    processed: int = 0
    skipped: int = 0
    #: Sessions left because the time budget was used up.
    capped: int = 0
    errors: int = 0
    items_extracted: int = 0
    errors_detail: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cadence:
    """Timing and concurrency of a pipeline; times in seconds."""

    quiet: float
    max_wait: float
    max_pending: int
    settle: float
    #: Time after which a missing file is checked again, before it counts as gone.
    second_look: float = 2.0
    #: Sessions processed at the same time.
    workers: int = 1
    #: Time for which the committer gathers passes for one commit while more keep coming.
    linger: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of one pipeline."""

    settings: ProcessorSettings
    #: The processor's own settings as plain values, for the child process.
    own: Mapping[str, Any]
    cadence: Cadence
    retry: Retry
    #: Model access, for a processor that calls a model.
    model: ModelAccess | None = None
    #: The missing setting; None if none is missing.
    unconfigured: str | None = None

    def work(self) -> tuple[object, ...]:
        """The part of the plan that workers and children depend on; they are replaced only if it changes."""
        paced = {"enabled", "quiet", "max_wait", "sweep_every"}
        own = {name: value for name, value in self.own.items() if name not in paced}
        cadence = self.cadence
        known = self.model, self.unconfigured
        return own, cadence.settle, cadence.second_look, cadence.workers, self.retry, known


def children(name: str, tree: Tree, plan: Plan) -> list[Child]:
    """One child per worker of a processor; none is started."""
    settings = ChildSettings(
        name,
        os.fsencode(tree.root),
        dict(plan.own),
        float(plan.settings.deadline),
        int(plan.settings.memory_limit),
        float(plan.cadence.settle),
        None if plan.model is None else asdict(plan.model),
        tree.layout,
    )
    return [Child(settings) for _ in range(plan.cadence.workers)]


class Pipeline:
    """Queue, workers, committer and sweep of one processor."""

    def __init__(
        self,
        processor: Processor,
        plan: Plan,
        tree: Tree,
        look: Callable[[], Listing],
        database: Database,
        early: list[Child] | None = None,
    ) -> None:
        """``early``: the workers' `children`, if created before the database was opened."""
        self.name = processor.name
        self.plan = plan
        self._processor = processor
        cadence = plan.cadence
        self.queue = ChangeQueue(cadence.quiet, cadence.max_wait, cadence.max_pending)
        self.passes = PassStore(database, processor.name, processor.schema)
        self.committer = Committer(database, self.passes, processor.name, cadence.linger, self.queue.on_their_way)
        self.version, self._tree, self.database = processor.version, tree, database
        self._pace = Pace()
        self._apply_unconfigured()
        self.workers = self._make_workers(early or children(self.name, tree, plan))
        #: Workers of earlier plans, which are ending.
        self._retired: list[Worker] = []
        #: Whether the threads were started.
        self.started = False
        self._sweep = Sweep(processor.name, self.versions.stands_from, look, self.queue, database, time.time)
        self._sweeping = threading.Lock()
        self._running = threading.Lock()
        self._filling = threading.Lock()
        self._stopped = threading.Event()
        #: Why the last backfill failed; None if it did not.
        self.backfill_trouble: str | None = None
        self.last_sweep: SweepResult | None = None
        self.last_sweep_at: float | None = None
        #: When a sweep last read all folders, in seconds since the epoch.
        self.whole_sweep_at: float | None = None

    @property
    def versions(self) -> Version:
        """The processor's version, and the lowest version whose rows stay."""
        return Version.of(self.version, self.plan.settings.asks_model)

    def _make_workers(self, children: list[Child]) -> list[Worker]:
        plan = self.plan
        return [
            Worker(
                self.name,
                self.version,
                self._tree,
                self.queue,
                child,
                self.committer,
                self.database,
                self.passes,
                plan.retry,
                self._pace,
                stands_from=self.versions.stands_from,
                second_look=plan.cadence.second_look,
                workers=plan.cadence.workers,
            )
            for child in children
        ]

    def change(self, plan: Plan) -> None:
        """Apply another plan; queued sessions stay, sessions being processed are offered again."""
        before, self.plan = self.plan, plan
        self.queue.tune(plan.cadence.quiet, plan.cadence.max_wait, plan.cadence.max_pending)
        if plan.work() == before.work():
            return
        self._sweep.stands_from = self.versions.stands_from
        for worker in self.workers:
            worker.stop()
        self._retired += self.workers
        self._pace.resume()
        self._apply_unconfigured()
        self.workers = self._make_workers(children(self.name, self._tree, plan))
        if self.started:
            for worker in self.workers:
                worker.start()

    def _apply_unconfigured(self) -> None:
        """Pause for good if the plan lacks a setting."""
        if self.plan.unconfigured is not None:
            self._pace.refuse(self.plan.unconfigured, float("inf"))

    def _check_configured(self) -> None:
        if (reason := self.unconfigured) is not None:
            raise ProcessorUnconfigured(self.name, reason)

    @property
    def unconfigured(self) -> str | None:
        """The missing setting; None if none is known."""
        return self._pace.unconfigured

    def start(self) -> None:
        """Start the committer, then the workers."""
        self.started = True
        self.committer.start()
        for worker in self.workers:
            worker.start()

    def sweep(self, reason: str, at_once: bool = False) -> SweepResult:
        """Run a sweep; ``at_once`` skips the debounce.

        Raises:
            SweepUnderWay: a sweep is running.
            ProcessorUnconfigured: a setting is missing.
        """
        self._check_configured()
        if not self._sweeping.acquire(blocking=False):
            raise SweepUnderWay(self.name)
        try:
            self.queue.collect_debt()
            try:
                found = self._sweep.run(time.monotonic(), at_once)
            except BaseException:
                self.queue.owe(f"a sweep failed ({reason})")
                raise
            # Kept without the keys, of which there may be very many; the caller gets them.
            self.last_sweep, self.last_sweep_at = replace(found, offered=frozenset()), time.time()
            if not found.unreadable:
                self.whole_sweep_at = self.last_sweep_at
            log.info("swept", processor=self.name, reason=reason, scanned=found.scanned, offered=len(found.offered))
            return found
        finally:
            self._sweeping.release()

    def backfill(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Recompute columns whose basis has changed, such as costs after new prices; returns the number of rows.

        A failure is logged and kept in ``backfill_trouble``; the rows stay, and the next sweep tries again.
        """
        if not self._filling.acquire(blocking=False):
            return 0
        try:
            (child, *_) = children(self.name, self._tree, self.plan)
            stopping = lambda: stop() or self._stopped.is_set()  # noqa: E731
            made = backfill.run(self._processor, self.plan.settings, child, self.committer, self.database, stopping)
            self.backfill_trouble = None
            return made
        except (Stopped, Abandoned):
            return 0
        except Exception as error:  # the basis is computed by third-party code
            self.backfill_trouble = first_line(error)
            log.exception("backfill_failed", processor=self.name, error=self.backfill_trouble)
            return 0
        finally:
            self._filling.release()

    def owes(self) -> bool:
        """Whether a sweep is owed and possible: not while the queue is crowded, as it would only overflow again."""
        if self.unconfigured is not None:
            return False
        return self.queue.owed is not None and not self.queue.crowded() and not self._sweeping.locked()

    def settle_debt(self) -> None:
        """Run an owed sweep."""
        if (owed := self.queue.owed) and self.owes():
            try:
                self.sweep(owed)
            except (SweepUnderWay, ProcessorUnconfigured) as error:
                log.debug("sweep_skipped", processor=self.name, reason=str(error))

    def run_now(self, budget: float, stop: Callable[[], bool] = lambda: False) -> RunDetails:
        """Sweep, and wait until the offered sessions are processed or ``budget`` seconds have passed.

        Raises:
            SweepUnderWay: a sweep or another run is in progress.
            ProcessorUnconfigured: a setting is missing.
        """
        if not self._running.acquire(blocking=False):
            raise SweepUnderWay(self.name)
        try:
            if self.plan.unconfigured is None and self.unconfigured is not None:
                self._pace.resume()  # the cause may have been fixed outside the settings
            details = self._run_through(budget, stop)
            self.backfill(stop)
            self._check_configured()
            return details
        finally:
            self._running.release()

    def _run_through(self, budget: float, stop: Callable[[], bool]) -> RunDetails:
        before, since = self.tally(), time.monotonic()
        first = found = self.sweep("asked for", at_once=True)
        deadline = time.monotonic() + budget

        def over() -> bool:
            return time.monotonic() >= deadline or stop() or not self.alive() or self._waits()

        while True:
            left = set(found.offered)
            while (left := self.queue.pending(left)) and not over():
                if len(left) > MANY:  # checking so many at every change would slow the workers down
                    time.sleep(GLANCE)
                else:
                    self.queue.rest(GLANCE)
            if not found.forgotten or over():
                break
            found = self.sweep("more than the queue held", at_once=True)
        after = self.tally()
        failures = {key: error for worker in self._all() for key, error in worker.outcomes.failures(since).items()}
        if left and self._waits() and (trouble := self.trouble()):
            failures.setdefault(min(left), f"it waits: {trouble}")
        return RunDetails(
            self.name,
            scanned=found.scanned,
            processed=after.processed - before.processed,
            skipped=first.scanned - len(first.offered) + first.vanished + after.skipped - before.skipped,
            capped=len(left) + found.forgotten,
            errors=len(failures),
            items_extracted=after.items - before.items,
            errors_detail=[{"session": key, "error": error} for key, error in failures.items()],
        )

    def _waits(self) -> bool:
        """Whether the pipeline is paused for longer than a requested run should wait."""
        return self.unconfigured is not None or self._pace.paused_until - time.monotonic() > PATIENT

    def trouble(self) -> str | None:
        """Why it makes no progress at present; None if it does."""
        return next((worker.trouble for worker in self.workers if worker.trouble), None)

    def alive(self) -> bool:
        """Whether all threads run."""
        return self.committer.alive() and all(worker.alive() for worker in self.workers)

    def stuck(self) -> str | None:
        """Why a worker failed `STUCK` times in a row; None if none did."""
        return next((worker.trouble for worker in self.workers if worker.stumbles >= STUCK), None)

    def tally(self) -> Tally:
        """The tally of all workers since the start."""
        total = Tally()
        for worker in self._all():
            for name in Tally.__dataclass_fields__:
                setattr(total, name, getattr(total, name) + getattr(worker.outcomes.tally, name))
        return total

    def durations(self) -> Durations:
        """The durations of all passes since the start."""
        return Durations().add(worker.durations for worker in self._all())

    def describe(self) -> dict[str, Any]:
        """State of the queue, and the tally; ready for JSON."""
        oldest = self.queue.oldest()
        return {
            "processor": self.name,
            "waiting": len(self.queue),
            "running": self.queue.running,
            "oldest_seconds": None if oldest is None else round(time.monotonic() - oldest, 1),
            "since_start": asdict(self.tally()),
            "last_sweep_at": self.last_sweep_at,
            "scanned": self.last_sweep.scanned if self.last_sweep else None,
        }

    def stop(self) -> None:
        """Take no new sessions. Idempotent."""
        self._stopped.set()
        self.queue.close()
        for worker in self.workers:
            worker.stop()

    def finish(self, timeout: float) -> bool:
        """After `stop`: wait for running passes, commit them, and close; False on timeout."""
        deadline = time.monotonic() + timeout
        ended = [worker.ended(max(0.0, deadline - time.monotonic())) for worker in self._all()]
        closed = self.committer.close(max(0.5, deadline - time.monotonic()))
        joined = [worker.join(max(0.5, deadline - time.monotonic())) for worker in self._all()]
        return closed and all(ended) and all(joined)

    def _all(self) -> list[Worker]:
        return [*self._retired, *self.workers]
