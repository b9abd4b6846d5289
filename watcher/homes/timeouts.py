"""Patience with other people's file systems: what hangs is left behind, and nobody knocks there again meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable

#: What was told to stop has so long to do it, in seconds.
GRACE = 2.0


class Late(Exception):
    """Something did not end in time, or gives no answer at all, like a network mount without its server."""


class Patience:
    """Does things in threads of their own, each for so long; used from one thread at a time."""

    def __init__(self) -> None:
        #: What gave no answer, by path: while its thread waits for one, nobody knocks there again.
        self._hanging: dict[str, threading.Thread] = {}

    def within(
        self, path: str, deadline: float, work: Callable[[], None], stop: Callable[[], None] = lambda: None
    ) -> None:
        """Do something with a path; it is told to stop and then left behind when it takes too long.

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
