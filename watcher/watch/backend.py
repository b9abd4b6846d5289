"""Listening: one watchdog observer with its threads and descriptors, begun and ended.

watchdog fails silently (a dead reader thread, watches that were never installed, an
overflow that is only logged), so all that can be seen from outside is gathered here.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer as NativeObserver
from watchdog.observers.api import BaseObserver, EventDispatcher
from watchdog.observers.polling import PollingObserver

from watcher.logs import Log
from watcher.watch.event_handler import EVENTS
from watcher.watch.mounts import MountTable

log = Log()

Kind = Literal["native", "polling"]

# What is started while one observer is built is taken for its own.
_building = threading.Lock()


class _Overflows(logging.Filter):
    """Hears of a kernel queue overflow where watchdog tells of it: in its log alone."""

    LOGGERS = ("watchdog.observers.inotify_c", "watchdog.observers.inotify")
    SENTENCES = ("Inotify queue overflowed", "Unable to rebuild recursive inotify watches")
    #: No trouble: a thread that had one more event when it was stopped.
    STOPPING = "InotifyEmitter.queue_events() called when"

    def __init__(self, ours: Callable[[threading.Thread], bool], overflowed: Callable[[], None]) -> None:
        super().__init__()
        self._ours, self._overflowed = ours, overflowed

    def filter(self, record: logging.LogRecord) -> bool:
        text = str(record.msg)
        if not text.startswith((*self.SENTENCES, self.STOPPING)) or not self._ours(threading.current_thread()):
            return True
        if not text.startswith(self.STOPPING):
            self._overflowed()
        return False  # what is to be told of it is told in our words

    def attach(self) -> None:
        for name in self.LOGGERS:
            logger = logging.getLogger(name)
            if logger.level == logging.NOTSET or logger.level > logging.WARNING:
                logger.setLevel(logging.WARNING)  # however quiet the log is to be, this is to be heard
            logger.addFilter(self)

    def detach(self) -> None:
        for name in self.LOGGERS:
            logging.getLogger(name).removeFilter(self)


class _KeptWatches:
    """Whether the kernel still watches anything for some descriptors.

    It writes out all watches to show the first, so it is asked when something was mounted or unmounted,
    and else for a small part of the time.
    """

    #: One part in so many.
    SHARE = 400.0

    def __init__(self, descriptors: tuple[int, ...]) -> None:
        self._descriptors, self._mounts = descriptors, MountTable()
        self._again_at = 0.0

    def gone(self) -> bool:
        """Whether they were all taken away; looked at when it is time."""
        began = time.perf_counter()
        if not self._descriptors or (began < self._again_at and not self._mounts.changed()):
            return False
        gone = not any(map(_has_watch, self._descriptors))
        ended = time.perf_counter()
        self._again_at = ended + (ended - began) * self.SHARE
        return gone

    def close(self) -> None:
        """Look no more. Idempotent."""
        self._mounts.close()


@dataclass(frozen=True, slots=True)
class Listening:
    """A watchdog observer at work."""

    kind: Kind
    native: BaseObserver
    threads: tuple[threading.Thread, ...]
    #: inotify descriptors that came with it.
    descriptors: tuple[int, ...]
    overflows: _Overflows
    kept: _KeptWatches

    def failure(self) -> str | None:
        """What can be seen to have ended: a thread of it, or all its watches."""
        if dead := [f"{type(thread).__name__} ({thread.name})" for thread in self.threads if not thread.is_alive()]:
            return f"watchdog's thread died: {', '.join(dead)}"
        if self.kept.gone():
            # Unmounted and mounted again in between: the root looks the same.
            return "the kernel has taken its watches away; was the root unmounted, or is it closed to the service?"
        return None

    def watches(self) -> int | None:
        """Kernel watches installed; None where that cannot be told."""
        if not self.descriptors:
            return None
        count = 0
        for descriptor in self.descriptors:
            try:
                with open(f"/proc/self/fdinfo/{descriptor}", "rb") as file:
                    count += sum(line.startswith(b"inotify wd:") for line in file)
            except OSError:
                return None
        return count

    def stop(self, timeout: float) -> list[threading.Thread]:
        """End it; the threads that had not ended in time, which are left to themselves."""
        late = _stop(self.native, self.threads, timeout)
        self.overflows.detach()
        self.kept.close()
        return late


def listen(
    root: str, handler: FileSystemEventHandler, kind: Kind, poll_interval: float, overflowed: Callable[[], None]
) -> Listening:
    """Begin to listen to everything below ``root``; it is a directory, and no link.

    Raises:
        OSError: the root is gone, or the system has no watch or descriptor left for it.
    """
    # Each of these prints the whole table of watches, and as an error it would kill the reader.
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.")
    with _building:
        threads_before, descriptors_before = set(threading.enumerate()), _inotify_descriptors()
        ours: set[threading.Thread] = set()
        overflows = _Overflows(ours.__contains__, overflowed)
        native: BaseObserver = PollingObserver(timeout=poll_interval) if kind == "polling" else NativeObserver()
        ours.update(_watchdog_threads(threads_before))
        overflows.attach()
        try:
            native.schedule(handler, root, recursive=True, event_filter=EVENTS)
            native.start()
        except BaseException:
            overflows.detach()
            _stop(native, tuple(_watchdog_threads(threads_before)), 2.0)
            raise
        threads = _watchdog_threads(threads_before)
        ours.update(threads)
        descriptors = _inotify_descriptors() - descriptors_before
    found = tuple(sorted(descriptors))
    return Listening(kind, native, tuple(threads), found, overflows, _KeptWatches(found))


def _stop(native: BaseObserver, threads: tuple[threading.Thread, ...], timeout: float) -> list[threading.Thread]:
    deadline = time.monotonic() + timeout
    # watchdog waits for its own threads without limit, so the waiting is done elsewhere.
    stopper = threading.Thread(target=_take_down, args=(native,), name="observer-teardown", daemon=True)
    stopper.start()
    for thread in (stopper, *threads):
        if thread.ident is not None:
            thread.join(max(0.0, deadline - time.monotonic()))
    return [thread for thread in (stopper, *threads) if thread.is_alive()]


def _take_down(native: BaseObserver) -> None:
    """Stop every part of an observer, whatever state its other parts are in."""
    reader = getattr(native, "_inotify_fd", None)
    groups = [getattr(emitter, "_inotify", None) for emitter in tuple(native.emitters)]
    if reader is not None and not reader.is_alive():
        # A reader that died while it waited would leave its descriptors for the one that closes them: us.
        reader._is_reading = False
    # What cannot block comes first, so that as little as possible is left if the rest does.
    for thread in (native, *native.emitters):
        thread.stopped_event.set()
    native.event_queue.put_nowait(EventDispatcher.stop_event)
    # The reader next: the observer itself waits for a handler that may hang.
    parts = [native] if reader is None else [reader, native]
    for part in parts:
        try:
            part.stop()
        except Exception as error:  # noqa: BLE001  (strangers' code; the rest is still to be stopped)
            # Its tables may be what killed it (watchdog 7.1: KeyError in _remove_watch_internally).
            log.warning("watchdog_stop_failed", part=type(part).__name__, error=repr(error))
    for group in groups:
        if group is not None:
            group._move_event_grouper.close()  # what its emitter thread waits for


def _watchdog_threads(before: set[threading.Thread]) -> list[threading.Thread]:
    return [
        thread
        for thread in threading.enumerate()
        if thread not in before and type(thread).__module__.startswith("watchdog")
    ]


def _inotify_descriptors() -> set[int]:
    found: set[int] = set()
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return found  # not Linux: nothing to count
    for name in names:
        try:
            if "inotify" in os.readlink(f"/proc/self/fd/{name}"):
                found.add(int(name))
        except OSError:
            continue  # closed meanwhile
    return found


def _has_watch(descriptor: int) -> bool:
    """Whether the kernel watches anything for it; the beginning of the list is enough to tell."""
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", "rb", buffering=0) as file:
            return b"inotify wd:" in file.read(4096)
    except OSError:
        return False  # closed
