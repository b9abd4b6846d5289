"""Copying of a file: incremental, and skipped while the copy is current.

What was copied is told by the copy itself: its size, its modification time (the source's) and its change time
(when it was last made equal). So there is no list that could be lost or lie. Where the clock of the sources' file
system is behind the target's, a file that was rewritten in its size and dated as before is not told from an old one.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from typing import Literal

from watcher.collector.target import FILE_MODE, Folder, writing
from watcher.files.atomic_replace import Replacement
from watcher.files.safe_open import make_file, open_file
from watcher.homes.refusals import NotCopied

Outcome = Literal["copied", "appended", "replaced", "skipped"]

#: A file is written under this name before it replaces another: no session's, and ignored by the observer.
TEMPORARY = ".collecting"
#: Bytes read and written at once.
_CHUNK = 1 << 18
#: Kernels date changes by a coarse clock: changes closer together may have come in the other order, in ns.
_COARSE = 20_000_000


def is_current(source: os.stat_result, copy: os.stat_result) -> bool:
    """Whether a copy is current: same size and time, and the source was not touched since."""
    if not stat.S_ISREG(copy.st_mode) or source.st_size != copy.st_size:
        return False
    dated_alike = source.st_mtime_ns == copy.st_mtime_ns or not 0 <= source.st_mtime_ns <= copy.st_ctime_ns
    return dated_alike and source.st_ctime_ns + _COARSE <= copy.st_ctime_ns


def take(
    source: int,
    status: os.stat_result,
    folder: Folder,
    name: str,
    seen: os.stat_result | None,
    dry_run: bool,
    go_on: Callable[[], None],
) -> tuple[Outcome, int]:
    """Make a file's copy equal to it: what was done, and the bytes that were written for it.

    A file that grew is appended to, once all of its copy has been compared with it; any other is made anew beside
    and takes the copy's place. A file that grows meanwhile is copied as far as it reached when it was opened.

    Args:
        source: the open file, of this ``status``.
        folder, name: where its copy is.
        seen: what is there now.
        dry_run: only tell.
        go_on: called again and again; what it raises ends the copying.

    Raises:
        Refused: what has the copy's name is no copy of ours.
        NoRoom: too little disk is free.
        OSError: reading or writing failed.
    """
    size = status.st_size
    copy, kept = (None, 0) if seen is None else _open_copy(folder, name, seen)
    try:
        if copy is not None and kept <= size and _alike(source, copy, kept, go_on):
            if not dry_run:
                if kept < size:
                    folder.root.has_room(size - kept)
                    _pump(source, copy, kept, size, go_on)
                _date(copy, status)
            return ("skipped" if kept == size else "appended"), size - kept
    finally:
        if copy is not None:
            os.close(copy)
    if not dry_run:
        folder.root.has_room(size)
        (_replace if seen else _create)(source, status, folder, name, go_on)
    return ("replaced" if seen else "copied"), size


def _open_copy(folder: Folder, name: str, seen: os.stat_result) -> tuple[int | None, int]:
    """Open a copy that may be appended to, with its size; None where it is not ours to write."""
    if not _is_copy(seen):
        raise NotCopied(f"where it would be copied to is a link, or no file; see to {folder.path(name)}")
    if os.geteuid() not in (0, seen.st_uid):
        return None, 0  # a foreign file could be neither written nor dated: ours replaces it
    above = folder.look()
    assert above is not None
    copy = open_file(name, above, os.O_RDWR)
    opened = os.fstat(copy)
    if not _is_copy(opened):  # it was replaced a moment ago
        os.close(copy)
        raise NotCopied(f"where it would be copied to is a link, or no file; see to {folder.path(name)}")
    return copy, opened.st_size


def _is_copy(status: os.stat_result) -> bool:
    """Whether it is a file with one link: writing to it changes nothing elsewhere."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def _create(source: int, status: os.stat_result, folder: Folder, name: str, go_on: Callable[[], None]) -> None:
    # Under its own name at once, and without waiting for the disk: what a crash or a power cut leaves
    # is its beginning, which its size tells, and which the next run appends to.
    above = folder.make()
    with writing():
        made = make_file(name, above, FILE_MODE)
    try:
        folder.root.give(made)
        _pump(source, made, 0, status.st_size, go_on)
        _date(made, status)
    finally:
        os.close(made)


def _replace(source: int, status: os.stat_result, folder: Folder, name: str, go_on: Callable[[], None]) -> None:
    above = folder.make()
    with writing():
        made = Replacement(name, above, TEMPORARY, FILE_MODE)
    with made:
        folder.root.give(made.descriptor)
        _pump(source, made.descriptor, 0, status.st_size, go_on)
        _date(made.descriptor, status)
        with writing():
            made.take_place()


def _alike(source: int, copy: int, size: int, go_on: Callable[[], None]) -> bool:
    """Compare the first bytes of two files."""
    at = 0
    while at < size:
        go_on()
        ours = os.pread(copy, min(_CHUNK, size - at), at)
        if not ours or os.pread(source, len(ours), at) != ours:
            return False
        at += len(ours)
    return True


def _pump(source: int, copy: int, at: int, end: int, go_on: Callable[[], None]) -> None:
    """Copy the bytes from one offset to another, or to the source's current end."""
    while at < end:
        go_on()
        if not (data := os.pread(source, min(_CHUNK, end - at), at)):
            return
        view = memoryview(data)
        while view:
            with writing():
                written = os.pwrite(copy, view, at)
            at, view = at + written, view[written:]


def _date(copy: int, status: os.stat_result) -> None:
    """Set the copy's time to its source's; times in the future or before 1970 are not used."""
    written = max(0, min(status.st_mtime_ns, time.time_ns()))
    os.utime(copy, ns=(written, written))
