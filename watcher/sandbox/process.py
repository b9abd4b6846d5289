"""The parent's side of a child process: jobs in, replies out, with a deadline.

The child is started on demand and ended when idle. A child that hangs, dies or violates
the protocol is killed; only the session it was processing fails.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from watcher.logs import Log
from watcher.sandbox import protocol
from watcher.transcripts.sessions import Layout

log = Log()

#: Time limit for a child to import its processor, in seconds.
START_DEADLINE = 60.0
# Back-off between restarts of a child that keeps dying, in seconds: a start uses a whole core, which other
# processes need too.
_FIRST_REST, _LONGEST_REST = 0.05, 1.0
# Jobs sent ahead to the child: enough that it never idles, few enough to be taken back. With a model, one: if a
# reply stops the work, no model call of another session is interrupted.
_AHEAD, _AHEAD_OF_A_MODEL = 8, 1
# Bytes per receive; a socket's buffer rarely holds more.
_AT_ONCE = 256 << 10


#: A request to a child; its last reply is a `Window` with ``last``, or no `Window`.
J = TypeVar("J", protocol.Job, protocol.Fill)


class ChildStartError(Exception):
    """The child process could not load its processor."""


class Stopped(Exception):
    """The work was stopped before all jobs were done."""


@dataclass(frozen=True, slots=True)
class ChildSettings:
    """The configuration of a child; ``deadline`` and ``settle`` in seconds, ``memory_limit`` in bytes."""

    processor: str
    root: bytes
    settings: dict[str, Any]
    deadline: float
    memory_limit: int
    settle: float
    model: dict[str, Any] | None = None
    layout: Layout = "users"


class Child:
    """One child process, used by one thread."""

    def __init__(self, settings: ChildSettings) -> None:
        self.settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._poll = select.poll()
        self._buffer = bytearray()
        kinds = protocol.Ready | protocol.Reply | protocol.Filled
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(kinds)
        self._outgoing: deque[bytes] = deque()
        self._ready = False
        self._deaths = 0

    @property
    def pid(self) -> int | None:
        """The process id; None if none runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process if none runs; it loads in the background."""
        if self._process is not None and self._process.poll() is None:
            return
        self.kill()  # clean up after one that ended while idle
        hello = protocol.Hello(
            self.settings.processor,
            self.settings.root,
            self.settings.settings,
            self.settings.memory_limit,
            self.settings.settle,
            self.settings.model,
            self.settings.layout,
        )
        self._outgoing = deque([protocol.pack(hello)])
        self._ready = False
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "watcher.sandbox.main", str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno() if _has_descriptor(sys.stderr) else subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C must reach the service only, which ends its children
            )
        ours.setblocking(False)
        self._channel, self._poll = ours, select.poll()
        self._buffer.clear()

    def run(self, jobs: Sequence[J], stop: Callable[[], bool]) -> Generator[tuple[J, protocol.Reply], None, None]:
        """The replies to the jobs, in order; a job's last reply is a `Window` with ``last``, or no `Window`.

        Raises:
            ChildStartError: the processor cannot be loaded.
            Stopped: ``stop`` returned True; jobs without a last reply were not done.
        """
        waiting = deque(jobs)
        while waiting:
            self._rest(stop)
            self.start()
            sent: deque[J] = deque()
            try:
                yield from self._converse(waiting, sent, stop)
            except _Ended as ended:
                self.kill()
                self._deaths += 1
                if not self._ready:
                    raise ChildStartError(ended.reason) from None
                failed = sent.popleft()
                waiting.extendleft(reversed(sent))
                yield failed, protocol.Failed(ended.reason)
            except BaseException:
                self.kill()
                raise

    def _rest(self, stop: Callable[[], bool]) -> None:
        if self._process is not None or not self._deaths:
            return
        until = time.monotonic() + min(_LONGEST_REST, _FIRST_REST * 2 ** min(self._deaths, 10))
        while (left := until - time.monotonic()) > 0:
            if stop():
                raise Stopped
            time.sleep(min(left, 0.1))

    def _converse(
        self, waiting: deque[J], sent: deque[J], stop: Callable[[], bool]
    ) -> Iterator[tuple[J, protocol.Reply]]:
        ahead = _AHEAD if self.settings.model is None else _AHEAD_OF_A_MODEL
        patience = self.settings.deadline if self._ready else START_DEADLINE
        deadline = time.monotonic() + patience
        while waiting or sent or not self._ready:
            while waiting and len(sent) < ahead:
                job = waiting.popleft()
                sent.append(job)
                self._outgoing.append(protocol.pack(job))
            message = self._exchange(deadline, patience, stop)
            if message is None:
                continue
            if isinstance(message, protocol.Ready):
                self._ready = True
            else:
                starved = isinstance(message, protocol.Failed) and message.error.startswith("MemoryError")
                self._deaths = self._deaths + 1 if starved else 0
                job = sent[0]
                if not isinstance(message, protocol.Window) or message.last:
                    sent.popleft()
                yield job, message
                if starved:
                    # Its remaining memory is too small for the next job, which gets a new process.
                    waiting.extendleft(reversed(sent))
                    sent.clear()
                    self.kill()
                    return
            patience = self.settings.deadline
            deadline = time.monotonic() + patience

    def _exchange(self, deadline: float, patience: float, stop: Callable[[], bool]) -> Any:
        """Send and receive once; the next message if complete, else None."""
        if (message := self._next_message()) is not None:
            return message
        assert self._channel is not None
        self._poll.register(self._channel, select.POLLIN | (select.POLLOUT if self._outgoing else 0))
        ready = self._poll.poll(1000 * max(0.0, min(deadline - time.monotonic(), 0.25)))
        if stop():
            raise Stopped
        for _, mask in ready:
            if mask & select.POLLOUT and self._outgoing:
                self._send()
            if mask & ~select.POLLOUT:  # data, or end of the stream
                self._receive()
        if not ready and time.monotonic() >= deadline:
            raise _Ended(f"took longer than its deadline of {patience:g} s and was ended")
        return self._next_message()

    def _send(self) -> None:
        assert self._channel is not None
        frame = self._outgoing[0]
        try:
            sent = self._channel.send(frame)
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            raise _Ended(self._exit_reason()) from None
        if sent == len(frame):
            self._outgoing.popleft()
        else:
            self._outgoing[0] = frame[sent:]

    def _receive(self) -> None:
        assert self._channel is not None
        try:
            data = self._channel.recv(_AT_ONCE)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            raise _Ended(self._exit_reason())
        self._buffer += data

    def _next_message(self) -> Any:
        head = protocol.HEAD.size
        if len(self._buffer) < head:
            return None
        (length,) = protocol.HEAD.unpack_from(self._buffer)
        if len(self._buffer) < head + length:
            return None
        body = bytes(memoryview(self._buffer)[head : head + length])
        del self._buffer[: head + length]
        try:
            return self._decoder.decode(body)
        except msgspec.DecodeError as error:
            raise _Ended(f"its child process spoke nonsense: {error}") from None

    def _exit_reason(self) -> str:
        assert self._process is not None
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return "its child process closed its channel"
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = str(-code)
            return f"its child process was ended by {name}"
        return f"its child process ended with exit code {code}"

    def kill(self) -> None:
        """Kill the process and its process group. Idempotent."""
        process, channel = self._process, self._channel
        self._process = self._channel = None
        if channel is not None:
            channel.close()
        if process is not None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                process.kill()
            process.wait()
            log.debug("child_stopped", processor=self.settings.processor, pid=process.pid)

    close = kill


class _Ended(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _has_descriptor(stream: Any) -> bool:
    try:
        return bool(stream.fileno() >= 0)
    except (AttributeError, OSError, ValueError):
        return False
