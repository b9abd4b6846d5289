"""HTTP server: uvicorn on a thread of the service."""

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

#: The most concurrent connections; more are answered 503.
CONNECTIONS = 256
#: Seconds allowed for a request's head, and its largest size in bytes.
HEAD_SECONDS, HEAD_BYTES = 10.0, 65_536


def bind(host: str, port: int) -> socket.socket:
    """Bind the listening socket first, so that a port in use is reported before anything starts.

    Raises:
        SettingsError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is given, since asyncio disables Nagle only where it knows that this is TCP: otherwise every answer
    # on a kept-alive connection waits for the delayed acknowledgement of its head.
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
    """Refuse to serve beyond this machine without a token that the operator chose.

    Raises:
        SettingsError: the API would be open to the network by accident.
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
    """Return the service's URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Impatient(H11Protocol):
    """Protocol with a timeout for a request's head: uvicorn itself would wait forever."""

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
        """Answer malformed HTTP and oversized heads with JSON, like every other error."""
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
    """Server that is told to stop, instead of polling ten times a second as uvicorn's does."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 1.0)  # a cached Date header is of the last second

    def end(self) -> None:
        """Finish open requests, then close. From any thread; idempotent."""
        self.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            with suppress(RuntimeError):  # the loop is just being closed
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
                # Otherwise anybody on this machine could forge a client address.
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
        """Start answering requests."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Finish open requests, then close; False if that took too long. Idempotent."""
        self._server.end()
        if self._thread.is_alive():
            self._thread.join(timeout)
        self._listener.close()
        return not self._thread.is_alive()
