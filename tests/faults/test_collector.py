"""The collector as root among hostile users: nobody's file comes under another's name, and nothing is written outside.

Homes belong to real user ids, races are forced, a home hangs as a dead network mount does, and the process is killed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.kernel import mount, mounted, unmount
from tests.support.homes import Homes, done, reasons
from tests.support.hostile_homes import UIDS, DeadMount, before_opening, to_anothers, to_hard_link, to_link, to_pipe
from tests.support.listener import until
from watcher.collector.copy import TEMPORARY
from watcher.collector.target import SPARE_FILES
from watcher.errors import CollectionFailed
from watcher.homes import timeouts

pytestmark = pytest.mark.faults

SECRET = b"ANN'S SECRET\n"


def settle(homes: Homes) -> None:
    """Everything in a home belongs to its user."""
    for user, uid in UIDS.items():
        home = homes.homes / user
        home.mkdir(exist_ok=True)
        for path in [home, *home.rglob("*")]:
            os.chown(path, uid, uid, follow_symlinks=False)


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Homes:
    """Three users, each with a session; ann's are a secret to the others."""
    monkeypatch.chdir(tmp_path)
    made = Homes(tmp_path)
    made.write("-p/s.jsonl", SECRET)
    made.write("-p/s.jsonl", b"bob\n", user="bob")
    made.write("-p/s.jsonl", b"zoe\n", user="zoe")
    settle(made)
    return made


def others(homes: Homes) -> dict[str, bytes]:
    """The copies that are not ann's."""
    return {name: content for name, content in homes.copies().items() if not name.startswith("ann/")}


def test_what_is_anothers_does_not_come_under_ones_own_name(homes: Homes) -> None:
    """Symbolic and hard links to another's file and folder, files of root and of another: each refused by name."""
    folder, anns = homes.source("-p", "bob"), homes.source("-p")
    (folder / "link.jsonl").symlink_to(anns / "s.jsonl")
    os.link(anns / "s.jsonl", folder / "hard.jsonl")
    (folder / "given.jsonl").write_bytes(SECRET)
    os.chown(folder / "given.jsonl", UIDS["ann"], UIDS["ann"])
    (folder / "root.jsonl").write_bytes(SECRET)
    (folder.parent / "-q").symlink_to(anns)
    (folder / "up").symlink_to("../../../../ann/.claude/projects")
    stats = homes.run()
    assert others(homes) == {"bob/-p/s.jsonl": b"bob\n", "zoe/-p/s.jsonl": b"zoe\n"}
    told = {Path(one["path"]).name: one["reason"] for one in stats["details"] if one["user"] == "bob"}
    assert told.keys() == {"link.jsonl", "hard.jsonl", "given.jsonl", "root.jsonl", "-q", "up"}
    assert "uid 61001" in told["hard.jsonl"] and "uid 0" in told["root.jsonl"] and "link" in told["-q"]
    # Her own file has a name that is not hers, so it is refused too, and said so, until that is gone.
    assert "ann/-p/s.jsonl" not in homes.copies() and "2 names" in reasons(stats)
    (folder / "hard.jsonl").unlink()
    homes.run()
    assert homes.copies()["ann/-p/s.jsonl"] == SECRET


