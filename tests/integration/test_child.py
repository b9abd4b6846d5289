"""The child process: a deadline, a memory limit, and an end with its parent; only who is at fault is blamed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import psutil
import pytest

from tests.support.listener import until
from tests.support.stranger import install
from watcher.sandbox import protocol
from watcher.sandbox.process import Child, ChildSettings, ChildStartError, Stopped

#: Sessions named ``bad`` get what a test wants; all others get the number of the process they were read in.
_BODY = """\
if work.session.stem.startswith("bad"):
    {misdeed}
return Extraction({{"strange": [{{"lines": os.getpid()}}]}}, items=1)
"""

Install = Callable[..., Child]


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Makes a child whose processor does this to bad sessions."""
    made: list[Child] = []
    (tmp_path / "ann").mkdir()

    def make(
        misdeed: str = "pass",
        deadline: float = 20.0,
        memory: int = 200_000_000,
        name: str = "stranger",
        settle: float = 60.0,
    ) -> Child:
        body = _BODY.format(misdeed=misdeed.replace("\n", "\n    "))
        monkeypatch.setenv("PYTHONPATH", str(install(tmp_path / "plugin", body)), prepend=os.pathsep)
        made.append(Child(ChildSettings(name, os.fsencode(tmp_path), {}, deadline, memory, settle)))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def jobs(folder: Path, names: Sequence[str]) -> list[protocol.Job]:
    """Sessions with one line each, to be taken whole."""
    made = []
    for name in names:
        path = f"ann/{name}.jsonl"
        (folder / path).write_text("{}\n")
        made.append(protocol.Job(path, "ann", path.encode(), 0, None, (None,) * 4, True, True, None))
    return made


def never() -> bool:
    return False


def said(child: Child, work: Sequence[protocol.Job], stop: Callable[[], bool] = never) -> dict[str, protocol.Reply]:
    """The last reply to each job, in the order they came."""
    return {Path(job.key).stem: reply for job, reply in child.run(work, stop)}


def reader(reply: protocol.Reply) -> int:
    """In which process a session was read."""
    assert isinstance(reply, protocol.Window), reply
    return int(msgspec.json.decode(reply.rows["strange"])["lines"])


def fault(reply: protocol.Reply) -> str:
    """Why a session failed."""
    assert isinstance(reply, protocol.Failed), reply
    return reply.error


