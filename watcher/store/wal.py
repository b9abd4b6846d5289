"""What is damaged in DuckDB's write-ahead log and looks to DuckDB itself like a log that ends early.

It plays a log up to the first entry that is not whole, as after a power cut, and says nothing. Where a length or the
head of the file is damaged, commits that were acknowledged lie behind that entry, and would be gone without a word.
(Of damages of 64 bytes at random places one in eight was such a one, with DuckDB 2.0.0; the others fail a checksum,
and stop the opening.)
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from typing import BinaryIO

#: The last entry of each commit: its length, its checksum, and what it is.
COMMIT = bytes.fromhex("0500000000000000e7fe7d722fed3d5e640064ffff")
#: How a log begins: what it is, and the version of its format.
HEAD = bytes.fromhex("640062650002")
#: Numbers that say which database a log belongs to.
IDENTIFIER = 16
#: No head is longer than this: the numbers in it have ten bytes at most.
_HEAD_AT_MOST = 256
_PIECE = 1 << 20
_ENTRY = struct.Struct("<QQ")  # the length and the checksum of what follows


class _NotWhole(Exception):
    """The head of the file cannot be read."""


def hidden_commits(log: Path) -> int | None:
    """Where DuckDB would stop playing a log although whole commits follow, an offset in bytes; else None."""
    if not log.exists():
        return None
    with log.open("rb") as file:
        end = _first_not_whole(file, os.fstat(file.fileno()).st_size)
        file.seek(end)
        behind = b""
        while piece := file.read(_PIECE):
            behind = behind[-len(COMMIT) :] + piece
            if COMMIT in behind:
                return end
    return None


def place_beside(log: Path) -> Path:
    """Where a damaged log goes: beside its place, with the moment in its name; health looks for it there."""
    return log.with_name(f"{log.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")


def _first_not_whole(file: BinaryIO, size: int) -> int:
    """The offset of the first entry that runs over the end; the end, where none does."""
    try:
        end = _past_head(file.read(_HEAD_AT_MOST))
    except _NotWhole:
        return 0
    while end + _ENTRY.size <= size:
        file.seek(end)
        after = end + _ENTRY.size + _ENTRY.unpack(file.read(_ENTRY.size))[0]
        if after > size:
            break
        end = after
    return end


def _past_head(data: bytes) -> int:
    """The offset of the first entry."""
    at = _expect(data, 0, HEAD)
    count, at = _number(data, _expect(data, at, b"\x66\x00"))
    if count != IDENTIFIER:
        raise _NotWhole
    for _ in range(count):
        _, at = _number(data, at)
    _, at = _number(data, _expect(data, at, b"\x67\x00"))
    return _expect(data, at, b"\xff\xff")


def _expect(data: bytes, at: int, what: bytes) -> int:
    if data[at : at + len(what)] != what:
        raise _NotWhole
    return at + len(what)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the offset after it."""
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise _NotWhole
