"""A database whose rows were made by earlier rules: what is there is taken again, what is gone keeps its rows.

On DuckDB and PostgreSQL; the earlier rows are put in as the earlier version's tables held them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import Subject, settings_for
from tests.support.transcript_lines import OPUS, Talk, line, text, usage
from watcher.store.database import Connection
from watcher.store.migrations import migrate
from watcher.store.open import open_database

#: A cost that no list of prices gives.
ODD = 99.0
TALK = Talk("s1", "/home/ann/shop")
HERE, GONE, OTHER = "ann/here.jsonl", "ann/gone.jsonl", "ann/other.jsonl"


def at(minute: int) -> datetime:
    """A minute of the test's morning."""
    return datetime(2026, 3, 1, 9, minute, tzinfo=UTC)


def earlier(connection: Connection) -> None:
    """The tables of `usage` as its first version made them, with three sessions in them."""
    script = files("processors.usage").joinpath("migrations/001_tables.sql").read_text(encoding="utf-8")
    script = "\n".join(row for row in script.splitlines() if not row.startswith("--"))
    for statement in filter(str.strip, script.split(";")):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO schema_migrations (owner, number, name, applied_at) VALUES ('usage', 1, 'tables', $1)", [at(0)]
    )
    for key, side in ((HERE, False), (GONE, False), (OTHER, True)):
        connection.execute(
            "INSERT INTO usage_contexts (session_file, context, session_id, username, project, is_sidechain)"
            " VALUES ($1, 7, 's1', 'ann', 'shop', $2)",
            [key, side],
        )
        connection.execute(
            "INSERT INTO usage_files (session_file, session_id, username, project, first_at, last_at, active_seconds,"
            " human_turns) VALUES ($1, 's1', 'ann', 'shop', $2, $2, 5, 3)",
            [key, at(1)],
        )
        connection.execute(
            "INSERT INTO session_processor_state (processor_name, session_file, username, processed_at,"
            " items_extracted, processed_bytes, bad_lines, processor_version, status, attempts)"
            " VALUES ('usage', $1, 'ann', $2, 1, 10, 0, 1, 'ok', 0)",
            [key, at(1)],
        )
    # The same message in a session and, under another request, in a sidechain's file: two calls by the earlier rules.
    _call(connection, HERE, "msg_01a", "req_011Ca", 5)
    _call(connection, GONE, "msg_01b", "r1", 6)
    _call(connection, OTHER, "msg_01b", "r2", 6)
    connection.execute(
        "INSERT INTO usage_uses (session_file, use_id, is_result, event_type, command_name, seen_at, occurred_at,"
        " context, position, counted)"
        " VALUES ($1, 'command:a-uuid', FALSE, 'slash_command', 'clear', $2, $2, 7, 9, TRUE)",
        [GONE, at(2)],
    )


def _call(connection: Connection, key: str, message: str, request: str, tokens: int) -> None:
    connection.execute(
        "INSERT INTO usage_calls (session_file, message_id, request_id, seen_at, first_at, occurred_at, model,"
        " input_tokens, output_tokens, cache_creation_tokens, cache_creation_1h_tokens, cache_read_tokens,"
        " web_search_requests, tokens, cost_usd, context, position, counted)"
        " VALUES ($1, $2, $3, $4, $4, $4, $5, $6, 0, 0, 0, 0, 0, $6, $7, 7, 1, TRUE)",
        [key, message, request, at(1), OPUS, tokens, ODD],
    )


@pytest.fixture
def subject(tmp_path: Path, database_url: str) -> Iterator[Subject]:
    root = tmp_path / "sessions"
    (root / "ann").mkdir(parents=True)
    subject = Subject(
        root, tmp_path / "state", {"database.url": database_url, "processors.verification.enabled": False}
    )
    settings = settings_for(root, tmp_path / "state", **subject.overrides)
    settings.paths.state.mkdir(parents=True, exist_ok=True)
    database = open_database(settings)
    migrate(database, settings.paths.state / "backups")
    connection = database.connect()
    earlier(connection)
    connection.close()
    database.close()
    yield subject
    subject.close()


def test_sessions_are_taken_again_and_gone_ones_keep_their_rows(subject: Subject) -> None:
    """What is there has today's columns; what is gone counts by today's rules, at today's prices, once."""
    call = TALK.assistant(at(1).isoformat(), "a", text("x"), usage(2, 3), OPUS)
    clear = TALK.user(at(2).isoformat(), "c", "<command-name>/clear</command-name>")
    (subject.root / HERE).write_bytes(line(call) + line(clear))
    subject.catch_up()

    def ask(sql: str) -> list[tuple[Any, ...]]:
        return subject.open().query(sql)

    messages = ask(
        "SELECT message_id, session_file, input_tokens, thinking_tokens, rules_version, is_copy, cost_usd"
        " FROM usage_messages ORDER BY message_id"
    )
    assert messages == [
        ("msg_01a", HERE, 2, 0, 2, False, 5 / 64),
        ("msg_01b", GONE, 6, None, 1, False, 6 / 64),
    ]
    # A command that stands in a gone session and in one that is there is the same, by its name and time.
    commands = ask("SELECT tool_use_id, command_name FROM usage_events WHERE event_type = 'slash_command'")
    assert commands == [(f"command:clear:{int(at(2).timestamp()) * 1_000_000}", "clear")]
    turns = dict(ask("SELECT session_file, human_turns FROM usage_sessions"))
    assert turns == {HERE: 0, GONE: 3, OTHER: 3}
    assert ask("SELECT min(project), max(project) FROM usage_messages WHERE rules_version = 1") == [("shop", "shop")]


def test_reports_go_on_while_it_is_upgraded(subject: Subject) -> None:
    """Before anything is taken again the rows before are there, and counted once."""
    core = subject.open()
    assert core.query("SELECT count(*), sum(input_tokens) FROM usage_messages") == [(2, 11)]
