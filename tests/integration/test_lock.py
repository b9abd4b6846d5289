"""The lock of the state folder: one holder, told by name, and free when its process has ended."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from watcher.errors import StateInUse
from watcher.store.lock import Holder, StateLock, holder

#: Takes the lock, says so, and stays; with a child of its own that has every descriptor it could get.
HOLD = """
import os, subprocess, sys
from pathlib import Path
from watcher.store.lock import Holder, StateLock
lock = StateLock(Path(sys.argv[1])).acquire(Holder(os.getpid(), "run", "http://127.0.0.1:1"))
child = subprocess.Popen([sys.executable, "-S", "-c", "import sys; sys.stdin.read()"], close_fds=False, stdin=0)
print(child.pid, flush=True)
sys.stdin.read()
"""
ME = Holder(os.getpid(), "test")


@contextmanager
def another(state: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the folder; when it is killed, its child lives on."""
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state)], stdin=read_end, stdout=subprocess.PIPE, text=True
    )
    os.close(read_end)
    assert process.stdout is not None
    try:
        child = int(process.stdout.readline())
        yield process
        os.kill(child, 0)  # it did live on
    finally:
        os.close(write_end)
        process.kill()
        process.wait()
        process.stdout.close()


def test_there_is_one_holder(tmp_path: Path) -> None:
    """Whoever comes second is told whom to stop, even in the same process, until it is released."""
    assert holder(tmp_path) is None
    first = StateLock(tmp_path).acquire(ME)
    with pytest.raises(StateInUse) as caught:
        StateLock(tmp_path).acquire(ME)
    assert caught.value.pid == os.getpid()
    first.release()
    first.release()
    StateLock(tmp_path).acquire(ME).release()


def test_the_holder_can_be_read(tmp_path: Path) -> None:
    """Its process, its command and where it answers; what it says last counts, also if that is shorter."""
    lock = StateLock(tmp_path / "not" / "there" / "yet")
    state = tmp_path / "not" / "there" / "yet"
    assert holder(state) is None
    lock.acquire(Holder(1, "once"))
    assert holder(state) == Holder(1, "once", None)
    lock.describe(Holder(12345, "run", "http://127.0.0.1:8750/a/rather/long/one"))
    assert holder(state) == Holder(12345, "run", "http://127.0.0.1:8750/a/rather/long/one")
    lock.describe(Holder(1, "run", "http://[::1]:1"))
    assert holder(state) == Holder(1, "run", "http://[::1]:1")
    lock.release()
    assert holder(state) is None


def test_a_holder_that_says_nothing_readable_still_holds(tmp_path: Path) -> None:
    """Whatever stands in the file: it is in use, by somebody."""
    lock = StateLock(tmp_path).acquire(ME)
    for said in (b"", b"{", b"\xff\xfe", b"[]"):
        (tmp_path / "lock").write_bytes(said)
        assert holder(tmp_path) is not None
    with pytest.raises(StateInUse, match="another process"):
        StateLock(tmp_path).acquire(ME)
    lock.release()


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    """Killed without a word, while its child lives on: the folder is free at once, and what it said is forgotten."""
    with another(tmp_path) as process:
        found = holder(tmp_path)
        assert found == Holder(process.pid, "run", "http://127.0.0.1:1")
        with pytest.raises(StateInUse, match=rf"in use by process {process.pid}; stop it .*--state") as caught:
            StateLock(tmp_path).acquire(ME)
        assert caught.value.pid == process.pid and str(tmp_path) in str(caught.value)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert holder(tmp_path) is None
        lock = StateLock(tmp_path).acquire(ME)
        assert holder(tmp_path) == ME
        lock.release()


def test_looking_does_not_keep_anyone_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that ask who holds the folder are in nobody's way: a service that starts just then gets it."""
    StateLock(tmp_path).acquire(ME).release()
    real, looking = fcntl.flock, threading.Event()

    def interrupted(descriptor: int, operation: int) -> None:
        real(descriptor, operation)
        if operation & fcntl.LOCK_SH:  # the kernel lets somebody else run, in the middle of a look
            looking.set()
            time.sleep(0.03)

    monkeypatch.setattr(fcntl, "flock", interrupted)
    looker = threading.Thread(target=holder, args=(tmp_path,))
    looker.start()
    looking.wait(0.5)
    StateLock(tmp_path).acquire(ME).release()
    looker.join()
