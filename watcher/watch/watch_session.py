"""Hearing: one spell of listening to a root, from its beginning until it must begin anew.

Being started proves nothing, so hearing is proven again and again: the cookie's event
must come back, the threads must live, and every directory must be watched.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from watcher.logs import Log
from watcher.watch import inotify
from watcher.watch.backend import Kind, listen
from watcher.watch.cookie import Cookie
from watcher.watch.event_handler import Ear

log = Log()

#: A native cookie's event is back within this many seconds; one that is polled for, this long after two polls.
COOKIE_BACK = 5.0
#: Watches and directories are counted this long after directories came or went, and again if they differ.
RECOUNT = 1.0
#: Counting may take one part in so many of the time while something differs, and while nothing does.
COUNTING_SHARE, RESTING_SHARE = 20.0, 1000.0
#: A difference is believed if no directory came or went between two looks, or if it stays this long.
BELIEVED = 5.0
#: Beginning anew for the better is done this long after the last beginning at the earliest.
HARMLESS_GAP = 5.0
#: A new directory is listed this long after it came, so that a tree that is copied in is listed once.
SETTLING = 0.2


@dataclass(frozen=True, slots=True)
class Failure:
    """Why it must begin anew."""

    reason: str
    #: The kernel's queue overflowed: listening works, and is drowned.
    overflow: bool = False
    #: It hears well enough; beginning anew makes it better.
    harmless: bool = False


class Hearing:
    """Listens from its making on; ``failure`` and ``step`` are called by the supervising thread alone."""

    def __init__(
        self,
        root: bytes,
        kind: Kind,
        offer: Callable[[bytes], None],
        owe_sweep: Callable[[str], None],
        wake: Callable[[], None],
        *,
        poll_interval: float,
        cookie_interval: float,
        now: float,
    ) -> None:
        """``root`` is absolute and free of links.

        Raises:
            OSError, RuntimeError: it cannot listen (no watch, descriptor or thread is left, the root is gone).
        """
        self._root, self._offer, self._owe_sweep, self._wake = root, offer, owe_sweep, wake
        self._poll, self._cookie_interval = poll_interval, cookie_interval
        self.kind = kind
        self.cookie = Cookie(root)
        self.ear = Ear(root, self.cookie.name, offer, owe_sweep, wake)
        self._overflowed = threading.Event()
        #: A cookie has come back, or cannot be written: all that can be known is known.
        self.proven = False
        #: Why hearing cannot be proven.
        self.unprovable: str | None = None
        #: Kernel watches and directories when they were last counted.
        self.watches: int | None = None
        self.directories: int | None = None
        self.counted = False
        #: Which directories go unheard, in a sentence.
        self.short: str | None = None
        self._listening = listen(os.fsdecode(root), self.ear, kind, poll_interval, self._overflow)
        self._began_at = self._cookie_at = self._count_at = self._recount_at = now
        self._sent: tuple[float, int] | None = None
        # Of the counting: since when the numbers differ, whether that is believed, whether there was
        # a watch for every directory once, and how many were one too many from the beginning.
        self._differ_since: float | None = None
        self._believed = self._was_whole = False
        self._surplus: int | None = None
        self._turnover = 0
        self._came: deque[tuple[float, set[bytes]]] = deque()

    def failure(self, now: float) -> Failure | None:
        """What has gone wrong since the last look, if it must begin anew."""
        if self._overflowed.is_set():
            return Failure(f"the kernel's event queue overflowed ({inotify.sysctl(inotify.MAX_QUEUED)})", overflow=True)
        if (ended := self._listening.failure()) is not None:
            return Failure(ended)
        if self._sent is not None:
            at, heard = self._sent
            limit = COOKIE_BACK + (self._poll * 2 if self.kind == "polling" else 0.0)
            if self.ear.heard > heard:
                self._sent, self.proven = None, True
            elif now - at > limit:
                return Failure(f"the cookie's event did not come back within {limit:g} s")
        return self._improvement(now)

    def step(self, now: float) -> None:
        """Send the cookie, count the watches, list new directories: whatever is due."""
        if (error := self.ear.error()) is not None:
            self._owe_sweep(f"an event could not be handled ({error!r})")
            log.error("event_handling_failed", failures=self.ear.failures, exc_info=error)
        if self._sent is None and now >= self._cookie_at:
            self._send_cookie(now)
        if now >= self._next_count():
            self._count(now)
        if came := self.ear.new_directories():
            self._came.append((now + SETTLING, came))
        while self._came and self._came[0][0] <= now:
            self._list(self._came.popleft()[1])

    def next(self) -> float:
        """When `step` has something to do."""
        times = [self._next_count(), *(at for at, _ in self._came)]
        return min([*times, self._cookie_at] if self._sent is None else times)

    def stop(self, timeout: float) -> list[threading.Thread]:
        """End it; the threads that had not ended in time, which are left to themselves."""
        late = self._listening.stop(timeout)
        self.ear.muted = True
        return late

    def _overflow(self) -> None:
        self._overflowed.set()
        self._wake()

    def _send_cookie(self, now: float) -> None:
        self._cookie_at = now + self._cookie_interval
        heard = self.ear.heard
        try:
            self.cookie.write()
        except OSError as error:
            self.proven = True
            # To a unit all is read-only that it does not name, and what it names where that was not there at the start.
            unit = " (under systemd: name it in ReadWritePaths=, then restart)" if error.errno == errno.EROFS else ""
            self.unprovable = (
                f"whether events arrive cannot be proven, as {os.fsdecode(self._root)} cannot be written:"
                f" {error.strerror}; make it writable for the service{unit}"
            )
        else:
            self.unprovable = None
            self._sent = (now, heard)

    def _next_count(self) -> float:
        return self._count_at if self.ear.turnover == self._turnover else min(self._count_at, self._recount_at)

    def _count(self, now: float) -> None:
        """Compare the watches with the directories."""
        began = time.perf_counter()
        quiet, self._turnover = self.ear.turnover == self._turnover, self.ear.turnover
        self.watches = self._listening.watches()
        if self.watches is None:
            self._count_at, self.counted = now + self._cookie_interval, True
            return
        self.directories = inotify.directories(self._root)
        surplus = self.watches - self.directories
        if surplus >= 0:
            self.short, self.counted, self._was_whole = None, True, True
            # A directory that can be watched but not read is one too many from the beginning.
            self._surplus = surplus if self._surplus is None else min(surplus, self._surplus)
        if surplus == self._surplus:
            self._differ_since, self._believed = None, False
        elif self._differ_since is None:
            self._differ_since = now
        elif quiet or now - self._differ_since >= BELIEVED:
            self._believed = True
            if surplus < 0:
                self.short, self.counted = self._shortage(), True
        took = time.perf_counter() - began
        soon = max(RECOUNT, took * COUNTING_SHARE)
        self._recount_at = now + soon
        late = max(self._cookie_interval, took * RESTING_SHARE)
        self._count_at = now + (late if self._differ_since is None or self._believed else soon)

    def _improvement(self, now: float) -> Failure | None:
        """Why beginning anew would make it hear more, if it would."""
        if not self._believed:
            return None
        missing = self.short is not None
        # Watches that were missing from the beginning are likely to be missing again: the system has no more.
        gap = self._cookie_interval if missing and not self._was_whole else min(HARMLESS_GAP, self._cookie_interval)
        if now - self._began_at < gap:
            return None
        return Failure(self.short or "directories that were moved away are still watched", harmless=True)

    def _shortage(self) -> str:
        return (
            f"only {self.watches} of {self.directories} directories are watched;"
            f" raise {inotify.sysctl(inotify.MAX_WATCHES)}"
        )

    def _list(self, directories: set[bytes]) -> None:
        """Offer what lies in directories that came: they may have been full."""
        for directory in directories:
            if any(directory[:at] in directories for at, byte in enumerate(directory) if byte == ord("/")):
                continue  # listed with the one above it
            for path in inotify.sessions_below(self._root, directory):
                self._offer(path)


def why_not(error: Exception) -> str:
    """Why listening could not begin, and what to do about it."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"the system has no watch left; raise {inotify.sysctl(inotify.MAX_WATCHES)}"
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        instances = inotify.sysctl(inotify.MAX_INSTANCES)
        return f"no inotify instance or file is left; raise {instances} or the limit of files"
    return f"listening failed: {error}"
