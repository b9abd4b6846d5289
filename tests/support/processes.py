"""The program as people run it: real processes, with the settings of a test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: How long anything may take on a busy machine before a test gives up on it.
PATIENCE = 60.0


@dataclass
class Place:
    """A sessions folder and a state folder, and the commands run on them."""

    sessions: Path
    state: Path
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *words: str) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "watcher", *words]

    def surroundings(self) -> dict[str, str]:
        """The environment: nothing of the machine's own settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WATCHER_", "SCHEDULER_"))}
        return {
            **kept,
            "WATCHER_PATHS__SESSIONS": str(self.sessions),
            "WATCHER_PATHS__STATE": str(self.state),
            "WATCHER_HTTP__PORT": "0",
            "WATCHER_PROCESSORS__USAGE__QUIET": "200ms",
            "WATCHER_PROCESSORS__ERRORS__QUIET": "200ms",
            "WATCHER_PROCESSORS__VERIFICATION__QUIET": "200ms",
            "WATCHER_HEALTH__MIN_FREE_DISK": "1KB",
            **self.environment,
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*words),
            env=self.surroundings(),
            cwd=self.sessions.parent,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def json(self, *words: str) -> Any:
        """What a command prints as JSON."""
        done = self.run(*words, "--json")
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)

    def start(self) -> Running:
        """Start the service, and wait until it answers."""
        log = self.state.parent / "service.log"
        with log.open("ab") as stream:
            process = subprocess.Popen(
                self.command("run"), env=self.surroundings(), cwd=self.sessions.parent, stderr=stream, stdout=stream
            )
        running = Running(process, log)
        wait_for(lambda: process.poll() is not None or self._answers(process.pid), "the service to answer", log)
        assert process.poll() is None, log.read_text()
        return running

    def ask(self, path: str) -> dict[str, Any]:
        """What the running service's API answers; nothing while it cannot."""
        try:
            token = (self.state / "token").read_text().strip()
            headers = {"Authorization": f"Bearer {token}"}
            request = urllib.request.Request(f"{self._url()}{path}", headers=headers)
            with urllib.request.urlopen(request, timeout=10) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except (OSError, ValueError):
            return {}

    def health(self) -> dict[str, Any]:
        """What the service says of itself."""
        return self.ask("/api/health/detailed") or {"status": "silent", "findings": [], "processors": []}

    def said(self, name: str, words: str = "") -> bool:
        """Whether health names something."""
        return any(one["name"] == name and words in one["message"] for one in self.health()["findings"])

    def _answers(self, pid: int) -> bool:
        """Whether this process serves the API: one that was killed has left its address behind."""
        return self._holder().get("pid") == pid and self._url() is not None

    def _url(self) -> str | None:
        url = self._holder().get("url")
        return None if url is None else str(url)

    def _holder(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.state / "lock").read_text())
        except (OSError, ValueError):
            return {}
        return found


@dataclass
class Running:
    """A service that was started."""

    process: subprocess.Popen[bytes]
    log: Path

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it, and wait for its end; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End it without a word. Idempotent."""
        self.process.kill()
        self.process.wait(PATIENCE)


def wait_for(condition: Callable[[], object], what: str, log: Path | None = None, patience: float = PATIENCE) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            said = f"\n{log.read_text()[-3000:]}" if log is not None and log.exists() else ""
            raise AssertionError(f"waited {patience:.0f} s for {what}{said}")
        time.sleep(0.02)


def call(message_id: str, tokens: int = 10, at: str = "2026-03-01T10:00:00Z") -> bytes:
    """A line with one API call."""
    record = {
        "type": "assistant",
        "uuid": f"u-{message_id}",
        "sessionId": "s-1",
        "timestamp": at,
        "requestId": f"r-{message_id}",
        "message": {
            "id": message_id,
            "model": "claude-opus-4-6",
            "role": "assistant",
            "content": [],
            "usage": {"input_tokens": tokens, "output_tokens": 1},
        },
    }
    return json.dumps(record).encode() + b"\n"


def lines(calls: Sequence[str]) -> bytes:
    """Several such lines."""
    return b"".join(map(call, calls))
