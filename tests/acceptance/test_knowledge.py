"""The knowledge base as people meet it: learnt by ``once`` and by the service, marked, restored, forgotten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.processes import Place, wait_for

RETENTION = "Our invoices are never kept longer than {} days, because of the auditors."
QUARTER = "For reference, our fiscal quarter closes 5 days after its last month."


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "sessions" / "alice").mkdir(parents=True)
    (tmp_path / "sessions" / "bob").mkdir()
    return Place(tmp_path / "sessions", tmp_path / "state")


def said(*statements: str, name: str) -> bytes:
    """A session in which a person says so."""
    records = [
        {
            "type": "user", "uuid": f"{name}{n}", "sessionId": name, "timestamp": "2026-03-01T10:00:00Z",
            "message": {"role": "user", "content": words},
        }
        for n, words in enumerate(statements)
    ]  # fmt: skip
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def known(place: Place, sql: str) -> list[tuple[Any, ...]]:
    """What the database says while nobody has it open."""
    connection = duckdb.connect(str(place.state / "watcher.duckdb"), read_only=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


EVIDENCE = (
    "SELECT e.session_file, e.source_gone FROM verification_evidence e JOIN knowledge_items i USING (item_id)"
    " WHERE i.content LIKE '%14 days%' ORDER BY 1"
)


def once(place: Place) -> None:
    done = place.run("once")
    assert done.returncode == 0, done.stderr


def test_once_learns_marks_and_forgets(place: Place) -> None:
    """Two people, a contradiction, a fork; a file that goes, comes back, and is forgotten."""
    alice, bob, fork = (place.sessions / name for name in ("alice/a.jsonl", "bob/b.jsonl", "alice/fork.jsonl"))
    alice.write_bytes(said(RETENTION.format(14), QUARTER, name="a"))
    once(place)
    bob.write_bytes(said(RETENTION.format(14), RETENTION.format(30), name="b"))
    fork.write_bytes(alice.read_bytes())
    once(place)
    once(place)
    assert known(place, "SELECT count(*) FROM knowledge_items WHERE status = 'pending' AND NOT check_owed") == [(3,)]
    assert known(place, "SELECT count(*) FROM knowledge_contradictions WHERE resolution IS NULL") == [(1,)]
    assert known(place, EVIDENCE) == [("alice/a.jsonl", False), ("bob/b.jsonl", False)]
    whole = bob.read_bytes()
    bob.unlink()
    once(place)
    assert known(place, EVIDENCE) == [("alice/a.jsonl", False), ("bob/b.jsonl", True)]
    bob.write_bytes(whole)
    once(place)
    assert known(place, EVIDENCE) == [("alice/a.jsonl", False), ("bob/b.jsonl", False)]
    bob.write_bytes(said("Thanks, that is all.", name="b"))
    once(place)
    assert known(place, EVIDENCE) == [("alice/a.jsonl", False), ("bob/b.jsonl", True)]
    assert known(place, "SELECT count(*) FROM knowledge_items") == [(3,)]
    for path in (bob, alice):
        path.unlink()
        done = place.run("sessions", "forget", str(path.relative_to(place.sessions)))
        assert done.returncode == 0, done.stderr
    assert known(place, EVIDENCE) == [("alice/fork.jsonl", False)]
    assert known(place, "SELECT count(*) FROM knowledge_items") == [(2,)]
    fork.unlink()
    assert place.run("sessions", "forget", "alice/fork.jsonl").returncode == 0
    assert known(place, "SELECT count(*) FROM knowledge_items") == [(0,)]


def test_the_service_learns_as_sessions_are_written(place: Place) -> None:
    """Without being asked, a moment after a session comes to rest; also what was said while it was down."""
    path = place.sessions / "alice" / "a.jsonl"
    path.write_bytes(said(QUARTER, name="a"))
    running = place.start()
    try:
        wait_for(lambda: "intake_done" in running.log.read_text(), "what was there", running.log)
        with path.open("ab") as file:
            file.write(said(RETENTION.format(14), name="more"))
        wait_for(lambda: running.log.read_text().count("intake_done") == 2, "what was appended", running.log)
    finally:
        assert running.stop() == 0
    assert known(place, "SELECT count(*) FROM knowledge_items WHERE NOT check_owed") == [(2,)]
    assert known(place, EVIDENCE) == [("alice/a.jsonl", False)]
