"""Upload store: writes transcripts sent from other machines below the sessions folder, each whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

from watcher.errors import NoFolder, NoRoom, OffsetMismatch, PathRefused, TooLong
from watcher.transcripts.sessions import SUFFIX, Tree

#: The longest path below the sessions folder and the longest name in it (both in bytes), and the most names in a path.
LONGEST_PATH, LONGEST_NAME, DEEPEST = 1024, 255, 16
#: Bytes copied or compared at a time; an append up to this size is a single write.
PIECE = 8 << 20

#: Unicode categories of characters that end a line, or reorder and hide text.
_INVISIBLE = {"Cc", "Cf", "Zl", "Zp"}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_A_FILE = {errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO}
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def parts_of(encoded: bytes) -> tuple[str, ...]:
    """Split a percent-encoded path ``<user>/<path>.jsonl`` into its names.

    Raises:
        PathRefused: it is malformed or leads out of the sessions folder.
    """
    raw = unquote_to_bytes(encoded)
    if len(raw) > LONGEST_PATH:
        raise PathRefused(f"the path is longer than {LONGEST_PATH} bytes")
    try:
        parts = tuple(raw.decode("utf-8").split("/"))
    except UnicodeDecodeError:
        raise PathRefused("the path is not UTF-8") from None
    if not raw.endswith(SUFFIX) or not 2 <= len(parts) <= DEEPEST:
        raise PathRefused(f"the path is to be <user>/<path>.jsonl, of at most {DEEPEST} names")
    for part in parts:
        if not part or part.startswith("."):
            raise PathRefused("the path has an empty name, or one that begins with a dot")
        if len(part.encode()) > LONGEST_NAME:
            raise PathRefused(f"the path has a name longer than {LONGEST_NAME} bytes")
        if "\\" in part or any(unicodedata.category(letter) in _INVISIBLE for letter in part):
            raise PathRefused("the path has a backslash or a control character")
    return parts


@dataclass(frozen=True, slots=True)
class Held:
    """The stored state of a transcript: size and hash."""

    size: int
    #: SHA-256 of these bytes.
    digest: bytes


@dataclass(frozen=True, slots=True)
class ReceivedUpload:
    """The result of an upload."""

    #: The transcript's size now, in bytes.
    size: int
    #: Whether the transcript was created.
    made: bool
    #: Whether the upload changed anything.
    changed: bool


class Uploads:
    """Writes transcripts; opens every folder on the way by itself and follows no links."""

    def __init__(self, tree: Tree, longest: int) -> None:
        self._tree = tree
        #: The largest accepted transcript, in bytes.
        self.longest = longest
        # Uploads of one transcript are serialised; a few different ones may share a lock.
        self._locks = [threading.Lock() for _ in range(64)]

    def held(self, parts: Sequence[str]) -> Held | None:
        """Return the stored state of a transcript, None if there is none.

        Raises:
            PathRefused: the path is occupied by, or leads through, something that is not a transcript.
            NoFolder: the sessions folder does not exist.
        """
        *parents, name = parts
        try:
            with self._folder(parents) as folder, _opened(folder, name, os.O_RDONLY) as file:
                size = os.fstat(file).st_size
                return Held(size, _digest(file, size))
        except FileNotFoundError:
            return None

    def take(self, parts: Sequence[str], body: BinaryIO, length: int, offset: int | None) -> ReceivedUpload:
        """Store a whole transcript (``offset`` None), or append the bytes that follow its first ``offset`` bytes.

        Bytes that are stored already are not written again: the same upload twice changes nothing.

        Raises:
            PathRefused: the path is occupied by, or leads through, something that is not a transcript.
            OffsetMismatch: the stored transcript is shorter than ``offset``, or differs after it.
            TooLong: the transcript would exceed the limit.
            NoRoom: the disk is full; the stored transcript is unchanged.
            NoFolder: the sessions folder does not exist.
        """
        if length > self.longest:
            raise TooLong(self.longest)
        *parents, name = parts
        try:
            with self._locks[hash(tuple(parts)) % len(self._locks)], self._folder(parents, make=True) as folder:
                try:
                    with _opened(folder, name, os.O_RDWR | os.O_APPEND) as file:
                        if offset is None:
                            return _replace(folder, name, body, length, file)
                        return _append(file, body, length, offset, self.longest)
                except FileNotFoundError:
                    if offset:
                        raise OffsetMismatch(0) from None
                return _replace(folder, name, body, length)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise NoRoom(os.strerror(error.errno)) from error
            raise

    @contextmanager
    def _folder(self, parents: Sequence[str], make: bool = False) -> Iterator[int]:
        if self._tree.layout != "users":
            raise NoFolder("transcripts are taken where each user has a folder ([paths] layout = users)")
        try:
            folder = os.open(self._tree.root, _FOLDER)
        except (FileNotFoundError, NotADirectoryError):
            raise NoFolder(f"there is no folder {self._tree.root} ([paths] sessions)") from None
        try:
            for name in parents:
                below = _enter(folder, name, make)
                os.close(folder)
                folder = below
            yield folder
        finally:
            os.close(folder)


def _enter(folder: int, name: str, make: bool) -> int:
    if make:
        with suppress(FileExistsError):
            os.mkdir(name, 0o750, dir_fd=folder)
            os.fsync(folder)
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        if error.errno in _NOT_A_FILE:
            raise PathRefused("the path leads through something that is not a folder; links are not followed") from None
        raise


@contextmanager
def _opened(folder: int, name: str, flags: int) -> Iterator[int]:
    """Open an existing transcript: a regular file without other hard links."""
    try:
        # O_NONBLOCK: opening a pipe must not wait for its other end.
        file = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno in _NOT_A_FILE:
            raise PathRefused("something else than a file has this name; links are not followed") from None
        raise
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise PathRefused("something else than a file of one name has this name")
        yield file
    finally:
        os.close(file)


def _append(file: int, body: BinaryIO, length: int, offset: int, longest: int) -> ReceivedUpload:
    size = os.fstat(file).st_size
    known = min(size - offset, length)
    if known < 0 or not _same(file, offset, body, known):
        raise OffsetMismatch(size)
    if known == length:
        return ReceivedUpload(size, made=False, changed=False)
    if offset + length > longest:
        raise TooLong(longest)
    body.seek(known)
    try:
        _copy(body, file)
        os.fsync(file)
    except OSError:
        os.ftruncate(file, size)  # not half of it
        raise
    return ReceivedUpload(offset + length, made=False, changed=True)


def _replace(folder: int, name: str, body: BinaryIO, length: int, there: int | None = None) -> ReceivedUpload:
    """Replace a transcript atomically; until then the bytes have a name that is no session's."""
    if there is not None and os.fstat(there).st_size == length and _same(there, 0, body, length):
        return ReceivedUpload(length, made=False, changed=False)
    # One fixed name, so that the next upload overwrites what a crash left behind.
    part = f".{hashlib.sha256(name.encode()).hexdigest()[:24]}.part"
    with suppress(FileNotFoundError):
        os.unlink(part, dir_fd=folder)
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640, dir_fd=folder)
    try:
        body.seek(0)
        try:
            _copy(body, file)
            os.fsync(file)
        finally:
            os.close(file)
        os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=folder)
        raise
    os.fsync(folder)
    return ReceivedUpload(length, made=there is None, changed=True)


def _digest(file: int, size: int) -> bytes:
    hashed = hashlib.sha256()
    for at in range(0, size, PIECE):
        hashed.update(os.pread(file, min(PIECE, size - at), at))
    return hashed.digest()


def _same(file: int, offset: int, body: BinaryIO, length: int) -> bool:
    """Compare a file from an offset with the beginning of the body."""
    body.seek(0)
    for at in range(0, length, PIECE):
        wanted = min(PIECE, length - at)
        if os.pread(file, wanted, offset + at) != body.read(wanted):
            return False
    return True


def _copy(body: BinaryIO, file: int) -> None:
    while piece := body.read(PIECE):
        view = memoryview(piece)
        while view:
            view = view[os.write(file, view) :]
