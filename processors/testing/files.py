"""Session files to which everything happens that can, and plausible lines for them."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_BAD = (
    b"words\n",
    b"[1]\n",
    b'{"type":"user","message":5}\n',
    b'{"type":"user","message":{"content":"\xff"}}\n',
    b'{"type":"assistant","message":{"id":"cut"\n',
)
_TOOLS = ("Bash", "Read", "Edit", "Skill", "Task", "mcp__tracker__search")


@dataclass
class Files:
    """A tree of session files to which everything happens that can."""

    root: Path
    rng: random.Random
    lines_of: Callable[[random.Random, int, str, list[dict[str, Any]]], list[bytes]]
    made: int = 0
    shared: list[dict[str, Any]] = field(default_factory=list)

    def lines(self) -> bytes:
        """Lines, some of which other files hold too."""
        self.made += 1
        return b"".join(self.lines_of(self.rng, 12, f"session {self.made}", self.shared))

    def path(self, name: str) -> Path:
        """A file below a person's folder."""
        return self.root / "ann" / f"{name}.jsonl"

    def happenings(self) -> Iterator[str]:
        """Each row of the truth table, one after the other."""
        (self.root / "ann" / "deep").mkdir(parents=True)
        a, b, c = self.path("a"), self.path("b"), self.path("c")
        for path in (a, b, c):
            path.write_bytes(self.lines())
        yield "created"
        with a.open("ab") as file:
            file.write(self.lines())
        yield "appended to"
        more = self.lines()
        with a.open("ab") as file:
            file.write(more[:-40])
        yield "left with a torn last line"
        with a.open("ab") as file:
            file.write(more[-40:])
        yield "the line's end came"
        b.write_bytes(self.lines())
        yield "rewritten"
        os.truncate(b, b.stat().st_size // 2)
        yield "truncated"
        (self.root / "other").write_bytes(self.lines())
        os.replace(self.root / "other", b)
        yield "replaced"
        c.unlink()
        c.write_bytes(self.lines())
        yield "re-created under its name"
        shutil.copy(b, self.path("copy"))
        yield "copied"
        a.rename(self.path("deep/a"))
        yield "renamed"
        (self.root / "ann" / "deep").rename(self.root / "ben")
        yield "moved with its folder"
        b.unlink()
        yield "deleted"
        c.rename(self.root.parent / "c.jsonl")
        yield "moved out"
        (self.root.parent / "c.jsonl").rename(self.path("d"))
        yield "moved in"


def session_lines(rng: random.Random, count: int, session_id: str, shared: list[dict[str, Any]]) -> list[bytes]:
    """Plausible lines of a session: prompts, calls, tools and results, copies of shared records, some unreadable."""
    lines, used = [], list[str]()
    for _ in range(count):
        if rng.random() < 0.05:
            lines.append(rng.choice(_BAD))
            continue
        if shared and rng.random() < 0.15:
            record = {**rng.choice(shared), "sessionId": session_id}
        else:
            record = _record(rng, session_id, used)
            shared.append(record)
        lines.append(json.dumps(record, ensure_ascii=False).encode() + b"\n")
    return lines


def keys(root: Path) -> set[str]:
    """The keys of all sessions below a folder."""
    return {str(path.relative_to(root)) for path in root.rglob("*.jsonl")}


def _record(rng: random.Random, session_id: str, used: list[str]) -> dict[str, Any]:
    number = rng.randrange(10**12)
    at = datetime(2026, 3, 1, 8, tzinfo=UTC) + timedelta(seconds=rng.randrange(86_400))
    record = {
        "isSidechain": rng.random() < 0.1,
        "cwd": rng.choice(("/home/ann/shop", "/srv/api")),
        "sessionId": session_id,
        "version": "2.1.114",
        "gitBranch": rng.choice(("main", "fix/carts", "")),
        "uuid": f"{number:032x}",
        "timestamp": at.isoformat().replace("+00:00", "Z"),
    }
    what = rng.choice(("prompt", "text", "tool", "result") if used else ("prompt", "text", "tool"))
    if what == "prompt":
        return {
            **record,
            "type": "user",
            "message": {"role": "user", "content": rng.choice(("go on", "héllo \U0001f600"))},
        }
    if what == "result":
        result = {"type": "tool_result", "tool_use_id": used.pop(), "content": "done", "is_error": rng.random() < 0.3}
        return {**record, "type": "user", "message": {"role": "user", "content": [result]}}
    block: dict[str, Any] = {"type": "text", "text": "I look at it."}
    if what == "tool":
        used.append(f"toolu_{number}")
        block = {"type": "tool_use", "id": used[-1], "name": rng.choice(_TOOLS), "input": {"command": "ls"}}
    tokens = {"input_tokens": rng.randrange(1000), "output_tokens": rng.randrange(1000)}
    message = {"id": f"msg_{number}", "model": "claude-opus-4-8", "content": [block], "usage": tokens}
    return {**record, "type": "assistant", "requestId": f"req_{number}", "message": message}
