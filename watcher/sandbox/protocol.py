"""The protocol between a worker and its child process: msgpack frames, jobs one way and replies the other."""

from __future__ import annotations

import socket
import struct
from datetime import datetime
from typing import Any, Literal

import msgspec

#: Frame header: the length of the body in bytes.
HEAD = struct.Struct("!I")


class Hello(msgspec.Struct, tag="hello", array_like=True):
    """The first frame to a child: its configuration. Answered by `Ready`."""

    processor: str
    root: bytes
    settings: dict[str, Any]
    memory_limit: int
    #: Seconds after which a complete last line without a line end is processed.
    settle: float
    #: The fields of `ModelAccess`, for a processor that calls a model.
    model: dict[str, Any] | None = None
    #: The layout of the tree, which determines whether a project folder may be a link.
    layout: Literal["auto", "users", "projects"] = "users"


class Ready(msgspec.Struct, tag="ready", array_like=True):
    """The child has loaded its processor."""

    version: int


class Job(msgspec.Struct, tag="job", array_like=True):
    """Process what is new in a session."""

    key: str
    username: str
    path: bytes
    #: The offset, and the file hash and signature recorded with it.
    processed_bytes: int
    file_hash: str | None
    signature: tuple[int | None, int | None, int | None, int | None]
    #: Process the whole session from its start.
    whole: bool
    #: Process it even if the signature is unchanged.
    force: bool
    carry: bytes | None


class Fill(msgspec.Struct, tag="fill", array_like=True):
    """Recompute columns of these rows (`processors.contract.Backfill`)."""

    rows: list[list[Any]]
    key: str = "backfill"


class Filled(msgspec.Struct, tag="filled", array_like=True):
    """The recomputed columns, as JSON lines."""

    lines: bytes


class Window(msgspec.Struct, tag="window", array_like=True):
    """A run of complete lines was extracted; further windows may follow."""

    signature: tuple[int, int, int, int | None]
    start: int
    processed_bytes: int
    file_hash: str
    items: int
    bad_lines: int
    carry: bytes
    #: Rows by table, as JSON lines with the session column.
    rows: dict[str, bytes]
    after: list[tuple[str, list[Any]]]
    #: Whether this is the pass's last window.
    last: bool
    #: Whether another pass is needed for the rest.
    more: bool = False
    #: When a last line without a line end may be processed, in seconds since the epoch.
    settles_at: float | None = None
    #: The number of lines.
    lines: int = 0
    #: Positions of the session's stored rows to delete, by table.
    withdrawn: dict[str, list[int]] = {}


class Unchanged(msgspec.Struct, tag="unchanged", array_like=True):
    """The file's signature is unchanged; nothing was read."""

    signature: tuple[int, int, int, int | None]


class Gone(msgspec.Struct, tag="gone", array_like=True):
    """No regular file has this path."""

    reason: str


class Failed(msgspec.Struct, tag="failed", array_like=True):
    """The session failed, because of its content or its processor."""

    error: str
    signature: tuple[int, int, int, int | None] | None = None
    #: The processor reports a temporary failure of an external service.
    transient: bool = False
    retry_after: float | None = None


class Trouble(msgspec.Struct, tag="trouble", array_like=True):
    """A failure not caused by the session, such as exhausted descriptors; it does not count as an attempt."""

    error: str
    #: Seconds until a used-up allowance is available again.
    paused: float | None = None
    #: The processor lacks a setting.
    unconfigured: bool = False


#: Replies to a `Job`; a `Fill` is answered by `Filled` or `Failed`.
Reply = Window | Unchanged | Gone | Failed | Trouble

_encoder = msgspec.msgpack.Encoder()


def pack(message: msgspec.Struct) -> bytes:
    """A frame: the encoded message with its header."""
    body = _encoder.encode(message)
    return HEAD.pack(len(body)) + body


def receive_exactly(channel: socket.socket, length: int) -> bytearray | None:
    """Receive exactly ``length`` bytes; None if the peer has closed."""
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
