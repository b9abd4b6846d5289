"""Walks a home for files that match the patterns; refuses symbolic links."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass

from watcher.homes.refusals import LINK, NotCopied, open_folder
from watcher.homes.stats import VisitTally
from watcher.settings.patterns import Pattern
from watcher.transcripts.sessions import key_of

#: Real files lie a few folders deep; a deeper folder or a longer path is hostile.
DEEPEST, LONGEST_PATH = 32, 1024


class WalkStopped(Exception):
    """The walk was told to stop."""


@dataclass(frozen=True, slots=True)
class Walk:
    """Position of a walk: a folder of the home, its patterns, and the indexes into their parts."""

    fixed: tuple[str, ...]
    patterns: tuple[Pattern, ...]
    #: Patterns that came before, for other folders: copies of their files own the names.
    rivals: tuple[Pattern, ...]
    path: tuple[str, ...]
    places: tuple[frozenset[int], ...]

    def enter(self, name: str) -> Walk:
        """Return the position inside a folder."""
        pairs = zip(self.patterns, self.places, strict=True)
        further = tuple([pattern.enter(places, name) for pattern, places in pairs])
        return Walk(self.fixed, self.patterns, self.rivals, (*self.path, name), further)

    def is_file(self, name: str) -> bool:
        """Whether a file of this name matches."""
        pairs = zip(self.patterns, self.places, strict=True)
        return any(pattern.is_file(places, name) for pattern, places in pairs)

    @property
    def leads_on(self) -> bool:
        """Whether a file below this folder may match."""
        return any(self.places)

    @property
    def whole(self) -> tuple[str, ...]:
        """The path relative to the home."""
        return (*self.fixed, *self.path)


class Walking(ABC):
    """Walks one user's home; subclasses define what is done with each file."""

    def __init__(self, name: str, patterns: Sequence[Pattern], stopping: Callable[[], bool]) -> None:
        """``stopping``: whether the whole job is to stop."""
        self.tally = VisitTally()
        self.user = key_of(os.fsencode(name))
        self.path = f"{patterns[0].above.rstrip('/')}/{name}"
        self.name, self._patterns, self._stopping = name, patterns, stopping
        self._told_to_stop = threading.Event()

    @abstractmethod
    def file(self, walk: Walk, folder: int, entry: os.DirEntry[str]) -> None:
        """Process a matching file in an open folder.

        Raises:
            Refused: it is not what it should be.
            OSError: it cannot be read.
        """

    def inside(self, walk: Walk, folder: int) -> AbstractContextManager[None]:
        """Context around all that is done in a folder; may raise as `file` does."""
        return nullcontext()

    def stop(self) -> None:
        """Stop before the next file, or piece of one."""
        self._told_to_stop.set()

    def go_on(self) -> None:
        """Check whether to continue.

        Raises:
            Stopped: no.
        """
        if self._told_to_stop.is_set() or self._stopping():
            raise WalkStopped

    def run(self) -> None:
        """Walk through the home.

        Raises:
            Stopped: it was told to.
            Exception: what `file` and `inside` raise beyond what is theirs.
        """
        with ExitStack() as stack:
            try:
                above = os.open(self._patterns[0].above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, above)
                self.home = open_folder(self.name, above)
            except NotCopied as refused:
                self.tally.users_refused += 1
                self.note((), str(refused))
                return
            except OSError as error:
                self.failed((), error)
                return
            stack.callback(os.close, self.home)
            self.owner = os.fstat(self.home).st_uid
            places = list(dict.fromkeys(pattern.fixed for pattern in self._patterns))
            for at, fixed in enumerate(places):
                patterns = tuple(pattern for pattern in self._patterns if pattern.fixed == fixed)
                rivals = tuple(pattern for pattern in self._patterns if pattern.fixed in places[:at])
                starts = tuple(pattern.start() for pattern in patterns)
                if self._walk(Walk(fixed, patterns, rivals, (), starts)):
                    self.tally.users_processed = 1

    def refused(self, parts: tuple[str, ...], reason: str) -> None:
        """Record something in the home that is refused."""
        self.tally.files_refused += 1
        self.note(parts, reason)

    def failed(self, parts: tuple[str, ...], error: OSError) -> None:
        """Record something in the home that cannot be read."""
        self.tally.errors += 1
        self.note(parts, error.strerror or str(error))

    def note(self, parts: tuple[str, ...], reason: str) -> None:
        """Record what was not read, and why."""
        self.tally.note(self.user, self.told(parts), reason)

    def told(self, parts: tuple[str, ...]) -> str:
        """Format a path of the home for people."""
        return key_of(os.fsencode("/".join((self.path, *parts))))

    def _walk(self, walk: Walk) -> bool:
        """Walk a folder of the home; return whether it exists."""
        with ExitStack() as stack:
            folder = os.dup(self.home)
            for depth, part in enumerate(walk.fixed, start=1):
                stack.callback(os.close, folder)
                try:
                    folder = open_folder(part, folder)
                except FileNotFoundError:
                    return False
                except NotCopied as refused:
                    self.tally.users_refused += 1
                    self.note(walk.fixed[:depth], str(refused))
                    return False
                except OSError as error:
                    self.failed(walk.fixed[:depth], error)
                    return False
            stack.callback(os.close, folder)
            self._folder(walk, folder)
        return True

    def _folder(self, walk: Walk, folder: int) -> None:
        """Iterate over a folder while listing it: however large it is, little of it is kept in memory."""
        try:
            with self.inside(walk, folder), os.scandir(folder) as entries:
                for entry in entries:
                    self.go_on()
                    self._entry(walk, folder, entry)
        except NotCopied as refused:
            self.refused(walk.whole, str(refused))
        except OSError as error:
            self.failed(walk.whole, error)

    def _entry(self, walk: Walk, folder: int, entry: os.DirEntry[str]) -> None:
        below, is_file = walk.enter(entry.name), walk.is_file(entry.name)
        if not below.leads_on and not is_file:
            return
        try:
            if below.leads_on and entry.is_dir(follow_symlinks=False):
                self._below(below, folder)
            elif is_file:
                self.file(below, folder, entry)
            elif entry.is_symlink():  # it may lead to a folder of what is meant
                raise NotCopied(LINK)
        except FileNotFoundError:
            return  # deleted since it was listed
        except NotCopied as refused:
            self.refused(below.whole, str(refused))
        except OSError as error:
            self.failed(below.whole, error)

    def _below(self, walk: Walk, above: int) -> None:
        if len(walk.path) > DEEPEST:
            raise NotCopied(f"it lies deeper than {DEEPEST} folders")
        folder = open_folder(walk.path[-1], above)
        try:
            self._folder(walk, folder)
        finally:
            os.close(folder)
