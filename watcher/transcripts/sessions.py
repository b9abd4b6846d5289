"""Sessions as files: keys, users, the tree, and opening one without following links."""

from __future__ import annotations

import os
import pwd
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

import msgspec

from processors.contract import ColumnType
from watcher.files.safe_open import open_file, open_folder
from watcher.transcripts import links

Layout = Literal["auto", "users", "projects"]

SUFFIX = b".jsonl"

#: Who asks for a look so soon after another shares it, in seconds: in a command, and in a service, which has time.
TOGETHER, TOGETHER_AT_LEISURE = 0.005, 0.05

#: A line that is read for people comes in pieces of at most so many bytes.
_LONGEST_PIECE = 1_000_000

#: So many links that are not followed are told one by one.
_LINKS_TOLD = 100
_LINK = "only links directly in a person's own folder of projects are followed"

# What a key may not hold as it is: bytes that are not UTF-8 (surrogates, after
# decoding with surrogateescape), control characters, and our two marks.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f%:\ud800-\udfff]")


def key_of(path: bytes, node: str = "") -> str:
    """The session key of a path relative to the sessions folder; reversible by `path_of`."""
    text = _UNSAFE.sub(_percent, os.fsencode(path).decode("utf-8", "surrogateescape"))
    return f"{_UNSAFE.sub(_percent, node)}:{text}" if node else text


def path_of(key: str) -> bytes:
    """The path, relative to the sessions folder, that a session key stands for."""
    return unquote_to_bytes(key.rpartition(":")[2])


def node_of(key: str) -> str:
    """Whose tree a session key belongs to, as it stands in the key."""
    return key.rpartition(":")[0]


def is_session(path: bytes) -> bool:
    """Whether a path, relative to the sessions folder, is named as a session is.

    A workflow's journal is named alike and is none.
    """
    if not path.endswith(SUFFIX):
        return False
    *folders, name = path.split(b"/")
    if name != b"journal.jsonl" or b"subagents" not in folders:
        return True
    return b"workflows" not in folders[folders.index(b"subagents") :]


def is_inside(path: bytes) -> bool:
    """Whether a path, relative to the sessions folder, stays below it whatever its parts are."""
    return b"\0" not in path and not {b"", b".", b".."} & {*path.split(b"/")}


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match.group().encode("utf-8", "surrogateescape"))


#: What a column of the tables can hold, to either side.
_MOST = (1 << 63) - 1


class Signature(tuple[int, int, int, int]):
    """``(inode, size, mtime_ns, ctime_ns)``: while it stays the same, so does the content."""

    __slots__ = ()

    @classmethod
    def of(cls, status: os.stat_result) -> Signature:
        # An inode has a bit more than the tables have, and a time may be beyond what nanoseconds in them can say.
        mtime, ctime = status.st_mtime_ns, status.st_ctime_ns
        if not (-_MOST <= mtime <= _MOST and -_MOST <= ctime <= _MOST):
            mtime, ctime = (max(-_MOST, min(at, _MOST)) for at in (mtime, ctime))
        return cls((status.st_ino & _MOST, status.st_size, mtime, ctime))


class _Seen(msgspec.Struct):
    session_file: str
    file_inode: int
    file_size: int
    file_mtime_ns: int
    file_ctime_ns: int


#: What a look tells of each session.
TREE: dict[str, ColumnType] = {
    name: "text" if name == "session_file" else "integer" for name in _Seen.__struct_fields__
}


@dataclass(frozen=True, slots=True)
class Listing:
    """One look at the whole tree."""

    #: A JSON line a session, with `TREE`'s columns: there may be very many, and it is the database that compares.
    lines: bytes
    #: How many sessions there are.
    count: int
    #: Directories that exist, the root included.
    directories: int
    #: Paths that could not be read, with the reason.
    unreadable: list[str]
    #: What stands before the keys' colon.
    node: str = ""
    #: What the keys of sessions begin with that could not be looked at: they are neither there nor gone.
    unknown: tuple[str, ...] = ()
    #: Links that are not followed, by their keys, with the reason: the first of them, and how many there are.
    links: Mapping[str, str] = field(default_factory=dict)
    links_count: int = 0


