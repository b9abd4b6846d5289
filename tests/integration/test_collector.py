"""The collector: people's files come as they are, cost what grew, and what is not theirs does not come."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.homes import Homes, done, reasons
from tests.support.listener import until
from watcher.collector.copy import TEMPORARY
from watcher.collector.job import Collector
from watcher.errors import CollectionFailed
from watcher.homes.stats import TOLD, TOLD_OF_ALL
from watcher.transcripts.expiry import Home


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Homes:
    monkeypatch.chdir(tmp_path)  # no settings.toml is found by chance
    return Homes(tmp_path)


def rested(path: Path) -> None:
    """Wait until the clock by which files are dated has moved on so far that what comes now is later for certain."""
    probe = path.parent / ".probe"

    def later() -> bool:
        probe.touch()
        return probe.stat().st_ctime_ns > path.stat().st_ctime_ns + 25_000_000

    until(later, "the file to have rested")
    probe.unlink()


def test_files_come_under_their_users_names_as_they_are(homes: Homes) -> None:
    """Folders of projects and subagents are kept, so is what describes a subagent; other files stay where they are."""
    homes.write("-p/s.jsonl", b'{"a":1}\n{"torn')
    homes.write("-p/s/subagents/agent-1.jsonl", b"{}\n")
    homes.write("-p/s/subagents/agent-1.meta.json", b'{"agentType":"x"}')
    homes.write("-p/s/tool-results/big.txt", b"no")
    homes.write("-p/.hidden.jsonl", b"no")
    homes.write(".hidden/s.jsonl", b"no")
    (homes.homes / "bob" / "user" / "sessions").mkdir(parents=True)
    (homes.homes / "bob" / "user" / "sessions" / "t.jsonl").write_bytes(b"")
    (homes.homes / "empty").mkdir()
    (homes.homes / "a file").touch()
    stats = homes.run()
    assert homes.copies() == {
        "ann/-p/s.jsonl": b'{"a":1}\n{"torn',
        "ann/-p/s/subagents/agent-1.jsonl": b"{}\n",
        "ann/-p/s/subagents/agent-1.meta.json": b'{"agentType":"x"}',
        "bob/t.jsonl": b"",
    }
    assert stats["users_processed"] == 2 and done(stats) == {"files_copied": 4, "bytes_copied": 34}
    assert not (homes.sessions / "empty").exists()


def opened_by(work: Callable[[], object]) -> list[str]:
    """The transcripts that were opened meanwhile for their content, as the interpreter itself reports it."""
    seen: list[str] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if active and event == "open" and not arguments[2] & os.O_DIRECTORY:
            seen.append(os.fsdecode(arguments[0]))

    active = [True]
    import sys  # a hook stays for good, so it comes with the one test that needs it

    sys.addaudithook(hook)
    try:
        work()
    finally:
        active.clear()
    return [name for name in seen if not name.startswith("settings.")]  # which are Claude Code's own


def test_what_has_not_changed_is_not_even_opened(homes: Homes) -> None:
    """A second run looks at times and sizes alone."""
    for n in range(20):
        rested_path = homes.write(f"-p/{n}.jsonl", b"{}\n" * n)
    rested(rested_path)
    homes.run()
    stats: dict[str, Any] = {}
    assert opened_by(lambda: stats.update(homes.run())) == []
    assert done(stats) == {"files_skipped": 20}


def test_a_file_that_was_just_written_is_looked_at_once_more(homes: Homes) -> None:
    """A change within the coarse clock's last step would have the same time; afterwards it is left alone."""
    path = homes.write("-p/s.jsonl", b"{}\n")
    homes.run()
    copy = homes.sessions / "ann/-p/s.jsonl"
    os.utime(path, ns=(0, path.stat().st_mtime_ns))  # touched, and dated as it was
    assert done(homes.run()) == {"files_skipped": 1}
    rested(path)
    assert done(homes.run()) == {"files_skipped": 1}
    assert opened_by(homes.run) == [] and copy.read_bytes() == b"{}\n"


