"""Detection of write-ahead log damage that DuckDB mistakes for the end of the log.

DuckDB silently replays a log up to the first incomplete entry, as after a power cut. If a length or the file's head
is damaged, acknowledged commits after that entry would be lost without a message. (With DuckDB 2.0.0, one in eight
damages of 64 bytes at random places was of this kind; the others fail a checksum, and the database does not open.)

The format is internal to DuckDB, so only version 2, written by release 2.0, is checked. A log of another version (the
first has no checksums, the third is encrypted) or with an unknown entry is not checked.
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from typing import BinaryIO

import duckdb

#: The DuckDB release whose log format is known.
RELEASE = "2.0."
#: The last entry of each commit: length, checksum and kind.
COMMIT = bytes.fromhex("0500000000000000e7fe7d722fed3d5e640064ffff")
#: The first bytes of a log; the format version follows.
HEAD = bytes.fromhex("6400626500")
VERSION = 2
#: Known entry kinds: create, drop, alter and write, checkpoint and commit.
KINDS = {*range(1, 7), *range(8, 15), *range(20, 30), 99, 100}
#: Length of the database identifier in the head; files of older formats have none.
IDENTIFIER = 16
#: The longest possible head, in bytes: each number in it takes at most ten.
_HEAD_AT_MOST = 256
_END = b"\xff\xff"
_PIECE = 1 << 20
_ENTRY = struct.Struct("<QQ")  # length and checksum of what follows


class NotChecked(Exception):
    """The log's format is unknown; the message says what is."""


class _NotWhole(Exception):
    """The head of the log cannot be parsed."""


def hidden_commits(log: Path) -> int | None:
    """The offset in bytes at which DuckDB stops replaying although complete commits follow; None if there is none.

    Raises:
        NotChecked: the format is unknown.
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
    """The path for a damaged log: next to the log, with a timestamp; the health check looks for it."""
    return log.with_name(f"{log.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")


def _first_not_whole(file: BinaryIO, size: int) -> int:
    """The offset of the first entry that extends past the end of the file; the end if none does."""
    try:
        end = _past_head(file.read(_HEAD_AT_MOST))
    except _NotWhole:
        return 0
    while end + _ENTRY.size <= size:
        file.seek(end)
        after = end + _ENTRY.size + _ENTRY.unpack(file.read(_ENTRY.size))[0]
        if after > size:
            break
        # DuckDB verified its checksum during the replay.
        if (kind := file.read(3))[:2] != b"\x64\x00" or kind[2] not in KINDS:
            raise NotChecked(f"the entry at byte {end}")
        end = after
    return end


def _past_head(data: bytes) -> int:
    """The offset of the first entry."""
    version, at = _number(data, _expect(data, 0, HEAD))
    if version != VERSION and version < 0x80:  # a version of several bytes can only be damage
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
    """A LEB128 number, and the offset after it."""
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise _NotWhole
