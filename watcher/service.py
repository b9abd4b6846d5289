"""The service: builds the parts, starts them, and ends them, in an order that can be read aloud."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from processors.contract import Processor
from watcher import health
from watcher.lock import Holder, StateLock
from watcher.pipeline import Cadence, Pipeline, RunDetails
from watcher.registry import Refused, discover
from watcher.retry import Retry
from watcher.sessions import Listing, Tree
from watcher.settings import Settings, own
from watcher.store.database import Database
from watcher.store.migrations import migrate, prepare
from watcher.store.open import open_database
from watcher.store.sql import QUERIES

log = structlog.get_logger("watcher.service")

#: More workers than this for one processor only wait for its door.
MOST_WORKERS = 8


class Core:
    """What `run` and `once` share: the lock, the database and a pipeline for each enabled processor."""

    def __init__(self, settings: Settings, command: str, live: bool) -> None:
        """Lock the state folder, open the database and build the pipelines; nothing runs yet.

        Raises:
            StateInUse: another process uses the state folder.
            DatabaseTrouble: the database cannot be opened.
        """
        self.settings = settings
        self.command = command
        self.started_at = time.time()
        root = settings.paths.sessions.resolve()
        self.tree = Tree(root, settings.paths.layout, settings.node.name)
        self._stack = ExitStack()
        with ExitStack() as stack:
            self.lock = StateLock(settings.paths.state).acquire(Holder(os.getpid(), command))
            stack.callback(self.lock.release)
            self.refused: list[Refused] = []
            self.pipelines: dict[str, Pipeline] = {}
            enabled: list[Processor] = []
            for name, processor in discover().items():
                if isinstance(processor, Refused):
                    self.refused.append(processor)
                elif settings.processor(name).enabled:
                    enabled.append(processor)
            # Where somebody waits for the end, every core is to be at work: the children's, then the database's.
            cores = os.cpu_count() or 1
            least = 1 if live else min(MOST_WORKERS, max(1, cores // max(1, len(enabled))))
            threads = None if live else max(1, cores - least * len(enabled))
            self.database: Database = open_database(settings, threads=threads)
            stack.callback(self.database.close)
            backups = settings.paths.state / "backups"
            migrate(self.database, backups)
            for processor in enabled:
                self.pipelines[processor.name] = self._pipeline(processor, backups, live, least)
            self._stack = stack.pop_all()

    def _pipeline(self, processor: Processor, backups: Path, live: bool, workers: int) -> Pipeline:
        settings = self.settings
        chosen = settings.processor(processor.name)
        values = own(settings, processor.name)
        prepare(self.database, processor, values, backups)
        cadence = Cadence(
            quiet=chosen.quiet if live else 0.0,
            max_wait=chosen.max_wait if live else 0.0,
            max_pending=settings.queue.max_pending,
            settle=settings.queue.settle,
            second_look=2.0 if live else 0.0,
            workers=max(chosen.concurrency, workers),
            linger=0.0 if live else 0.5,
        )
        retry = Retry(settings.retry.first, settings.retry.longest, settings.retry.max_attempts)
        return Pipeline(processor, values, chosen, cadence, retry, self.tree, self.look, self.database)

    def look(self) -> Listing:
        """The tree as it is now."""
        return self.tree.list()

    def start(self) -> None:
        """Let every pipeline work."""
        for pipeline in self.pipelines.values():
            pipeline.start()

    def run_now(self, names: list[str], budget: float, stop: Callable[[], bool]) -> list[RunDetails]:
        """Sweep and drain these processors side by side."""
        details: dict[str, RunDetails] = {}
        threads = [
            threading.Thread(
                target=lambda name=name: details.update({name: self.pipelines[name].run_now(budget, stop)}),
                name=f"run:{name}",
            )
            for name in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [details[name] for name in names]

    def stop(self) -> bool:
        """Begin nothing new, finish or roll back what runs within ``stop_timeout``, and close; False if late."""
        deadline = time.monotonic() + self.settings.service.stop_timeout
        for pipeline in self.pipelines.values():
            pipeline.stop()
        in_time = True
        for pipeline in self.pipelines.values():
            if not pipeline.finish(max(0.0, deadline - time.monotonic())):
                in_time = False
                log.error("stopped with work unfinished; it is taken again at the next start", processor=pipeline.name)
        self._stack.close()
        return in_time

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read from the database, on a connection of its own."""
        connection = self.database.connect()
        try:
            return connection.execute(sql, parameters)
        finally:
            connection.close()

    def findings(self) -> list[health.Finding]:
        """What health has to say about these parts."""
        now = time.monotonic()
        found = [finding for pipeline in self.pipelines.values() for finding in health.of_pipeline(pipeline, now)]
        found += [health.Finding("warning", "processor_refused", f"{r.name}: {r.reason}") for r in self.refused]
        found += health.of_disk(self.settings.paths.state, self.settings.health.min_free_disk)
        found += health.of_damage(self.settings.paths.state)
        try:
            found += health.of_sessions(self.query(QUERIES["tallies"]))
        except self.database.Error as error:
            found.append(health.Finding("unhealthy", "database", f"The database cannot be read: {error}."))
        return found

    def describe(self) -> list[dict[str, Any]]:
        """Each pipeline's queue and tally, for people."""
        now = time.monotonic()
        described = []
        for name, pipeline in self.pipelines.items():
            oldest = pipeline.queue.oldest()
            described.append(
                {
                    "processor": name,
                    "waiting": len(pipeline.queue),
                    "running": pipeline.queue.running,
                    "oldest_seconds": None if oldest is None else round(now - oldest, 1),
                    "since_start": asdict(pipeline.tally()),
                    "last_sweep_at": pipeline.last_sweep_at,
                    "scanned": pipeline.last_sweep.scanned if pipeline.last_sweep else None,
                }
            )
        return described
