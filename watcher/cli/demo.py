"""``demo``: a service at work on sessions that are being written, and an operator who retries a quarantined one."""

from __future__ import annotations

import io
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from watcher.cli.demo_data import DemoWriter
from watcher.cli.output import number, plain
from watcher.cli.signals import Stop
from watcher.errors import ServiceTrouble, SettingsError
from watcher.http.client import Client
from watcher.http.local_token import token_of
from watcher.plugins import RefusedProcessor, discover
from watcher.store.lock import holder

#: One turn of the demonstration, in seconds.
TURN = 0.25
#: How long each part of the story lasts at least; shorter where there are fewer than so many times that.
CALM, PARTS = 4.0, 15
#: The line that is too long for the processors' memory, in bytes; it takes no room on disk.
LINE = 100_000_000
SCARCE, PLENTY = "64MB", "1GB"

_SETTINGS = """\
[paths]
sessions = "sessions"
state = "state"

[retry]
first = "500ms"
max_attempts = 2

[http]
port = 0
"""
_PROCESSOR = """
[processors.{name}]
quiet = "300ms"
memory_limit = "{memory}"
"""


def demo(seconds: float, keep: Path | None, picture: Path | None) -> int:
    """Show it; 0 when the story was told to its end, 1 when it was cut short.

    Raises:
        SettingsError: the folder to keep is there already, or the picture's name is no .svg.
        ServiceTrouble: the service did not start.
    """
    if keep is not None and keep.exists():
        raise SettingsError(f"--keep {keep}: it is there already; name a folder that is not")
    if picture is not None and picture.suffix != ".svg":
        raise SettingsError(f"--picture {picture}: a name ending in .svg is accepted")
    folder = keep or Path(tempfile.mkdtemp(prefix="session-watcher-demo-"))
    (folder / "sessions").mkdir(parents=True)
    stop = Stop()
    try:
        story = Story(folder, min(CALM, seconds / PARTS))
        with serving(folder) as client, Screen(picture) as screen:
            until = time.monotonic() + seconds
            while time.monotonic() < until and not stop():
                story.turn(time.monotonic(), client)
                screen.show(story, client)
                time.sleep(TURN)
        print(story.ending())
        if keep is not None:
            print(f"It is all in {keep}: try session-watcher status --settings {keep / 'settings.toml'}")
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if story.told else 1


class Story:
    """What happens: sessions are written; one comes that cannot be read; an operator sees to it."""

    def __init__(self, folder: Path, calm: float) -> None:
        self._folder, self._calm_for = folder, calm
        self._writer = DemoWriter(folder / "sessions", random.Random(7))
        self._bad = folder / "sessions" / "mallory" / "endless.jsonl"
        self._parts: Iterator[tuple[str, Callable[[Client], bool]]] = iter(
            (
                ("Four people work with their agents; their transcripts are followed as they are written.", self._calm),
                ("A session comes whose first line is 100 MB long: more than the processors may use.", self._trouble),
                (
                    "It is quarantined after two attempts; the others continue, and health reports it.",
                    self._put_aside,
                ),
                ("The operator raises memory_limit in settings.toml; the service takes it up as it runs.", self._raise),
                ("session-watcher sessions retry: it is tried again.", self._retry),
                (
                    "The endless line is counted as one that could not be read, and what follows it is taken.",
                    self._freed,
                ),
            )
        )
        self._began = 0.0
        self._over: Callable[[Client], bool] = lambda _client: True
        #: What is going on.
        self.sentence = ""
        #: Whether it came to its end.
        self.told = False
        self.lines = 0

    def turn(self, now: float, client: Client) -> None:
        """Write some more, and go on with the story when its part is over."""
        self.lines += self._writer.some()
        if self.told or now - self._began < self._calm_for or not self._over(client):
            return
        part = next(self._parts, None)
        if part is None:
            self.told, self.sentence = True, "That is all; Ctrl-C ends it."
        else:
            self.sentence, self._over = part
            self._began = now

    def ending(self) -> str:
        """How it came out."""
        outcome = "the bad session was quarantined and recovered" if self.told else "it was cut short"
        return f"{self.lines:,} lines were written by {len(self._writer.people)} people; {outcome}."

    def _calm(self, _client: Client) -> bool:
        return True

    def _trouble(self, client: Client) -> bool:
        if not self._bad.exists():
            self._bad.parent.mkdir(exist_ok=True)
            with self._bad.open("wb") as file:
                file.truncate(LINE)
                file.seek(LINE)
                file.write(b"\n" + self._writer.call("mallory"))
        return self._status(client) != {"unknown"}

    def _put_aside(self, client: Client) -> bool:
        return self._status(client) == {"quarantined"}

    def _raise(self, client: Client) -> bool:
        _write_settings(self._folder, PLENTY)
        found = client.get("/api/settings")["settings"]
        return all(row["value"] == f'"{PLENTY}"' for row in found if row["key"] == "memory_limit")

    def _retry(self, client: Client) -> bool:
        if self._status(client) == {"quarantined"}:
            client.post("/api/sessions/retry", session=["mallory/endless.jsonl"])
        return True

    def _freed(self, client: Client) -> bool:
        return self._status(client) == {"ok"}

    def _status(self, client: Client) -> set[str]:
        found = client.get("/api/sessions/one", session="mallory/endless.jsonl")
        return {str(one.get("status", "unknown")) for one in found["processors"]}


