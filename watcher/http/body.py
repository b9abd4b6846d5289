"""Request bodies: streamed into a file, decompressed and bounded in size."""

from __future__ import annotations

import errno
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from watcher.errors import NoRoom, TooLong

#: Bytes decompressed at a time: a body that expands a thousandfold is stopped in time.
PIECE = 1 << 16


async def receive(request: Request, file: BinaryIO, longest: int) -> int:
    """Write a request's decompressed body into a file and return its size in bytes.

    Raises:
        HTTPException: 400 or 415, it cannot be decompressed or is incomplete.
        TooLong: it exceeds the limit.
        NoRoom: the disk is full.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise HTTPException(415, f"the encoding {encoding[:50]!r} is not taken; gzip is", {"Accept-Encoding": "gzip"})
    declared = request.headers.get("content-length", "")
    if encoding == "identity" and declared.isdecimal() and int(declared[:20]) > longest:
        raise TooLong(longest)
    gunzip = _Gunzip() if encoding == "gzip" else None
    length = 0

    def put(chunk: bytes) -> None:
        nonlocal length
        for piece in gunzip.feed(chunk) if gunzip else (chunk,):
            length += len(piece)
            if length > longest:
                raise TooLong(longest)
            try:
                file.write(piece)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise NoRoom(str(error.strerror)) from error
                raise

    try:
        async for chunk in request.stream():
            if chunk:
                await run_in_threadpool(put, chunk)
        if gunzip:
            gunzip.end()
    except ClientDisconnect:
        raise HTTPException(400, "the body did not come whole") from None
    except zlib.error as error:
        raise HTTPException(400, f"the body is not gzip as its Content-Encoding says: {error}") from None
    return length


class _Gunzip:
    """Decompresses gzip of one or several members, incrementally."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(31)
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decompress these bytes and return the output."""
        # Output left inside by one call comes with the next: the end of a member always follows.
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(31)
            self._begun = True
            yield self._member.decompress(data, PIECE)
            data = self._member.unconsumed_tail or self._member.unused_data

    def end(self) -> None:
        """Check that the stream is complete.

        Raises:
            zlib.error: it is incomplete.
        """
        if not (self._begun and self._member.eof):
            raise zlib.error("it ends too early")
