"""The observer knows when it does not hear, says so, and begins anew."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from watchdog.events import FileSystemEventHandler

from tests.support.listener import Listener, listening, until
from watcher.watch import watch_session
from watcher.watch.backend import Kind, Listening, listen
from watcher.watch.cookie import Cookie
from watcher.watch.observer import Observer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "sessions"
    path.mkdir()
    return path


def test_a_sweep_that_could_not_be_asked_for_is_asked_for_again(root: Path) -> None:
    """A debt is not forgotten because nobody answered."""
    heard = Listener(root / "missing")
    answers = [RuntimeError("not now"), RuntimeError("nor now")]

    def owe(reason: str) -> None:
        if answers:
            raise answers.pop()
        heard.owe(reason)

    observer = Observer(heard.root, heard.offer, owe)
    observer.step(0.0)
    observer.step(1.0)
    assert heard.reasons == []
    observer.step(2.0)
    assert len(heard.reasons) == 1 and "missing" in heard.reasons[0]
    assert observer.close(5.0)


def hears_nothing(
    root: str, handler: FileSystemEventHandler, kind: Kind, poll_interval: float, overflowed: Callable[[], None]
) -> Listening:
    """Listens like the real one, and tells nobody."""
    return listen(root, FileSystemEventHandler(), kind, poll_interval, overflowed)


@pytest.mark.parametrize(("kind", "limit"), [("native", 5.0), ("polling", 5.0 + 2 * 7.0)])
def test_a_cookie_that_does_not_come_back_ends_the_spell(
    root: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind, limit: float
) -> None:
    """All threads live and nothing is heard: it listens anew, and owes a sweep once it does."""
    heard = Listener(root, kind, poll_interval=7.0)
    with monkeypatch.context() as patch:
        patch.setattr(watch_session, "listen", hears_nothing)
        heard.observer.step(0.0)
        assert heard.state == "starting"
        heard.observer.step(limit)
        assert heard.observer.health().rebuilds == 0 and not any("anew" in reason for reason in heard.reasons)
    heard.observer.step(limit + 0.1)
    health = heard.observer.health()
    assert (health.state, health.rebuilds) == ("deaf", 1) and "cookie" in health.reason
    assert any("anew" in reason and "cookie" in reason for reason in heard.reasons)
    if kind == "native":
        (root / "a.jsonl").touch()
        until(lambda: b"a.jsonl" in heard.paths, "events flow again")
        until(lambda: heard.observer.step(limit + 0.2) and heard.state == "ok", "it knows that it hears")
    assert heard.observer.close(5.0)


def test_the_cookie_is_sent_again_and_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hearing once proves nothing for later: each interval asks anew."""
    heard = Listener(root, cookie_interval=30.0)
    heard.step(0.0)
    heard.step(1.0)
    assert heard.state == "ok", "the first cookie is back"
    monkeypatch.setattr(heard.observer._hearing.ear, "muted", True)  # type: ignore[union-attr]
    heard.observer.step(29.0)
    heard.observer.step(30.0)
    assert heard.state == "ok"
    heard.observer.step(35.1)
    assert heard.observer.health().rebuilds == 1
    assert heard.observer.close(5.0)


def test_a_root_that_cannot_be_written_is_partial(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a cookie hearing cannot be proven: said, and swept at the cookie's pace."""

    def refuse(self: Cookie) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Cookie, "write", refuse)
    heard = Listener(root, poll_interval=5.0, cookie_interval=30.0)
    for second in range(100):
        heard.observer.step(float(second))
        if second:
            assert heard.state == "partial"
    reason = heard.observer.health().reason
    assert "Read-only file system" in reason and "ReadWritePaths=" in reason
    assert heard.observer.health().rebuilds == 0
    assert 3 <= len(heard.owed) <= 4, "every 30 s of 100 s"
    (root / "a.jsonl").touch()
    until(lambda: b"a.jsonl" in heard.paths, "events flow all the same")
    monkeypatch.undo()
    until(lambda: heard.observer.step(131.0) and heard.state == "ok", "it is well once it can write")
    assert heard.observer.close(5.0)


def test_a_missing_root_is_deaf_and_waited_for(root: Path) -> None:
    """Starting does not fail; a sweep is owed once for the loss and once for the return."""
    heard = Listener(root / "later")
    heard.observer.step(0.0)
    for second in range(1, 60):
        assert heard.observer.step(float(second)) <= 1.0
    assert heard.state == "deaf" and "later" in heard.observer.health().reason
    assert len(heard.owed) == 1
    heard.root.mkdir()
    heard.observer.step(60.0)
    assert len(heard.owed) == 2
    heard.fence()
    until(lambda: heard.observer.step(60.5) and heard.state == "ok", "it is well")
    assert len(heard.owed) == 2
    assert heard.observer.close(5.0)


