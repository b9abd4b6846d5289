"""``formats``: what of the transcripts' format is unknown, in the database or in any folder."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from processors.contract import Lines, Session
from processors.usage.reports import formats
from watcher.cli.backend import ask
from watcher.cli.usage import day_of
from watcher.errors import SettingsError, first_line
from watcher.sandbox.reader import Reading, is_utf8
from watcher.settings.tables import Settings
from watcher.transcripts.sessions import NotASession, Tree, open_session, path_of

if TYPE_CHECKING:
    from processors.usage.reports.scan import Scan

#: So many names the service gives at once.
_PAGE = 10_000
#: How often a terminal is told how far it is, in seconds.
_EVERY = 0.2


def unknown(settings: Settings, since: str | None) -> dict[str, Any]:
    """What is not known in the sessions that were taken, as the API gives it.

    Raises:
        SettingsError: there is no such day, or nothing was processed yet.
    """
    first = day_of(settings, "--since", since)

    def page(offset: int) -> Any:
        return ask(
            settings,
            "/api/usage/formats",
            lambda query: _read(query, first, offset),
            since=None if first is None else first.isoformat(),
            limit=_PAGE,
            offset=offset,
        )

    found: dict[str, Any] = page(0)
    rows = found["formats"]
    while len(rows) < found["total"] and (more := page(len(rows))["formats"]):
        rows += more
    return found


def _read(query: Any, since: date | None, offset: int) -> dict[str, Any]:
    there = query("SELECT count(*) FROM information_schema.tables WHERE table_name = $1", ["usage_unknown_seen"])
    if there == [(0,)]:
        raise SettingsError(
            "the processor usage of this version has not run yet; see [processors.usage] enabled, and use run or once"
        )
    return formats.unknown(query, since, None, _PAGE, offset)


def in_folder(settings: Settings, folder: Path, since: str | None) -> dict[str, Any]:
    """What is not known in the transcripts below a folder; reads the files alone, and writes nothing.

    Raises:
        SettingsError: there is no such day or folder.
        OSError: the folder cannot be read.
    """
    # Loaded when used: it is most of a processor, and the other way does without.
    from processors.usage.reports.scan import Scan

    first = day_of(settings, "--since", since)
    if not folder.is_dir():
        wrong = "this is no folder; name the one that it lies in" if folder.exists() else "there is no such folder"
        raise SettingsError(f"{folder}: {wrong}")
    with os.scandir(folder):
        pass  # where this cannot be read, nothing can
    tree = Tree(folder.resolve())
    listing = tree.list()
    scan, progress = Scan(settings.processor("usage")), _Progress(listing.count)
    files, unreadable = 0, listing.unreadable
    with progress:
        for line in listing.lines.splitlines():
            key = str(msgspec.json.decode(line)["session_file"])
            try:
                scan.take(Session(key, ""), _pieces(tree, key, scan, progress))
            except NotASession:
                continue  # gone meanwhile
            except OSError as error:
                unreadable.append(f"{os.fsdecode(path_of(key))}: {error.strerror}")
            except Exception as error:  # noqa: BLE001 — a file's trouble is its own, as in the service
                unreadable.append(f"{os.fsdecode(path_of(key))}: {type(error).__name__}: {first_line(error)}")
            else:
                files += 1
            progress.files += 1
    return {
        **scan.unknown(first),
        "left_out": scan.left_out,
        "folder": str(folder),
        "files": files,
        "bytes": progress.bytes,
        "bad_lines": scan.bad_lines,
        "unreadable": unreadable,
    }


def _pieces(tree: Tree, key: str, scan: Scan, progress: _Progress) -> Iterator[tuple[int, Lines]]:
    """The lines of a session file, a window at a time; a line that is too long is a bad one."""
    descriptor = open_session(os.fsencode(tree.root), path_of(key), tree.layout)
    try:
        reading = Reading(descriptor, os.fstat(descriptor).st_size, 0, None)
        for piece in reading.pieces(tail_too=True):
            scan.bad_lines += piece.too_long
            if piece.data:
                yield piece.start, Lines(piece.data, is_utf8(piece.data))
            progress.took(piece.end - piece.start)
    finally:
        os.close(descriptor)


class _Progress:
    """Says on a terminal how far it is."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._shown, self._terminal = time.monotonic(), sys.stderr.isatty()
        self.files = self.bytes = 0

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()

    def took(self, size: int) -> None:
        """So many bytes more were read."""
        self.bytes += size
        if self._terminal and (now := time.monotonic()) - self._shown >= _EVERY:
            self._shown = now
            sys.stderr.write(f"\r\x1b[2K{self.files:,} of {self._count:,} files, {self.bytes / 1e6:,.0f} MB")
            sys.stderr.flush()
