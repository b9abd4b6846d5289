"""Collection of one home: copies files that grew, changed or are new."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from watcher.collector.copy import is_current, take
from watcher.collector.target import Folder, Root
from watcher.homes.listing import PROJECTS, has_projects, plain
from watcher.homes.refusals import NotCopied, objection, open_file, open_folder
from watcher.homes.retention import Retention, retention_of
from watcher.homes.walk import LONGEST_PATH, Walk, Walking
from watcher.logs import Log
from watcher.settings.patterns import Pattern
from watcher.transcripts.expiry import Home, expiring_before
from watcher.transcripts.sessions import Signature

log = Log()


@dataclass(frozen=True, slots=True)
class Terms:
    """Target and limits of a collection."""

    #: The folder of all copies.
    target: Path
    #: Bytes of its disk to leave free.
    spare: int
    #: A larger file is refused, in bytes.
    largest: int
    #: Only report what would be done.
    dry_run: bool
    #: Log every file that is copied.
    verbose: bool
    #: Whether the collector is stopping.
    stopping: Callable[[], bool]
    #: Start of the run, in seconds since the epoch.
    now: float
    #: Days after which the organisation's settings have transcripts deleted, None where they set nothing.
    managed_days: float | None = None


class HomeVisit(Walking):
    """One user's home; `run` copies until it is complete or told to stop."""

    def __init__(self, name: str, patterns: Sequence[Pattern], terms: Terms) -> None:
        super().__init__(name, patterns, terms.stopping)
        self._terms = terms
        #: Target folders of the folders that the walk is in.
        self._targets: list[Folder] = []
        #: Days after which Claude Code deletes transcripts where the walk is, None where it deletes none.
        self._days: float | None = None
        self._periods: list[float] = []
        self._doubts: list[str] = []
        #: How many files are near that age and not copied, and when the oldest was changed.
        self._expiring = 0
        self._oldest_ns: int | None = None
        #: How many files could not be read, and are known all the same.
        self._unread = 0
        #: Whether the home could be opened, and whether anything hindered the walk through Claude Code's folders.
        self._opened = self._hindered = False

    def seen(self, came_through: bool) -> Home | None:
        """What the visit tells of the home; None if no transcripts that are deleted lie there.

        It counts as one if all of their folders could be looked into; ``came_through`` False: it was broken off, and
        may still be at work where it hangs.
        """
        came_through = came_through and self._opened and not self._hindered
        if not self._periods and (came_through or not any(map(has_projects, self._patterns))):
            return None
        return Home(
            plain(self.path),
            self.user,
            self._terms.now,
            self._terms.now if came_through else None,
            min(self._periods, default=None),
            "; ".join(self._doubts) or None,
            self._expiring,
            self._oldest_ns,
        )

    def run(self) -> None:
        """Copy the home's files.

        Raises:
            Stopped: it was told to.
            NoRoom, OSError: nothing can be written to the target.
        """
        with closing(Root(self._terms.target, self._terms.spare)) as self._root:
            super().run()

    def _walk(self, walk: Walk) -> bool:
        self._opened, before = True, self._hindrances()
        there = super()._walk(walk)
        if walk.fixed[-1:] == (PROJECTS,) and self._hindrances() != before:
            self._hindered = True
        return there

    def _hindrances(self) -> int:
        """Count the obstacles so far."""
        return self.tally.errors - self._unread + self.tally.users_refused

    @contextmanager
    def inside(self, walk: Walk, folder: int) -> Iterator[None]:
        """See `Walking.inside`: the copies' folder goes along."""
        if self._root.is_same(folder):
            raise NotCopied("it is the folder that is copied into")
        if not walk.path:
            self._look_up_retention(walk.fixed)
        above, name = (self._targets[-1], walk.path[-1]) if walk.path else (None, self.name)
        with closing(Folder(self._root, above, name)) as target:
            self._targets.append(target)
            try:
                yield
            finally:
                self._targets.pop()

    def file(self, walk: Walk, folder: int, entry: os.DirEntry[str]) -> None:
        """See `Walking.file`: it is copied."""
        seen = entry.stat(follow_symlinks=False)
        try:
            self._copy(walk, folder, entry, seen)
        except FileNotFoundError:
            raise  # deleted since
        except (NotCopied, OSError) as error:
            self._unread += isinstance(error, OSError)
            self._left(seen)
            raise

    def _left(self, seen: os.stat_result) -> None:
        """Record a file that was not copied, if its deletion is near."""
        if self._days is not None and stat.S_ISREG(seen.st_mode):
            changed = Signature.of(seen)[2]
            if changed < expiring_before(self._days, self._terms.now):
                self._expiring += 1
                self._oldest_ns = changed if self._oldest_ns is None else min(changed, self._oldest_ns)

    def _look_up_retention(self, fixed: tuple[str, ...]) -> None:
        """Read the retention of transcripts below these folders."""
        self._days = None
        if fixed[-1:] != (PROJECTS,):
            return
        config, above = os.dup(self.home), fixed[:-1]
        try:
            for part in above:
                below = open_folder(part, config)
                os.close(config)
                config = below
            found = retention_of(config, self.owner, self._terms.managed_days)
        except (OSError, NotCopied) as error:  # it was opened a moment ago
            found = Retention(doubts=(("", str(error)),))
        finally:
            os.close(config)
        for name, reason in found.doubts:
            path = self.told((*above, name))
            self._doubts.append(f"{path}: {reason}")
            self.tally.warn(self.user, path, reason)
        self._days = found.days
        self._periods.append(found.days)

    def _copy(self, walk: Walk, folder: int, entry: os.DirEntry[str], seen: os.stat_result) -> None:
        target = self._targets[-1]
        if reason := objection(seen, self.owner):
            raise NotCopied(reason)
        if other := self._rival(walk):
            raise NotCopied(f"the copy of {other} has its name")
        if len(os.fsencode("/".join((self.name, *walk.path)))) > LONGEST_PATH:
            raise NotCopied(f"its path is longer than {LONGEST_PATH} bytes")
        copy = target.status(entry.name)
        if copy is not None and is_current(seen, copy):
            self.tally.files_skipped += 1
            return
        source, status = open_file(entry.name, folder, self.owner)
        try:
            if status.st_size > self._terms.largest:
                raise NotCopied(f"it holds {status.st_size:,} bytes, more than [collector] largest allows")
            outcome, written = take(source, status, target, entry.name, copy, self._terms.dry_run, self.go_on)
        finally:
            os.close(source)
        setattr(self.tally, f"files_{outcome}", getattr(self.tally, f"files_{outcome}") + 1)
        self.tally.bytes_copied += written
        if self._terms.verbose and outcome != "skipped":
            log.info(outcome, user=self.user, path=self.told(walk.whole), bytes=written, dry_run=self._terms.dry_run)

    def _rival(self, walk: Walk) -> str | None:
        """Return another file, matched by an earlier pattern, whose copy has the same name."""
        for pattern in walk.rivals:
            if pattern.means(walk.path) and self._is_there((*pattern.fixed, *walk.path)):
                return self.told((*pattern.fixed, *walk.path))
        return None

    def _is_there(self, parts: tuple[str, ...]) -> bool:
        folder = os.dup(self.home)
        try:
            for part in parts[:-1]:
                below = open_folder(part, folder)
                os.close(folder)
                folder = below
            return objection(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False), self.owner) is None
        except (OSError, NotCopied):
            return False  # what cannot be reached there is not copied from there
        finally:
            os.close(folder)
