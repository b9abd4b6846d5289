"""A visit to one home: copies what grew, changed or is new."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from watcher.collector.copying import is_current, take
from watcher.collector.source import Refused, objection, open_file, open_folder
from watcher.collector.target import Folder, Root
from watcher.collector.walking import LONGEST_PATH, Walk, Walking
from watcher.logs import Log
from watcher.settings.patterns import Pattern

log = Log()


@dataclass(frozen=True, slots=True)
class Terms:
    """Where a visit copies to, and how."""

    #: The folder of all copies.
    target: Path
    #: So many bytes of its disk are left free.
    spare: int
    #: A file of more bytes is refused.
    largest: int
    #: Only tell what would be done.
    dry_run: bool
    #: Log every file that is copied.
    verbose: bool
    #: Whether everything is to end.
    stopping: Callable[[], bool]


class Visit(Walking):
    """One user's home; `run` copies, until it is through or told to stop."""

    def __init__(self, name: str, patterns: Sequence[Pattern], terms: Terms) -> None:
        super().__init__(name, patterns, terms.stopping)
        self._terms = terms
        #: Where copies of the folders go that the walk is in.
        self._targets: list[Folder] = []

    def run(self) -> None:
        """Copy what is to be copied.

        Raises:
            Stopped: it was told to.
            NoRoom, OSError: nothing can be written to the target.
        """
        with closing(Root(self._terms.target, self._terms.spare)) as self._root:
            super().run()

    @contextmanager
    def inside(self, walk: Walk, folder: int) -> Iterator[None]:
        """See `Walking.inside`: the copies' folder goes along."""
        if self._root.is_same(folder):
            raise Refused("it is the folder that is copied into")
        above, name = (self._targets[-1], walk.path[-1]) if walk.path else (None, self.name)
        with closing(Folder(self._root, above, name)) as target:
            self._targets.append(target)
            try:
                yield
            finally:
                self._targets.pop()

    def file(self, walk: Walk, folder: int, entry: os.DirEntry[str]) -> None:
        """See `Walking.file`: it is copied."""
        target = self._targets[-1]
        seen = entry.stat(follow_symlinks=False)
        if reason := objection(seen, self.owner):
            raise Refused(reason)
        if other := self._rival(walk):
            raise Refused(f"the copy of {other} has its name")
        if len(os.fsencode("/".join((self.name, *walk.path)))) > LONGEST_PATH:
            raise Refused(f"its path is longer than {LONGEST_PATH} bytes")
        copy = target.status(entry.name)
        if copy is not None and is_current(seen, copy):
            self.tally.files_skipped += 1
            return
        source, status = open_file(entry.name, folder, self.owner)
        try:
            if status.st_size > self._terms.largest:
                raise Refused(f"it holds {status.st_size:,} bytes, more than [collector] largest allows")
            outcome, written = take(source, status, target, entry.name, copy, self._terms.dry_run, self.go_on)
        finally:
            os.close(source)
        setattr(self.tally, f"files_{outcome}", getattr(self.tally, f"files_{outcome}") + 1)
        self.tally.bytes_copied += written
        if self._terms.verbose and outcome != "skipped":
            log.info(outcome, user=self.user, path=self.told(walk.whole), bytes=written, dry_run=self._terms.dry_run)

    def _rival(self, walk: Walk) -> str | None:
        """Another file, meant by an earlier pattern, of which the copy has this one's name."""
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
        except (OSError, Refused):
            return False  # what cannot be reached there is not copied from there
        finally:
            os.close(folder)
