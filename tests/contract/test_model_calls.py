"""The journal of calls becomes rows, on every database: each call once, as it is known last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from processors.contract import ModelAccess
from processors.llm.call_log import DAY, GRACE, Journal, ModelCall
from watcher.store.database import Database
from watcher.store.job_log import JobLog
from watcher.store.migrations import migrate
from watcher.store.model_calls import KEPT, ModelCalls

NOON = 20_500 * DAY + DAY / 2
LIMITS = ModelAccess(requests_per_minute=1000)


def call(name: str, at: float = NOON, **given: Any) -> ModelCall:
    return ModelCall(call_id=name, at=at, until=at + 60, purpose="test", model="anthropic:m", input_tokens=100, **given)


def ended(begun: ModelCall) -> ModelCall:
    return msgspec.structs.replace(begun, outcome="ok", input_tokens=90, output_tokens=7, cost_usd=0.25, seconds=1.5)


def test_each_call_is_a_row_as_it_is_known_last(database: Database, tmp_path: Path) -> None:
    """While it goes on, after it, and when its process was killed; taken in again and again, also by another start."""
    migrate(database, tmp_path / "backups")
    job_log, journal = JobLog(database), Journal(tmp_path / "calls")
    connection = database.connect()

    def rows() -> dict[str, tuple[Any, ...]]:
        sql = "SELECT call_id, outcome, input_tokens, output_tokens, cost_usd, session_file FROM model_calls"
        return {row[0]: row[1:] for row in connection.execute(sql)}

    calls = ModelCalls(journal.folder, job_log)
    assert calls.take(NOON) == 0
    first, killed = call("first", session="ann/s.jsonl"), call("killed", NOON + 1, output_tokens=50)
    journal.begin(first, LIMITS)
    journal.begin(killed, LIMITS)
    assert calls.take(NOON + 2) == 2
    assert rows()["first"] == ("under_way", 100, 0, None, "ann/s.jsonl")
    journal.end(ended(first))
    assert calls.take(NOON + 3) == 1 and calls.take(NOON + 3) == 0
    assert rows()["first"] == ("ok", 90, 7, 0.25, "ann/s.jsonl")
    again = ModelCalls(journal.folder, job_log)
    assert again.take(NOON + 4) == 0
    assert again.take(NOON + 62 + GRACE) == 1
    assert rows()["killed"] == ("unknown", 100, 50, None, None)
    # What is not in the table stays in the file; what is goes after some days.
    later = NOON + (KEPT + 1) * DAY
    journal.begin(ended(call("later", later)), LIMITS)
    assert ModelCalls(journal.folder, job_log).take(later + 200) == 1
    assert [path.name for path in sorted(journal.folder.glob("*.jsonl"))] == [journal.path(later).name]
    assert set(rows()) == {"first", "killed", "later"}
    connection.close()
    job_log.close()


def test_what_cannot_be_noted_is_noted_later(database: Database, tmp_path: Path) -> None:
    """The journal keeps it until the database takes it."""
    migrate(database, tmp_path / "backups")
    job_log, journal = JobLog(database), Journal(tmp_path / "calls")
    connection = database.connect()
    connection.execute("ALTER TABLE model_calls RENAME TO aside")
    journal.begin(ended(call("one")), LIMITS)
    calls = ModelCalls(journal.folder, job_log)
    assert calls.take(NOON + 10 * DAY) == 0 and job_log.trouble is not None
    connection.execute("ALTER TABLE aside RENAME TO model_calls")
    assert calls.take(NOON + 10 * DAY) == 1
    assert connection.execute("SELECT call_id FROM model_calls") == [("one",)]
    connection.close()
    job_log.close()