@pytest.mark.parametrize("change", ["replaced", "link re-pointed"])
def test_another_directory_under_the_roots_name_is_noticed(root: Path, tmp_path: Path, change: str) -> None:
    """The old directory's watches say nothing of the new one."""
    name = root
    if change == "link re-pointed":
        name = tmp_path / "link"
        name.symlink_to(root)
    heard = Listener(name)
    heard.step(0.0)
    heard.step(1.0)
    assert heard.state == "ok"
    if change == "replaced":
        root.rename(tmp_path / "old")
        root.mkdir()
    else:
        (tmp_path / "new").mkdir()
        (tmp_path / "link.tmp").symlink_to(tmp_path / "new")
        (tmp_path / "link.tmp").rename(name)
    heard.observer.step(2.0)
    assert heard.observer.health().rebuilds == 1 and heard.reasons
    heard.fence()
    heard.step(2.5)
    heard.step(3.0)
    assert heard.state == "ok", "it is well again"
    assert heard.observer.close(5.0)


def test_overflows_are_answered_slower_and_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One overflow is a new spell; several in a short time are partial, swept, and no livelock."""
    told: list[Callable[[], None]] = []

    def remember(
        root: str, handler: FileSystemEventHandler, kind: Kind, poll_interval: float, overflowed: Callable[[], None]
    ) -> Listening:
        told.append(overflowed)
        return listen(root, handler, kind, poll_interval, overflowed)

    monkeypatch.setattr(watch_session, "listen", remember)
    heard = Listener(root)
    now = 0.0
    heard.observer.step(now)
    while now < 60.0:
        told[-1]()  # each spell is drowned at once
        now += 0.5
        heard.observer.step(now)
        assert heard.state in (("partial",) if len(told) > 3 else ("deaf", "partial", "starting"))
    assert heard.state == "partial" and "max_queued_events" in heard.observer.health().reason
    assert len(told) <= 12, "it does not spend its time on beginning anew"
    times = [at for at, _ in heard.owed]
    assert len(times) >= 60 / 5
    heard.step(now + 15.0)
    heard.step(now + 16.0)
    assert heard.state == "partial", "it may happen again"
    heard.step(now + 61.0)
    assert heard.state == "ok", "it is calm"
    assert heard.observer.close(5.0)


def test_an_overflow_is_heard_from_watchdogs_log(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but a log line tells of it, and only that of our own reader counts."""
    import logging

    with listening(root) as heard:
        logger = logging.getLogger("watchdog.observers.inotify_c")
        logger.warning("Inotify queue overflowed; filesystem events were lost")  # somebody else's
        heard.fence()
        assert heard.observer.health().rebuilds == 0
        reader = next(thread for thread in threading.enumerate() if type(thread).__name__ == "InotifyFD")
        handle = reader.handle_event  # type: ignore[attr-defined]

        def overflow(event: object) -> None:
            monkeypatch.undo()
            logger.warning("Inotify queue overflowed; filesystem events were lost")
            handle(event)

        monkeypatch.setattr(reader, "handle_event", overflow)
        (root / "a.jsonl").touch()
        until(lambda: heard.observer.health().rebuilds == 1, "the overflow is noticed")
        until(lambda: any("overflow" in reason for reason in heard.reasons), "a sweep is owed")
        heard.until_ok()
        heard.fence()


def test_directories_without_a_watch_are_counted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """watchdog says nothing when it cannot watch a directory: partial, with numbers and the setting's name."""
    for name in "abc":
        (root / name).mkdir()
    heard = Listener(root, poll_interval=5.0, cookie_interval=10.0)
    monkeypatch.setattr(Listening, "watches", lambda self: 2)
    heard.step(0.0)
    heard.step(0.5)
    assert heard.state == "ok", "one look is not enough to say so"
    heard.step(1.0)
    health = heard.observer.health()
    assert health.state == "partial" and (health.watches, health.directories) == (2, 4)
    assert "2 of 4" in health.reason and "fs.inotify.max_user_watches" in health.reason
    for second in range(2, 32):
        heard.step(float(second))
        assert heard.state == "partial"
    assert 5 <= len(heard.owed) <= 12
    assert 1 <= heard.observer.health().rebuilds <= 3, "it is tried again at the cookie's pace"
    monkeypatch.undo()
    heard.step(45.0)
    heard.step(46.0)
    assert heard.state == "ok", "it is whole again"
    assert heard.observer.close(5.0)


