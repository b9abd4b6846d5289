"""The child process: serves one processor, one session at a time, over a socket.

Started by `watcher.sandbox.process` as ``python -m watcher.sandbox.main <descriptor> <parent>``.
It reads files and runs third-party code without database access, and ends with its parent.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import resource
import socket
import sys
import time
import traceback
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec

from processors.contract import (
    Backfills,
    Extraction,
    Lines,
    ModelAccess,
    Paused,
    Processor,
    Session,
    Transient,
    Unconfigured,
    Work,
)
from watcher.plugins import load
from watcher.sandbox import protocol
from watcher.sandbox.reader import Piece, Reading, is_utf8, trusted
from watcher.sandbox.validation import Nonsense, RowWriter
from watcher.transcripts.sessions import NotASession, open_session

#: Errors of the service's resources, not of the session.
_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
#: Errors on opening where no regular file is: missing, a parent that is no folder, a link, a socket, a folder.
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EISDIR}
_PR_SET_PDEATHSIG = 1


class JobServer:
    """Runs jobs for one processor."""

    def __init__(self, hello: protocol.Hello, processor: Processor) -> None:
        self._root, self._layout = hello.root, hello.layout
        self._settle = hello.settle
        self._processor = processor
        self._settings = processor.settings(**hello.settings)
        self._model = None if hello.model is None else ModelAccess(**hello.model)
        self._writer = RowWriter(processor.schema)

    def visit(self, job: protocol.Job) -> Iterator[protocol.Reply]:
        """The replies to one job, one per window."""
        now_ns = time.time_ns()
        try:
            descriptor = open_session(self._root, job.path, self._layout)
        except NotASession as error:
            yield protocol.Gone(str(error))
            return
        except OSError as error:
            yield _judge_open(error)
            return
        try:
            status = os.fstat(descriptor)
            signature = trusted(status, now_ns)
            # Without a reliable ctime, equal signatures do not prove an unchanged file.
            same = signature[3] is not None and signature == tuple(job.signature)
            if same and not job.whole and not job.force:
                yield protocol.Unchanged(signature)
                return
            try:
                yield from self._windows(job, descriptor, status, signature, now_ns)
            except MemoryError as error:  # a line too long to be read into memory
                yield protocol.Failed(_say(error), signature)
            except OSError as error:
                yield protocol.Failed(f"reading failed: {error.strerror or error}", signature)
        finally:
            os.close(descriptor)

    def fill(self, message: protocol.Fill) -> protocol.Filled | protocol.Failed:
        """The recomputed columns of a backfill."""
        try:
            if not isinstance(self._processor, Backfills):
                raise Nonsense("it has a backfill in its schema, and no method for it")
            return protocol.Filled(self._writer.filled(self._processor.backfill(message.rows, self._settings)))
        except _OURS_RAISED as error:
            return protocol.Failed(_say(error))

    def _windows(
        self,
        job: protocol.Job,
        descriptor: int,
        status: os.stat_result,
        signature: tuple[int, int, int, int | None],
        now_ns: int,
    ) -> Iterator[protocol.Reply]:
        taken, file_hash = (0, None) if job.whole else (job.processed_bytes, job.file_hash)
        reading = Reading(descriptor, status.st_size, taken, file_hash)
        # The mtime can be set to the future; setting it updates the ctime, so the lower one is used.
        settles_at = min(status.st_mtime_ns, status.st_ctime_ns) / 1e9 + self._settle
        carry = job.carry if reading.start and job.carry else b"{}"
        # Each window is held until it is known whether another one follows.
        held = protocol.Window(signature, reading.start, reading.start, reading.file_hash, 0, 0, carry, {}, [], False)
        first = True
        for piece in reading.pieces(tail_too=now_ns / 1e9 >= settles_at):
            if not first:
                yield held
            first = False
            lines = Lines(piece.data, is_utf8(piece.data))
            try:
                extraction, rows, carry, after, withdrawn = self._extract(job, piece, lines, held.carry)
            except Unconfigured as error:
                yield protocol.Trouble(str(error), unconfigured=True)
                return
            except Paused as error:
                yield protocol.Trouble(str(error), paused=max(1.0, error.retry_after or 0.0))
                return
            except _OURS_RAISED as error:
                yield protocol.Failed(_say(error), signature, isinstance(error, Transient), _patience(error))
                return
            consumed = piece.end - piece.start if extraction.consumed is None else extraction.consumed
            if piece.data:
                reading.take(memoryview(piece.data)[:consumed])
            held = protocol.Window(
                signature,
                piece.start,
                piece.start + consumed,
                reading.file_hash,
                extraction.items,
                extraction.bad_lines + piece.too_long,
                carry,
                rows,
                after,
                last=False,
                lines=bisect_right(lines.ends, consumed) + piece.too_long,
                withdrawn=withdrawn,
            )
            if consumed < piece.end - piece.start:
                held.more = True
                break
        held.last = True
        if reading.tail is not None and now_ns / 1e9 < settles_at:
            held.settles_at = settles_at
        yield held

    def _extract(
        self, job: protocol.Job, piece: Piece, lines: Lines, carry: bytes
    ) -> tuple[Extraction, dict[str, bytes], bytes, list[tuple[str, list[Any]]], dict[str, list[int]]]:
        if not piece.data:
            return Extraction(), {}, carry, [], {}
        work = Work(
            Session(job.key, job.username),
            lines,
            piece.start,
            msgspec.json.decode(carry) if piece.start else {},
            self._settings,
            self._model,
        )
        extraction = self._processor.extract(work)
        self._writer.check(extraction, piece.data)
        rows = self._writer.rows(extraction.rows, job.key)
        carry, after = self._writer.carry(extraction.carry), self._writer.after(extraction.after)
        return extraction, rows, carry, after, self._writer.withdrawn(extraction.withdrawn)


# A processor may raise anything, including non-Exceptions such as SystemExit: all of it is its failure.
_OURS_RAISED = (Exception, SystemExit, GeneratorExit, KeyboardInterrupt)


def _judge_open(error: OSError) -> protocol.Reply:
    if error.errno in _GONE:
        return protocol.Gone(error.strerror or str(error))
    if error.errno in _OURS:
        return protocol.Trouble(f"cannot open files: {error.strerror}; raise the limit of open files")
    return protocol.Failed(f"cannot be read: {error.strerror}")


def _say(error: BaseException) -> str:
    if isinstance(error, (Transient, Nonsense)):
        return str(error)
    if _is_starved(error):
        return "MemoryError: it asked for more memory than memory_limit allows"
    frames_of = traceback.extract_tb(error.__traceback__)
    where = f" ({os.path.basename(frames_of[-1].filename)}:{frames_of[-1].lineno})" if frames_of else ""
    return f"{type(error).__name__}: {error}{where}"[:1000]


def _is_starved(error: BaseException) -> bool:
    """Whether memory was refused, to Python or to the loader of a shared library."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (
        isinstance(error, ImportError) and "failed to map segment from shared object" in str(error)
    )


