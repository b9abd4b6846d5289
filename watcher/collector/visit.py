"""A visit to one home: walks what is a user's, and copies what grew, changed or is new."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, fields
from pathlib import Path

import structlog

from watcher.collector.source import LINK, Refused, objection, open_file, open_folder
from watcher.collector.target import Folder, Root, is_current, take
from watcher.sessions import key_of
from watcher.settings.patterns import Pattern

log = structlog.get_logger("watcher.collector")

#: Transcripts lie four folders deep; what lies deeper than this, or has a longer path, was made to do harm.
DEEPEST, LONGEST_PATH = 32, 1024
#: So many of each home's refusals and errors are told one by one.
TOLD = 20
#: Lack of these is our trouble, whatever home it shows in.
_OURS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class Stopped(Exception):
    """The visit was told to end."""


@dataclass
class Tally:
    """What was done, in one home or in all."""

    users_processed: int = 0
    #: Homes of which nothing can be copied, for what they or the folders in them are.
    users_refused: int = 0
    files_copied: int = 0
    files_appended: int = 0
    files_replaced: int = 0
    #: Those whose copies are equal already.
    files_skipped: int = 0
    files_refused: int = 0
    bytes_copied: int = 0
    #: Homes and files that could not be read or written.
    errors: int = 0
    #: The first of these refusals and errors: whose, what, why.
    details: list[dict[str, str]] = field(default_factory=list)

    def note(self, user: str, path: str, reason: str) -> None:
        """Tell a refusal or an error by name, one of the first."""
        log.debug("not collected", user=user, path=path, reason=reason)
        if len(self.details) < TOLD:
            self.details.append({"user": user, "path": path, "reason": reason})

    def add(self, other: Tally) -> None:
        """What was done in one home counts for all."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


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
            NoRoom, OSError: trouble of ours.
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
            found = [self._source(at, pattern) for at, pattern in enumerate(self._patterns)]
            self.tally.users_processed = int(any(found))

    def _source(self, number: int, pattern: Pattern) -> bool:
        """Walk what one pattern means; whether its folder is there."""
        with ExitStack() as stack:
            folder = os.dup(self._home)
            for depth, part in enumerate(pattern.fixed, start=1):
                stack.callback(os.close, folder)
                try:
                    folder = open_folder(part, folder)
                except FileNotFoundError:
                    return False
                except Refused as refused:
                    self.tally.users_refused += 1
                    self._note(pattern.fixed[:depth], str(refused))
                    return False
                except OSError as error:
                    self._failed(pattern.fixed[:depth], error)
                    return False
            stack.callback(os.close, folder)
            walk = _Walk(number, pattern, (), pattern.start())
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
        below, is_file = walk.enter(entry.name), walk.pattern.is_file(walk.places, entry.name)
        if not below.places and not is_file:
            return
        try:
            if below.places and entry.is_dir(follow_symlinks=False):
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
        self._admit(seen)
        if self._is_taken(walk):
            return
        if len(os.fsencode("/".join((self._name, *walk.path)))) > LONGEST_PATH:
            raise Refused(f"its path is longer than {LONGEST_PATH} bytes")
        copy = target.status(entry.name)
        if copy is not None and is_current(seen, copy):
            self.tally.files_skipped += 1
            return
        source, status = open_file(entry.name, folder, self._owner)
        try:
            self._admit(status)
            outcome, written = take(source, status, target, entry.name, self._terms.dry_run, self._go_on)
        finally:
            os.close(source)
        setattr(self.tally, f"files_{outcome}", getattr(self.tally, f"files_{outcome}") + 1)
        self.tally.bytes_copied += written
        if self._terms.verbose and outcome != "skipped":
            log.info(outcome, user=self.user, path=self._path(walk.whole), bytes=written, dry_run=self._terms.dry_run)

    def _admit(self, status: os.stat_result) -> None:
        if reason := objection(status, self._owner):
            raise Refused(reason)
        if status.st_size > self._terms.largest:
            raise Refused(f"it holds {status.st_size:,} bytes, more than [collector] largest allows")

    def _is_taken(self, walk: _Walk) -> bool:
        """Whether an earlier pattern means the same file.

        Raises:
            Refused: an earlier pattern means another file, of which the copy has this one's name.
        """
        for earlier in self._patterns[: walk.number]:
            if earlier.means(walk.path):
                if earlier.fixed == walk.pattern.fixed:
                    return True
                if self._is_there((*earlier.fixed, *walk.path)):
                    other = self._path((*earlier.fixed, *walk.path))
                    raise Refused(f"the copy of {other} has its name")
        return False

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
        if error.errno in _OURS:
            raise error
        self.tally.errors += 1
        self._note(parts, error.strerror or str(error))

    def _note(self, parts: tuple[str, ...], reason: str) -> None:
        self.tally.note(self.user, self._path(parts), reason)

    def _path(self, parts: tuple[str, ...]) -> str:
        return key_of(os.fsencode("/".join((self.path, *parts))))


@dataclass(frozen=True, slots=True)
class _Walk:
    """Where a walk is: of which pattern, the path below its fixed folders, and the places in its parts."""

    number: int
    pattern: Pattern
    path: tuple[str, ...]
    places: frozenset[int]

    def enter(self, name: str) -> _Walk:
        """The same for what is in the folder."""
        return _Walk(self.number, self.pattern, (*self.path, name), self.pattern.enter(self.places, name))

    @property
    def whole(self) -> tuple[str, ...]:
        """The path below the home."""
        return (*self.pattern.fixed, *self.path)
