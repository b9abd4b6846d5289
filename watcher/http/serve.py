"""Serves the API from a thread of the service."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from contextlib import suppress

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from watcher.errors import SettingsError

#: How many connections there may be at once; more are answered 503.
CONNECTIONS = 256
#: How many seconds the head of a request may take, and how many bytes it may have.
HEAD_SECONDS, HEAD_BYTES = 10.0, 65_536


def bind(host: str, port: int) -> socket.socket:
    """The listening socket; made first, so that a port in use is told before anything starts.

    Raises:
        SettingsError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, since asyncio sends at once only where it reads that this is TCP: else every answer on a connection that is
    # kept waits for the other side's delayed word that it has the head.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"http.host and http.port: cannot listen on {host}:{port} ({error.strerror}); "
            "set another port, or http.enabled = false"
        ) from None
    return listener


def must_be_safe(host: str, token: str) -> None:
    """Beyond this machine it is served only to those who know a token that the operator chose.

    Raises:
        SettingsError: it would be open to the network by accident.
    """
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local and not token:
        raise SettingsError(
            f"http.host = {host}: others could reach the service there; set http.token to a long secret first, "
            "or listen on 127.0.0.1"
        )


def url_of(listener: socket.socket) -> str:
    """Where it answers."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Impatient(H11Protocol):
    """A connection that is closed when the head of a request does not come: uvicorn itself would wait for ever."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP, or has too long a head, is told so as everything else is: as JSON."""
        head = [("Content-Type", "application/json"), ("Connection", "close")]
        body = b'{"detail":"no HTTP request, or one whose head is too long"}'
        for event in (h11.Response(status_code=400, headers=head), h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _watch(self) -> None:
        waits = self.conn.their_state is h11.IDLE and not self.transport.is_closing()
        if waits and self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self.transport.close)
        elif not waits and self._late is not None:
            self._late.cancel()
            self._late = None


class _Restful(uvicorn.Server):
    """uvicorn's server, which looks ten times a second whether it is to end: this one is told."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 1.0)  # the answers' date is of the last second

    def end(self) -> None:
        """Answer what is under way, then close. From any thread; idempotent."""
        self.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            with suppress(RuntimeError):  # it is closed at this moment
                self._loop.call_soon_threadsafe(self._told.set)


class Server:
    """uvicorn on a thread."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        self._listener = listener
        self._server = _Restful(
            uvicorn.Config(
                app,
                http=Impatient,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                # Anybody on this machine could pretend to come from elsewhere.
                proxy_headers=False,
                limit_concurrency=CONNECTIONS,
                h11_max_incomplete_event_size=HEAD_BYTES,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=2,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="http", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Answer what is under way, then close; False if that took too long. Idempotent."""
        self._server.end()
        if self._thread.is_alive():
            self._thread.join(timeout)
        self._listener.close()
        return not self._thread.is_alive()
