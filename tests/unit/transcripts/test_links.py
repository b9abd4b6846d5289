"""Links to project folders: followed in a person's own folder, each place once; elsewhere named, and never followed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support.session_keys import keys
from watcher.transcripts.sessions import Layout, NotASession, Tree, open_session


class Own:
    """A person's own folder of projects, and places elsewhere."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "home" / ".claude" / "projects"
        self.root.mkdir(parents=True)
        self.tree = Tree(self.root)

    def write(self, path: Path, content: bytes = b"{}\n") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def link(self, name: str, target: Path | str, *, at: Path | None = None) -> Path:
        """A link that is younger than all before it."""
        link = (at or self.root) / name
        link.symlink_to(target)
        before = link.lstat().st_ctime_ns
        while True:  # the clock by which files are dated is coarse
            probe = self.base / "probe"
            probe.touch()
            if probe.stat().st_ctime_ns > before:
                return link
            time.sleep(0.001)

    def keys(self) -> list[str]:
        return keys(self.tree.list())

    def read(self, path: str, layout: Layout = "projects") -> bytes:
        descriptor = open_session(os.fsencode(self.root), os.fsencode(path), layout)
        try:
            return os.read(descriptor, 100)
        finally:
            os.close(descriptor)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Own]:
    before = set(os.listdir("/dev/fd"))
    yield Own(tmp_path)
    assert len(set(os.listdir("/dev/fd")) - before) == 0, "a descriptor stayed open"


def test_a_project_that_is_a_link_is_followed(own: Own) -> None:
    """Its sessions have the link's name in their keys, at any depth, and are opened by them; loose ones stay."""
    own.write(own.root / "-here" / "s.jsonl", b"here\n")
    own.write(own.base / "disk" / "p" / "s.jsonl", b"there\n")
    own.write(own.base / "disk" / "p" / "1f" / "subagents" / "agent-1.jsonl", b"deep\n")
    own.write(own.base / "disk" / "p" / "notes.txt")
    own.link("-there", own.base / "disk" / "p")
    listing = own.tree.list()
    assert keys(listing) == ["-here/s.jsonl", "-there/1f/subagents/agent-1.jsonl", "-there/s.jsonl"]
    assert (listing.count, dict(listing.links), listing.unreadable) == (3, {}, [])
    assert own.read("-there/s.jsonl") == b"there\n" and own.read("-here/s.jsonl") == b"here\n"
    assert own.read("-there/1f/subagents/agent-1.jsonl") == b"deep\n"
    assert list(own.tree.lines("-there/s.jsonl")) == [b"there\n"]
    seen = next(line for line in listing.lines.splitlines() if b'"-there/s.jsonl"' in line)
    assert tuple(msgspec.json.decode(seen).values())[1:] == own.tree.signature(b"-there/s.jsonl")


def test_a_relative_link_and_one_by_way_of_links_are_followed(own: Own) -> None:
    """What counts is where it leads."""
    own.write(own.base / "disk" / "p" / "s.jsonl")
    own.link("way", own.base / "disk", at=own.base)
    own.link("-a", "../../../way/p")
    assert own.keys() == ["-a/s.jsonl"] and own.read("-a/s.jsonl") == b"{}\n"


def test_each_place_is_taken_once_by_the_eldest_link(own: Own) -> None:
    """Linked twice, linked from within the root, within another's target or around it: no session has two keys."""
    own.write(own.root / "-real" / "s.jsonl")
    own.write(own.base / "disk" / "p" / "sub" / "s.jsonl")
    own.write(own.base / "disk" / "q.jsonl")
    own.link("-z", own.base / "disk" / "p")
    own.link("-a", own.base / "disk" / "p")  # the same again
    own.link("-b", own.base / "disk" / "p" / "sub")  # within it
    own.link("-c", own.base / "disk")  # around it
    own.link("-d", own.root / "-real")  # within the root
    listing = own.tree.list()
    assert keys(listing) == ["-c/q.jsonl", "-real/s.jsonl", "-z/sub/s.jsonl"]
    assert dict(listing.links) == {} and listing.unknown == ()


@pytest.mark.parametrize("target", [".", "..", "../..", "/"])
def test_a_link_back_to_the_root_or_above_is_named(own: Own, target: str) -> None:
    """It would hold everything twice and never end; nothing is opened by it, and what it was is not called gone."""
    own.write(own.root / "-p" / "s.jsonl")
    own.link("-up", target)
    listing = own.tree.list()
    assert keys(listing) == ["-p/s.jsonl"]
    assert "leads back" in listing.links["-up"] and listing.links_count == 1 and listing.unknown == ("-up/",)
    way = {".": "-p/s.jsonl", "..": "projects/-p/s.jsonl"}.get(target, str(own.root)[1:] + "/-p/s.jsonl")
    with pytest.raises(NotASession, match="leads back"):
        own.read(f"-up/{way}")


def test_links_that_lead_to_no_folder_hold_nothing_up(own: Own) -> None:
    """To itself, to nothing, to a file, to a pipe: no session, and the others are found."""
    own.write(own.root / "-p" / "s.jsonl")
    own.write(own.base / "file.jsonl")
    os.mkfifo(own.base / "pipe")
    own.link("-self", "-self")
    own.link("-nowhere", own.base / "nowhere")
    own.link("-file", own.base / "file.jsonl")
    own.link("-pipe", own.base / "pipe")
    own.link("s.jsonl", own.base / "file.jsonl")
    listing = own.tree.list()
    assert keys(listing) == ["-p/s.jsonl"] and set(listing.links) == {"-self"}
    for name in ("-self/s.jsonl", "-nowhere/s.jsonl", "-file/s.jsonl", "-pipe/s.jsonl", "s.jsonl"):
        with pytest.raises((NotASession, OSError)):
            own.read(name)


