"""A stranger's processor that misbehaves: its neighbours keep their pace, and it is named."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.support.listener import until
from tests.support.processes import Place, call
from tests.support.stranger import COUNTS, install

pytestmark = pytest.mark.faults

#: What one can do wrong, and a word by which its failure is told.
MISDEEDS = {
    "raises": ('raise ValueError("no good")', "no good"),
    "returns nonsense": ('return {"rows": 5}', "not an Extraction"),
    "names no table": ('return Extraction({"nowhere": [{}]})', "nowhere"),
    "rows that do not fit": ('return Extraction({"strange": [{"lines": "many"}]})', "strange"),
    "hangs": ("threading.Event().wait()", "deadline"),
    "eats memory": ("kept = []\nwhile True: kept.append(bytearray(1 << 20))", "memory"),
    "spins in a regex": ('re.match(r"(a|aa)+$", "a" * 200 + "b")', "deadline"),
    "exits": ("os._exit(7)", "exit code 7"),
    "raises SystemExit": ("raise SystemExit(3)", "SystemExit"),
    "crashes": ("ctypes.string_at(0)", "SIGSEGV"),
    "floods its channel": ("os.write(1, b'x' * (1 << 20))\nraise ValueError('loud')", "loud"),
    "goes on in threads": (
        "threading.Thread(target=lambda: threading.Event().wait()).start()\nraise ValueError('left one')",
        "left one",
    ),
}
SESSIONS = 60


def place_in(folder: Path, body: str | None) -> Place:
    """A tree with sessions in it, a moment old, and a stranger if there is to be one."""
    root = folder / "sessions" / "ann"
    root.mkdir(parents=True)
    for n in range(SESSIONS):
        (root / f"{n}.jsonl").write_bytes(b"".join(call(f"m{n}-{k}") for k in range(400)))
    place = Place(folder / "sessions", folder / "state")
    if body is not None:
        place.environment["PYTHONPATH"] = str(install(folder / "plugin", body))
        place.environment["WATCHER_PROCESSORS__STRANGER__QUIET"] = "10ms"
        place.environment["WATCHER_PROCESSORS__STRANGER__DEADLINE"] = "2s"
        place.environment["WATCHER_PROCESSORS__STRANGER__MEMORY_LIMIT"] = "200MB"
    return place


def processed(place: Place, name: str) -> int:
    """Sessions that a processor has got through since the start."""
    return sum(one["since_start"]["processed"] for one in place.health()["processors"] if one["processor"] == name)


def pace(place: Place) -> float:
    """Seconds from the first request for a pass over everything to its end, for ``usage``, as the service runs."""
    running = place.start()
    try:
        until(lambda: processed(place, "usage") == SESSIONS, "usage to catch up", 60)
        began = time.monotonic()
        for n in range(SESSIONS):
            with (place.sessions / "ann" / f"{n}.jsonl").open("ab") as file:
                file.write(b"".join(call(f"n{n}-{k}") for k in range(200)))
        until(lambda: processed(place, "usage") >= 2 * SESSIONS, "usage to catch up", 60)
        return time.monotonic() - began
    finally:
        running.kill()


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_it_is_named_and_the_others_go_on(tmp_path: Path, misdeed: str) -> None:
    """Its sessions fail with the reason, the others' tables are whole, and the service ends in order."""
    body, word = MISDEEDS[misdeed]
    place = place_in(tmp_path, body)
    running = place.start()
    try:
        until(lambda: processed(place, "usage") == SESSIONS, "usage to go through", 60)
        until(
            lambda: any(
                word in one["error"] for one in place.ask("/api/status")["troubled"] if one["processor"] == "stranger"
            ),
            "the failure with its reason",
            60,
        )
        status = {one["processor"]: one for one in place.json("status")["processors"]}
        assert status["stranger"]["failed"] + status["stranger"]["quarantined"] > 0
        assert status["usage"]["ok"] == status["errors"]["ok"] == SESSIONS
        assert running.stop() == 0
    finally:
        running.kill()


@pytest.mark.parametrize("misdeed", ["raises", "hangs", "eats memory", "spins in a regex", "exits"])
def test_the_others_keep_their_pace(tmp_path: Path, misdeed: str) -> None:
    """At most 1.3 times what it takes beside a well-behaved one; the best of a few turns, since machines are noisy."""
    body, _ = MISDEEDS[misdeed]
    alone: list[float] = []
    beside: list[float] = []
    for turn in range(10):
        alone.append(pace(place_in(tmp_path / f"{turn} with a good one", COUNTS)))
        beside.append(pace(place_in(tmp_path / f"{turn} with a bad one", body)))
        if turn and min(beside) / min(alone) <= 1.3:
            break
    print(f"with a good one {alone}, with a bad one {beside}: ratio {min(beside) / min(alone):.2f}")
    assert min(beside) / min(alone) <= 1.3


def test_its_processes_end_with_the_service(tmp_path: Path) -> None:
    """Even one that holds the interpreter in a regex is gone when its parent is killed."""
    place = place_in(tmp_path, MISDEEDS["spins in a regex"][0])
    place.environment["WATCHER_PROCESSORS__STRANGER__DEADLINE"] = "1h"
    running = place.start()
    try:
        until(lambda: processed(place, "usage") == SESSIONS, "usage to go through", 60)
        children = psutil.Process(running.process.pid).children(recursive=True)
        assert len(children) >= 2
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait(20)
        until(lambda: not any(child.is_running() for child in children), "its children to end", 10)
    finally:
        running.kill()
