"""The observer made deaf in every way that is known, on the real kernel.

Each time its health must name the trouble while it lasts, or it must have begun anew;
within 10 s a sweep is owed or the change offered; and then events flow again.
"""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.elsewhere import served
from tests.faults.kernel import kernel, lowered, mount, mounted, unmount, watches_in_use
from tests.support.listener import Listener, listening, until

pytestmark = [
    pytest.mark.faults,
    # Threads of watchdog die here, as they are meant to.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


@pytest.fixture(autouse=True, scope="module")
def as_root() -> None:
    """These tests change kernel settings and mount: they fail, and are not skipped, where that is not allowed."""
    if os.geteuid() != 0:
        pytest.fail("these tests change kernel settings and mount file systems: run them as root", pytrace=False)


@pytest.fixture
def untouched() -> Iterator[None]:
    """Kernel settings that nobody lowers meanwhile."""
    with kernel(alone=False):
        yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "sessions"
    path.mkdir()
    return path


def flows_natively(heard: Listener) -> None:
    """It is well again, and offers what is written, from new directories too."""

    def flows() -> bool:
        # What is written while it begins anew, for the better, is for the sweep: then it is tried again.
        if heard.state != "ok" or not heard.hears():
            return False
        folder = heard.root / f"new-{heard.fences}"
        folder.mkdir()
        if not heard.hears():
            return False
        (folder / "a.jsonl").write_text("{}\n")
        return heard.hears() and os.fsencode(folder.name) + b"/a.jsonl" in heard.paths

    until(flows, "it is well and hears", 30.0)
    assert heard.observer.health().kind == "native"
    heard.forget()


def change(heard: Listener, name: str = "change.jsonl") -> None:
    """A session file changes now; within 10 s that must be known."""
    since = time.monotonic()
    with (heard.root / name).open("a") as file:
        file.write("{}\n")
    heard.swept_or_offered(os.fsencode(name), since)


def watchdog_thread(kind: str) -> threading.Thread:
    return next(thread for thread in threading.enumerate() if type(thread).__name__ == kind)


@pytest.mark.usefixtures("untouched")
def test_a_reader_killed_by_a_directory_that_moved_out(root: Path, tmp_path: Path) -> None:
    """Moved out, its name made and removed again, the moved one deleted: the reader dies of its own table."""
    with listening(root) as heard:
        reader = watchdog_thread("InotifyFD")
        folder = root / "d"
        folder.mkdir()
        heard.forget()
        folder.rename(tmp_path / "out")
        folder.mkdir()
        heard.fence()
        folder.rmdir()
        heard.fence()
        since = time.monotonic()
        (tmp_path / "out").rmdir()
        until(lambda: not reader.is_alive(), "the reader dies, as it is known to")
        change(heard)
        until(lambda: heard.observer.health().rebuilds == 1, "it begins anew", 10.0)
        heard.swept_or_offered(b"", since)
        assert any("InotifyFD" in reason for reason in heard.reasons)
        flows_natively(heard)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("seed", [11, 12, 13, None])
def test_directories_moved_about_at_random(root: Path, tmp_path: Path, seed: int | None) -> None:
    """However directories come and go, it hears at the end, and nothing waited for longer than 10 s."""
    seed = random.randrange(1 << 32) if seed is None else seed
    print(f"seed {seed}")
    dice = random.Random(seed)
    out = tmp_path / "out"
    out.mkdir()
    with listening(root) as heard:
        began = time.monotonic()
        moves = 0
        while time.monotonic() - began < 3.0:
            name = dice.choice("abcd")
            inside, outside = root / name, out / name
            match dice.randrange(5):
                case 0:
                    (inside / "deep").mkdir(parents=True, exist_ok=True)
                case 1 if inside.exists():
                    shutil.rmtree(inside)
                case 2 if inside.exists() and not outside.exists():
                    inside.rename(outside)
                    moves += 1
                case 3 if outside.exists() and not inside.exists() and dice.random() < 0.3:
                    outside.rename(inside)
                case 4 if outside.exists():
                    shutil.rmtree(outside)
            time.sleep(dice.choice((0.0, 0.0, 0.001, 0.01)))
        assert moves > 10, "the history was one of moves"
        change(heard)
        flows_natively(heard)
        print(f"{moves} moves, {heard.observer.health().rebuilds} new beginnings")


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("kind", ["InotifyFD", "InotifyEmitter", "InotifyObserver"])
def test_a_thread_of_watchdog_is_killed(root: Path, kind: str) -> None:
    """Reader, sorter and teller: whichever dies, it is noticed, and the dead one's descriptors are closed."""
    with listening(root) as heard:
        heard.forget()
        descriptors = len(os.listdir("/proc/self/fd"))
        victim = watchdog_thread(kind)
        queue = victim._inotify._move_event_grouper._queue if kind == "InotifyEmitter" else None  # type: ignore[attr-defined]
        kill = ctypes.pythonapi.PyThreadState_SetAsyncExc
        assert kill(ctypes.c_ulong(victim.ident or 0), ctypes.py_object(SystemExit)) == 1
        (root / "nudge.jsonl").touch()  # it dies when it next runs
        until(lambda: not victim.is_alive(), "the thread dies")
        change(heard)
        until(lambda: any(kind in reason for reason in heard.reasons), "a sweep is owed for it", 10.0)
        assert heard.observer.health().rebuilds == 1
        flows_natively(heard)
        if queue is not None:
            queue._lock.release()  # the emitter died with it, and the reader and its undoing wait for it
        until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors, "nothing is left open")


