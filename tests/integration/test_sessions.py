"""Session keys, users and the tree."""

from __future__ import annotations

import os
import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from tests.support.listener import until
from watcher.transcripts.sessions import Listing, Looks, NotASession, Tree, key_of, open_session, path_of


def keys(listing: Listing) -> list[str]:
    """The sessions of one look."""
    return [msgspec.json.decode(line)["session_file"] for line in listing.lines.splitlines()]


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (b"alice/p/s.jsonl", "alice/p/s.jsonl"),
        ("zoë/ü.jsonl".encode(), "zoë/ü.jsonl"),
        (b"a/new\nline.jsonl", "a/new%0Aline.jsonl"),
        (b"a/100%.jsonl", "a/100%25.jsonl"),
        (b"a/x:y.jsonl", "a/x%3Ay.jsonl"),
        (b"a/\xff\xfe.jsonl", "a/%FF%FE.jsonl"),
        ("a/\x85.jsonl".encode(), "a/%C2%85.jsonl"),
        (b"a/'\".jsonl", "a/'\".jsonl"),
    ],
)
def test_keys_are_safe_and_reversible(path: bytes, key: str) -> None:
    """Bytes that are not UTF-8, control characters, `%` and `:` are percent-encoded."""
    assert key_of(path) == key
    assert path_of(key) == path
    assert key_of(path, "node-1") == f"node-1:{key}"
    assert path_of(key_of(path, "node-1")) == path


def test_any_path_survives_its_key() -> None:
    """Random bytes: the key is storable text, and gives the path back."""
    rng = random.Random(7)
    for _ in range(3000):
        path = bytes(rng.choice([rng.randrange(1, 256), rng.randrange(32, 127)]) for _ in range(rng.randrange(1, 30)))
        key = key_of(path)
        key.encode("utf-8")
        assert "\x00" not in key and "\n" not in key and ":" not in key
        assert path_of(key) == path


def test_the_tree_holds_regular_files_only(tmp_path: Path) -> None:
    """Links, pipes, sockets and folders named like sessions are none, at any depth."""
    (tmp_path / "alice/deep/er").mkdir(parents=True)
    (tmp_path / "alice/deep/er/s.jsonl").write_bytes(b"{}\n")
    (tmp_path / "alice/s.txt").write_bytes(b"{}\n")
    outside = tmp_path.parent / f"{tmp_path.name}-outside.jsonl"
    outside.write_bytes(b"secret\n")
    (tmp_path / "alice/link.jsonl").symlink_to(outside)
    (tmp_path / "alice/dangling.jsonl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "bob").symlink_to(tmp_path / "alice")
    (tmp_path / "alice/folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "alice/pipe.jsonl")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(tmp_path / "alice")
        listener.bind("socket.jsonl")
        listing = Tree(tmp_path).list()
        assert keys(listing) == ["alice/deep/er/s.jsonl"] and listing.count == 1
        root = os.fsencode(tmp_path)
        for name in (b"link", b"dangling", b"folder", b"pipe", b"socket"):
            with pytest.raises((NotASession, OSError)):
                open_session(root, b"alice/" + name + b".jsonl")
        with pytest.raises(OSError):
            open_session(root, b"bob/deep/er/s.jsonl")
    descriptor = open_session(root, b"alice/deep/er/s.jsonl")
    assert os.read(descriptor, 10) == b"{}\n"
    os.close(descriptor)


def test_whose_session_it_is(tmp_path: Path) -> None:
    """The first folder in a tree of users; the owner in a person's own folder of projects."""
    tree = Tree(tmp_path)
    assert tree.username("alice/p/s.jsonl") == "alice"
    assert Tree(tmp_path, node="n:1").username(key_of(b"alice/s.jsonl", "n:1")) == "alice"
    own = tmp_path / ".claude" / "projects"
    own.mkdir(parents=True)
    assert Tree(own).layout == "projects"
    assert Tree(own).username("-home-x/s.jsonl") == own.owner()
    assert tree.username("loose.jsonl") == tmp_path.owner()


def test_an_unreadable_folder_is_told_not_passed_over(tmp_path: Path) -> None:
    """What cannot be looked into is listed with the reason."""
    if os.geteuid() == 0:
        name = "n" * 250
        deep = tmp_path
        for _ in range(20):  # longer than a path may be: even root cannot list it by name
            os.chdir(deep)
            os.mkdir(name)
            deep = Path(name)  # relative from here on
        listing = Tree(tmp_path).list()
        assert listing.unreadable
        os.chdir("/")
    else:
        (tmp_path / "locked").mkdir()
        (tmp_path / "locked").chmod(0)
        assert "locked" in Tree(tmp_path).list().unreadable[0]
        (tmp_path / "locked").chmod(0o700)


def test_what_lies_elsewhere_is_no_session_of_the_tree(tmp_path: Path) -> None:
    """No key leads out of the sessions folder or to what is no transcript; what cannot be a path is no trouble."""
    root = tmp_path / "sessions"
    (root / "ann").mkdir(parents=True)
    for file in (root / "ann" / "a.jsonl", tmp_path / "outside.jsonl", root / "ann" / "notes.txt"):
        file.write_text("{}\n")
    tree = Tree(root)
    assert tree.signature(b"ann/a.jsonl") is not None
    outside = os.fsencode(tmp_path / "outside.jsonl")
    for path in (
        b"../outside.jsonl", b"ann/../../outside.jsonl", outside, b"/" + outside, b"ann/../ann/a.jsonl",
        b"ann//a.jsonl", b"./ann/a.jsonl", b"ann/notes.txt", b"ann", b"", b"ann/\0.jsonl", b"\xff\xfe.jsonl",
    ):  # fmt: skip
        assert tree.signature(path) is None, path


def test_who_asks_while_a_look_is_owed_shares_it(tmp_path: Path) -> None:
    """One that has begun shows less than what was asked for, and is shared by nobody who comes later."""
    begun, go_on = threading.Event(), threading.Event()
    made: list[int] = []

    def look() -> Listing:
        made.append(len(made))
        if len(made) == 1:
            begun.set()
            assert go_on.wait(60)
        return Tree(tmp_path).list()

    looks = Looks(look)
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(looks)
        assert begun.wait(60)
        (tmp_path / "later.jsonl").write_bytes(b"{}\n")
        later = [pool.submit(looks) for _ in range(4)]
        until(lambda: looks._owed is not None, "the next look to be owed")
        go_on.set()
        assert first.result(60) is not later[0].result(60)
        assert all("later.jsonl" in keys(one.result(60)) for one in later)
    assert len(made) < 5


def test_a_look_that_fails_fails_for_all_who_share_it_and_the_next_is_made(tmp_path: Path) -> None:
    """Nobody waits for ever."""
    failures = [OSError("gone"), None]

    def look() -> Listing:
        if failure := failures.pop(0):
            raise failure
        return Tree(tmp_path).list()

    looks = Looks(look)
    with pytest.raises(OSError, match="gone"):
        looks()
    assert keys(looks()) == []
