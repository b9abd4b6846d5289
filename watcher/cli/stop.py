"""How a command is told to end."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType


class Stop:
    """Set by the first SIGTERM or SIGINT; the second ends the process at once."""

    def __init__(self) -> None:
        self._event = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._event.is_set():
            os._exit(128 + number)
        self._event.set()

    def __call__(self) -> bool:
        """Whether a signal came."""
        return self._event.is_set()

    def wait(self) -> None:
        """Wait for a signal."""
        # With a limit, since a wait without one is not interrupted by signals everywhere.
        while not self._event.wait(60):
            pass