def test_what_is_no_file_neither_hangs_nor_floods(homes: Homes) -> None:
    """A pipe, a device without end, a file as large as no disk: refused without being read."""
    folder = homes.source("-p", "bob")
    os.mkfifo(folder / "pipe.jsonl")
    os.mknod(folder / "zero.jsonl", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    (folder / "sparse.jsonl").touch()
    os.truncate(folder / "sparse.jsonl", 10**13)
    (folder / "folder.jsonl").mkdir()
    settle(homes)
    stats = homes.run()
    assert stats["files_refused"] == 3 and stats["errors"] == 0 and stats["files_copied"] == 3
    assert all(word in reasons(stats) for word in ("a pipe", "a device", "largest"))


def to_link_to_ones_own(path: Path, target: Path) -> None:
    """What it leads to is its owner's, but may lie anywhere."""
    own = target.parents[5] / "own"
    own.write_bytes(SECRET)
    os.chown(own, UIDS["bob"], UIDS["bob"])
    to_link(path, own)


@pytest.mark.parametrize("swap", [to_link, to_link_to_ones_own, to_hard_link, to_pipe, to_anothers])
def test_a_file_swapped_between_check_and_open_is_refused(homes: Homes, swap: Callable[[Path, Path], None]) -> None:
    """At the last moment at which it can be: the descriptor is looked at, not the name."""
    path = homes.source("-p/swapped.jsonl", "bob")
    path.write_bytes(b"harmless")
    settle(homes)
    with before_opening("swapped.jsonl", lambda: swap(path, homes.source("-p/s.jsonl"))) as swapped:
        stats = homes.run()
    assert swapped and not [content for content in others(homes).values() if SECRET in content]
    assert "swapped.jsonl" in reasons(stats) and "bob/-p/swapped.jsonl" not in homes.copies()


@pytest.mark.parametrize("part", ["bob", ".claude", "projects", "-p"])
def test_a_folder_swapped_for_a_link_is_refused(homes: Homes, part: str) -> None:
    """On every step of the way from the home on."""
    theirs = homes.homes / "bob"
    while theirs.name != part:
        theirs = next(iter(theirs.iterdir()))
    hers = homes.homes / "ann" / theirs.relative_to(homes.homes / "bob")

    def swap() -> None:
        if not theirs.is_symlink():
            theirs.rename(homes.base / "aside")
            theirs.symlink_to(hers)

    (homes.homes / "ann").rename(homes.homes / "zz-ann")  # bob comes first: the names of folders are the same
    hers = homes.homes / "zz-ann" / hers.relative_to(homes.homes / "ann")
    with before_opening(part, swap) as swapped:
        stats = homes.run()
    assert swapped and not [n for n, content in homes.copies().items() if SECRET in content and n.startswith("bob")]
    assert "links are not followed" in reasons(stats)


#: Exchanges two names for ever, each time in one step.
EXCHANGE = """
import ctypes, os, sys
libc, (one, other) = ctypes.CDLL(None), map(os.fsencode, sys.argv[1:])
while libc.renameat2(-100, one, -100, other, 2) == 0:
    pass
"""


@contextmanager
def exchanging(path: Path, link: Path) -> Iterator[None]:
    """Meanwhile, a process exchanges a path and a link as fast as it can."""
    process = subprocess.Popen([sys.executable, "-c", EXCHANGE, str(path), str(link)])
    try:
        until(link.is_dir if path.is_dir() else link.is_file, "the first exchange")
        yield
        assert process.poll() is None, "it could not exchange them any more"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("what", ["a file", "a folder", "a folder of copies"])
def test_swaps_without_end_never_win(homes: Homes, what: str) -> None:
    """What changes into a link and back as fast as it can, in a home or in the target, never leads anywhere."""
    outside = homes.base / "outside"
    outside.mkdir()
    hers, his = homes.source("r/r.jsonl"), homes.source("r/r.jsonl", "bob")
    for path, content in ((hers, SECRET), (his, b"bob\n")):
        path.parent.mkdir()
        path.write_bytes(content)
    settle(homes)
    homes.run()
    copy = homes.sessions / "bob/r/r.jsonl"
    path, target = {
        "a file": (his, hers),
        "a folder": (his.parent, hers.parent),
        "a folder of copies": (copy.parent, outside),
    }[what]
    link = homes.base / "link"
    link.symlink_to(target)
    came, refused = 0, 0
    with exchanging(path, link):
        for n in range(150):
            if what == "a folder of copies":
                his.write_bytes(b"bob\n" * (1 + n % 7))
            else:
                copy.unlink(missing_ok=True)
            stats = homes.run()
            came += stats["files_copied"] + stats["files_appended"] + stats["files_replaced"]
            refused += stats["files_refused"]
            assert set(outside.iterdir()) == set()
            for one in (homes.sessions / "bob").rglob("*.jsonl"):
                with suppress(FileNotFoundError):
                    assert SECRET not in one.read_bytes(), one
    assert came > 10 and refused > 10, f"{came} came and {refused} were refused: there was no race"


def test_copies_belong_to_the_owner_of_the_sessions_folder(homes: Homes) -> None:
    """Collected by root, they can be read by the service's own user and its group, and by no other."""
    os.chown(homes.sessions, UIDS["zoe"], 61009)
    homes.run()
    for path in homes.sessions.rglob("*"):
        status = path.stat()
        assert (status.st_uid, status.st_gid) == (UIDS["zoe"], 61009), path
        assert stat.S_IMODE(status.st_mode) & 0o027 == 0, path
    homes.write("-p/s.jsonl", b"rewritten\n")
    settle(homes)
    homes.run()
    assert (homes.sessions / "ann/-p/s.jsonl").stat().st_uid == UIDS["zoe"]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may look into, as those of tests are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_without_root_what_cannot_be_read_is_named(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One's own home comes, a private one is an error with its name, and the others go on."""
    monkeypatch.chdir(open_folder)
    homes = Homes(open_folder)
    for user in UIDS:
        homes.write("-p/s.jsonl", user.encode() + b"\n", user)
    settle(homes)
    (homes.homes / "ann").chmod(0o700)
    os.chown(homes.sessions, UIDS["bob"], UIDS["bob"])
    os.seteuid(UIDS["bob"])
    try:
        stats = homes.run()
    finally:
        os.seteuid(0)
    assert others(homes) == homes.copies() == {"bob/-p/s.jsonl": b"bob\n", "zoe/-p/s.jsonl": b"zoe\n"}
    assert stats["errors"] == 1 and "home/ann" in reasons(stats) and "Permission denied" in reasons(stats)


@pytest.mark.parametrize("place", ["bob", "bob/.claude/projects", "bob/.claude/projects/-p"])
def test_a_home_that_hangs_hinders_nobody(homes: Homes, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """The others come; it is named, not waited for again while it hangs, and collected when it is back."""
    monkeypatch.setattr(timeouts, "GRACE", 0.2)
    homes.given["collector.deadline"] = "500ms"
    dead = DeadMount(homes.homes / place)
    try:
        stats = homes.run()
        assert set(homes.copies()) == {"ann/-p/s.jsonl", "zoe/-p/s.jsonl"}
        assert stats["errors"] == 1 and f"{homes.homes}/bob: it gave no answer" in reasons(stats)
        for _ in range(3):
            began = time.monotonic()
            stats = homes.run()
            assert time.monotonic() - began < 0.5 and done(stats) == {"files_skipped": 2, "errors": 1}
            assert "still gives no answer" in reasons(stats)
        waiting = [thread for thread in threading.enumerate() if thread.name.startswith("collect:")]
        assert len(waiting) == 1
    finally:
        dead.end()
    until(lambda: not waiting[0].is_alive(), "who waited there to come back")
    homes.run()
    assert homes.copies()["bob/-p/s.jsonl"] == b"bob\n"


def test_a_folder_of_homes_that_hangs_hinders_no_other(homes: Homes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when not even the names in it can be had."""
    monkeypatch.setattr(timeouts, "GRACE", 0.2)
    far = homes.base / "far"
    far.mkdir()
    homes.given["collector.deadline"] = "500ms"
    homes.given["collector.sources"] = [f"{far}/*/*.jsonl", *homes.settings().collector.sources]
    dead = DeadMount(far)
    try:
        stats = homes.run()
    finally:
        dead.end()
    assert stats["files_copied"] == 3 and stats["errors"] == 1 and f"{far}: it gave no answer" in reasons(stats)


#: Collects once, and tells the stats and by how many kB the memory that it ever used grew meanwhile.
SCRIPT = """
import json, resource, sys
from watcher.collector.job import Collector
from watcher.settings import load
settings = load(None, {}, json.loads(sys.argv[1])).settings
collector = Collector(lambda: settings)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
code, stats = collector.run()
print(json.dumps({**stats, "grew": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before}))
"""


def command(homes: Homes) -> list[str]:
    settings = homes.settings()
    given = {
        "paths.sessions": str(homes.sessions),
        "health.min_free_disk": "1KB",
        "collector.sources": settings.collector.sources,
        "collector.deadline": "10m",
    }
    return [sys.executable, "-c", SCRIPT, json.dumps(given)]


def test_a_hundred_thousand_files_take_no_memory(tmp_path: Path) -> None:
    """In one folder, from one user: copied, and looked at again, in as little memory as one of them."""
    with mounted(tmp_path):
        homes = Homes(tmp_path)
        homes.source("-p").mkdir(parents=True)
        folder = os.open(homes.source("-p"), os.O_RDONLY)
        for n in range(100_000):
            os.close(os.open(f"{n}.jsonl", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=folder))
        os.close(folder)
        for wanted in ("files_copied", "files_skipped"):
            told = subprocess.run(command(homes), capture_output=True, check=True, cwd="/", timeout=240).stdout
            found = json.loads(told)
            assert found[wanted] == 100_000 and found["grew"] < 10_000, found


def test_killed_in_a_replacement_the_copy_is_old_or_new(tmp_path: Path) -> None:
    """Whole either way, at whatever moment; the run that follows completes it and leaves nothing behind."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    with mounted(tmp_path):
        homes = Homes(tmp_path)
        size = 24 << 20
        generations = [bytes([letter]) * size for letter in b"ab"]
        path = homes.write("-p/s.jsonl", generations[0])
        homes.run()
        copy = homes.sessions / "ann/-p/s.jsonl"
        half = copy.with_name(TEMPORARY)
        caught = 0
        for n in range(1, 7):
            new = generations[n % 2]
            path.write_bytes(new)
            most = rng.randrange(size)
            process = subprocess.Popen(command(homes), cwd="/", stdout=subprocess.DEVNULL)
            while process.poll() is None and not (half.exists() and half.stat().st_size >= most):
                time.sleep(0.0002)
            process.send_signal(signal.SIGKILL)
            process.wait()
            found = copy.read_bytes()
            assert found in generations, f"a mix (seed {seed})"
            if half.exists():
                caught += 1
                assert found == generations[(n + 1) % 2]
            homes.run()
            assert copy.read_bytes() == new and not half.exists()
        assert caught >= 3, f"only {caught} were killed in a replacement"


def test_a_full_disk_is_a_failure_and_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as ours; every copy is a beginning of its file, the old one stays, and room brings the rest."""
    monkeypatch.chdir(tmp_path)
    homes = Homes(tmp_path)
    rewritten = homes.write("-p/a.jsonl", b"old\n" * 1000)
    mount(homes.sessions, "-o", "size=2m")
    try:
        homes.run()
        rewritten.write_bytes(b"new\n" * 300_000)
        homes.write("-p/b.jsonl", b"b" * 1_500_000)
        ballast = homes.sessions / "ballast"
        ballast.write_bytes(b"\0" * 900_000)
        for _ in range(2):
            with pytest.raises(CollectionFailed, match=r"No space left|would be left"):
                homes.run()
            copies = homes.copies()
            assert copies["ann/-p/a.jsonl"] == b"old\n" * 1000
            assert (b"b" * 1_500_000).startswith(copies.get("ann/-p/b.jsonl", b""))
        ballast.unlink()
        subprocess.run(["mount", "-o", "remount,size=20m", str(homes.sessions)], check=True, timeout=30)
        homes.run()
        assert homes.copies() == {"ann/-p/a.jsonl": b"new\n" * 300_000, "ann/-p/b.jsonl": b"b" * 1_500_000}
    finally:
        unmount(homes.sessions)


def test_the_last_names_of_a_disk_are_left_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One user's thousands of empty files do not take what the database needs to make a file."""
    monkeypatch.chdir(tmp_path)
    homes = Homes(tmp_path)
    for n in range(100):
        homes.write(f"-p/{n}.jsonl", b"")
    mount(homes.sessions, "-o", f"size=2m,nr_inodes={SPARE_FILES + 50}")
    try:
        with pytest.raises(CollectionFailed, match="files"):
            homes.run()
        assert 30 < len(homes.copies()) < 50
    finally:
        unmount(homes.sessions)
