"""Sample sessions, as agents would write them: for the demonstration."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

MODELS = ("claude-opus-4-6", "claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001")
TOOLS = ("Bash", "Read", "Edit", "Grep", "mcp__tracker__search", "Task")


class DemoWriter:
    """Writes the sessions of a few people, some lines at a time."""

    people = ("ann", "bob", "carol", "dave")

    def __init__(self, root: Path, rng: Random) -> None:
        self._root, self._rng = root, rng
        self._count = 0
        self._sessions: dict[str, str] = {}

    def some(self) -> int:
        """Append a turn to the sessions of one or two people; how many lines that were."""
        lines = 0
        for person in self._rng.sample(self.people, self._rng.randint(1, 2)):
            if person not in self._sessions or self._rng.random() < 0.04:
                self._sessions[person] = f"{person}-{self._rng.getrandbits(32):08x}"
            path = self._root / person / "shop" / f"{self._sessions[person]}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            written = self._turn(self._sessions[person])
            with path.open("ab") as file:
                file.write(b"".join(written))
            lines += len(written)
        return lines

    def call(self, session: str, block: dict[str, Any] | None = None) -> bytes:
        """A line with one call to a model."""
        self._count += 1
        rng = self._rng
        usage = {
            "input_tokens": rng.randrange(10),
            "output_tokens": rng.randrange(20, 900),
            "cache_creation_input_tokens": rng.randrange(3000),
            "cache_read_input_tokens": rng.randrange(90_000),
        }
        message = {
            "id": f"msg_{self._count:06d}",
            "model": rng.choice(MODELS),
            "role": "assistant",
            "content": [block or {"type": "text", "text": "Done."}],
            "usage": usage,
        }
        return self._line(session, "assistant", message, requestId=f"req_{self._count:06d}")

    def _turn(self, session: str) -> list[bytes]:
        rng = self._rng
        lines = []
        if rng.random() < 0.2:
            lines.append(self._line(session, "user", {"role": "user", "content": "Please go on."}))
        use = f"toolu_{self._count:06d}_{rng.getrandbits(16):04x}"
        block = {"type": "tool_use", "id": use, "name": rng.choice(TOOLS), "input": {}}
        lines.append(self.call(session, block))
        failed = rng.random() < 0.08
        output = "Exit code 1" if failed else "ok"
        result = {"type": "tool_result", "tool_use_id": use, "is_error": failed, "content": output}
        lines.append(self._line(session, "user", {"role": "user", "content": [result]}))
        return lines

    def _line(self, session: str, kind: str, message: dict[str, Any], **more: Any) -> bytes:
        record = {
            "type": kind,
            "uuid": f"{self._rng.getrandbits(64):016x}",
            "sessionId": session,
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "cwd": "/home/me/shop",
            "gitBranch": "main",
            "version": "2.1.49",
            "message": message,
            **more,
        }
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"