def ended(pid: int) -> bool:
    """Whether a process is no more, or only waits to be buried."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_a_torn_tail_settles_though_its_file_is_dated_in_the_future(child: Install, tmp_path: Path) -> None:
    """When a file rests is not for whoever sets its modification time to say."""
    one = child(settle=0.3)
    (job,) = jobs(tmp_path, ["a"])
    (tmp_path / job.key).write_bytes(b"{}")
    os.utime(tmp_path / job.key, (4.0e9, 4.0e9))
    settles_at = (tmp_path / job.key).stat().st_ctime + 0.3
    first = said(one, [job])["a"]
    assert isinstance(first, protocol.Window)
    assert first.processed_bytes == 2 or first.settles_at == pytest.approx(
        settles_at, abs=0.01
    )  # a busy machine is slow
    until(lambda: time.time() > settles_at, "it has rested")
    second = said(one, [job])["a"]
    assert isinstance(second, protocol.Window) and (second.processed_bytes, second.settles_at) == (2, None)


def test_who_takes_longer_than_the_deadline_is_ended_and_alone_blamed(child: Install, tmp_path: Path) -> None:
    """Also one that spins in a regex: it fails with the reason; those before and after it are read."""
    one = child('re.match(r"(a|aa)+$", "a" * 200 + "b")', deadline=0.3)
    began = time.monotonic()
    found = said(one, jobs(tmp_path, ["a", "bad", "c", "d"]))
    assert list(found) == ["a", "bad", "c", "d"]
    assert "deadline" in fault(found["bad"])
    assert reader(found["c"]) == reader(found["d"]) != reader(found["a"])
    assert time.monotonic() - began < 10


def test_each_extraction_has_the_deadline_to_itself(child: Install, tmp_path: Path) -> None:
    """Many sessions that take a while each are not one that takes too long."""
    found = said(child("time.sleep(0.1)", deadline=0.28), jobs(tmp_path, ["bad1", "bad2", "bad3"]))
    assert len({reader(reply) for reply in found.values()}) == 1


def test_who_asks_for_too_much_memory_fails_and_the_next_is_judged_in_a_fresh_process(
    child: Install, tmp_path: Path
) -> None:
    """What it left behind is not held against the next session."""
    one = child("global kept\nkept = [bytearray(1 << 20) for _ in range(300)]", memory=60_000_000)
    found = said(one, jobs(tmp_path, ["a", "bad", "c"]))
    assert "memory_limit" in fault(found["bad"])
    assert reader(found["c"]) != reader(found["a"])


def test_one_that_dies_is_started_again(child: Install, tmp_path: Path) -> None:
    """The session it died at fails with how it ended; the next ones are read by another process."""
    found = said(child("ctypes.string_at(0)"), jobs(tmp_path, ["a", "bad", "c"]))
    assert "SIGSEGV" in fault(found["bad"])
    assert reader(found["c"]) != reader(found["a"])


#: Raised, or answered against the contract, and a word by which it is told.
NONSENSE = [
    ('raise ValueError("no good")', "ValueError: no good"),
    ("return None", "not an Extraction"),
    ("return Extraction(consumed=1)", "line's end"),
    ("return Extraction({'elsewhere': []})", "elsewhere"),
    ("return Extraction(after=[('nothing', [])])", "'nothing'"),
    ("return Extraction(carry={'x': 'y' * 70000})", "carry has 7"),
]


def test_a_failure_says_what_was_wrong_and_costs_no_process(child: Install, tmp_path: Path) -> None:
    """Whatever part of the answer it was; the child serves on."""
    misdeeds = "\n".join(f"if work.session.stem == 'bad{n}': {misdeed}" for n, (misdeed, _) in enumerate(NONSENSE))
    names = [f"bad{n}" for n in range(len(NONSENSE))]
    found = said(child(misdeeds), jobs(tmp_path, ["a", *names, "z"]))
    assert {
        names[n]: fault(found[names[n]]) for n, (_, word) in enumerate(NONSENSE) if word not in fault(found[names[n]])
    } == {}
    assert reader(found["z"]) == reader(found["a"])


def test_one_that_died_in_its_sleep_is_nobodys_fault(child: Install, tmp_path: Path) -> None:
    """Killed between two sessions (by the kernel, say): the next one is read, not blamed."""
    one = child()
    first = reader(said(one, jobs(tmp_path, ["a"]))["a"])
    os.kill(first, signal.SIGKILL)
    until(lambda: ended(first), "its end")
    assert reader(said(one, jobs(tmp_path, ["b"]))["b"]) != first


def test_a_line_that_does_not_fit_while_it_is_read_is_a_failure_with_its_reason(child: Install, tmp_path: Path) -> None:
    """No processor has seen it yet, and no process dies of it without a word; the next session is taken."""
    one = child(memory=60_000_000)
    work = jobs(tmp_path, ["endless", "b"])
    os.truncate(tmp_path / "ann" / "endless.jsonl", 100_000_000)
    found = said(one, work)
    assert "memory_limit" in fault(found["endless"])
    assert isinstance(found["b"], protocol.Window)


def test_a_session_that_lies_elsewhere_is_gone_not_read(child: Install, tmp_path: Path) -> None:
    """A link, a folder, nothing: no regular file, and no failure."""
    (tmp_path / "secret").write_text("{}\n")
    (tmp_path / "ann" / "link.jsonl").symlink_to(tmp_path / "secret")
    (tmp_path / "ann" / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "ann" / "pipe.jsonl")
    names = ["link", "folder", "pipe", "none"]
    work = [
        protocol.Job(f"ann/{name}.jsonl", "ann", f"ann/{name}.jsonl".encode(), 0, None, (None,) * 4, True, True, None)
        for name in names
    ]
    found = said(child(), work)
    assert {name: type(reply) for name, reply in found.items()} == dict.fromkeys(names, protocol.Gone)


@pytest.mark.parametrize("broken", ["nobody", "stranger"])
def test_a_processor_that_cannot_be_loaded_is_no_sessions_fault(child: Install, tmp_path: Path, broken: str) -> None:
    """Not installed, or failing as it is imported: the start fails, no session does, and no process is left."""
    one = child(name=broken)
    (tmp_path / "plugin" / "stranger" / "__init__.py").write_text("raise OSError('half installed')\n")
    with pytest.raises(ChildStartError):
        said(one, jobs(tmp_path, ["a"]))
    assert one.pid is None


def test_stop_ends_it_in_the_middle(child: Install, tmp_path: Path) -> None:
    """Who is at work is ended at once, whatever its deadline, and nothing is said of its session."""
    begun, heard = tmp_path / "begun", list[str]()
    one = child(f"open({str(begun)!r}, 'w').close()\nthreading.Event().wait()")
    with pytest.raises(Stopped):
        for job, _ in one.run(jobs(tmp_path, ["a", "bad", "c"]), lambda: bool(heard) and begun.exists()):
            heard.append(Path(job.key).stem)
    assert (heard, one.pid) == (["a"], None)


def test_kill_leaves_no_process_behind(child: Install, tmp_path: Path) -> None:
    """Neither the child nor what it started; killing again is nothing, and it can be started anew."""
    started = tmp_path / "started"
    one = child(f"import subprocess\nopen({str(started)!r}, 'w').write(str(subprocess.Popen(['sleep', '99']).pid))")
    pid = reader(said(one, jobs(tmp_path, ["bad"]))["bad"])
    assert one.pid == pid
    one.kill()
    one.kill()
    assert one.pid is None
    until(lambda: ended(pid) and ended(int(started.read_text())), "the end of both")
    assert reader(said(one, jobs(tmp_path, ["a"]))["a"]) != pid


_PARENT = """\
import os, sys
from watcher.sandbox import protocol
from watcher.sandbox.process import Child, ChildSettings
child = Child(ChildSettings("stranger", sys.argv[1].encode(), {}, 60.0, 200_000_000, 60.0))
path = "ann/bad.jsonl"
list(child.run([protocol.Job(path, "ann", path.encode(), 0, None, (None,) * 4, True, True, None)], lambda: False))
"""


def test_it_ends_with_its_parent(child: Install, tmp_path: Path) -> None:
    """Even while a regex holds its interpreter, and its parent had no time for a word."""
    child(f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n" + 're.match(r"(a|aa)+$", "a" * 200 + "b")')
    jobs(tmp_path, ["bad"])
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, str(tmp_path)])
    try:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the child to be at work")
        pid = int((tmp_path / "pid").read_text())
        assert not ended(pid)
    finally:
        parent.kill()
        parent.wait(20)
    until(lambda: ended(pid), "the child's end", 10)
