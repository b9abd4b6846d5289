"""How a command is told to end."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType


class Stop:
    """Set by the first SIGTERM or SIGINT; the second ends the process at once."""

    def __init__(self) -> None:
        # The kernel may give a signal to any thread, and Python runs its handler only when the main
        # thread next wakes up, which may be never. The byte written for each signal is not held up so.
        self._told = threading.Event()
        self._signals, end = os.pipe()
        os.set_blocking(end, False)
        signal.set_wakeup_fd(end)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _noted)
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def _listen(self) -> None:
        while True:
            for number in os.read(self._signals, 64):
                if self._told.is_set():
                    os._exit(128 + number)
                self._told.set()

    def __call__(self) -> bool:
        """Whether a signal came."""
        return self._told.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a signal, at most so many seconds; whether one came."""
        return self._told.wait(timeout)


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Without a handler of Python's own, no byte is written."""
