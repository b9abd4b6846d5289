"""What the observer offers: every change of a session file, and nothing else."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.support.listener import Listener, listening, until
from watcher.watch import watch_session
from watcher.watch.observer import Observer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "sessions"
    path.mkdir()
    return path


@pytest.fixture
def heard(root: Path) -> Iterator[Listener]:
    with listening(root) as listener:
        yield listener


def test_a_new_file_is_offered(heard: Listener) -> None:
    """Creation is offered, before anything is written."""
    os.close(os.open(heard.root / "a.jsonl", os.O_CREAT | os.O_RDONLY))
    until(lambda: heard.paths == {b"a.jsonl"}, "the new file is offered")


def test_a_write_is_offered_while_the_writer_holds_the_file_open(heard: Listener) -> None:
    """A writer that never closes its file is heard."""
    with (heard.root / "a.jsonl").open("w") as file:
        heard.forget()
        file.write("{}\n")
        file.flush()
        until(lambda: b"a.jsonl" in heard.paths, "the write is offered")


def test_a_close_is_offered(heard: Listener) -> None:
    """The end of a writer is heard by itself: what it wrote through a mapping is there by then."""
    with (heard.root / "a.jsonl").open("w"):
        heard.forget()
    until(lambda: b"a.jsonl" in heard.paths, "the close is offered")


def test_a_rename_offers_both_names(heard: Listener) -> None:
    """The old name is gone, the new one is there: both sessions changed."""
    (heard.root / "a.jsonl").touch()
    heard.forget()
    (heard.root / "a.jsonl").rename(heard.root / "b.jsonl")
    until(lambda: {b"a.jsonl", b"b.jsonl"} <= heard.paths, "both names are offered")


def test_an_atomic_replace_offers_the_final_name(heard: Listener) -> None:
    """A file that is put in place under a name of another kind is heard under its final name."""
    (heard.root / "a.jsonl.tmp").write_text("{}\n")
    heard.forget()
    (heard.root / "a.jsonl.tmp").rename(heard.root / "a.jsonl")
    until(lambda: b"a.jsonl" in heard.paths, "the final name is offered")


def test_a_deletion_is_offered(heard: Listener) -> None:
    """A session that goes has changed."""
    (heard.root / "a.jsonl").touch()
    heard.forget()
    (heard.root / "a.jsonl").unlink()
    until(lambda: b"a.jsonl" in heard.paths, "the deletion is offered")


def test_a_file_moved_in_or_out_is_offered(heard: Listener, tmp_path: Path) -> None:
    """Only one half of such a move is seen, and it is enough."""
    (tmp_path / "a.jsonl").write_text("{}\n")
    (tmp_path / "a.jsonl").rename(heard.root / "a.jsonl")
    until(lambda: b"a.jsonl" in heard.paths, "the file that came is offered")
    heard.forget()
    (heard.root / "a.jsonl").rename(tmp_path / "a.jsonl")
    until(lambda: b"a.jsonl" in heard.paths, "the file that went is offered")


@pytest.mark.parametrize("name", [b"\xff\xfe.jsonl", b"two\nlines.jsonl", b"50%:a b'\".jsonl", "häß.jsonl".encode()])
def test_strange_names_are_offered_as_they_are(heard: Listener, name: bytes) -> None:
    """A name is bytes: what is no text, and newlines, come through."""
    folder = os.path.join(os.fsencode(heard.root), b"d\xff\n")
    os.mkdir(folder)
    os.close(os.open(os.path.join(folder, name), os.O_CREAT | os.O_WRONLY))
    until(lambda: b"d\xff\n/" + name in heard.paths, "the strange name is offered")


def test_nothing_but_sessions_is_offered(heard: Listener) -> None:
    """Other files, directories and the cookie are nobody's business."""
    (heard.root / "notes.txt").write_text("x")
    (heard.root / "d.jsonl.gz").write_text("x")
    (heard.root / "folder").mkdir()
    heard.fence()
    assert heard.paths == {b"fence-1.jsonl"}


