"""The ear: what watchdog tells us, turned into offers. It reads nothing and lets no exception out."""

from __future__ import annotations

import os
from collections.abc import Callable

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)

from watcher.transcripts.sessions import is_session

#: The events that miss nothing. With watchdog's own choice a large tree overflows for ever.
EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileClosedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]

#: More new directories than this between two steps are left to a sweep.
MAX_DIRECTORIES = 10_000


class Ear(FileSystemEventHandler):
    """Offers session files; remembers new directories, the cookie's return, and its own failures.

    Called by one watchdog thread; read and emptied by the supervising one.
    """

    def __init__(
        self,
        root: bytes,
        cookie: bytes,
        offer: Callable[[bytes], None],
        owe_sweep: Callable[[str], None],
        wake: Callable[[], None],
    ) -> None:
        self._prefix = root.rstrip(b"/") + b"/"
        self._cookie, self._offer, self._owe_sweep, self._wake = cookie, offer, owe_sweep, wake
        #: Set once nobody wants to hear it any more.
        self.muted = False
        #: How often the cookie was seen.
        self.heard = 0
        self.events = 0
        #: Events whose handling failed.
        self.failures = 0
        self._error: Exception | None = None
        #: Directories that came or went.
        self.turnover = 0
        self._directories: set[bytes] = set()

    def dispatch(self, event: FileSystemEvent) -> None:
        """Take one event. An exception that left here would kill watchdog's thread."""
        if self.muted:
            return
        try:
            self._take(event)
        except Exception as error:  # noqa: BLE001  (kept, said by the supervising thread)
            self.failures += 1
            self._error = error

    def error(self) -> Exception | None:
        """The last exception of an event since the last call; a sweep is then owed."""
        taken, self._error = self._error, None
        return taken

    def new_directories(self) -> set[bytes]:
        """Directories, relative to the root, that came since the last call."""
        taken, self._directories = self._directories, set()
        return taken

    def _take(self, event: FileSystemEvent) -> None:
        source, target = self._relative(event.src_path), self._relative(event.dest_path)
        if event.is_directory:
            self._take_directory(event, source, target)
            return
        if source == self._cookie or target == self._cookie:
            if not isinstance(event, FileDeletedEvent):
                self.heard += 1
                self._wake()
            return
        self.events += 1
        for path in (target, source):
            if path is not None and is_session(path):
                self._offer(path)

    def _take_directory(self, event: FileSystemEvent, source: bytes | None, target: bytes | None) -> None:
        self.events += 1
        self.turnover += 1
        if isinstance(event, DirCreatedEvent):
            self._came(source)
            return
        if isinstance(event, DirMovedEvent):
            self._came(target)
        if source is None:
            # The root itself: the next step sees what became of it.
            self._wake()
        else:
            self._owe_sweep("a directory was moved away or removed")

    def _came(self, path: bytes | None) -> None:
        if path is None:
            return
        if len(self._directories) >= MAX_DIRECTORIES:
            self._directories.clear()
            self._owe_sweep(f"more than {MAX_DIRECTORIES} directories came at once")
            return
        self._directories.add(path)
        if len(self._directories) == 1:
            self._wake()

    def _relative(self, path: str | bytes) -> bytes | None:
        """A path below the root, relative to it; None for the root itself and for no path."""
        name = os.fsencode(path)
        return name[len(self._prefix) :] if name.startswith(self._prefix) else None
