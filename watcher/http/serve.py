"""Serves the API from a thread of the service."""

from __future__ import annotations

import ipaddress
import socket
import threading

import uvicorn
from fastapi import FastAPI

from watcher.errors import SettingsError


def bind(host: str, port: int) -> socket.socket:
    """The listening socket; made first, so that a port in use is told before anything starts.

    Raises:
        SettingsError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
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


class Server:
    """uvicorn on a thread."""

    def __init__(self, app: FastAPI, listener: socket.socket) -> None:
        self._listener = listener
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2)
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="http", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Answer what is under way, then close; False if that took too long. Idempotent."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout)
        self._listener.close()
        return not self._thread.is_alive()
