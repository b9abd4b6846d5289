"""The pages of a service, in a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page
from playwright.sync_api import Response as PlaywrightResponse

from tests.support.processes import Place, Running, wait_for

#: The browser that is driven.
CHROMIUM = os.environ.get("SESSION_WATCHER_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")

#: Names as a stranger would choose them.
HOSTILE = "<img src=x onerror=alert(1)>"

FORMULA = "=cmd|' /C calc'!A0"

NOW = datetime.now(UTC)

#: Long before what is shown without a choice.
LONG_AGO = NOW - timedelta(days=200)

SETTINGS = """\
[paths]
sessions = {sessions}
state = {state}
[http]
port = 0
[health]
min_free_disk = "1KB"
[retry]
first = "200ms"
max_attempts = 2
[processors.verification]
enabled = false
[processors.errors]
quiet = "100ms"
[processors.usage]
quiet = "100ms"
memory_limit = "{memory}"
"""


@dataclass
class Site(Place):
    """A place whose service goes by a settings file."""

    def surroundings(self) -> dict[str, str]:
        """Nothing but the file decides."""
        return {name: value for name, value in os.environ.items() if not name.startswith(("WATCHER_", "SCHEDULER_"))}

    def write(self, memory: str = "1GB") -> None:
        """Write the settings; ``memory`` is what the processor usage may use."""
        sessions, state = json.dumps(str(self.sessions)), json.dumps(str(self.state))
        part = self.sessions.parent / "settings.part"
        part.write_text(SETTINGS.format(sessions=sessions, state=state, memory=memory))
        part.replace(self.sessions.parent / "settings.toml")

    @property
    def url(self) -> str:
        """Where the pages are."""
        found = self._url()
        assert found is not None
        return found

    @property
    def token(self) -> str:
        """That of the installation."""
        return (self.state / "token").read_text().strip()

    def new_token(self, name: str, *words: str) -> str:
        """One that an operator made."""
        return str(self.json("tokens", "create", name, *words)["token"])

    def audit(self, action: str) -> list[tuple[str, int]]:
        """Who asked for something, and what was answered, the latest first."""
        entries = self.ask("/api/admin/scheduler-runs?limit=1000")["audit"]
        return [(one["actor"], one["status"]) for one in entries if one["action"] == action]

    def memory(self) -> str:
        """What the processor usage may use, as the service goes by it."""
        rows = self.ask("/api/settings")["settings"]
        return str(
            *(one["value"] for one in rows if (one["table"], one["key"]) == ("processors.errors", "memory_limit"))
        )

    def turned_away(self) -> float:
        """How often somebody came without a token that is known."""
        asked = urllib.request.Request(f"{self.url}/metrics", headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(asked, timeout=20) as answer:
            told = re.search(r"^session_watcher_failed_sign_ins_total (\S+)$", answer.read().decode(), re.M)
        assert told is not None
        return float(told[1])

    def runs(self, job: str) -> int:
        """How often a job has run."""
        return len(self.ask(f"/api/admin/scheduler-runs?name={job}&limit=1000")["runs"])


def turn(
    number: str,
    at: datetime,
    *,
    model: str = "claude-opus-4-6",
    tool: str = "Bash",
    failed: bool = False,
    branch: str = "main",
    cwd: str = "/home/me/shop",
) -> bytes:
    """A call that uses a tool, and the tool's result."""

    def line(kind: str, message: dict[str, Any], **more: Any) -> bytes:
        record = {"type": kind, "sessionId": "s-1", "timestamp": at.isoformat(), "cwd": cwd, "gitBranch": branch}
        return json.dumps({**record, "uuid": f"{kind}-{number}", "message": message, **more}).encode() + b"\n"

    use = {"type": "tool_use", "id": f"use-{number}", "name": tool, "input": {}}
    usage = {"input_tokens": 1000, "output_tokens": 234, "cache_read_input_tokens": 400_000}
    called = {"id": f"m-{number}", "model": model, "role": "assistant", "content": [use], "usage": usage}
    said = "Exit code 1" if failed else "ok"
    result = {"type": "tool_result", "tool_use_id": use["id"], "is_error": failed, "content": said}
    return line("assistant", called, requestId=f"r-{number}") + line("user", {"role": "user", "content": [result]})


def plant(sessions: Path) -> None:
    """Two people's sessions of these days, one of long ago, and one with names that mean harm."""
    for name in ("ann", "bob"):
        (sessions / name).mkdir(parents=True)
    yesterday = NOW - timedelta(days=1)
    (sessions / "ann" / "a.jsonl").write_bytes(
        turn("a1", yesterday - timedelta(hours=1)) + turn("a2", yesterday, tool="mcp__tracker__search", failed=True)
    )
    (sessions / "bob" / "b.jsonl").write_bytes(turn("b1", NOW, model="claude-haiku-4-5-20251001"))
    (sessions / "bob" / "old.jsonl").write_bytes(turn("o1", LONG_AGO))
    (sessions / "bob" / f"{HOSTILE}.jsonl").write_bytes(
        turn("x1", NOW, tool=HOSTILE, branch=FORMULA, cwd="/home/</text><script>alert(1)<script>") + b"not json\n"
    )


@contextmanager
def served(folder: Path, memory: str = "1GB") -> Iterator[tuple[Site, Running]]:
    """A service that has taken what was planted, or has put it aside."""
    site = Site(folder / "sessions", folder / "state")
    plant(site.sessions)
    site.write(memory)
    running = site.start()
    try:

        def through() -> bool:
            rows = {one["processor"]: one for one in site.ask("/api/status").get("processors", [])}
            return len(rows) == 2 and all(one["ok"] + one["quarantined"] == 4 for one in rows.values())

        wait_for(through, "what was planted to be taken", running.log)
        yield site, running
    finally:
        if running.process.poll() is None:
            assert running.stop() == 0


@contextmanager
def opened(browser: Browser, site: Site, **options: Any) -> Iterator[Page]:
    """A page in a browser of its own; at its end nothing was complained of, and nothing ran that is not ours."""
    context: BrowserContext = browser.new_context(base_url=site.url, **options)
    context.set_default_timeout(20_000)
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # What could not be loaded is a page that was refused, as some tests ask for, or told of below.
        if not message.text.startswith("Failed to load resource"):
            complaints.append(message.text)

    def look(response: PlaywrightResponse) -> None:
        if response.status >= 400 and response.request.resource_type != "document":
            complaints.append(f"{response.status} {response.url}")

    try:
        page = context.new_page()
        page.on("console", listen)
        page.on("response", look)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
        yield page
    finally:
        context.close()
    assert not complaints


@contextmanager
def entered(browser: Browser, site: Site, token: str, **options: Any) -> Iterator[Page]:
    """The page after signing in by the form."""
    with opened(browser, site, **options) as page:
        page.goto("/sign-in")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "sign-in" not in url)
        yield page
