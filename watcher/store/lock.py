"""The state folder's lock: one process at a time; it ends with the process and names its holder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Self

import msgspec

from watcher.errors import StateInUse

#: Attempts to take the lock, 10 ms apart.
LOOKS = 20


class Holder(msgspec.Struct, frozen=True):
    """The process that holds the lock."""

    pid: int
    command: str
    #: URL of its API; None if it has none.
    url: str | None = None


class StateLock:
    """The lock, held while a process uses the state folder's database."""

    def __init__(self, state: Path) -> None:
        self._path = state / "lock"
        self._descriptor: int | None = None

    def acquire(self, holder: Holder) -> Self:
        """Take the lock and write the holder into it.

        Raises:
            StateInUse: another process holds it.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        for left in reversed(range(LOOKS)):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if left:  # `holder` takes the lock for a moment too
                    time.sleep(0.01)
                    continue
                other = _read(descriptor)
                os.close(descriptor)
                raise StateInUse(str(self._path.parent), other.pid if other else None) from None
        self._descriptor = descriptor
        self.describe(holder)
        return self

    def describe(self, holder: Holder) -> None:
        """Write the holder into the lock file, for other commands to read."""
        assert self._descriptor is not None
        data = msgspec.json.encode(holder)
        os.pwrite(self._descriptor, data, 0)
        os.ftruncate(self._descriptor, len(data))

    def release(self) -> None:
        """Release the lock. Idempotent."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def holder(state: Path) -> Holder | None:
    """The current holder of a state folder's lock; None if it is free."""
    try:
        descriptor = os.open(state / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor) or Holder(0, "unknown")
    finally:
        os.close(descriptor)
    return None


def _read(descriptor: int) -> Holder | None:
    try:
        return msgspec.json.decode(os.pread(descriptor, 4096, 0), type=Holder)
    except msgspec.DecodeError:
        return None
