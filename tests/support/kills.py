"""A place in which processes are killed."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from tests.support.harness import Subject, exact_price
from tests.support.histories import History
from tests.support.listener import until
from tests.support.oracle import Oracle


class Place:
    """A tree with a history, its oracle, and a state that processes die over."""

    def __init__(self, folder: Path, seed: int) -> None:
        print(f"seed {seed}")
        self.root, self.state, self.seed = folder / "sessions", folder / "state", seed
        self.rng = random.Random(seed)
        self.root.mkdir()
        self.oracle = Oracle(price=exact_price)
        self.history = History(self.root, self.rng, self.oracle, before_loss=self.catch_up)

    def steps(self, count: int) -> None:
        """Some of the history; a tail that is left to rest is looked at while it rests."""
        for _ in range(count):
            if "settle" in self.history.step():
                self.catch_up()

    def catch_up(self) -> None:
        """An undisturbed run."""
        subject = Subject(self.root, self.state)
        try:
            subject.catch_up()
        finally:
            subject.close()
        self.history.unread.clear()

    def catch_up_after(self, process: subprocess.Popen[bytes]) -> None:
        """The same, once a process has let go of the state."""
        process.wait(120)
        self.catch_up()

    def start(self, point: str, nth: int, delay: float) -> subprocess.Popen[bytes]:
        """A process that will die."""
        command = [sys.executable, "-m", "tests.faults.victim", str(self.root), str(self.state)]
        return subprocess.Popen([*command, point, str(nth), str(delay)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def must_hold(self, told: str) -> None:
        """After a quiet end the tables are the oracle's."""
        subject = Subject(self.root, self.state)
        try:
            subject.catch_up()
            self.history.unread.clear()
            recent = " | ".join(self.history.log[-12:])
            subject.must_equal(self.oracle, f"seed {self.seed}, {told}, after {recent}")
        finally:
            subject.close()


def end_of(process: subprocess.Popen[bytes]) -> tuple[int, dict[str, Any] | None, str]:
    """How a process ended, what was in flight, what it said; its children end with it."""
    out, err = process.communicate(timeout=120)
    in_flight = json.loads(out.splitlines()[-1]) if out.strip() else None
    until(lambda: not children_of(process.pid), f"the children of {process.pid} to end with it")
    return process.returncode, in_flight, err.decode()


def children_of(pid: int) -> list[int]:
    """Child processes of ours that name this parent, also when it is gone."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        line = process.info["cmdline"] or []
        if "watcher.sandbox.main" in line and line[-1] == str(pid):
            found.append(process.info["pid"])
    return found