def test_the_kernels_queue_overflows_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was dropped is swept, and it goes on with a new queue."""
    monkeypatch.setattr("watcher.watch.observer.SHORT_TIME", 6.0)
    with lowered("fs.inotify.max_queued_events", 16), listening(root) as heard:
        since = time.monotonic()
        overflow(heard, 1)
        assert heard.observer.health().rebuilds >= 1
        heard.swept_or_offered(b"", since)
        until(lambda: any("overflow" in reason for reason in heard.reasons), "the sweep's reason is named")
        flows_natively(heard)


def test_the_kernels_queue_overflows_again_and_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not spend its time on beginning anew: partial and swept until it is calm."""
    monkeypatch.setattr("watcher.watch.observer.SHORT_TIME", 6.0)
    with lowered("fs.inotify.max_queued_events", 16), listening(root, poll_interval=0.5) as heard:
        overflow(heard, 3)
        until(lambda: heard.state == "partial", "it is partial")
        assert "fs.inotify.max_queued_events = 16" in heard.observer.health().reason
        heard.owed.clear()
        change(heard)
        until(lambda: heard.reasons, "sweeps are owed meanwhile", 10.0)
        flows_natively(heard)


def overflow(heard: Listener, times: int) -> None:
    """Change files faster than anyone can read of it, until it was noticed that often."""
    before = heard.observer.health().rebuilds
    names = [os.path.join(heard.root, f"burst-{number}.jsonl") for number in range(500)]

    def burst() -> bool:
        for name in names:
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC))
            os.unlink(name)
        return heard.observer.health().rebuilds >= before + times

    until(burst, f"the queue overflows {times} times", 60.0)


def test_no_watch_is_left_for_the_root(root: Path) -> None:
    """Deaf, with the setting's name; swept; and native again when there are watches."""
    heard = Listener(root)
    try:
        with lowered("fs.inotify.max_user_watches", 0):
            heard.observer.start()
            health = heard.observer.health()
            assert health.state == "deaf" and "fs.inotify.max_user_watches" in health.reason
            change(heard)
        with kernel(alone=False):
            flows_natively(heard)
    finally:
        assert heard.observer.close(10.0)


def test_no_watch_is_left_for_some_directories(root: Path) -> None:
    """watchdog says nothing; the numbers and the setting are named, it is swept, and whole again later."""
    names = [f"d{number:03}" for number in range(400)]
    for name in names:
        (root / name).mkdir()
    heard = Listener(root, poll_interval=2.0, cookie_interval=2.0)
    try:
        with lowered("fs.inotify.max_user_watches", watches_in_use() + 200):
            heard.observer.start()
            until(lambda: heard.state == "partial", "it is partial", 10.0)
            health = heard.observer.health()
            assert (
                "fs.inotify.max_user_watches" in health.reason and f"{health.directories} directories" in health.reason
            )
            assert (health.watches or 0) < (health.directories or 0) == 401
            heard.owed.clear()
            for name in (names[0], names[-1]):
                change(heard, f"{name}/change.jsonl")
            until(lambda: heard.reasons, "sweeps are owed meanwhile", 10.0)
        with kernel(alone=False):
            heard.until_ok()
            heard.forget()
            for name in names:
                (root / name / "later.jsonl").touch()
            until(lambda: {os.fsencode(name) + b"/later.jsonl" for name in names} <= heard.paths, "all are heard")
            assert heard.observer.health().watches == 401
            flows_natively(heard)
    finally:
        assert heard.observer.close(10.0)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("way", ["deleted", "renamed away"])
