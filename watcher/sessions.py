"""Sessions as files: keys, users, the tree, and opening one without following links."""

from __future__ import annotations

import os
import pwd
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote_to_bytes

import msgspec

from processors.contract import ColumnType

Layout = Literal["auto", "users", "projects"]

SUFFIX = b".jsonl"

#: Who asks for a look so soon after another shares it, in seconds: in a command, and in a service, which has time.
TOGETHER, TOGETHER_AT_LEISURE = 0.005, 0.05

#: A line that is read for people comes in pieces of at most so many bytes.
_LONGEST_PIECE = 1_000_000

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
        if not path.endswith(SUFFIX) or not is_inside(path):
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
            with open(open_session(os.fsencode(self.root), path), "rb") as file:
                while line := file.readline(_LONGEST_PIECE):
                    yield line
        except (NotASession, OSError):
            return

    def list(self) -> Listing:
        """Every session in the tree; links are not followed, only regular files count."""
        lines, count = bytearray(), 0
        encode = msgspec.json.Encoder().encode_into
        unreadable: list[str] = []
        unknown: list[str] = []
        root = os.fsencode(self.root)
        prefix = len(root.rstrip(b"/")) + 1
        pending = [root]
        directories = 0
        while pending:
            folder = pending.pop()
            try:
                with os.scandir(folder) as entries:
                    directories += 1
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(entry.path)
                        elif entry.name.endswith(SUFFIX) and entry.is_file(follow_symlinks=False):
                            try:
                                signature = Signature.of(entry.stat(follow_symlinks=False))
                            except FileNotFoundError:
                                continue  # gone between listing and looking: the next look tells
                            encode(_Seen(self.key(entry.path[prefix:]), *signature), lines, -1)
                            lines += b"\n"
                            count += 1
            except FileNotFoundError:
                continue
            except OSError as error:
                unreadable.append(f"{os.fsdecode(folder)}: {error.strerror}")
                unknown.append(self.key(folder[prefix:] + b"/" if folder != root else b""))
        return Listing(bytes(lines), count, directories, unreadable, node_of(self.key(b"")), tuple(unknown))


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


def open_session(root: bytes, path: bytes) -> int:
    """A descriptor for reading a session file, reached without leaving the root or following any link below it.

    Raises:
        NotASession: there is no regular file under this name.
        OSError: there may be one, but it cannot be opened.
    """
    if not is_inside(path):
        raise NotASession("not below the sessions folder")
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        *parents, name = path.split(b"/")
        for parent in parents:
            below = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = below
        # O_NONBLOCK: opening a pipe that nobody writes to must not wait.
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
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