class Screen:
    """Shows how it stands: a living screen on a terminal, a line for each new part elsewhere."""

    def __init__(self, picture: Path | None) -> None:
        self._console = Console(record=picture is not None)
        self._picture = picture
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._said = ""
        self._last: Group | None = None

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
        if self._picture is not None and self._last is not None:
            console = Console(record=True, width=100, file=io.StringIO())
            console.print(self._last)
            drawn = console.export_svg(title="session-watcher demo")
            # Whoever looks at it need not ask the world for a font.
            self._picture.write_text(re.sub(r"@font-face\s*{[^}]*}\s*", "", drawn), encoding="utf-8")

    def show(self, story: Story, client: Client) -> None:
        """How it stands now."""
        usage, status = client.get("/api/usage/users"), client.get("/api/status")
        self._last = _picture(story, usage, status)
        if self._live is not None:
            self._live.update(self._last, refresh=True)
        elif story.sentence != self._said:
            self._said = story.sentence
            calls = usage["totals"]["calls"]
            print(f"{time.strftime('%H:%M:%S')} {story.sentence} ({calls} calls counted)", flush=True)


def _picture(story: Story, usage: dict[str, Any], status: dict[str, Any]) -> Group:
    people = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("user", "sessions", "calls", "output", "cost"):
        people.add_column(heading, justify="left" if heading == "user" else "right")
    columns = usage["columns"]
    for row in sorted(usage["rows"]):
        one = dict(zip(columns, row, strict=True))
        cost = "-" if one["cost_usd"] is None else f"${one['cost_usd']:.2f}"
        people.add_row(
            plain(one["username"]), number(one["sessions"]), number(one["calls"]), number(one["output_tokens"]), cost
        )
    service = status["service"]
    colour = {"ok": "green", "degraded": "yellow"}.get(service["status"], "red")
    health = Text("the service is ")
    health.append(service["status"], style=f"bold {colour}")
    parts: list[Any] = [Text(story.sentence, style="bold"), Text(), people, Text(), health]
    parts += [plain(f"  {one['message']}", "yellow") for one in service["findings"] if one["level"] != "info"]
    for entry in status["troubled"]:
        what = entry["error"] or f"{entry['bad_lines']} line could not be read"
        parts.append(plain(f"  {entry['processor']}: {entry['session']}: {entry['status']}: {what}"))
    return Group(*parts)


@contextmanager
def serving(folder: Path) -> Iterator[Client]:
    """The service as a process of its own, ended in order.

    Raises:
        ServiceTrouble: it did not start.
    """
    _write_settings(folder, SCARCE)
    with ExitStack() as stack:
        log = stack.enter_context((folder / "service.log").open("wb"))
        command = [sys.executable, "-m", "watcher", "run", "--settings", str(folder / "settings.toml")]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        stack.callback(_end, process)
        deadline = time.monotonic() + 30
        while (other := holder(folder / "state") if (folder / "state").is_dir() else None) is None or other.url is None:
            if process.poll() is not None or time.monotonic() > deadline:
                said = (folder / "service.log").read_text(encoding="utf-8", errors="replace").strip()
                raise ServiceTrouble(f"the demonstration's service did not start: {said[-500:]}")
            time.sleep(0.05)
        yield Client(other.url, token_of(folder / "state"))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()


def _write_settings(folder: Path, memory: str) -> None:
    names = [name for name, processor in discover().items() if not isinstance(processor, RefusedProcessor)]
    wanted = _SETTINGS + "".join(_PROCESSOR.format(name=name, memory=memory) for name in names)
    path = folder / "settings.toml"
    if not path.exists() or path.read_text(encoding="utf-8") != wanted:
        path.write_text(wanted, encoding="utf-8")