class Tree:
    """The sessions folder: which sessions it holds and whose they are."""

    def __init__(self, root: Path, layout: Layout = "auto", node: str = "") -> None:
        self.root = root
        self.node = node
        if layout == "auto":
            # A person's own folder of transcripts has a project a folder, not a user a folder.
            layout = "projects" if root.parts[-2:] == (".claude", "projects") else "users"
        self.layout = layout

    def key(self, path: bytes) -> str:
        """The session key of a path relative to the root."""
        return key_of(path, self.node)

    def username(self, key: str) -> str:
        """Whose session it is: the first folder's name, or the owner of the root."""
        first, slash, _ = key.rpartition(":")[2].partition("/")
        if self.layout == "users" and slash:
            return first
        try:
            owner = self.root.stat().st_uid
        except OSError:
            return "unknown"
        try:
            return pwd.getpwuid(owner).pw_name
        except KeyError:
            return str(owner)

    def signature(self, path: bytes) -> Signature | None:
        """A session file as it is now, None if it cannot be seen or is none."""
        if not is_session(path) or not is_inside(path):
            return None
        try:
            status = os.stat(os.path.join(os.fsencode(self.root), path), follow_symlinks=False)
        except OSError:
            return None
        return Signature.of(status) if stat.S_ISREG(status.st_mode) else None

    def lines(self, key: str) -> Iterator[bytes]:
        """The lines of a session of this tree, very long ones in pieces; none where its file cannot be read."""
        path = path_of(key)
        if self.key(path) != key:
            return
        try:
            with open(open_session(os.fsencode(self.root), path, self.layout), "rb") as file:
                while line := file.readline(_LONGEST_PIECE):
                    yield line
        except (NotASession, OSError):
            return

    def list(self) -> Listing:
        """Every session in the tree; only regular files count.

        Links are not followed, but for those of the root in a person's own folder (`watcher.transcripts.links`).
        """
        look = _Look(self)
        root = os.fsencode(self.root)
        prefix = len(root.rstrip(b"/")) + 1
        pending = [root]
        while pending:
            folder = pending.pop()
            try:
                with os.scandir(folder) as entries:
                    look.directories += 1
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(entry.path)
                        elif entry.name.endswith(SUFFIX) and entry.is_file(follow_symlinks=False):
                            if is_session(path := entry.path[prefix:]):
                                look.take(path, entry)
                        elif entry.is_symlink():
                            look.link(entry.path[prefix:], folder == root)
            except FileNotFoundError:
                continue
            except OSError as error:
                look.failed(folder[prefix:], error)
        if look.projects:
            look.follow(root)
        return look.listing()


