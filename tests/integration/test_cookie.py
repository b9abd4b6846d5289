"""The cookie file: it leaves nothing behind and harms nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.listener import listening
from watcher.watch.cookie import PREFIX


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "sessions"
    path.mkdir()
    return path


def dead_pid() -> int:
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_cookie_goes_and_stale_ones_go(root: Path) -> None:
    """Cookies of dead processes are removed at the start, our own at the end, those of living ones stay."""
    stale, living = PREFIX + str(dead_pid()).encode(), PREFIX + b"1"
    for name in (stale, living, PREFIX + b"x"):
        os.close(os.open(os.path.join(os.fsencode(root), name), os.O_CREAT | os.O_WRONLY))
    with listening(root):
        assert set(os.listdir(os.fsencode(root))) == {living, PREFIX + b"x", PREFIX + str(os.getpid()).encode()}
    assert set(os.listdir(os.fsencode(root))) == {living, PREFIX + b"x"}


def test_the_cookie_is_not_written_through_a_link(root: Path, tmp_path: Path) -> None:
    """Whoever may write to the root cannot have a file of ours overwritten."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    name = os.path.join(os.fsencode(root), PREFIX + str(os.getpid()).encode())
    os.link(precious, name)
    with listening(root):
        assert precious.read_text() == "mine"
