"""What a worker and its child process say to each other: jobs one way, replies the other."""

from __future__ import annotations

import socket
import struct
from datetime import datetime
from typing import Any, Literal

import msgspec

#: What precedes each frame: its length in bytes.
HEAD = struct.Struct("!I")


class Hello(msgspec.Struct, tag="hello", array_like=True):
    """The first frame to a child: what it serves. Answered by `Ready`."""

    processor: str
    root: bytes
    settings: dict[str, Any]
    memory_limit: int
    #: Seconds after which an unfinished but whole last line is taken.
    settle: float
    #: The fields of the `ModelAccess`, for a processor that asks a model.
    model: dict[str, Any] | None = None
    #: How the tree below the root is laid out: it says whether a project folder may be a link.
    layout: Literal["auto", "users", "projects"] = "users"


class Ready(msgspec.Struct, tag="ready", array_like=True):
    """The child has its processor loaded."""

    version: int


class Job(msgspec.Struct, tag="job", array_like=True):
    """Look at a session and take what is new in it."""

    key: str
    username: str
    path: bytes
    #: How far it was taken, and what was seen then.
    processed_bytes: int
    file_hash: str | None
    signature: tuple[int | None, int | None, int | None, int | None]
    #: Take the whole session, whatever was taken before.
    whole: bool
    #: Look at it even where the file is as it was seen.
    force: bool
    carry: bytes | None


class Fill(msgspec.Struct, tag="fill", array_like=True):
    """Make columns of these rows anew (`processors.contract.Backfill`)."""

    rows: list[list[Any]]
    key: str = "backfill"


class Filled(msgspec.Struct, tag="filled", array_like=True):
    """The columns, one JSON object a line."""

    lines: bytes


class Window(msgspec.Struct, tag="window", array_like=True):
    """A stretch of complete lines was taken; the next reply may be the next stretch."""

    signature: tuple[int, int, int, int | None]
    start: int
    processed_bytes: int
    file_hash: str
    items: int
    bad_lines: int
    carry: bytes
    #: Table to its rows, one JSON object a line, the session column included.
    rows: dict[str, bytes]
    after: list[tuple[str, list[Any]]]
    #: Whether this is the pass's last window.
    last: bool
    #: Whether more is there to be taken by another pass.
    more: bool = False
    #: When an unfinished last line may be taken, as seconds since the epoch.
    settles_at: float | None = None
    #: How many lines it holds.
    lines: int = 0
    #: Table to the positions of earlier rows of the session that go.
    withdrawn: dict[str, list[int]] = {}


class Unchanged(msgspec.Struct, tag="unchanged", array_like=True):
    """The file is as it was seen; nothing was read."""

    signature: tuple[int, int, int, int | None]


class Gone(msgspec.Struct, tag="gone", array_like=True):
    """There is no regular file under this name."""

    reason: str


class Failed(msgspec.Struct, tag="failed", array_like=True):
    """The session could not be taken, by its own or its processor's fault."""

    error: str
    signature: tuple[int, int, int, int | None] | None = None
    #: The processor says that the trouble lies outside and will pass.
    transient: bool = False
    retry_after: float | None = None


class Trouble(msgspec.Struct, tag="trouble", array_like=True):
    """Trouble of ours (descriptors or memory exhausted): nothing is held against the session."""

    error: str
    #: An allowance is used up for so many seconds.
    paused: float | None = None
    #: The processor cannot work as it is set.
    unconfigured: bool = False


#: What a child says to a `Job`; to a `Fill` it says `Filled`, or `Failed`.
Reply = Window | Unchanged | Gone | Failed | Trouble

_encoder = msgspec.msgpack.Encoder()


def pack(message: msgspec.Struct) -> bytes:
    """A message with its length before it."""
    body = _encoder.encode(message)
    return HEAD.pack(len(body)) + body


def receive_exactly(channel: socket.socket, length: int) -> bytearray | None:
    """That many bytes; None when the other side has closed."""
    buffer = bytearray(length)
    view = memoryview(buffer)
    filled = 0
    while filled < length:
        got = channel.recv_into(view[filled:])
        if got == 0:
            return None
        filled += got
    return buffer


def epoch(moment: datetime | None) -> float | None:
    """Seconds since the epoch."""
    return None if moment is None else moment.timestamp()
