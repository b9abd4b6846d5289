"""The reader: finds the new lines of a session by the hash of the bytes before the offset.

If the first ``processed_bytes`` bytes still hash to ``file_hash``, the file was appended
to, and only the complete lines after them are new. Any other file is read from its start.
Plain reads: a memory-mapped file that shrinks would kill the process.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass

import xxhash

from watcher.transcripts.sessions import Signature

#: Bytes read at a time, and the approximate size of a window.
WINDOW = 8 << 20
#: The longest line that is read, in bytes; longer ones count as bad lines.
LONGEST_LINE = 128 << 20
#: Resolution of file timestamps: a change this shortly before the read may not show in the ctime.
UNTRUSTED_NS = 20_000_000

_CHUNK = 1 << 20
_STEP = 8 << 10


@dataclass(frozen=True, slots=True)
class Piece:
    """Complete lines of the file, or one line too long to be read (then ``data`` is empty)."""

    start: int
    end: int
    data: bytes
    too_long: int = 0


def trusted(status: os.stat_result, now_ns: int) -> tuple[int, int, int, int | None]:
    """The file's signature, without the ctime if a later change could have the same one."""
    fresh = abs(now_ns - status.st_ctime_ns) < UNTRUSTED_NS
    inode, size, mtime_ns, ctime_ns = Signature.of(status)
    return (inode, size, mtime_ns, None if fresh else ctime_ns)


class Reading:
    """One pass over an open file, from the offset to the size at the time of opening."""

    def __init__(self, descriptor: int, size: int, processed_bytes: int, file_hash: str | None) -> None:
        self._descriptor = descriptor
        self._size = size
        self._hasher = xxhash.xxh3_128()
        #: The offset of the new bytes; 0 if the session is reprocessed.
        self.start = 0
        #: The last line if it has no line end, else None; set when `pieces` is exhausted.
        self.tail: bytes | None = None
        if processed_bytes and file_hash and processed_bytes <= size:
            self.start = self._verify(processed_bytes, file_hash)
        elif file_hash and _is_legacy(file_hash):
            self.start = self._verify_legacy(file_hash)

    @property
    def file_hash(self) -> str:
        """The hash of all bytes processed so far."""
        return f"xxh3:{self._hasher.hexdigest()}"

    def take(self, data: bytes | memoryview) -> None:
        """Add the next bytes to the processed ones."""
        self._hasher.update(data)

    def pieces(self, tail_too: bool) -> Iterator[Piece]:
        """The new lines in pieces; `take` each one before the next."""
        at = self.start
        while at < self._size:
            data = self._read(at, WINDOW)
            cut = data.rfind(b"\n")
            if cut < 0:
                data, cut = self._longer(at, data)
            if cut >= 0:
                yield Piece(at, at + cut + 1, data if cut + 1 == len(data) else data[: cut + 1])
                at += cut + 1
            elif len(data) > LONGEST_LINE:
                end = self._skip_line(at)
                if end is None:
                    self.tail = b""
                    return
                yield Piece(at, end, b"", too_long=1)
                at = end
            else:
                self.tail = data or None
                if self.tail and tail_too and whole_objects(self.tail):
                    self.tail = None
                    yield Piece(at, at + len(data), data)
                return

    def _longer(self, at: int, data: bytes) -> tuple[bytes, int]:
        """Read on in a line longer than a window, up to `LONGEST_LINE`; its data, and the index of its end or -1."""
        buffer = bytearray(data)
        cut = -1
        while cut < 0 and len(buffer) <= LONGEST_LINE and (more := self._read(at + len(buffer), WINDOW)):
            cut = more.rfind(b"\n")
            cut += len(buffer) if cut >= 0 else 0
            buffer += more
        return bytes(buffer), cut

    def _read(self, offset: int, length: int) -> bytes:
        # Never beyond the size at opening: later bytes belong to the next pass.
        return os.pread(self._descriptor, max(0, min(length, self._size - offset)), offset)

    def _verify(self, processed_bytes: int, file_hash: str) -> int:
        hasher = xxhash.xxh3_128()
        at = 0
        while at < processed_bytes:
            chunk = self._read(at, min(_CHUNK, processed_bytes - at))
            if not chunk:
                return 0
            hasher.update(chunk)
            at += len(chunk)
        if f"xxh3:{hasher.hexdigest()}" != file_hash:
            return 0
        self._hasher = hasher
        return processed_bytes

    def _verify_legacy(self, file_hash: str) -> int:
        # The offset is unknown: it is the line end (or end of file) up to which the MD5 matches.
        md5, hasher = hashlib.md5(usedforsecurity=False), xxhash.xxh3_128()
        at = 0
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            while at < self._size and (line := file.readline(min(LONGEST_LINE, self._size - at))):
                md5.update(line)
                hasher.update(line)
                at += len(line)
                if (line.endswith(b"\n") or at == self._size) and md5.hexdigest() == file_hash:
                    self._hasher = hasher
                    return at
        return 0

    def _skip_line(self, at: int) -> int | None:
        """Hash a line without keeping it; the offset after its end, None if it has no end yet."""
        hasher = self._hasher.copy()
        while chunk := self._read(at, _CHUNK):
            if (cut := chunk.find(b"\n")) >= 0:
                hasher.update(chunk[: cut + 1])
                self._hasher = hasher
                return at + cut + 1
            hasher.update(chunk)
            at += len(chunk)
        return None


def is_utf8(data: bytes) -> bool:
    """Whether the bytes are UTF-8 throughout."""
    if data.isascii():
        return True
    at, size = 0, len(data)
    try:
        # In small steps: most are ASCII, which is a fast check, and no large string is created.
        while at < size:
            step = data[at : at + _STEP]
            at += len(step) if step.isascii() else codecs.utf_8_decode(step, "strict", at + _STEP >= size)[1]
    except UnicodeDecodeError:
        return False
    return True


def whole_objects(line: bytes) -> bool:
    """Whether a line is one or more complete JSON objects, so that only its line end is missing."""
    decoder = json.JSONDecoder()
    try:
        text = line.decode().strip()
        at = 0
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            if not isinstance(value, dict):
                return False
            at += len(text[at:]) - len(text[at:].lstrip()) if text[at : at + 1].isspace() else 0
    except (ValueError, RecursionError):
        return False
    return bool(text)


def _is_legacy(file_hash: str) -> bool:
    return len(file_hash) == 32 and ":" not in file_hash