class _Look:
    """One look at a tree, as far as it has come."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._lines, self._count = bytearray(), 0
        self._encode = msgspec.json.Encoder().encode_into
        self.directories = 0
        self._unreadable: list[str] = []
        self._unknown: list[str] = []
        self._links: dict[str, str] = {}
        self._links_count = 0
        #: Links of the root, in a person's own folder.
        self.projects: list[bytes] = []

    def take(self, path: bytes, entry: os.DirEntry[Any]) -> None:
        """A session is there, under this path below the root."""
        try:
            signature = Signature.of(entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            return  # gone between listing and looking: the next look tells
        self._encode(_Seen(self._tree.key(path), *signature), self._lines, -1)
        self._lines += b"\n"
        self._count += 1

    def link(self, path: bytes, at_root: bool = False) -> None:
        """A link is there. Where it leads is only read: whoever follows a stranger's link may wait for ever."""
        if at_root and self._tree.layout == "projects":
            self.projects.append(path)
            return
        with suppress(OSError):  # gone meanwhile
            if path.endswith(SUFFIX) or self._target(path).endswith(SUFFIX):
                return  # a file's
        self._leave(path, _LINK)

    def _target(self, path: bytes) -> bytes:
        return os.readlink(os.path.join(os.fsencode(self._tree.root), path))

    def _leave(self, path: bytes, reason: str) -> None:
        self._links_count += 1
        if len(self._links) < _LINKS_TOLD:
            self._links[self._tree.key(path)] = reason

    def failed(self, folder: bytes, error: OSError) -> None:
        """A folder, by its path below the root, cannot be looked into."""
        whole = os.path.join(os.fsencode(self._tree.root), folder) if folder else os.fsencode(self._tree.root)
        self._unreadable.append(f"{os.fsdecode(whole)}: {error.strerror}")
        self._unknown.append(self._tree.key(folder + b"/" if folder else b""))

    def follow(self, root: bytes) -> None:
        """Look into the folders that links of the root lead to."""
        refused: dict[bytes, str] = {}
        try:
            above = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return  # which the look at it has noticed, or the next one does
        try:
            for name, project, places in links.follow(above, self.projects, refused):
                self._project(name, project, places)
        finally:
            os.close(above)
        for name, reason in refused.items():
            self._leave(name, reason)
            self._unknown.append(self._tree.key(name + b"/"))

    def _project(self, name: bytes, project: int, places: set[links.Place]) -> None:
        # Each folder is reached from the open one: by its whole name, a link that was swapped would be followed.
        pending: list[bytes] = [b""]
        while pending:
            path = pending.pop()
            try:
                folder = links.open_below(project, path)
                try:
                    if path and links.place(folder) in places:
                        continue  # another link's
                    self._folder(name, path, folder, pending)
                finally:
                    os.close(folder)
            except FileNotFoundError:
                continue
            except OSError as error:
                self.failed(os.path.join(name, path) if path else name, error)

    def _folder(self, name: bytes, path: bytes, folder: int, pending: list[bytes]) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                below = os.path.join(path, os.fsencode(entry.name))
                if entry.is_dir(follow_symlinks=False):
                    pending.append(below)
                elif below.endswith(SUFFIX) and entry.is_file(follow_symlinks=False):
                    if is_session(below):
                        self.take(os.path.join(name, below), entry)
                elif entry.is_symlink():
                    self.link(os.path.join(name, below))

    def listing(self) -> Listing:
        """All of it."""
        return Listing(
            bytes(self._lines),
            self._count,
            self.directories,
            self._unreadable,
            node_of(self._tree.key(b"")),
            tuple(self._unknown),
            self._links,
            self._links_count,
        )


class Looks:
    """Looks at the whole tree, shared: who asks while one is owed gets that one, with all others that do.

    A look shows everything that was there when it was asked for, so one that has begun already is nobody else's.
    """

    def __init__(self, look: Callable[[], Listing], together: float = TOGETHER) -> None:
        self._look, self._together = look, together
        self._lock, self._one_at_a_time = threading.Lock(), threading.Lock()
        self._owed: Future[Listing] | None = None
        #: How many were made.
        self.made = 0

    def __call__(self) -> Listing:
        """The tree as it is now.

        Raises:
            Exception: whatever looking raises, for all who share it.
        """
        with self._lock:
            mine = self._owed is None
            owed = self._owed = self._owed or Future()
        if mine:
            with self._one_at_a_time:
                time.sleep(self._together)
                with self._lock:
                    self._owed = None
                self.made += 1
                try:
                    owed.set_result(self._look())
                except BaseException as error:  # noqa: BLE001 — it goes to everybody who waits for it
                    owed.set_exception(error)
        return owed.result()


class NotASession(Exception):
    """The path holds no regular file (nothing, a folder, a link, a pipe): the session is gone."""


def open_session(root: bytes, path: bytes, layout: Layout = "users") -> int:
    """A descriptor for reading a session file, reached without leaving the root or following any link below it.

    In the layout ``projects`` the first folder may be a link that `watcher.transcripts.links` follows.

    Raises:
        NotASession: there is no regular file under this name.
        OSError: there may be one, but it cannot be opened.
    """
    if not is_inside(path):
        raise NotASession("not below the sessions folder")
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        *parents, name = path.split(b"/")
        for depth, parent in enumerate(parents):
            follow = depth == 0 and layout == "projects"
            below = (links.open_project if follow else open_folder)(parent, folder)
            os.close(folder)
            folder = below
        file = open_file(name, folder)
    except links.NotFollowed as error:
        raise NotASession(str(error)) from None
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise NotASession("not a regular file")
    return file


def iter_parts(key: str) -> Iterator[str]:
    """The parts of a session key's path, decoded for people to read."""
    for part in path_of(key).split(b"/"):
        yield part.decode("utf-8", "replace")