def test_a_file_that_grew_is_appended_to(homes: Homes) -> None:
    """The copy stays the same file, and only what is new is written."""
    path = homes.write("-p/s.jsonl", b'{"a":1}\n{"to')
    homes.run()
    copy = homes.sessions / "ann/-p/s.jsonl"
    inode = copy.stat().st_ino
    with path.open("ab") as file:
        file.write(b'rn":2}\n')
    assert done(homes.run()) == {"files_appended": 1, "bytes_copied": 7}
    assert copy.read_bytes() == path.read_bytes() and copy.stat().st_ino == inode
    assert copy.stat().st_mtime_ns == path.stat().st_mtime_ns


@pytest.mark.parametrize("kind", ["longer", "shorter", "same size and time", "another file moved there", "empty"])
def test_a_file_that_was_rewritten_is_replaced(homes: Homes, kind: str) -> None:
    """Whatever its new size, and also when it is dated as before; nothing else is left in the folder."""
    path = homes.write("-p/s.jsonl", b'{"a":1}\n{"b":2}\n')
    rested(path)
    homes.run()
    before = path.stat()
    rested(homes.sessions / "ann/-p/s.jsonl")
    if kind == "another file moved there":
        other = homes.write("-p/other", b'{"a":3}\n{"b":2}\n')
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(path)
    else:
        content = {"longer": b'{"a":2}\n' * 3, "shorter": b"{}\n", "empty": b""}.get(kind, b'{"a":9}\n{"b":2}\n')
        path.write_bytes(content)
        if kind == "same size and time":
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    stats = homes.run()
    assert stats["files_replaced"] == 1 and stats["bytes_copied"] == path.stat().st_size
    assert homes.copies() == {"ann/-p/s.jsonl": path.read_bytes()}


def test_a_copy_that_was_spoilt_is_made_good(homes: Homes) -> None:
    """Cut short, changed or removed: the next run brings it back."""
    path = homes.write("-p/s.jsonl", b'{"a":1}\n' * 100)
    copy = homes.sessions / "ann/-p/s.jsonl"
    homes.run()
    for spoil in (lambda: os.truncate(copy, 10), lambda: copy.write_bytes(b"?" * 800), copy.unlink):
        spoil()
        homes.run()
        assert copy.read_bytes() == path.read_bytes()


