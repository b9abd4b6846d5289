"""Hearing: one spell of listening to a root, from its beginning until it must begin anew.

Being started proves nothing, so hearing is proven again and again: the cookie's event
must come back, the threads must live, and every directory must be watched.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from watcher import census
from watcher.cookie import Cookie
from watcher.ear import Ear
from watcher.listening import Kind, listen

log = structlog.get_logger("watcher.observer")

#: A native cookie's event is back within this many seconds; one that is polled for, this long after two polls.
COOKIE_BACK = 5.0
#: Watches and directories that differ are compared again after this long: trees change while they are counted.
RECOUNT = 1.0
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
        self._cookie_at = self._count_at = now
        self._renew_at = now + cookie_interval
        self._sent: tuple[float, int] | None = None
        self._differed = False
        self._surplus: int | None = None
        self._came: deque[tuple[float, set[bytes]]] = deque()

    def failure(self, now: float) -> Failure | None:
        """What has gone wrong since the last look, if it must begin anew."""
        if self._overflowed.is_set():
            return Failure(f"the kernel's event queue overflowed ({census.sysctl(census.MAX_QUEUED)})", overflow=True)
        if (ended := self._listening.failure()) is not None:
            return Failure(ended)
        if self._sent is not None:
            at, heard = self._sent
            limit = COOKIE_BACK + (self._poll * 2 if self.kind == "polling" else 0.0)
            if self.ear.heard > heard:
                self._sent, self.proven = None, True
            elif now - at > limit:
                return Failure(f"the cookie's event did not come back within {limit:g} s")
        if now >= self._renew_at and self._differed:
            if self.short is not None:
                return Failure(self.short, harmless=True)
            if self._surplus is not None and (self.watches or 0) - (self.directories or 0) > self._surplus:
                return Failure("directories that were moved away are still watched", harmless=True)
        return None

    def step(self, now: float) -> None:
        """Send the cookie, count the watches, list new directories: whatever is due."""
        if (error := self.ear.error()) is not None:
            self._owe_sweep(f"an event could not be handled ({error!r})")
            log.error("an event could not be handled", failures=self.ear.failures, exc_info=error)
        if self._sent is None and now >= self._cookie_at:
            self._send_cookie(now)
        if now >= self._count_at:
            self._count(now)
        if came := self.ear.new_directories():
            self._came.append((now + SETTLING, came))
        while self._came and self._came[0][0] <= now:
            self._list(self._came.popleft()[1])

    def next(self) -> float:
        """When `step` has something to do."""
        times = [self._count_at, *(at for at, _ in self._came)]
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
            self.unprovable = (
                f"whether events arrive cannot be proven, as {os.fsdecode(self._root)} cannot be written:"
                f" {error.strerror}; make it writable for the service"
            )
        else:
            self.unprovable = None
            self._sent = (now, heard)

    def _count(self, now: float) -> None:
        """Compare the watches with the directories; what differs twice in a row is so."""
        self._count_at = now + self._cookie_interval
        self.watches = self._listening.watches()
        if self.watches is None:
            self.counted = True
            return
        self.directories = census.directories(self._root)
        surplus = self.watches - self.directories
        if surplus >= 0 and self._surplus is None:
            # A directory that can be watched but not read is one too many from the beginning.
            self._surplus = surplus
        before, self._differed = self._differed, surplus != 0
        if surplus >= 0:
            self.short, self.counted = None, True
        elif before:
            self.short, self.counted = self._shortage(), True
        if self._differed:
            self._count_at = now + min(self._cookie_interval, self._poll if before else RECOUNT)

    def _shortage(self) -> str:
        return (
            f"only {self.watches} of {self.directories} directories are watched;"
            f" raise {census.sysctl(census.MAX_WATCHES)}"
        )

    def _list(self, directories: set[bytes]) -> None:
        """Offer what lies in directories that came: they may have been full."""
        for directory in directories:
            if any(directory[:at] in directories for at, byte in enumerate(directory) if byte == ord("/")):
                continue  # listed with the one above it
            for path in census.sessions_below(self._root, directory):
                self._offer(path)


def why_not(error: Exception) -> str:
    """Why listening could not begin, and what to do about it."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"the system has no watch left; raise {census.sysctl(census.MAX_WATCHES)}"
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        return f"no inotify instance or file is left; raise {census.sysctl(census.MAX_INSTANCES)} or the limit of files"
    return f"listening failed: {error}"