def test_failing_again_and_again_is_slowed_down_and_swept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without watches is deaf, says why, is tried again, and nothing waits longer than 10 s."""
    attempts: list[float] = []
    now = 0.0

    def refuse(*_: object) -> Listening:
        attempts.append(now)
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(watch_session, "listen", refuse)
    heard = Listener(root, poll_interval=60.0)
    while now <= 100.0:
        heard.observer.step(now)
        now += 1.0
    assert heard.state == "deaf" and "fs.inotify.max_user_watches" in heard.observer.health().reason
    assert attempts == [0.0, 60.0]
    assert len(heard.owed) == 10
    monkeypatch.undo()
    heard.observer.step(121.0)
    heard.fence()
    assert heard.observer.close(5.0)


def test_a_fault_in_a_step_is_said_and_survived(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervising thread does not die of its own faults."""
    heard = Listener(root)
    with monkeypatch.context() as patch:
        patch.setattr("watcher.watch.observer.mounts.file_system", lambda path: 1 / 0)
        heard.observer.start()
        until(lambda: heard.reasons, "a sweep is owed")
        assert heard.state == "deaf" and "ZeroDivisionError" in heard.observer.health().reason
    heard.until_ok()
    heard.fence()
    assert heard.observer.close(5.0)


def test_a_dead_supervisor_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that ended without being told to is not a graceful end."""
    heard = Listener(root)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    monkeypatch.setattr(heard.observer, "step", lambda now: sys.exit(1))
    heard.observer._began.set()
    heard.observer.start()
    until(lambda: "has died" in heard.observer.health().reason, "its death is named")
    assert heard.state == "deaf"
    assert heard.observer.close(5.0)


def test_nothing_leaks(root: Path) -> None:
    """Thirty lives leave no thread and no descriptor behind."""

    def live() -> None:
        with listening(root) as heard:
            heard.fence()

    live()
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for _ in range(30):
        live()
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == files


def test_closing_is_idempotent_and_final(root: Path) -> None:
    """A second close says the same; nothing is offered after the first."""
    heard = Listener(root).start()
    assert heard.observer.close(5.0)
    assert heard.observer.close(5.0)
    heard.offered.clear()
    (root / "a.jsonl").touch()
    assert heard.state == "deaf" and heard.paths == set()
    never = Listener(root)
    assert never.observer.close(5.0)


def test_close_names_who_is_late(root: Path) -> None:
    """A handler that hangs is not waited for: False, and the log says who it is."""
    heard = Listener(root)
    release, hangs = threading.Event(), threading.Event()

    def hang(path: bytes) -> None:
        hangs.set()
        release.wait()

    heard.observer = Observer(root, hang, heard.owe, kind="native")
    heard.observer.start()
    (root / "a.jsonl").touch()
    assert hangs.wait(10.0)
    with structlog.testing.capture_logs() as logs:
        assert not heard.observer.close(0.5)
    late = [entry for entry in logs if "late" in entry["event"]]
    assert late and late[0]["threads"]
    release.set()
    until(lambda: heard.observer.close(5.0), "it ends when the handler does")


@pytest.mark.parametrize(("system", "kind"), [("nfs4", "polling"), ("fuse.sshfs", "polling"), ("ext4", "native")])
def test_auto_polls_where_the_network_tells_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, system: str, kind: str
) -> None:
    """On a network file system others write without an event here."""
    monkeypatch.setattr("watcher.watch.observer.mounts.file_system", lambda path: system)
    with listening(root, "auto", poll_interval=0.1) as heard:
        assert heard.observer.health().kind == kind
        heard.fence()


def test_watches_that_are_gone_are_noticed_at_once(root: Path) -> None:
    """Threads that live over a descriptor without a watch hear nothing."""
    from watchdog.observers.inotify_c import inotify_rm_watch

    with listening(root) as heard:
        reader = next(thread for thread in threading.enumerate() if type(thread).__name__ == "InotifyFD")
        for watch in list(reader._watch_for_wd):  # type: ignore[attr-defined]
            inotify_rm_watch(reader._inotify_fd, watch)  # type: ignore[attr-defined]
        until(lambda: heard.observer.health().rebuilds == 1, "it begins anew")
        until(lambda: heard.reasons, "a sweep is owed")
        heard.until_ok()
        heard.fence()


def test_directories_that_are_renamed_while_they_are_made(root: Path) -> None:
    """watchdog leaves some of them without a watch: they are counted, swept, and watched within 10 s."""
    with listening(root) as heard:
        for number in range(50):
            made = root / "a" / "b" / str(number)
            (made / "d" / "e").mkdir(parents=True)
            made.rename(root / "a" / f"m{number}")
        since = time.monotonic()
        paths = {f"a/m{number}/d/e/x.jsonl".encode() for number in range(50)}
        for path in paths:
            (root / os.fsdecode(path)).touch()
        until(lambda: paths <= heard.paths or any(at > since for at, _ in tuple(heard.owed)), "known within 10 s", 10.0)

        def all_are_heard() -> bool:
            heard.offered.clear()
            for path in paths:
                (root / os.fsdecode(path)).write_text("{}\n")
            # What is written while it begins anew is swept, and not heard.
            return heard.hears() and paths <= heard.paths

        until(all_are_heard, "all of them are watched", 20.0)
