"""A seeded corpus in the shape of real transcripts: kinds, sizes and repeats as measured on 855 MB of them."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

#: Mean bytes of a session; their sizes spread widely around it.
_SPREAD = 1.0
_FIRST = datetime(2026, 1, 1)
_WORDS = (
    "the handler reads each row once and writes what it found under a lock that nobody else takes before the "
    "next one comes; return value path error token import class def self None True \n\t{}[]:;\"'\\ "
)
#: What is not ASCII comes in clusters: about 1.7 % of all bytes, in a quarter of all stretches of 1 kB.
_ELSEWHERE = "é → ─ ✓ 日本語 "


class Writer:
    """Makes sessions, one line after the other."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._text = "".join(self._stretch(elsewhere=n % 7 == 3) for n in range(50))
        #: Writers with other seeds tell of other calls.
        self._number = seed * 1_000_000

    def session(self, name: str, size: int) -> bytes:
        """A session of about this many bytes."""
        made: list[bytes] = []
        length = 0
        minute = self._rng.randrange(60 * 24 * 90)
        while length < size:
            minute += self._rng.random() < 0.2
            at = f"{_FIRST + timedelta(minutes=minute):%Y-%m-%dT%H:%M}"
            for record in self._turn(name, at):
                line = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
                made.append(line)
                length += len(line)
        return b"".join(made)

    def _stretch(self, elsewhere: bool) -> str:
        return "".join(self._rng.choices(_WORDS + _ELSEWHERE if elsewhere else _WORDS, k=4000))

    def _words(self, mean: int) -> str:
        at = self._rng.randrange(100_000)
        return self._text[at : at + int(self._rng.expovariate(1 / mean))]

    def _turn(self, session: str, at: str) -> list[dict[str, Any]]:
        """One call: the lines it streamed, the results of its tools, and what is written beside them."""
        rng = self._rng
        self._number += 1
        number = self._number
        second = iter(range(1, 60))

        def record(kind: str, **more: Any) -> dict[str, Any]:
            return {
                "parentUuid": f"{number:08x}-parent",
                "isSidechain": False,
                "userType": "external",
                "cwd": "/home/ann/shop",
                "sessionId": session,
                "version": "2.1.49",
                "gitBranch": "main",
                "type": kind,
                **more,
                "uuid": f"{number:08x}-{next(second):04x}-{rng.getrandbits(48):012x}",
                "timestamp": f"{at}:{rng.randrange(60):02d}.{rng.randrange(1000):03d}Z",
            }

        lines = []
        if rng.random() < 0.15:
            lines.append(record("user", message={"role": "user", "content": self._words(400)}))
        blocks: list[dict[str, Any]] = [{"type": "text", "text": self._words(500)}]
        uses = [f"toolu_{number:08d}{k}" for k in range(rng.choice((0, 1, 1, 1, 2)))]
        for use in uses:
            name = rng.choice(("Bash", "Read", "Edit", "Grep", "Write", "mcp__tracker__search", "Task", "Skill"))
            blocks.append({"type": "tool_use", "id": use, "name": name, "input": {"command": self._words(500)}})
        for block in blocks:
            usage = {
                "input_tokens": rng.randrange(10),
                "cache_creation_input_tokens": rng.randrange(3000),
                "cache_read_input_tokens": rng.randrange(100_000),
                "cache_creation": {"ephemeral_5m_input_tokens": rng.randrange(3000), "ephemeral_1h_input_tokens": 0},
                "output_tokens": rng.randrange(900),
                "service_tier": "standard",
            }
            message = {
                "model": rng.choice(("claude-opus-4-6", "claude-sonnet-4-5-20250929")),
                "id": f"msg_{number:010d}",
                "type": "message",
                "role": "assistant",
                "content": [block],
                "stop_reason": None,
                "usage": usage,
            }
            lines.append(record("assistant", message=message, requestId=f"req_{number:010d}"))
        for use in uses:
            output = self._words(3300)
            result = {"tool_use_id": use, "type": "tool_result", "content": output, "is_error": rng.random() < 0.05}
            more = {"message": {"role": "user", "content": [result]}, "toolUseResult": {"stdout": output, "stderr": ""}}
            lines.append(record("user", **more))
        if rng.random() < 0.6:
            lines.append(record("progress", data={"type": "bash_progress", "output": self._words(1400)}, toolUseID="x"))
        return lines


def corpus(folder: Path, size: int, sessions: int, seed: int = 1) -> None:
    """A tree of sessions; made once, and used again where it stands whole."""
    whole = folder / f".{size}-{sessions}-{seed}"
    if whole.exists():
        return
    rng, writer = random.Random(seed), Writer(seed)
    weights = [rng.lognormvariate(0, _SPREAD) for _ in range(sessions)]
    for number, weight in enumerate(weights):
        path = folder / f"user{number % 20}" / f"project{number % 100}" / f"{number:08d}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(writer.session(f"session-{number}", int(size * weight / sum(weights))))
    whole.touch()


def small_sessions(folder: Path, count: int, folders: int = 100) -> None:
    """Many sessions with one call each."""
    for number in range(count):
        parent = folder / f"user{number % 10}" / f"{number % folders:06d}"
        if number < folders:
            parent.mkdir(parents=True, exist_ok=True)
        usage = {"input_tokens": 3, "output_tokens": number % 1000}
        message = {
            "id": f"msg_{number}",
            "model": "claude-opus-4-6",
            "role": "assistant",
            "content": [],
            "usage": usage,
        }
        record = {
            "type": "assistant",
            "uuid": f"u{number}",
            "sessionId": f"s{number}",
            "requestId": f"req_{number}",
            "timestamp": "2026-03-01T09:00:00.000Z",
            "message": message,
        }
        (parent / f"{number}.jsonl").write_bytes(json.dumps(record).encode() + b"\n")
