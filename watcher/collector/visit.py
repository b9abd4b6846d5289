"""A visit to one home: walks what is a user's, and copies what grew, changed or is new."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import structlog

from watcher.collector.copying import is_current, take
from watcher.collector.source import LINK, Refused, objection, open_file, open_folder
from watcher.collector.tally import Tally
from watcher.collector.target import Folder, Root
from watcher.sessions import key_of
from watcher.settings.patterns import Pattern

log = structlog.get_logger("watcher.collector")

#: Transcripts lie four folders deep; what lies deeper than this, or has a longer path, was made to do harm.
DEEPEST, LONGEST_PATH = 32, 1024


class Stopped(Exception):
    """The visit was told to end."""


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


class Visit:
    """One user's home; `run` copies, until it is through or told to stop."""

    def __init__(self, name: str, patterns: Sequence[Pattern], terms: Terms) -> None:
        self.tally = Tally()
        self.user = key_of(os.fsencode(name))
        self.path = f"{patterns[0].above.rstrip('/')}/{name}"
        self._name, self._patterns, self._terms = name, patterns, terms
        self._told_to_stop = threading.Event()

    def stop(self) -> None:
        """End it before the next file, or piece of one."""
        self._told_to_stop.set()

    def run(self) -> None:
        """Copy what is to be copied.

        Raises:
            Stopped: it was told to.
            NoRoom, OSError: nothing can be written to the target.
        """
        with ExitStack() as stack:
            self._root = Root(self._terms.target, self._terms.spare)
            stack.callback(self._root.close)
            try:
                above = os.open(self._patterns[0].above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, above)
                self._home = open_folder(self._name, above)
            except Refused as refused:
                self.tally.users_refused += 1
                self._note((), str(refused))
                return
            except OSError as error:
                self._failed((), error)
                return
            stack.callback(os.close, self._home)
            self._owner = os.fstat(self._home).st_uid
            places = list(dict.fromkeys(pattern.fixed for pattern in self._patterns))
            for at, fixed in enumerate(places):
                patterns = tuple(pattern for pattern in self._patterns if pattern.fixed == fixed)
                rivals = tuple(pattern for pattern in self._patterns if pattern.fixed in places[:at])
                starts = tuple(pattern.start() for pattern in patterns)
                if self._walk(_Walk(fixed, patterns, rivals, (), starts)):
                    self.tally.users_processed = 1

    def _walk(self, walk: _Walk) -> bool:
        """Walk a folder of the home; whether it is there."""
        with ExitStack() as stack:
            folder = os.dup(self._home)
            for depth, part in enumerate(walk.fixed, start=1):
                stack.callback(os.close, folder)
                try:
                    folder = open_folder(part, folder)
                except FileNotFoundError:
                    return False
                except Refused as refused:
                    self.tally.users_refused += 1
                    self._note(walk.fixed[:depth], str(refused))
                    return False
                except OSError as error:
                    self._failed(walk.fixed[:depth], error)
                    return False
            stack.callback(os.close, folder)
            with closing(Folder(self._root, None, self._name)) as target:
                self._folder(walk, folder, target)
        return True

    def _folder(self, walk: _Walk, folder: int, target: Folder) -> None:
        """Everything in one folder, as it is listed: however much there is, little of it is kept."""
        if self._root.is_same(folder):
            self._refused(walk.whole, "it is the folder that is copied into")
            return
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    self._go_on()
                    self._entry(walk, folder, target, entry)
        except OSError as error:
            self._failed(walk.whole, error)

    def _entry(self, walk: _Walk, folder: int, target: Folder, entry: os.DirEntry[str]) -> None:
        below, is_file = walk.enter(entry.name), walk.is_file(entry.name)
        if not below.leads_on and not is_file:
            return
        try:
            if below.leads_on and entry.is_dir(follow_symlinks=False):
                self._below(below, folder, target)
            elif is_file:
                self._file(below, folder, target, entry)
            elif entry.is_symlink():  # it may lead to a folder of sessions
                raise Refused(LINK)
        except FileNotFoundError:
            return  # gone since it was listed
        except Refused as refused:
            self._refused(below.whole, str(refused))
        except OSError as error:
            self._failed(below.whole, error)

    def _below(self, walk: _Walk, above: int, target: Folder) -> None:
        if len(walk.path) > DEEPEST:
            raise Refused(f"it lies deeper than {DEEPEST} folders")
        folder = open_folder(walk.path[-1], above)
        try:
            with closing(Folder(self._root, target, walk.path[-1])) as copies:
                self._folder(walk, folder, copies)
        finally:
            os.close(folder)

    def _file(self, walk: _Walk, folder: int, target: Folder, entry: os.DirEntry[str]) -> None:
        seen = entry.stat(follow_symlinks=False)
        if reason := objection(seen, self._owner):
            raise Refused(reason)
        if other := self._rival(walk):
            raise Refused(f"the copy of {other} has its name")
        if len(os.fsencode("/".join((self._name, *walk.path)))) > LONGEST_PATH:
            raise Refused(f"its path is longer than {LONGEST_PATH} bytes")
        copy = target.status(entry.name)
        if copy is not None and is_current(seen, copy):
            self.tally.files_skipped += 1
            return
        source, status = open_file(entry.name, folder, self._owner)
        try:
            if status.st_size > self._terms.largest:
                raise Refused(f"it holds {status.st_size:,} bytes, more than [collector] largest allows")
            outcome, written = take(source, status, target, entry.name, copy, self._terms.dry_run, self._go_on)
        finally:
            os.close(source)
        setattr(self.tally, f"files_{outcome}", getattr(self.tally, f"files_{outcome}") + 1)
        self.tally.bytes_copied += written
        if self._terms.verbose and outcome != "skipped":
            log.info(outcome, user=self.user, path=self._path(walk.whole), bytes=written, dry_run=self._terms.dry_run)

    def _rival(self, walk: _Walk) -> str | None:
        """Another file, meant by an earlier pattern, of which the copy has this one's name."""
        for pattern in walk.rivals:
            if pattern.means(walk.path) and self._is_there((*pattern.fixed, *walk.path)):
                return self._path((*pattern.fixed, *walk.path))
        return None

    def _is_there(self, parts: tuple[str, ...]) -> bool:
        folder = os.dup(self._home)
        try:
            for part in parts[:-1]:
                below = open_folder(part, folder)
                os.close(folder)
                folder = below
            return objection(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False), self._owner) is None
        except (OSError, Refused):
            return False  # what cannot be reached there is not copied from there
        finally:
            os.close(folder)

    def _go_on(self) -> None:
        if self._told_to_stop.is_set() or self._terms.stopping():
            raise Stopped

    def _refused(self, parts: tuple[str, ...], reason: str) -> None:
        self.tally.files_refused += 1
        self._note(parts, reason)

    def _failed(self, parts: tuple[str, ...], error: OSError) -> None:
        self.tally.errors += 1
        self._note(parts, error.strerror or str(error))

    def _note(self, parts: tuple[str, ...], reason: str) -> None:
        self.tally.note(self.user, self._path(parts), reason)

    def _path(self, parts: tuple[str, ...]) -> str:
        return key_of(os.fsencode("/".join((self.path, *parts))))


@dataclass(frozen=True, slots=True)
class _Walk:
    """Where a walk is: below which folders of the home, for which patterns, and the places in each one's parts."""

    fixed: tuple[str, ...]
    patterns: tuple[Pattern, ...]
    #: Those that came before, for other folders: copies of their files have their names.
    rivals: tuple[Pattern, ...]
    path: tuple[str, ...]
    places: tuple[frozenset[int], ...]

    def enter(self, name: str) -> _Walk:
        """The same for what is in the folder."""
        pairs = zip(self.patterns, self.places, strict=True)
        further = tuple([pattern.enter(places, name) for pattern, places in pairs])
        return _Walk(self.fixed, self.patterns, self.rivals, (*self.path, name), further)

    def is_file(self, name: str) -> bool:
        """Whether a file of this name is meant."""
        pairs = zip(self.patterns, self.places, strict=True)
        return any(pattern.is_file(places, name) for pattern, places in pairs)

    @property
    def leads_on(self) -> bool:
        """Whether a file below this may be meant."""
        return any(self.places)

    @property
    def whole(self) -> tuple[str, ...]:
        """The path below the home."""
        return (*self.fixed, *self.path)