def test_a_full_directory_that_is_moved_in_is_offered_whole(heard: Listener, tmp_path: Path) -> None:
    """What was written before the directory came was heard by nobody; links are not followed."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "far.jsonl").touch()
    coming = tmp_path / "coming"
    (coming / "deep" / "deeper").mkdir(parents=True)
    for at in ("a.jsonl", "deep/b.jsonl", "deep/deeper/c.jsonl", "deep/no.txt"):
        (coming / at).touch()
    (coming / "link").symlink_to(elsewhere)
    coming.rename(heard.root / "came")
    expected = {b"came/a.jsonl", b"came/deep/b.jsonl", b"came/deep/deeper/c.jsonl"}
    until(lambda: expected <= heard.paths, "all that came is offered")
    heard.fence()
    assert heard.paths - {b"fence-1.jsonl"} == expected


def test_the_supervisor_lists_what_came_by_itself(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new directory's files are offered even where watchdog tells of the directory alone."""
    (root / "d" / "e").mkdir(parents=True)
    (root / "d" / "e" / "a.jsonl").touch()
    seen = Listener(root)
    seen.observer.step(0.0)
    seen.observer._hearing.ear._directories.update({b"d", b"d/e"})  # type: ignore[union-attr]
    assert seen.observer.step(1.0) == pytest.approx(watch_session.SETTLING)
    assert seen.paths == set()
    seen.observer.step(1.0 + watch_session.SETTLING)
    assert [path for _, path in seen.offered] == [b"d/e/a.jsonl"], "offered, and listed once only"
    assert seen.observer.close(5.0)


@pytest.mark.parametrize("way", ["removed", "moved out", "moved within"])
def test_a_directory_that_goes_owes_a_sweep(heard: Listener, tmp_path: Path, way: str) -> None:
    """Its files went without an event each."""
    folder = heard.root / "d"
    folder.mkdir()
    (folder / "a.jsonl").touch()
    heard.forget()
    if way == "removed":
        (folder / "a.jsonl").unlink()
        folder.rmdir()
    else:
        folder.rename((tmp_path if way == "moved out" else heard.root) / "went")
    until(lambda: heard.reasons, "a sweep is owed")
    if way == "moved within":
        until(lambda: b"went/a.jsonl" in heard.paths, "its files are offered under their new names")


def test_an_exception_stays_inside_and_owes_a_sweep(root: Path) -> None:
    """A fault of whoever is told neither kills watchdog's thread nor goes unsaid."""
    heard = Listener(root)
    faulty = threading.Event()
    faulty.set()

    def offer(path: bytes) -> None:
        if faulty.is_set():
            raise ValueError("no room")
        heard.offer(path)

    heard.observer = Observer(root, offer, heard.owe, kind="native")
    with structlog.testing.capture_logs() as logs:
        heard.start()
        (root / "a.jsonl").touch()
        until(lambda: heard.reasons, "a sweep is owed for the event that was dropped")
        assert "no room" in heard.reasons[0]
        faulty.clear()
        heard.fence()
    assert any(entry["log_level"] == "error" and "no room" in str(entry.get("exc_info")) for entry in logs)
    assert heard.state == "ok" and heard.observer.health().rebuilds == 0
    assert heard.observer.close(5.0)


def test_a_root_below_a_link_is_heard(root: Path, tmp_path: Path) -> None:
    """The root may be a link; what lies right below it is heard too."""
    (tmp_path / "link").symlink_to(root)
    with listening(tmp_path / "link") as heard:
        heard.fence()


def test_polling_hears_too(root: Path) -> None:
    """Where the kernel tells nothing, the tree is compared."""
    (root / "old.jsonl").write_text("{}\n")
    with listening(root, "polling", poll_interval=0.1, cookie_interval=0.2) as heard:
        health = heard.observer.health()
        assert (health.kind, health.watches) == ("polling", None)
        heard.fence()
        with (root / "old.jsonl").open("a") as file:
            file.write("{}\n")
        until(lambda: b"old.jsonl" in heard.paths, "an append is offered")
        (root / "d").mkdir()
        (root / "d" / "new.jsonl").touch()
        until(lambda: b"d/new.jsonl" in heard.paths, "a new file in a new directory is offered")
        (root / "old.jsonl").unlink()
        heard.forget()
        (root / "d" / "new.jsonl").rename(root / "moved.jsonl")
        until(lambda: {b"d/new.jsonl", b"moved.jsonl"} <= heard.paths, "both names are offered")
        assert heard.observer.health().rebuilds == 0
