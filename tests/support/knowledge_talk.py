"""Talk that leaves knowledge behind."""

from __future__ import annotations

import json
from typing import Any

from tests.support.processes import Place

AGENT = "I will put 19% VAT on the books in the invoice, as on everything else. Is that right?"

CORRECTION = "no, books are always taxed at the reduced rate of 7%, because our shop sells in Germany"

DEFINITION = "for reference, our fiscal year always starts in April, so Q1 is April to June"


def line(number: int, role: str, text: str, session: str = "s-1") -> bytes:
    """A turn as it stands in a transcript."""
    content: object = text if role == "user" else [{"type": "text", "text": text}]
    record = {
        "type": role,
        "uuid": f"{session}-u{number}",
        "sessionId": session,
        "timestamp": f"2026-11-01T10:00:{number:02d}Z",
        "cwd": "/home/ann/shop",
        "message": {"role": role, "content": content},
    }
    return json.dumps(record).encode() + b"\n"


def talk(*said: str) -> bytes:
    """A session in which the agent and a person take turns."""
    return b"".join(line(number, "user" if number % 2 else "assistant", text) for number, text in enumerate(said))


def items(place: Place, *words: str) -> list[dict[str, Any]]:
    """What `knowledge list` shows."""
    found: list[dict[str, Any]] = place.json("knowledge", "list", *words)["items"]
    return found
