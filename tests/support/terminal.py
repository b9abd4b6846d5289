"""Commands on a terminal of their own."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from tests.support.processes import PATIENCE, Place
from tests.support.transcript_lines import HAIKU, OPUS, Talk, line, tool, usage

#: A model without a price.
ODD = "odd-model-7"

MODELS = (OPUS, HAIKU, ODD)

TOOLS = ("Bash", "Read", "mcp__tracker__search")


@dataclass(frozen=True)
class Told:
    """A call with its tool use, as it was written."""

    day: date
    user: str
    session: str
    model: str
    tool: str
    failed: bool
    tokens: tuple[int, int, int, int]


def history() -> list[Told]:
    """Some months of three people: a call a day and more, with every model and tool, some failed."""
    told = []
    for n in range(120):
        day = date(2026, 1, 1) + timedelta(days=n // 2)
        user = ("ann", "bob", "zoë x")[n % 3]
        session = f"{user[0]}-{n // 30}"
        tokens = (n + 1, 2 * n + 1, 100 * n, 1000 * n)
        told.append(Told(day, user, session, MODELS[n % 5 % 3], TOOLS[n % 7 % 3], n % 11 == 0, tokens))
    return told


def write(root: Path, told: Sequence[Told]) -> None:
    for n, one in enumerate(told):
        folder = root / one.user
        folder.mkdir(parents=True, exist_ok=True)
        talk = Talk(one.session, f"/home/{one.user}/shop")
        at = f"{one.day.isoformat()}T12:00:00Z"
        block = tool(f"toolu_{n}", one.tool)
        input_tokens, output_tokens, created, read = one.tokens
        with (folder / f"{one.session}.jsonl").open("ab") as file:
            file.write(
                line(talk.assistant(at, f"m{n}", block, usage(input_tokens, output_tokens, created, read), one.model))
            )
            file.write(line(talk.gave(f"{one.day.isoformat()}T12:00:01Z", f"toolu_{n}", "x", one.failed)))


def on_a_terminal(place: Place, width: int, words: Sequence[str], **more: str) -> str:
    """What a command shows on a terminal so wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    kept = {name: value for name, value in place.surroundings().items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    environment = {**kept, "TERM": "xterm-256color", **more}
    process = subprocess.Popen(
        place.command(*words), env=environment, cwd=place.sessions.parent, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        said += part
    os.close(ours)
    assert process.wait(PATIENCE) == 0, said
    return said.decode().replace("\r\n", "\n")


ORDERS_TO_THE_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
