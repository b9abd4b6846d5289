"""What tests of the observer share: one that is listened to, and waiting for conditions."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from watcher.watch.observer import Observer


def until(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    """Wait for something to be true.

    Raises:
        AssertionError: it has not become true in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.005)


class Listener:
    """An observer, with what it offered and the sweeps it owed, each with the time it came."""

    def __init__(
        self,
        root: Path,
        kind: Literal["auto", "native", "polling"] = "native",
        *,
        poll_interval: float = 5.0,
        cookie_interval: float = 30.0,
    ) -> None:
        self.root = root
        self.offered: list[tuple[float, bytes]] = []
        self.owed: list[tuple[float, str]] = []
        self.fences = 0
        self.observer = Observer(
            root, self.offer, self.owe, kind=kind, poll_interval=poll_interval, cookie_interval=cookie_interval
        )

    def offer(self, path: bytes) -> None:
        self.offered.append((time.monotonic(), path))

    def owe(self, reason: str) -> None:
        self.owed.append((time.monotonic(), reason))

    @property
    def paths(self) -> set[bytes]:
        return {path for _, path in tuple(self.offered)}

    @property
    def reasons(self) -> list[str]:
        return [reason for _, reason in tuple(self.owed)]

    @property
    def state(self) -> str:
        return self.observer.health().state

    def start(self) -> Listener:
        """Start it and wait until it knows that it hears."""
        self.observer.start()
        self.until_ok()
        return self

    def until_ok(self, seconds: float = 30.0) -> None:
        until(lambda: self.state == "ok", "the observer is well", seconds)

    def step(self, now: float) -> None:
        """One step at a pretended time, and the real wait until the cookie that it may have sent is heard."""
        self.observer.step(now)
        hearing = self.observer._hearing
        if hearing is not None and (sent := hearing._sent) is not None:
            until(lambda: hearing.ear.heard > sent[1], "the cookie is heard")

    def forget(self) -> None:
        """Hear out what has happened so far, then forget it."""
        self.fence()
        self.offered.clear()
        self.owed.clear()

    def hears(self) -> bool:
        """Whether a new session file is offered within a second."""
        try:
            self.fence(1.0)
        except AssertionError:
            return False
        return True

    def fence(self, seconds: float = 20.0) -> None:
        """Write a new session file and wait until it is offered: all before it has been, too."""
        self.fences += 1
        name = f"fence-{self.fences}.jsonl"
        written = float("-inf")

        def offered() -> bool:
            nonlocal written
            # What is written while it begins anew is swept, and not heard: then it is written again.
            if time.monotonic() - written > 1.0:
                (self.root / name).write_text("{}\n")
                written = time.monotonic()
            return name.encode() in self.paths

        until(offered, f"{name} is offered", seconds)

    def swept_or_offered(self, path: bytes, since: float, within: float = 10.0) -> None:
        """Wait until a change made at ``since`` cannot be missed: it was offered, or a sweep owed after it."""

        def known() -> bool:
            if any(at >= since for at, _ in tuple(self.owed)):
                return True
            return any(at >= since and seen == path for at, seen in tuple(self.offered))

        until(known, f"{os.fsdecode(path)} is offered, or a sweep owed", max(0.0, since + within - time.monotonic()))


@contextmanager
def listening(
    root: Path,
    kind: Literal["auto", "native", "polling"] = "native",
    *,
    poll_interval: float = 5.0,
    cookie_interval: float = 30.0,
) -> Iterator[Listener]:
    """A started observer that is well, closed at the end."""
    listener = Listener(root, kind, poll_interval=poll_interval, cookie_interval=cookie_interval)
    try:
        yield listener.start()
    finally:
        assert listener.observer.close(10.0), "the observer did not stop in time"
