"""What a supervisor such as systemd is told: ready, alive, stopping (the protocol of sd_notify(3))."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from typing import Protocol

from watcher.daemon import LiveService
from watcher.logs import Log

log = Log()

#: How often the status is told to a supervisor that asks for no sign of life, in seconds.
TELL = 30.0


class Signal(Protocol):
    """Says when to end."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it, at most so many seconds; whether it came."""
        ...


class Supervisor:
    """Whoever started the service and listens on ``NOTIFY_SOCKET``; nobody, if that is not set."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Take its address out of the environment: children have nothing to say to it."""
        address = environment.pop("NOTIFY_SOCKET", "")
        # A leading @ stands for the NUL of a socket that has no file.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        due, process = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        for_us = process in ("", str(os.getpid()))
        #: Without a sign of life for so many seconds it restarts us; None: it does not ask for one.
        self.patience = int(due) / 1e6 if self._address and for_us and due.isdigit() and int(due) else None

    def watch(self, service: LiveService, stop: Signal) -> None:
        """Say that the service is ready, then that it lives for as long as it does; return when it is to end."""
        self._tell("READY=1", _status(service))
        interval = min(TELL, self.patience / 3) if self.patience else TELL
        dead = False
        while not stop.wait(interval if self._address else None):
            alive = service.alive()
            if not alive and not dead:
                log.error("watchdog_notifications_stopped")
            dead = not alive
            self._tell(*([] if dead or self.patience is None else ["WATCHDOG=1"]), _status(service))
        self._tell("STOPPING=1", "STATUS=Stopping")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.settimeout(1.0)  # one that does not read must not hold us up
                channel.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("supervisor_not_notified", lines=lines, error=error.strerror or str(error))


def _status(service: LiveService) -> str:
    """One line for people. Read from memory: a database that hangs must not look like a dead service."""
    if not service.alive():
        return "STATUS=A part of the service has died; restart it and keep the log"
    pipelines = service.core.pipelines.values()
    waiting, done = sum(len(one.queue) for one in pipelines), sum(one.tally().processed for one in pipelines)
    heard = service.observer.health().state
    return f"STATUS=Observer {heard}; {len(pipelines)} processors, {waiting} sessions wait, {done} passes so far"
