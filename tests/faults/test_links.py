"""Links in somebody's own folder that lead to other people: a service with root's rights takes nothing there."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from tests.support.harness import Subject
from tests.support.processes import call
from tests.support.session_keys import keys
from watcher.transcripts.sessions import NotASession, Tree, open_session

pytestmark = pytest.mark.faults

ANN, BOB = 61001, 61002


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Ann's own folder with a session, another place of hers, and bob's and root's folders."""
    for name, uid in (("ann/.claude/projects/-p", ANN), ("ann/disk", ANN), ("bob/projects", BOB), ("root/projects", 0)):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "s.jsonl").write_bytes(call(name))
        for path in (folder, *folder.parents):
            if path.is_relative_to(tmp_path) and path != tmp_path:
                os.chown(path, uid, uid)
        os.chown(folder / "s.jsonl", uid, uid)
    return tmp_path


def own(base: Path) -> Path:
    return base / "ann" / ".claude" / "projects"


@pytest.mark.parametrize("target", ["bob/projects", "root/projects", "bob", "."])
def test_a_link_to_anothers_folder_gives_nothing(base: Path, target: str) -> None:
    """Neither a listing nor an opening; it is named, and the rest is taken."""
    (own(base) / "-theirs").symlink_to(base / target)
    (own(base) / "-hers").symlink_to(base / "ann" / "disk")
    listing = Tree(own(base)).list()
    assert keys(listing) == ["-hers/s.jsonl", "-p/s.jsonl"] and set(listing.links) == {"-theirs"}
    rest = "s.jsonl" if target.endswith("projects") else "bob/projects/s.jsonl" if target == "." else "projects/s.jsonl"
    with pytest.raises(NotASession, match="uid"):
        open_session(os.fsencode(own(base)), os.fsencode(f"-theirs/{rest}"), "projects")


def test_what_is_anothers_is_not_taken_by_the_child_that_opens_it(base: Path) -> None:
    """Through queue, worker and child, and after the link was another when the tree was looked at."""
    link = own(base) / "-swapped"
    link.symlink_to(base / "ann" / "disk")
    subject = Subject(own(base), base / "state")
    try:
        core = subject.open()
        listing = core.look()
        link.unlink()
        link.symlink_to(base / "bob" / "projects")
        core.look._look = lambda: listing
        subject.catch_up()
        taken = {row[0] for row in core.query("SELECT session_file FROM session_processor_state")}
        assert taken == {"-p/s.jsonl"}
        assert core.query("SELECT DISTINCT message_id FROM usage_messages") == [("ann/.claude/projects/-p",)]
    finally:
        subject.close()


#: Exchanges two names for ever, each time in one step.
EXCHANGE = """
import ctypes, os, sys
libc, (one, other) = ctypes.CDLL(None), map(os.fsencode, sys.argv[1:])
while libc.renameat2(-100, one, -100, other, 2) == 0:
    pass
"""


def test_swaps_without_end_never_win(base: Path) -> None:
    """A link that leads to her own folder and to bob's in turn, as fast as it can: what comes is always hers."""
    for folder, name in ((base / "ann" / "disk", "hers"), (base / "bob" / "projects", "his")):
        (folder / "deep" / "er").mkdir(parents=True)
        (folder / "deep" / "er" / f"{name}.jsonl").write_bytes(name.encode())
    for path in (base / "ann" / "disk").rglob("*"):
        os.chown(path, ANN, ANN)
    hers, his = own(base) / "-swapped", base / "ann" / "aside"
    hers.symlink_to(base / "ann" / "disk")
    his.symlink_to(base / "bob" / "projects")
    process = subprocess.Popen([sys.executable, "-c", EXCHANGE, str(hers), str(his)])
    seen, refused, read = 0, 0, 0
    try:
        tree = Tree(own(base))
        for _ in range(3000):
            listing = tree.list()
            found = [msgspec.json.decode(line)["session_file"] for line in listing.lines.splitlines()]
            assert not [key for key in found if "his" in key]
            seen += "-swapped/deep/er/hers.jsonl" in found
            refused += "-swapped" in listing.links
            with suppress(NotASession, OSError):
                descriptor = open_session(os.fsencode(tree.root), b"-swapped/deep/er/his.jsonl", "projects")
                os.close(descriptor)
                raise AssertionError("his was opened")
            with suppress(NotASession, OSError):
                descriptor = open_session(os.fsencode(tree.root), b"-swapped/deep/er/hers.jsonl", "projects")
                assert os.read(descriptor, 9) == b"hers"
                os.close(descriptor)
                read += 1
        assert process.poll() is None, "it could not exchange them any more"
    finally:
        process.kill()
        process.wait()
    assert min(seen, refused, read) > 10, f"{seen} seen, {refused} refused, {read} read: there was no race"


def test_who_may_read_less_reads_no_more_by_a_link(base: Path) -> None:
    """Run as ann: a folder of root's is followed as far as she may read, and bob's is not."""
    (base / "root" / "projects" / "private").mkdir(mode=0o700)
    (base / "root" / "projects" / "private" / "t.jsonl").write_bytes(b"{}\n")
    (own(base) / "-root").symlink_to(base / "root" / "projects")
    (own(base) / "-bob").symlink_to(base / "bob" / "projects")
    for path in (base, *base.parents):
        if path != Path("/"):
            path.chmod(path.stat().st_mode | 0o011)
    os.seteuid(ANN)
    try:
        listing = Tree(own(base)).list()
    finally:
        os.seteuid(0)
    assert keys(listing) == ["-p/s.jsonl", "-root/s.jsonl"] and set(listing.links) == {"-bob"}
    assert "-root/private: Permission denied" in listing.unreadable[0]