@pytest.mark.parametrize("pause", ["noticed", "at once"])
def test_the_root_goes_and_is_made_again(root: Path, tmp_path: Path, way: str, pause: str) -> None:
    """Missed or not, the new directory is heard, and what was written first is swept or offered."""
    (root / "d").mkdir()
    with listening(root) as heard:
        for number in range(3):
            heard.forget()
            before = heard.observer.health().rebuilds
            if way == "deleted":
                shutil.rmtree(root)
            else:
                root.rename(tmp_path / f"away-{number}")
            if pause == "noticed":
                until(lambda: heard.state == "deaf", "it is deaf while the root is missing", 10.0)
                assert str(root) in heard.observer.health().reason
                until(lambda: heard.reasons, "a sweep is owed for the loss", 10.0)
            root.mkdir()
            change(heard, f"change-{number}.jsonl")
            until(lambda: heard.observer.health().rebuilds > before, "it begins anew", 10.0)  # noqa: B023
            flows_natively(heard)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("pause", ["noticed", "at once"])
def test_the_roots_file_system_is_unmounted_and_mounted_again(root: Path, pause: str) -> None:
    """Unmounted, mounted, mounted over: each is another directory, even where its numbers are the same."""
    with mounted(root), listening(root) as heard:
        for number in range(3):
            heard.forget()
            before = heard.observer.health().rebuilds
            unmount(root)
            if pause == "noticed":
                until(lambda: heard.observer.health().rebuilds > before, "it begins anew", 10.0)  # noqa: B023
                flows_natively(heard)
                before = heard.observer.health().rebuilds
            mount(root)
            change(heard, f"change-{number}.jsonl")
            until(lambda: heard.observer.health().rebuilds > before, "it begins anew", 10.0)  # noqa: B023
            flows_natively(heard)
        mount(root)
        change(heard)
        flows_natively(heard)


@pytest.mark.usefixtures("untouched")
def test_a_root_that_becomes_read_only(root: Path) -> None:
    """No cookie can be written: partial, with a sentence, until it can."""
    with mounted(root), listening(root, cookie_interval=0.5) as heard:
        subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True, timeout=30)
        until(lambda: heard.state == "partial", "it is partial", 10.0)
        assert "Read-only" in heard.observer.health().reason
        until(lambda: heard.reasons, "a sweep is owed", 10.0)
        assert heard.observer.health().rebuilds == 0
        subprocess.run(["mount", "-o", "remount,rw", str(root)], check=True, timeout=30)
        flows_natively(heard)


@pytest.mark.usefixtures("untouched")
def test_warnings_that_are_errors(root: Path) -> None:
    """Under -W error nothing dies of a warning, and nothing prints watchdog's tables."""
    script = """
        import os, shutil, sys
        from pathlib import Path
        from tests.support.listener import listening
        root = Path(sys.argv[1])
        with listening(root) as heard:
            for number in range(100):
                (root / "a" / "b" / "c" / str(number) / "d" / "e" / "f").mkdir(parents=True)
                (root / "a" / "b" / "c" / str(number)).rename(root / "a" / f"m{number}")
            heard.fence()
            died = [reason for reason in heard.reasons if "died" in reason or "cookie" in reason]
            assert heard.state == "ok" and not died, died
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script), str(root)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Warning" not in done.stderr and len(done.stderr) < 10_000


def test_what_another_machine_writes_is_found(root: Path, tmp_path: Path) -> None:
    """By ``auto``, though no event tells of it: where others serve the folder it is polled."""
    (tmp_path / "behind").mkdir()
    with served(tmp_path / "behind", root), listening(root, "auto", poll_interval=0.1) as heard:
        assert heard.observer.health().kind == "polling"
        (tmp_path / "behind" / "ann").mkdir()
        for text in ("{}\n", "{}\n{}\n"):
            (tmp_path / "behind" / "ann" / "a.jsonl").write_text(text)
            until(lambda: b"ann/a.jsonl" in heard.paths, "it is offered")
            heard.forget()
        assert heard.state == "ok"


def test_events_come_in_a_containers_file_system(root: Path, tmp_path: Path) -> None:
    """An overlay tells of what is written through it, into files of the image too: it is not polled."""
    layers = tmp_path / "layers"
    layers.mkdir()
    with mounted(layers):
        for name in ("image/ann", "upper", "work"):
            (layers / name).mkdir(parents=True)
        (layers / "image" / "ann" / "a.jsonl").write_text("{}\n")
        options = f"lowerdir={layers}/image,upperdir={layers}/upper,workdir={layers}/work"
        subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", str(root)], check=True, timeout=30)
        try:
            with listening(root, "auto") as heard:
                flows_natively(heard)
                change(heard, "ann/a.jsonl")
        finally:
            unmount(root)
