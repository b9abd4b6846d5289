"""What a supervisor hears: a real datagram socket in the place of systemd's."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.harness import settings_for
from tests.support.processes import Place, call, wait_for
from watcher.cli.systemd import Supervisor
from watcher.daemon import LiveService
from watcher.settings import Loaded


class Ear:
    """A socket to which a service may talk, with everything it said."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(0.02)

    def hear(self) -> list[str]:
        """One message by its lines; nothing if none comes soon."""
        try:
            return self.socket.recv(4096).decode().split("\n")
        except TimeoutError:
            return []

    def until(self, line: str, patience: float = 60.0) -> list[list[str]]:
        """Listen until something is said; everything heard on the way, with it at the end."""
        deadline, heard = time.monotonic() + patience, []
        while time.monotonic() < deadline:
            if message := self.hear():
                heard.append(message)
                if line in message:
                    return heard
        raise AssertionError(f"{line} was not said in {patience:g} s; heard {heard}")

    def drain(self) -> list[list[str]]:
        """What is waiting to be heard."""
        heard = []
        while message := self.hear():
            heard.append(message)
        return heard


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    # A socket's name may have about a hundred letters: relative to nothing that pytest makes.
    made = Ear(f"\0session-watcher-test-{os.getpid()}-{tmp_path.name}")
    yield made
    made.socket.close()


def address(ear: Ear) -> str:
    """As it stands in ``NOTIFY_SOCKET``."""
    return f"@{ear.socket.getsockname()[1:].decode()}"


def test_ready_alive_and_stopping_are_said_when_they_are_so(tmp_path: Path, ear: Ear) -> None:
    """Ready once it follows, a sign of life well within the limit, none while it is held, and the end at its end."""
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    (tmp_path / "sessions" / "ann" / "a.jsonl").write_bytes(call("m1"))
    place = Place(tmp_path / "sessions", tmp_path / "state")
    place.environment |= {"NOTIFY_SOCKET": address(ear), "WATCHDOG_USEC": "1500000"}
    running = place.start()
    try:
        ready = ear.until("READY=1")
        assert len(ready) == 1, "nothing before it"
        assert place.ask("/api/health"), "it answers when it says so"
        for _ in range(3):
            began = time.monotonic()
            (*_, alive) = ear.until("WATCHDOG=1", patience=1.5)
            assert any(line.startswith("STATUS=") and "3 processors" in line for line in alive)
            print(f"alive after {time.monotonic() - began:.2f} s")
        wait_for(lambda: place.json("usage", "users")["rows"], "the session", running.log)
        with (place.sessions / "ann" / "a.jsonl").open("ab") as file:
            file.write(call("m2"))
        wait_for(lambda: any("passes so far" in "".join(one) for one in ear.drain()), "the status", running.log)
        for environ in children(running.process.pid):
            assert b"NOTIFY_SOCKET" not in environ and b"WATCHDOG" not in environ
        running.process.send_signal(signal.SIGSTOP)
        ear.drain()
        assert ear.hear() == [], "a process that is held has nothing to say"
        running.process.send_signal(signal.SIGCONT)
        ear.until("WATCHDOG=1", patience=10.0)
        assert running.stop() == 0
        assert "STOPPING=1" in ear.drain()[-1]
    finally:
        running.kill()


def children(pid: int) -> list[bytes]:
    """The environments of a process's children; there must be some."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += (task / "children").read_text().split()
    environments = [Path(f"/proc/{child}/environ").read_bytes() for child in set(found)]
    assert environments
    return environments


@pytest.mark.parametrize("part", ["worker", "committer", "observer", "schedule"])
def test_no_sign_of_life_when_a_part_has_died(tmp_path: Path, ear: Ear, part: str) -> None:
    """One dead thread is enough: whoever restarts services is not told that this one lives, and people are told why."""
    (tmp_path / "sessions").mkdir()
    service = LiveService(Loaded(settings_for(tmp_path / "sessions", tmp_path / "state"), {}))
    service.start()
    stop = threading.Event()
    supervisor = Supervisor(
        {"NOTIFY_SOCKET": address(ear), "WATCHDOG_USEC": "300000", "WATCHDOG_PID": str(os.getpid())}
    )
    watching = threading.Thread(target=supervisor.watch, args=(service, stop))
    watching.start()
    try:
        ear.until("READY=1")
        ear.until("WATCHDOG=1")
        pipeline = service.core.pipelines["usage"]
        {
            "worker": pipeline.workers[0].stop,
            "committer": lambda: pipeline.committer.close(5.0),
            "observer": lambda: service.observer.close(5.0),
            "schedule": service.schedule.stop,
        }[part]()
        wait_for(lambda: not service.alive(), "the end of a thread")
        ear.until("STATUS=A part of the service has died; restart it and keep the log")
        for message in [*ear.until("STATUS=A part of the service has died; restart it and keep the log"), *ear.drain()]:
            assert "WATCHDOG=1" not in message
    finally:
        stop.set()
        watching.join(10)
        service.stop()
    assert "STOPPING=1" in ear.drain()[-1]


@pytest.mark.parametrize(
    ("environment", "patience"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "1000000"}, None),
        ({"NOTIFY_SOCKET": "/nowhere/notify"}, None),
        ({"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "1000000"}, 1.0),
        ({"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, None),
        ({"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "soon"}, None),
        ({"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "0"}, None),
    ],
)
def test_a_supervisor_that_is_not_there_harms_nobody(
    tmp_path: Path, environment: dict[str, str], patience: float | None
) -> None:
    """Nor one that asks for nothing, or for another process."""
    (tmp_path / "sessions").mkdir()
    service = LiveService(Loaded(settings_for(tmp_path / "sessions", tmp_path / "state"), {}))
    try:
        given = dict(environment)
        supervisor = Supervisor(given)
        assert supervisor.patience == patience and not given, "children are not to find it"
        stop = threading.Event()
        stop.set()
        supervisor.watch(service, stop)
    finally:
        service.stop()
