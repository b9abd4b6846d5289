"""The status of single sessions: what each processor has of them, and why not more."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from watcher.errors import NoSuchSession
from watcher.store.sql import QUERIES, Query, named, plain
from watcher.store.state import COLUMNS, State, Version
from watcher.transcripts.sessions import Signature, Tree, key_of, path_of

STATUSES = ("ok", "failed", "quarantined", "gone")
_LISTED = (
    "processor", "session", "user", "status", "processed_at", "items", "processed_bytes", "file_size", "bad_lines",
    "attempts", "error", "next_attempt_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions are meant; what is empty means any."""

    processor: str = ""
    status: str = ""
    user: str = ""
    #: A part of the session key.
    text: str = ""
    limit: int = 50
    offset: int = 0


def listing(query: Query, chosen: SessionFilter) -> dict[str, Any]:
    """Sessions with what became of them, the latest first, and how many there are in all; ready for JSON."""
    filters = [chosen.processor, chosen.status, chosen.user, chosen.text]
    rows = query(QUERIES["sessions"], [*filters, chosen.limit, chosen.offset])
    ((total,),) = query(QUERIES["count_sessions"], filters)
    return {
        "total": total,
        "sessions": [named(_LISTED, row) for row in rows],
    }


def whole(query: Query, chosen: SessionFilter) -> dict[str, Any]:
    """Sessions as wholes: each with what every processor has of it, the latest first, and how many there are."""
    filters = [chosen.processor, chosen.status, chosen.user, chosen.text]
    keys = [str(key) for key, _ in query(QUERIES["session_keys"], [*filters, chosen.limit])]
    ((total,),) = query(QUERIES["count_session_keys"], filters)
    rows = [dict(zip(_LISTED, row, strict=True)) for row in query(QUERIES["rows_of_sessions"], [keys])] if keys else []
    by_key: dict[str, list[dict[str, Any]]] = {key: [] for key in keys}
    for row in rows:
        by_key[row["session"]].append(row)
    return {
        "total": total,
        "sessions": [
            {
                "session": key,
                "user": rows[0]["user"],
                "processed_at": max((row["processed_at"] for row in rows if row["processed_at"]), default=None),
                "processors": rows,
            }
            for key, rows in by_key.items()
            if rows  # forgotten between one look and the next
        ],
    }


def is_known(query: Query, tree: Tree, key: str) -> bool:
    """Whether this is the key of a session: its file is there, or something was noted of it."""
    path = path_of(key)
    there = tree.key(path) == key and tree.signature(path) is not None
    return there or bool(query(QUERIES["session"], [key]))


def find(query: Query, tree: Tree, text: str, user: str = "") -> str:
    """The one session that a person means: its key, its path below the sessions folder, or an unmistakable part.

    ``user``: whose sessions alone may be meant.

    Raises:
        NoSuchSession: none is meant, or more than one.
    """
    if not text or "\0" in text:
        raise NoSuchSession(text, [])
    path = os.fsencode(text)
    for key in (text, tree.key(path)):
        if user in ("", tree.username(key)) and is_known(query, tree, key):
            return key
    found = [str(key) for (key,) in query(QUERIES["keys"], [text, user])]
    if not found and (escaped := key_of(path)) != text:
        found = [str(key) for (key,) in query(QUERIES["keys"], [escaped, user])]
    exact = [key for key in found if key.rpartition("/")[2] in (text, f"{text}.jsonl")]
    if len(exact) == 1 or len(found) == 1:
        return (exact or found)[0]
    raise NoSuchSession(text, found)


def session(query: Query, tree: Tree, versions: Mapping[str, Version], key: str) -> dict[str, Any]:
    """Everything that is known of one session, with a sentence for each processor; ready for JSON.

    ``versions``: the processors that are enabled, with the versions they have now.
    """
    signature = tree.signature(path_of(key))
    states = {row[0]: State(**dict(zip(COLUMNS, row, strict=True))) for row in query(QUERIES["session"], [key])}
    described = []
    for name in sorted({*states, *versions}):
        state = states.get(name)
        told = {} if state is None else {column: plain(getattr(state, column)) for column in COLUMNS[3:-1]}
        described.append({"processor": name, **told, "meaning": explain(state, signature, versions.get(name))})
    return {
        "session": key,
        "user": tree.username(key),
        "file": None
        if signature is None
        else {"size": signature[1], "modified_at": datetime.fromtimestamp(signature[2] / 1e9, UTC).isoformat()},
        "processors": described,
    }


def explain(state: State | None, signature: Signature | None, version: Version | None) -> str:
    """Where a session stands with one processor, and what happens next; ``version`` None: it is not enabled."""
    if version is None:
        return "This processor is not enabled; what it has made stays."
    if state is None:
        if signature is None:
            return "There is no such file, and nothing is known of it."
        return "Never taken: it waits for its turn, or for the next sweep."
    if state.status == "quarantined":
        anew = "when the processor gets a new version, " if version.stands_from == version.now else ""
        return (
            f"Quarantined after {state.attempts} attempts: {state.last_error}. "
            f"It is tried again when its file changes, {anew}or with sessions retry."
        )
    if state.status == "failed" and state.attempts == 0:
        return f"It had failed ({state.last_error}), and is tried again at its turn, as was asked for."
    if state.status == "failed":
        return f"Failed {_times(state.attempts)}: {state.last_error}. It is tried again {_at(state.next_attempt_at)}."
    if signature is None:
        return "Its file is gone; its rows stay. sessions forget erases them."
    if state.status == "gone":
        return "Its file was gone and is there again: it is taken at the next sweep."
    if state.is_before(version.stands_from):
        return "Made by an earlier version of the processor: it is taken again."
    left = signature[1] - state.processed_bytes
    if left == 0 and state.file_mtime_ns is not None and signature[:3] != state.signature[:3]:
        return "Its file has been written or replaced since: it is looked at again at its turn."
    bad = f" {unread(state.bad_lines)}." if state.bad_lines else ""
    if state.is_before(version.now):
        bad += " Made by an earlier version of the processor: sessions reprocess makes it anew, which asks the model."
    if left == 0:
        return f"Taken whole.{bad}"
    if left < 0:
        return f"Its file has become shorter: it is taken anew at its turn.{bad}"
    if state.next_attempt_at is not None:
        return f"{left} bytes wait: its last line has no end yet, and is looked at {_at(state.next_attempt_at)}.{bad}"
    return f"{left} bytes wait: for its turn, or for the end of its last line.{bad}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _at(moment: datetime | None) -> str:
    return "at its turn" if moment is None else f"at {moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def unread(lines: int) -> str:
    """How many lines nothing could be made of."""
    return f"{lines:,} line{'' if lines == 1 else 's'} could not be read"
