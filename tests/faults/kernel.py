"""Kernel settings, lowered for the length of a test and always put back; one test at a time."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = Path(tempfile.gettempdir()) / "session-watcher-kernel.lock"


@contextmanager
def kernel(alone: bool) -> Iterator[int]:
    """The kernel's settings, shared with other tests, or alone to change them; the lock's descriptor.

    What a killed test left lowered is put back first: old values are noted in the lock file.
    """
    file = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        for line in os.pread(file, 4096, 0).decode().splitlines():
            name, _, value = line.partition("=")
            _path(name).write_text(value)
        os.ftruncate(file, 0)
        if not alone:
            fcntl.flock(file, fcntl.LOCK_SH)
        yield file
    finally:
        os.close(file)


@contextmanager
def lowered(name: str, value: int) -> Iterator[None]:
    """A kernel setting at ``value``; put back at the end."""
    with kernel(alone=True) as file:
        before = _path(name).read_text().strip()
        os.pwrite(file, f"{name}={before}\n".encode(), 0)
        _path(name).write_text(str(value))
        try:
            yield
        finally:
            _path(name).write_text(before)
            os.ftruncate(file, 0)


def watches_in_use() -> int:
    """inotify watches that root's processes hold now."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == 0:
                for info in (process / "fdinfo").iterdir():
                    count += len(re.findall(rb"^inotify wd:", info.read_bytes(), re.MULTILINE))
        except OSError:
            continue  # the process or the descriptor is gone
    return count


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """A small file system in memory at a folder, unmounted at the end if it is still there."""
    mount(folder)
    try:
        yield
    finally:
        while os.path.ismount(folder):
            unmount(folder)


def mount(folder: Path, *options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)], check=True, timeout=30)


def unmount(folder: Path) -> None:
    subprocess.run(["umount", str(folder)], check=True, timeout=30)


def _path(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")
