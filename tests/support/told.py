"""What the oracle makes of invented records, for its own tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.support.oracle import COLUMNS, Oracle
from tests.support.transcript_lines import OPUS, Object, Talk, line, text, usage

TALK = Talk("s1", "/home/ann/shop")
NEW = Talk("s1", "/home/ann/shop", "2.1.332")
Row = dict[str, Any]


def at(minute: float) -> str:
    """A time of the test's morning."""
    return datetime.fromtimestamp(1772355600 + minute * 60, UTC).isoformat().replace("+00:00", "Z")


def told(files: dict[str, list[Object]], **options: Any) -> Oracle:
    """An oracle that was told of files, given by their keys and records."""
    oracle = Oracle(**options)
    for key, records in files.items():
        oracle.content(key, b"".join(map(line, records)))
    return oracle


def table(name: str, files: dict[str, list[Object]], **options: Any) -> list[Row]:
    """A table over files."""
    return [dict(zip(COLUMNS[name], row, strict=True)) for row in told(files, **options).tables()[name]]


def rows(name: str, **sessions: list[Object]) -> list[Row]:
    """A table over sessions, each named by its user and given by its records."""
    return table(name, {f"{user}/s.jsonl": records for user, records in sessions.items()})


def only(name: str, **sessions: list[Object]) -> Row:
    """The one row that there must be."""
    (row,) = rows(name, **sessions)
    return row


def spoke(
    minute: float, output: int, name: str = "a", talk: Talk = TALK, model: str = OPUS, request: bool = True, **more: Any
) -> Object:
    """A line of a call, some of its fields replaced."""
    label = f"{name} {minute} {output}"
    return {**talk.assistant(at(minute), name, text("x"), usage(0, output), model, request, label), **more}


def used(minute: float, block: Object, **more: Any) -> Object:
    """A line that uses a tool."""
    return TALK.assistant(at(minute), "u", block, None, label=f"use {minute}", **more)


def said(minute: float, words: Any, talk: Talk = NEW, **more: Any) -> Object:
    """A line of a user."""
    return talk.user(at(minute), f"says {minute}", words, **more)


def copied(record: Object, session_id: str, **more: Any) -> Object:
    """A record as a fork copies it: assistant lines name the session that made them first."""
    copy = {**record, "sessionId": session_id, **more}
    if record["type"] == "assistant":
        copy["requestSessionId"] = record.get("requestSessionId") or record["sessionId"]
    return copy
