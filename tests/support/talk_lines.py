"""Lines in which people and agents talk."""

from __future__ import annotations

import json


def say(words: str, n: int = 0) -> bytes:
    record = {"type": "user", "uuid": f"u{n}", "sessionId": "s", "message": {"role": "user", "content": words}}
    return json.dumps(record).encode() + b"\n"


def agent(words: str) -> bytes:
    record = {"type": "assistant", "uuid": "a", "message": {"id": "m", "content": [{"type": "text", "text": words}]}}
    return json.dumps(record).encode() + b"\n"


SECRETS = (
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "sk-ant-api03-abcdefghijklmnopqrstuvwx",
    "xoxb-1234567890-abcdefghijkl",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijk",
    "0123456789abcdef0123456789abcdef01234567",
    "Zq7xP2mK9vR4tY8wB3nL6jH1",
)
