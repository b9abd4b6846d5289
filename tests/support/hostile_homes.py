"""Homes that turn against whoever reads them."""

from __future__ import annotations

import ctypes
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

#: Users of this machine who are nobody.
UIDS = {"ann": 61001, "bob": 61002, "zoe": 61003}


@contextmanager
def before_opening(name: str, act: Callable[[], None]) -> Iterator[list[int]]:
    """Do something each time that a file of this name is about to be opened: after every check, before the kernel."""
    times: list[int] = []
    active = [True]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if active and event == "open" and arguments[0] == name:
            times.append(1)
            act()

    sys.addaudithook(hook)
    try:
        yield times
    finally:
        active.clear()


def to_link(path: Path, target: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
    path.symlink_to(target)


def to_hard_link(path: Path, target: Path) -> None:
    path.unlink()
    os.link(target, path)


def to_pipe(path: Path, _target: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def to_anothers(path: Path, target: Path) -> None:
    path.unlink()
    target.rename(path)


class DeadMount:
    """A file system whose server never answers: whoever knocks there waits in the kernel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        device = Path("/dev/fuse")
        if not device.exists():
            os.mknod(device, stat.S_IFCHR | 0o600, os.makedev(10, 229))
        self._server = os.open(device, os.O_RDWR | os.O_CLOEXEC)
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={self._server},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if libc.mount(b"dead", os.fsencode(folder), b"fuse", 0, options):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))

    def end(self) -> None:
        """The server is gone for good: whoever waits gets an error. Idempotent."""
        if self._server >= 0:
            os.close(self._server)
            self._server = -1
            subprocess.run(["umount", "-l", str(self.folder)], check=True, timeout=30)