def test_a_dry_run_tells_and_does_nothing(homes: Homes) -> None:
    """The same figures as the run that follows, and no file, folder or time is changed."""
    old = homes.write("-p/old.jsonl", b"{}\n")
    grown = homes.write("-p/grown.jsonl", b"{}\n")
    rested(grown)
    homes.run()
    homes.write("-q/new.jsonl", b"{}\n")
    old.write_bytes(b"[]\n")
    grown.write_bytes(b"{}\n{}\n")

    def state() -> list[tuple[str, int, int]]:
        return [(str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in sorted(homes.sessions.rglob("*"))]

    before, last = state(), homes.collector.last
    told = homes.run(dry_run=True)
    assert state() == before and homes.collector.last is last
    assert done(told) == {"dry_run": 1, "files_copied": 1, "files_appended": 1, "files_replaced": 1, "bytes_copied": 9}
    assert done(homes.run()) == {name: value for name, value in done(told).items() if name != "dry_run"}


def test_histories_at_random_end_with_equal_copies(homes: Homes) -> None:
    """Created, appended to, rewritten, truncated, renamed over, in any order, with runs between."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    paths = [homes.source(f"-p/{n}.jsonl") for n in range(6)]
    paths[0].parent.mkdir(parents=True)
    for _ in range(100):
        path, data = rng.choice(paths), rng.randbytes(rng.randrange(2000))
        match rng.randrange(5):
            case 0:
                path.write_bytes(data)
            case 1 if path.exists():
                os.truncate(path, rng.randrange(path.stat().st_size + 1))
            case 2 if path.exists():
                times = path.stat()
                path.write_bytes(bytes(reversed(path.read_bytes())))
                os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
            case 3 if path.exists():
                path.replace(rng.choice(paths))
            case _:
                with path.open("ab") as file:
                    file.write(data)
        if rng.random() < 0.4:
            homes.run()
            for one in paths:
                if one.exists():
                    assert (homes.sessions / "ann/-p" / one.name).read_bytes() == one.read_bytes(), f"seed {seed}"


def test_a_file_that_grows_meanwhile_is_copied_as_far_as_it_was(homes: Homes) -> None:
    """A copy always is a beginning of what was written, and the last run brings the rest."""
    path = homes.write("-p/s.jsonl", b"")
    stop = threading.Event()

    def grow() -> None:
        with path.open("ab", buffering=0) as file:
            for n in range(20_000):
                file.write(b"%09d\n" % n * 50)
                if stop.is_set():
                    return

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        for _ in range(25):
            assert not homes.run()["files_replaced"]
            copy = homes.copies()["ann/-p/s.jsonl"]
            with path.open("rb") as file:
                assert file.read(len(copy)) == copy
    finally:
        stop.set()
        writer.join()
    homes.run()
    assert homes.copies()["ann/-p/s.jsonl"] == path.read_bytes()


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path must be short
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


def make_link(path: Path) -> None:
    secret = path.parents[4] / "secret"
    secret.write_bytes(b"SECRET")
    path.symlink_to(secret)


def make_hard_link(path: Path) -> None:
    secret = path.parents[4] / "secret"
    secret.write_bytes(b"SECRET")
    os.link(secret, path)


def make_large(path: Path) -> None:
    path.touch()
    os.truncate(path, 3_000_000)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_pipe, "a pipe"),
        (make_socket, "a socket"),
        (make_link, "a link"),
        (make_hard_link, "2 names"),
        (make_large, "largest"),
    ],
)
def test_what_is_no_plain_file_is_refused_by_name(homes: Homes, make: Callable[[Path], None], reason: str) -> None:
    """Without waiting for it, and the others come."""
    homes.given["collector.largest"] = "2MB"
    homes.write("-p/good.jsonl", b"{}\n")
    make(homes.source("-p/bad.jsonl"))
    for _ in range(2):
        stats = homes.run()
        assert stats["files_refused"] == 1 and stats["errors"] == 0
        (told,) = stats["details"]
        assert told["user"] == "ann" and told["path"].endswith("/-p/bad.jsonl") and reason in told["reason"]
        assert homes.copies() == {"ann/-p/good.jsonl": b"{}\n"}


@pytest.mark.parametrize("part", ["ann", "ann/.claude", "ann/.claude/projects", "ann/.claude/projects/-p"])
def test_a_link_anywhere_on_the_way_is_refused(homes: Homes, part: str) -> None:
    """Be it the home itself, a folder of it or a project; where it leads to is not looked at."""
    homes.write("-p/s.jsonl", b"{}\n")
    homes.write("-p/s.jsonl", b"{}\n", user="bob")
    folder = homes.homes / part
    folder.rename(homes.base / "elsewhere")
    folder.symlink_to(homes.base / "elsewhere")
    stats = homes.run()
    assert homes.copies() == {"bob/-p/s.jsonl": b"{}\n"}
    assert stats["users_refused"] + stats["files_refused"] >= 1 and "links are not followed" in reasons(stats)
    assert f"{homes.homes}/{part}:" in reasons(stats)


@pytest.mark.parametrize("place", ["ann", "ann/-p", "ann/-p/s.jsonl", "ann/-p/.collecting"])
def test_a_link_in_the_target_leads_nowhere(homes: Homes, place: str) -> None:
    """A user's folder, a project or a copy that is a link: nothing is written where it leads to."""
    homes.write("-p/s.jsonl", b"{}\n{}\n")
    homes.write("-p/s.jsonl", b"{}\n", user="bob")
    outside = homes.base / "outside"
    (outside / "-p").mkdir(parents=True)
    for name in ("s.jsonl", "-p/s.jsonl", ".collecting"):
        (outside / name).write_bytes(b"{}\n")
    link = homes.sessions / place
    link.parent.mkdir(parents=True, exist_ok=True)
    if place.endswith("collecting"):
        (homes.sessions / "ann/-p/s.jsonl").write_bytes(b"something else")
    link.symlink_to(outside / (link.name if link.suffix or link.name[0] == "." else ""))
    stats = homes.run()
    assert {path.name: path.read_bytes() for path in outside.rglob("*") if path.is_file()} == {
        "s.jsonl": b"{}\n", ".collecting": b"{}\n",
    }  # fmt: skip
    assert homes.copies()["bob/-p/s.jsonl"] == b"{}\n"
    if place.endswith("collecting"):  # its place is only borrowed
        assert homes.copies()["ann/-p/s.jsonl"] == b"{}\n{}\n" and done(stats)["files_replaced"] == 1
    else:
        assert stats["files_refused"] == 1 and f"see to {place}" in reasons(stats)


def test_a_hard_link_in_the_target_is_not_written_to(homes: Homes) -> None:
    """Appending to it would append to another file."""
    homes.write("-p/s.jsonl", b"{}\n{}\n")
    homes.run()
    copy = homes.sessions / "ann/-p/s.jsonl"
    os.link(copy, homes.base / "other name")
    homes.write("-p/s.jsonl", b"{}\n{}\n{}\n")
    assert homes.run()["files_refused"] == 1
    assert (homes.base / "other name").read_bytes() == b"{}\n{}\n"


def test_the_target_is_not_copied_into_itself(homes: Homes) -> None:
    """Where the sessions folder lies inside a home that is collected."""
    homes.sessions.rmdir()
    homes.sessions = homes.source("copies", user="service")
    homes.sessions.mkdir(parents=True)
    homes.write("-p/s.jsonl", b"{}\n")
    for _ in range(3):
        stats = homes.run()
        assert homes.copies() == {"ann/-p/s.jsonl": b"{}\n"}
        assert "copied into" in reasons(stats)


def test_two_files_never_share_a_copy(homes: Homes) -> None:
    """The first pattern has the name, and the other file is refused; the copy does not change back and forth."""
    homes.given["collector.sources"] = [f"{homes.homes}/*/{name}/**/*.jsonl" for name in "ab"]
    for name in "ab":
        (homes.homes / "ann" / name / "p").mkdir(parents=True)
        (homes.homes / "ann" / name / "p" / "s.jsonl").write_text(name)
    (homes.homes / "ann" / "b" / "p" / "t.jsonl").write_text("t")
    for _ in range(2):
        stats = homes.run()
        assert homes.copies() == {"ann/p/s.jsonl": b"a", "ann/p/t.jsonl": b"t"}
        assert stats["files_refused"] == 1 and "ann/a/p/s.jsonl has its name" in reasons(stats)


def test_two_homes_never_share_a_name(homes: Homes) -> None:
    """A user of one name in another folder of homes is another one."""
    other = homes.base / "home2"
    homes.given["collector.sources"] = [f"{folder}/*/*.jsonl" for folder in (homes.homes, other)]
    for folder in (homes.homes, other):
        (folder / "ann").mkdir(parents=True)
        (folder / "ann" / f"{folder.name}.jsonl").touch()
    stats = homes.run()
    assert set(homes.copies()) == {"ann/home.jsonl"} and stats["users_refused"] == 1
    assert f"the name is taken by {homes.homes}" in reasons(stats)


def test_names_may_be_anything_that_a_file_may_be_called(homes: Homes) -> None:
    """They are kept byte for byte, and told in words that can be stored and shown."""
    odd = [b"\xff\xfe", b"a\nb", b"-rf", b"$(x)", "é😀".encode(), b" ", b"%2e%2e", b"a:b", b"\x1b[31m", b"n" * 249]
    for name in odd:
        folder = os.path.join(os.fsencode(homes.source("-p")), name)
        os.makedirs(folder)
        Path(os.fsdecode(os.path.join(folder, name + b".jsonl"))).write_bytes(name)
        os.mkfifo(os.path.join(folder, b"pipe.jsonl"))
    stats = homes.run()
    assert stats["files_copied"] == len(odd) and stats["files_refused"] == len(odd)
    copies = os.fsencode(homes.sessions / "ann/-p")
    for name in odd:
        assert Path(os.fsdecode(os.path.join(copies, name, name + b".jsonl"))).read_bytes() == name
    assert reasons(stats).replace("\n", "").isprintable() and reasons(stats).encode()


def test_what_is_too_deep_is_refused(homes: Homes) -> None:
    """A path that was made to break what reads it later; the rest of the home comes."""
    homes.write("-p/s.jsonl", b"{}\n")
    deep = homes.source("d")
    for name in ("d/" * 40, "l" * 200 + "/" + "m" * 200 + "/" + "n" * 200 + "/" + "o" * 200 + "/" + "p" * 250):
        (deep / name).mkdir(parents=True)
        (deep / name / "s.jsonl").touch()
    stats = homes.run()
    assert homes.copies() == {"ann/-p/s.jsonl": b"{}\n"}
    assert stats["files_refused"] == 2, reasons(stats)
    assert "deeper than" in reasons(stats) and "longer than" in reasons(stats)


def test_dates_that_cannot_be_are_not_copied(homes: Homes) -> None:
    """A file dated in the future or before 1970 is copied once, and its copy is dated as of a time that was."""
    for name, when in (("future", 2**33 * 10**9), ("past", -(10**18))):
        path = homes.write(f"-p/{name}.jsonl", b"{}\n")
        os.utime(path, ns=(when, when))
    rested(path)
    homes.run()
    for copy in homes.sessions.rglob("*.jsonl"):
        assert 0 <= copy.stat().st_mtime <= time.time() + 1
    assert opened_by(homes.run) == []


def test_a_home_that_takes_too_long_is_gone_on_with(homes: Homes) -> None:
    """What was copied stays; the others come; the next run copies the rest."""
    for n in range(1500):
        homes.write(f"-p/{n}.jsonl", b"{}\n")
    homes.write("-p/s.jsonl", b"{}\n", user="bob")
    homes.given["collector.deadline"] = "20ms"
    stats = homes.run()
    first = stats["files_copied"]
    assert stats["errors"] == 1 and "ann:" in reasons(stats) and "the next run" in reasons(stats)
    assert (homes.sessions / "bob/-p/s.jsonl").exists() and first < 1501
    homes.given["collector.deadline"] = "1m"
    rest = homes.run()
    assert rest["files_copied"] + rest["files_appended"] == 1501 - first
    assert len(homes.copies()) == 1501 and set(homes.copies().values()) == {b"{}\n"}


def test_what_fails_for_all_is_a_failure(homes: Homes, tmp_path: Path) -> None:
    """No target, one that is a person's own folder, no room, a stop: a sentence, and no run that looks like one."""
    homes.write("-p/s.jsonl", b"{}\n")
    homes.given["health.min_free_disk"] = "1000TB"
    with pytest.raises(CollectionFailed, match="make room"):
        homes.run()
    homes.given["health.min_free_disk"] = "1KB"
    homes.given["paths.layout"] = "projects"
    with pytest.raises(CollectionFailed, match=r"paths\.sessions"):
        homes.run()
    del homes.given["paths.layout"]
    assert homes.copies() == {}
    shutil.rmtree(homes.sessions)
    with pytest.raises(CollectionFailed, match=str(homes.sessions)):
        homes.run()
    assert not homes.sessions.exists(), "what is not mounted must not be made"
    homes.sessions.mkdir()
    homes.collector.stop()
    with pytest.raises(CollectionFailed, match="stopped"):
        homes.run()


def test_a_folder_of_homes_that_is_not_there_is_an_error_by_name(homes: Homes) -> None:
    """And the other patterns' files come."""
    homes.given["collector.sources"] = ["/no/such/place/*/*.jsonl", f"{homes.homes}/*/.claude/projects/**/*.jsonl"]
    homes.write("-p/s.jsonl", b"{}\n")
    code, stats = homes.collector.run()
    assert (code, stats["errors"], stats["files_copied"]) == (1, 1, 1)
    assert "/no/such/place: No such file" in reasons(stats)


def test_what_is_told_of_one_home_is_bounded(homes: Homes) -> None:
    """One user's thousand pipes neither fill the record nor hide another's trouble."""
    homes.write("-p/s.jsonl", b"{}\n", user="aaa")
    for n in range(100):
        os.mkfifo(homes.source(f"-p/{n}.jsonl", user="aaa"))
    homes.write("-p/s.jsonl", b"{}\n", user="zoe")
    os.mkfifo(homes.source("-p/pipe.jsonl", user="zoe"))
    stats = homes.run()
    assert stats["files_refused"] == 101 and len(stats["details"]) == TOLD + 1 and "zoe: " in reasons(stats)
    for n in range(TOLD_OF_ALL):
        (homes.homes / f"link-{n}").symlink_to("aaa")
    stats = homes.run()
    assert stats["users_refused"] == TOLD_OF_ALL and len(stats["details"]) == TOLD_OF_ALL


def test_copies_are_private_to_their_owner_and_group(homes: Homes) -> None:
    """Whatever the source's rights are."""
    homes.write("-p/s.jsonl", b"{}\n").chmod(0o666)
    homes.run()
    for path in homes.sessions.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o027 == 0, path


def test_what_a_crash_left_is_made_good(homes: Homes) -> None:
    """A copy that was begun, and a replacement that never took its place."""
    homes.write("-p/s.jsonl", b'{"a":1}\n{"b":2}\n')
    folder = homes.sessions / "ann/-p"
    folder.mkdir(parents=True)
    (folder / "s.jsonl").write_bytes(b'{"a":1}\n{"')
    (folder / TEMPORARY).write_bytes(b"half of somethi")
    assert done(homes.run())["files_appended"] == 1
    homes.write("-p/s.jsonl", b"rewritten\n")
    assert done(homes.run())["files_replaced"] == 1
    assert homes.copies() == {"ann/-p/s.jsonl": b"rewritten\n"}


DAY = 86_400.0


class Visited:
    """Homes, and a collector at a given time by the organisation's settings of a test."""

    def __init__(self, homes: Homes) -> None:
        self.homes, self.now = homes, time.time()
        self.managed = homes.base / "managed"
        self.collector = Collector(homes.settings, lambda: self.now, self.managed)

    def run(self, **how: bool) -> dict[str, Any]:
        return self.collector.run(**how)[1]

    def seen(self, user: str = "ann") -> Home:
        (home,) = [home for home in self.collector.seen if home.user == user]
        return home

    def setting(self, days: object, name: str = "settings.json", user: str = "ann") -> Path:
        path = self.homes.source(f"../{name}", user)
        path.write_text(json.dumps({"cleanupPeriodDays": days}))
        return path

    def refuse(self, name: str, age: float, user: str = "ann") -> None:
        """A file that is not copied, since it has two names; unchanged for so many days."""
        path = self.homes.write(name, b"{}\n", user)
        os.link(path, path.with_suffix(".second"))
        os.utime(path, (self.now - age * DAY,) * 2)


@pytest.fixture
def visited(homes: Homes) -> Visited:
    homes.write("-p/s.jsonl", b"{}\n")
    return Visited(homes)


def test_each_visit_tells_how_long_transcripts_are_kept(visited: Visited) -> None:
    """By the person's settings, anew at each visit; the organisation's win."""
    visited.run()
    assert visited.seen() == Home(f"{visited.homes.homes}/ann", "ann", visited.now, visited.now, 30.0)
    visited.setting(90)
    visited.run()
    assert visited.seen().days == 90.0
    visited.setting(7, "settings.local.json")
    visited.run()
    assert visited.seen().days == 7.0
    visited.managed.mkdir()
    (visited.managed / "managed-settings.json").write_text('{"cleanupPeriodDays": 365}')
    visited.run()
    assert visited.seen().days == 365.0


def test_settings_that_cannot_be_used_are_named_and_no_error(visited: Visited) -> None:
    """In the run's warnings, and with the home; the default is assumed, and what else there is is copied."""
    visited.setting("ninety")
    visited.managed.mkdir()
    (visited.managed / "managed-settings.json").write_text("{")
    stats = visited.run()
    assert done(stats) == {"files_copied": 1, "bytes_copied": 3, "warnings": stats["warnings"]}
    told = {(one["user"], Path(one["path"]).name): one["reason"] for one in stats["warnings"]}
    assert told.keys() == {("ann", "settings.json"), ("", "managed-settings.json")}
    home = visited.seen()
    assert (home.days, home.visited_at) == (30.0, visited.now)
    assert home.doubt is not None and "ann/.claude/settings.json: cleanupPeriodDays is no number" in home.doubt


def test_files_that_were_not_copied_are_told_when_they_come_near_their_end(visited: Visited) -> None:
    """Copied ones and younger ones are not; how many, and the oldest, by the home's own period."""
    for name, age in (("-p/a.jsonl", 27.5), ("-p/b.jsonl", 29.0), ("-p/c.jsonl", 26.5), ("-q/x/d.jsonl", 400.0)):
        visited.refuse(name, age)
    os.utime(visited.homes.source("-p/s.jsonl"), (visited.now - 29 * DAY,) * 2)
    (visited.homes.source("-p") / "link.jsonl").symlink_to("a.jsonl")
    visited.run()
    home = visited.seen()
    assert (home.files, home.visited_at) == (3, visited.now)
    assert home.oldest_ns == visited.homes.source("-q/x/d.jsonl").stat().st_mtime_ns
    visited.setting(90)
    visited.run()
    assert visited.seen().files == 1
    visited.setting(20)
    visited.run()
    assert visited.seen().files == 4
    visited.now += 71 * DAY
    visited.setting(90)
    visited.run()
    assert visited.seen().files == 4


def test_files_that_nobody_deletes_are_not_told(visited: Visited) -> None:
    """What other programs keep elsewhere in a home is no transcript of Claude Code's."""
    folder = visited.homes.homes / "bob" / "user" / "sessions"
    folder.mkdir(parents=True)
    (folder / "t.jsonl").write_bytes(b"{}\n")
    os.link(folder / "t.jsonl", folder / "u.jsonl")
    os.utime(folder / "t.jsonl", (0, 0))
    (visited.homes.homes / "zoe").mkdir()
    assert visited.run()["files_refused"] == 2
    assert [home.user for home in visited.collector.seen] == ["ann"]
    # What is refused there hinders no visit of what Claude Code deletes.
    (visited.homes.homes / "ann" / "user").symlink_to(folder.parent)
    assert visited.run()["users_refused"] == 1 and visited.seen().visited_at == visited.now


def test_a_visit_that_did_not_come_through_is_none(visited: Visited, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home or folder that is refused or cannot be read, and a fault of ours; one file that cannot be is told."""
    visited.setting(90)
    real = os.open

    def broken(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path in closed:
            raise PermissionError(13, "Permission denied", path)
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", broken)
    os.utime(visited.homes.source("-p/s.jsonl"), (0, 0))
    for part, days in (("ann", None), (".claude", None), ("projects", None), ("-p", 90.0)):
        closed = {part}
        visited.run()
        assert (visited.seen().visited_at, visited.seen().days, visited.seen().files) == (None, days, 0), part
    closed = set()
    visited.homes.source("").rename(visited.homes.base / "projects")
    visited.homes.source("").symlink_to(visited.homes.base / "projects")
    visited.run()
    assert (visited.seen().visited_at, visited.seen().days) == (None, None)
    visited.homes.source("").unlink()
    (visited.homes.base / "projects").rename(visited.homes.source(""))
    closed = {"s.jsonl"}
    visited.run()
    assert (visited.seen().visited_at, visited.seen().files, visited.seen().oldest_ns) == (visited.now, 1, 0)
    closed = set()
    monkeypatch.setattr("watcher.collector.home.retention_of", lambda *_: 1 / 0)
    visited.run()
    assert visited.seen().visited_at is None
    shutil.rmtree(visited.homes.homes / "ann")
    (visited.homes.homes / "ann").symlink_to("/")
    visited.run()
    assert visited.seen().visited_at is None


def test_a_run_that_failed_or_only_told_visited_nobody(visited: Visited) -> None:
    """What the last real one saw stays."""
    visited.run(dry_run=True)
    assert visited.collector.seen == []
    visited.run()
    before = visited.collector.seen
    visited.homes.given["health.min_free_disk"] = "1000TB"
    visited.homes.write("-p/t.jsonl", b"{}\n")
    visited.now += 60.0
    with pytest.raises(CollectionFailed):
        visited.run()
    assert visited.collector.seen is before


def test_homes_whose_folder_cannot_be_listed_may_be_there(visited: Visited) -> None:
    """Those of a folder that can are gone when they are not seen."""
    visited.homes.given["collector.sources"] = [
        f"{visited.homes.homes}/*/.claude/projects/**/*.jsonl", "/no/such/*/.claude/projects/*.jsonl",
    ]  # fmt: skip
    visited.run()
    assert visited.collector.is_kept("/no/such/ann") and not visited.collector.is_kept(f"{visited.homes.homes}/bob")
    assert not visited.collector.is_kept("/no/ann")