def _patience(error: BaseException) -> float | None:
    return error.retry_after if isinstance(error, Transient) else None


def _die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, even while a processor holds the interpreter."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, 9)
    if os.getppid() != parent:  # the parent ended before the call
        os._exit(1)


def _limit_memory(allowance: int) -> None:
    """Limit the processor's memory to ``allowance`` bytes; beyond it, allocations raise MemoryError."""
    with open("/proc/self/statm", "rb") as file:
        data_pages = int(file.read().split()[5])
    limit = data_pages * resource.getpagesize() + allowance
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def main(descriptor: int, parent: int) -> None:
    """Serve until the parent closes the socket."""
    _die_with_parent(parent)
    os.nice(5)  # the observer, the committers and HTTP have priority
    with closing(socket.socket(fileno=descriptor)) as channel:
        decoder = msgspec.msgpack.Decoder(protocol.Hello | protocol.Job | protocol.Fill)
        visitor: JobServer | None = None
        while True:
            head = protocol.receive_exactly(channel, protocol.HEAD.size)
            if head is None:
                return
            body = protocol.receive_exactly(channel, protocol.HEAD.unpack(head)[0])
            if body is None:
                return
            message = decoder.decode(body)
            if isinstance(message, protocol.Hello):
                processor = load(message.processor)
                visitor = JobServer(message, processor)
                if sys.platform == "linux":
                    _limit_memory(message.memory_limit)
                gc.freeze()  # loaded modules stay and need no further garbage collection
                channel.sendall(protocol.pack(protocol.Ready(processor.version)))
            elif isinstance(message, protocol.Fill):
                if visitor is not None:
                    channel.sendall(protocol.pack(visitor.fill(message)))
            elif visitor is not None:
                for reply in visitor.visit(message):
                    channel.sendall(protocol.pack(reply))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
