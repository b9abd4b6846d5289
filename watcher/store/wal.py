"""What is damaged in DuckDB's write-ahead log and looks to DuckDB itself like a log that ends early.

It plays a log up to the first entry that is not whole, as after a power cut, and says nothing. Where a length or the
head of the file is damaged, commits that were acknowledged lie behind that entry, and would be gone without a word.
(Of damages of 64 bytes at random places one in eight was such a one, with DuckDB 2.0.0; the others fail a checksum,
and stop the opening.)

The format is DuckDB's own business, so only what is known of it is checked: the second version, as the release 2.0
writes it. A log of another version (the first had no checksums, the third is encrypted) or with an entry that is not
known is not checked.
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from typing import BinaryIO

import duckdb

#: The release whose logs are known.
RELEASE = "2.0."
#: The last entry of each commit: its length, its checksum, and what it is.
COMMIT = bytes.fromhex("0500000000000000e7fe7d722fed3d5e640064ffff")
#: How a log begins; the version of its format follows.
HEAD = bytes.fromhex("6400626500")
VERSION = 2
#: What an entry can be: something is made, dropped, altered or written, or a checkpoint or a commit.
KINDS = {*range(1, 7), *range(8, 15), *range(20, 30), 99, 100}
#: Numbers that say which database a log belongs to; files of older formats have none.
IDENTIFIER = 16
#: No head is longer than this: the numbers in it have ten bytes at most.
_HEAD_AT_MOST = 256
_END = b"\xff\xff"
_PIECE = 1 << 20
_ENTRY = struct.Struct("<QQ")  # the length and the checksum of what follows


class NotChecked(Exception):
    """A log's format is not known; the text says what is not."""


class _NotWhole(Exception):
    """The head of the file cannot be read."""


def hidden_commits(log: Path) -> int | None:
    """Where DuckDB would stop playing a log although whole commits follow, an offset in bytes; else None.

    Raises:
        NotChecked: its format is not known.
    """
    if not log.exists():
        return None
    if not duckdb.__version__.startswith(RELEASE):
        raise NotChecked(f"DuckDB {duckdb.__version__}")
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
        # DuckDB has compared its checksum when it played it: it is as it was written.
        if (kind := file.read(3))[:2] != b"\x64\x00" or kind[2] not in KINDS:
            raise NotChecked(f"the entry at byte {end}")
        end = after
    return end


def _past_head(data: bytes) -> int:
    """The offset of the first entry."""
    version, at = _number(data, _expect(data, 0, HEAD))
    if version != VERSION and version < 0x80:  # a version of more bytes is damage: there are few
        raise NotChecked(f"version {version} of the format")
    if version != VERSION:
        raise _NotWhole
    if data[at : at + len(_END)] == _END:
        return at + len(_END)
    count, at = _number(data, _expect(data, at, b"\x66\x00"))
    if count != IDENTIFIER:
        raise _NotWhole
    for _ in range(count):
        _, at = _number(data, at)
    _, at = _number(data, _expect(data, at, b"\x67\x00"))
    return _expect(data, at, _END)


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
