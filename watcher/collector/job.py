"""Collector job: collects every home that the patterns name, one after another, and abandons what hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from watcher.collector.home import HomeVisit, Terms
from watcher.collector.target import Root, TargetFull
from watcher.errors import CollectionFailed
from watcher.homes.listing import plain, users
from watcher.homes.retention import MANAGED, managed_retention
from watcher.homes.stats import VisitTally
from watcher.homes.timeouts import Late, Patience
from watcher.homes.walk import WalkStopped
from watcher.logs import Log
from watcher.settings.tables import Settings
from watcher.transcripts.expiry import Home
from watcher.transcripts.sessions import Tree

log = Log()


class Collector:
    """Copies people's transcripts; the settings are read at each run. One run at a time."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        wall_clock: Callable[[], float] = time.time,
        managed: Path = MANAGED,
    ) -> None:
        """``managed``: the folder of the organisation's settings of Claude Code."""
        self._settings, self._wall_clock, self._managed = settings, wall_clock, managed
        self._patience = Patience()
        self._stopping = threading.Event()
        #: Result of the last run that was not a dry run.
        self.last = VisitTally()
        #: The homes that it saw.
        self.seen: list[Home] = []
        #: The folders of homes that it could not list.
        self._unlisted: set[str] = set()

    def is_kept(self, home: str) -> bool:
        """Whether a home that the last run did not see may still exist."""
        return home.rpartition("/")[0] in self._unlisted

    def stop(self) -> None:
        """Stop before the next file, or piece of one. Idempotent."""
        self._stopping.set()

    def run(self, dry_run: bool = False, verbose: bool = False) -> tuple[int, dict[str, Any]]:
        """Copy new data: 0 if everything could be read and written, 1 if not; with the statistics.

        Args:
            dry_run: only report what would be done.
            verbose: log every file that is copied.

        Raises:
            CollectionFailed: nothing can be copied, or nothing more.
        """
        settings = self._settings()
        target, spare = settings.paths.sessions, settings.health.min_free_disk
        if Tree(target.resolve(), settings.paths.layout).layout == "projects":
            raise CollectionFailed(f"{target} is a person's own folder; set paths.sessions to one for all users")
        managed, doubts = managed_retention(self._managed)
        stopping, now = self._stopping.is_set, self._wall_clock()
        terms = Terms(target, spare, settings.collector.largest, dry_run, verbose, stopping, now, managed)
        total, seen, unlisted = VisitTally(), [], set[str]()
        for path, reason in doubts:
            total.warn("", plain(path), reason)
        try:
            Root(target).close()
            deadline = settings.collector.deadline
            for name, patterns in users(settings.collector.sources, self._patience, deadline, total, unlisted):
                visit = HomeVisit(name, patterns, terms)
                if home := visit.seen(self._visit(visit, deadline, total)):
                    seen.append(home)
        except WalkStopped:
            raise CollectionFailed("it was stopped; the next run goes on") from None
        except TargetFull as error:
            raise CollectionFailed(f"no more can be copied to {target}: {error}") from None
        except OSError as error:
            raise CollectionFailed(f"{target}: {error.strerror or error}; see to it, or set paths.sessions") from None
        stats = {"dry_run": dry_run, **asdict(total)}
        if not dry_run:
            self.last, self.seen, self._unlisted = total, seen, unlisted
        return (1 if total.errors else 0), stats

    def _visit(self, visit: HomeVisit, deadline: float, total: VisitTally) -> bool:
        """Collect one home and add up its counts, whatever the result; return whether it was completed."""
        try:
            self._patience.within(visit.path, deadline, visit.run, visit.stop)
            return True
        except (WalkStopped, TargetFull, OSError):
            raise
        except Exception as error:  # an unexpected error in one home does not affect the others
            if not isinstance(error, Late):
                log.exception("home_visit_failed", user=visit.user)
            visit.tally.errors += 1
            visit.tally.note(visit.user, plain(visit.path), str(error) or type(error).__name__)
            return False
        finally:
            total.add(visit.tally)
