"""Timeouts for foreign file systems: paths whose last access still hangs are skipped."""

from __future__ import annotations

import threading
from collections.abc import Callable

#: Seconds for a call to stop after it was told to.
GRACE = 2.0


class Late(Exception):
    """A call did not end in time, or gives no answer at all, like a network mount without its server."""


class Patience:
    """Runs calls with a timeout, each in its own thread; used from one thread at a time."""

    def __init__(self) -> None:
        #: Paths that gave no answer: not accessed again while their thread still waits.
        self._hanging: dict[str, threading.Thread] = {}

    def within(
        self, path: str, deadline: float, work: Callable[[], None], stop: Callable[[], None] = lambda: None
    ) -> None:
        """Call a function on a path with a timeout; it is told to stop, then abandoned.

        Raises:
            Late: it took too long, or has never come back from the last time.
            BaseException: what it raised.
        """
        if (earlier := self._hanging.get(path)) is not None:
            if earlier.is_alive():
                raise Late("it still gives no answer; see whether it can be reached, or restart the service")
            del self._hanging[path]
        raised: list[BaseException] = []

        def body() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 — it is raised again, where it is waited for
                raised.append(error)

        thread = threading.Thread(target=body, name=f"collect:{path!r}", daemon=True)
        thread.start()
        thread.join(deadline)
        if not thread.is_alive():
            if raised:
                raise raised[0]
            return
        stop()
        thread.join(GRACE)
        if thread.is_alive():
            self._hanging[path] = thread
            raise Late(f"it gave no answer for {deadline:.0f} s, and is left alone until it does")
        raise Late(f"it took longer than {deadline:.0f} s; the next run goes on from there")
