"""The census: which directories there are to be watched, and what the kernel allows."""

from __future__ import annotations

import os
from collections.abc import Iterator

from watcher.transcripts.sessions import is_session

MAX_WATCHES = "fs.inotify.max_user_watches"
MAX_INSTANCES = "fs.inotify.max_user_instances"
MAX_QUEUED = "fs.inotify.max_queued_events"


def directories(root: bytes) -> int:
    """How many readable directories there are, the root included; links are not followed."""
    count = 0
    pending = [root]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                pending += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue  # gone meanwhile, or closed to us: a sweep names those
        count += 1
    return count


def sessions_below(root: bytes, directory: bytes) -> Iterator[bytes]:
    """Session files below a directory of the root, both relative to the root; links are not followed.

    Raises:
        OSError: a directory cannot be read. One that is gone is no error.
    """
    top = os.path.join(root, directory)
    pending = [] if os.path.islink(top) else [top]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    elif is_session(path := os.path.relpath(entry.path, root)):
                        yield path
        except (FileNotFoundError, NotADirectoryError):
            continue


def sysctl(name: str) -> str:
    """A kernel setting as people write it, with its value: ``name = 8192``."""
    try:
        with open("/proc/sys/" + name.replace(".", "/"), encoding="ascii") as file:
            return f"{name} = {file.read().strip()}"
    except OSError:
        return name
