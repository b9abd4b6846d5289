"""What an earlier version has taken and nobody takes again by itself: how many, which, and about how many tokens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from processors.llm.call_log import ModelCall
from tests.support.databases import SCHEMA, database_in
from watcher.health import findings
from watcher.pipeline import outdated
from watcher.pipeline.outdated import Earlier
from watcher.sessions.status import explain
from watcher.store.commits import Pass, PassStore
from watcher.store.job_log import JobLog
from watcher.store.sql import Query
from watcher.store.state import State, Version
from watcher.transcripts.sessions import Signature

NOW = datetime(2026, 3, 1, tzinfo=UTC)
VERSION = 3


class Ground:
    """State rows and calls of a model."""

    def __init__(self, folder: Path) -> None:
        self.database = database_in(folder)
        self.connection = self.database.connect()
        self.query: Query = self.connection.execute
        self.job_log = JobLog(self.database)

    def know(
        self, key: str, version: int | None = 2, size: int = 4000, processor: str = "stranger", **more: Any
    ) -> None:
        state = State(
            processor_name=processor, session_file=key, username="ann", processed_at=NOW, processed_bytes=size,
            processor_version=version, **more,
        )  # fmt: skip
        passes = PassStore(self.database, processor, SCHEMA)
        assert passes.commit(self.connection, [Pass(key, None, state)], NOW) == ["committed"]

    def ask(self, key: str, tokens: int, **more: Any) -> None:
        given = {"call_id": f"{key}{tokens}", "processor": "stranger", "outcome": "ok", **more}
        call = ModelCall(at=1.0, until=2.0, purpose="p", model="m", session=key, input_tokens=tokens, **given)
        assert self.job_log.note_call(call)

    def reckon(self, node: str = "") -> Earlier | None:
        return outdated.reckon(self.query, "stranger", VERSION, node)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    yield made
    made.job_log.close()
    made.connection.close()
    made.database.close()


def test_only_what_an_earlier_version_has_taken_and_can_be_taken_again_counts(ground: Ground) -> None:
    """Not the present version's, an imported one's, another processor's or node's, what is gone or is taken anew."""
    assert ground.reckon() is None
    ground.know("ann/now.jsonl", VERSION)
    ground.know("ann/later.jsonl", VERSION + 1)
    ground.know("ann/imported.jsonl", None)
    ground.know("ann/gone.jsonl", status="gone")
    ground.know("ann/begun.jsonl", size=0)
    ground.know("ann/other.jsonl", processor="another")
    assert ground.reckon() is None
    ground.know("ann/b.jsonl")
    ground.know("ann/a.jsonl", 1, status="quarantined")
    ground.know("far:ann/c.jsonl")
    for node, keys in (("", ["ann/a.jsonl", "ann/b.jsonl"]), ("far", ["far:ann/c.jsonl"]), ("fa", [])):
        assert outdated.keys(ground.query, "stranger", VERSION, node) == keys
        found = ground.reckon(node)
        assert (found.sessions if found is not None else 0) == len(keys)


def test_tokens_are_reckoned_from_what_was_shown_and_else_bounded(ground: Ground) -> None:
    """By bytes, from calls that were answered; without any, a token for four bytes; two digits of it."""
    ground.know("ann/a.jsonl", size=49_990)
    assert ground.reckon() == Earlier(1, 12_000, measured=False)
    ground.know("ann/b.jsonl", VERSION, size=10_000)
    ground.ask("ann/b.jsonl", 600)
    ground.ask("ann/b.jsonl", 400)
    ground.ask("ann/b.jsonl", 90_000, outcome="unknown")
    ground.ask("ann/b.jsonl", 80_000, processor="another")
    ground.ask("ann/none.jsonl", 70_000)
    assert ground.reckon() == Earlier(1, 5000, measured=True)
    ground.know("ann/c.jsonl", size=10)
    assert ground.reckon() == Earlier(2, 5000, measured=True)


def test_what_health_says_of_it() -> None:
    """It is an information, with the command that takes them again."""
    (one,) = findings.of_earlier({"stranger": Earlier(1, 7, measured=False)})
    assert (
        one.level == "info"
        and one.message.startswith("1 session was taken")
        and "at most about 7 tokens" in one.message
    )
    (many,) = findings.of_earlier({"stranger": Earlier(1200, 34_000, measured=True)})
    assert "1,200 sessions were taken by an earlier version of stranger" in many.message
    assert "would show about 34,000 tokens" in many.message
    assert "session-watcher sessions reprocess --processor stranger --older" in many.message
    assert many.details == {"processor": "stranger", "sessions": 1200, "tokens": 34_000, "measured": True}


def test_what_is_said_of_one_such_session() -> None:
    """That it stays so, and how that ends; a processor that asks no model takes it again."""
    state = State(processor_name="s", session_file="k", username="ann", processed_bytes=5, processor_version=2)
    asks, asks_not = Version.of(VERSION, asks_model=True), Version.of(VERSION, asks_model=False)
    seen = Signature((1, 5, 3, 4))
    assert (
        explain(state.seen(seen), seen, asks_not) == "Made by an earlier version of the processor: it is taken again."
    )
    told = explain(state.seen(seen), seen, asks)
    assert told.startswith("Taken whole. Made by an earlier version") and "sessions reprocess" in told
    assert "earlier" not in explain(State(**{**_fields(state), "processor_version": VERSION}).seen(seen), seen, asks)
    aside = State(**{**_fields(state), "status": "quarantined", "attempts": 8, "last_error": "x"})
    assert "new version" in explain(aside, seen, asks_not) and "new version" not in explain(aside, seen, asks)


def _fields(state: State) -> dict[str, Any]:
    return {name: getattr(state, name) for name in State.__struct_fields__}