def test_one_level_is_followed_and_no_more(own: Own) -> None:
    """A link in a project, also in one that is itself a link, is named and never opened."""
    secret = own.write(own.base / "disk" / "s.jsonl", b"secret\n").parent
    own.write(own.base / "other" / "s.jsonl")
    own.write(own.root / "-p" / "t.jsonl")
    own.link("-l", own.base / "other")
    own.link("deep", secret, at=own.root / "-p")
    own.link("deep", secret, at=own.base / "other")
    own.link("s2.jsonl", secret / "s.jsonl", at=own.base / "other")
    listing = own.tree.list()
    assert keys(listing) == ["-l/s.jsonl", "-p/t.jsonl"] and set(listing.links) == {"-l/deep", "-p/deep"}
    for name in ("-p/deep/s.jsonl", "-l/deep/s.jsonl", "-l/s2.jsonl"):
        with pytest.raises((NotASession, OSError)):
            own.read(name)


def test_in_a_folder_of_users_no_link_is_followed_and_each_is_named(tmp_path: Path) -> None:
    """A user's and a project's; so many by name, and how many there are."""
    root, elsewhere = tmp_path / "sessions", tmp_path / "elsewhere"
    for folder in (root / "ann", elsewhere):
        folder.mkdir(parents=True)
        (folder / "s.jsonl").write_bytes(b"{}\n")
    (root / "bob").symlink_to(elsewhere)
    (root / "ann" / "-p").symlink_to(elsewhere)
    (root / "ann" / "t.jsonl").symlink_to(elsewhere / "s.jsonl")
    (root / "ann" / "latest").symlink_to("s.jsonl")
    listing = Tree(root).list()
    assert keys(listing) == ["ann/s.jsonl"] and set(listing.links) == {"ann/-p", "bob"} and listing.links_count == 2
    for name in (b"bob/s.jsonl", b"ann/-p/s.jsonl"):
        with pytest.raises(OSError):
            open_session(os.fsencode(root), name)
    for n in range(500):
        (root / "ann" / f"l{n}").symlink_to("/")
    listing = Tree(root).list()
    assert listing.links_count == 502 and len(listing.links) == 100


def swap_at_opening(link: Path, target: str, count: int) -> None:
    """Let a link lead elsewhere just before it is opened so many times: after every look, before the kernel's own."""
    left = [count]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and arguments[0] in (os.fsencode(link.name), link.name) and left[0] > 0:
            left[0] -= 1
            if left[0] == 0:
                link.unlink()
                link.symlink_to(target)

    sys.addaudithook(hook)


@pytest.mark.parametrize("count", [1, 2])
def test_a_link_that_is_swapped_while_it_is_opened_leads_nowhere_else(own: Own, count: int) -> None:
    """What is open is judged, not the name: neither a look nor an opening comes to where it is not to come."""
    own.write(own.base / "disk" / "s.jsonl", b"mine\n")
    own.write(own.root / "-p" / "s.jsonl", b"twice\n")
    link = own.link("-swapped-at-looking", own.base / "disk")
    swap_at_opening(link, ".", count)
    listing = own.tree.list()
    assert keys(listing) == ["-p/s.jsonl"] and "leads back" in listing.links[link.name]
    link = own.link("-swapped-at-opening", own.base / "disk")
    swap_at_opening(link, "-p/..", count)
    with pytest.raises(NotASession, match="leads back"):
        own.read("-swapped-at-opening/s.jsonl")


def test_a_link_swapped_during_a_look_changes_nothing_of_what_is_looked_at(own: Own) -> None:
    """What lies below is reached from the folder that was judged."""
    own.write(own.base / "disk" / "sub" / "s.jsonl", b"mine\n")
    own.write(own.base / "other" / "sub" / "secret.jsonl", b"other\n")
    link = own.link("-p", own.base / "disk")
    swapped: list[bool] = []

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and not swapped and str(arguments[0]).rstrip("'").endswith("sub"):
            swapped.append(True)
            link.unlink()
            link.symlink_to(own.base / "other")

    sys.addaudithook(hook)
    assert own.keys() == ["-p/sub/s.jsonl"] and swapped


def test_a_folder_of_roots_is_followed_only_for_who_runs_as_its_reader(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a service reads on behalf of others (as root, or with such rights), a link to root's folders gives nothing.

    Whose a folder is, is told by the system; here it is told otherwise.
    """
    own.write(own.base / "disk" / "s.jsonl")
    own.link("-p", own.base / "disk")
    real, place = os.fstat, (own.base / "disk").stat().st_ino

    def fstat(descriptor: int) -> os.stat_result:
        status = real(descriptor)
        return os.stat_result((*status[:4], 0 if status.st_ino == place else 61001, *status[5:10]), status_of(status))

    def status_of(status: os.stat_result) -> dict[str, int]:
        return {name: getattr(status, name) for name in ("st_mtime_ns", "st_ctime_ns")}

    monkeypatch.setattr(os, "fstat", fstat)
    for euid, found in ((61001, ["-p/s.jsonl"]), (0, []), (61002, [])):
        monkeypatch.setattr(os, "geteuid", lambda euid=euid: euid)
        listing = own.tree.list()
        assert keys(listing) == found, euid
        assert found or "uid 0" in listing.links["-p"]
