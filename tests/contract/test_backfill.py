"""Columns that follow from others are made anew when what they are based on changes: what calls cost, by other prices.

On DuckDB and PostgreSQL, with the real child process; sessions that are gone are made anew too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import Subject, settings_for
from tests.support.transcript_lines import OPUS, Talk, line, text, usage
from watcher.app import Application

TALK = Talk("s1", "/home/ann/shop")
AT = datetime(2026, 3, 1, 9, tzinfo=UTC)


def prices(dollars: float) -> dict[str, Any]:
    """A million tokens of input for so much."""
    return {OPUS: {"input": dollars * 1_000_000}}


def call(name: str, tokens: int) -> bytes:
    return line(TALK.assistant(AT.isoformat(), name, text("x"), usage(tokens, 0), OPUS))


@pytest.fixture
def subject(tmp_path: Path, database_url: str) -> Iterator[Subject]:
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    overrides = {
        "database.url": database_url,
        "processors.verification.enabled": False,
        "processors.usage.prices": prices(2.0),
    }
    subject = Subject(tmp_path / "sessions", tmp_path / "state", overrides)
    yield subject
    subject.close()


def costs(subject: Subject) -> list[tuple[Any, ...]]:
    return subject.open().query("SELECT input_tokens, cost_usd FROM usage_messages ORDER BY input_tokens")


def test_costs_follow_the_prices(subject: Subject) -> None:
    """Of sessions that are there and of those that are gone, without reading any again."""
    (subject.root / "ann" / "here.jsonl").write_bytes(call("a", 1))
    (subject.root / "ann" / "gone.jsonl").write_bytes(call("b", 2))
    subject.catch_up()
    assert costs(subject) == [(1, 2.0), (2, 4.0)]
    (subject.root / "ann" / "gone.jsonl").unlink()
    subject.catch_up()
    subject.close()

    subject.overrides["processors.usage.prices"] = prices(3.0)
    (details,) = subject.catch_up(["usage"])
    assert (details.processed, details.errors) == (0, 0)
    assert costs(subject) == [(1, 3.0), (2, 6.0)]
    # What is appended by these prices counts beside what was made anew.
    with (subject.root / "ann" / "here.jsonl").open("ab") as file:
        file.write(call("c", 3))
    subject.catch_up()
    assert costs(subject) == [(1, 3.0), (2, 6.0), (3, 9.0)]
    assert subject.open().query("SELECT count(DISTINCT priced_by) FROM usage_contexts") == [(1,)]


def test_a_running_service_takes_other_prices_up(subject: Subject) -> None:
    """Settings that change while it runs."""
    (subject.root / "ann" / "here.jsonl").write_bytes(call("a", 1))
    subject.catch_up()
    core: Application = subject.open()
    subject.overrides["processors.usage.prices"] = prices(5.0)
    core.take(settings_for(subject.root, subject.state, **subject.overrides))
    assert core.pipelines["usage"].backfill() == 1
    assert costs(subject) == [(1, 5.0)]
    assert core.pipelines["usage"].backfill() == 0


def test_what_cannot_be_made_anew_is_told_and_stays(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that fails at it keeps its rows as they are; it is tried again."""
    (subject.root / "ann" / "here.jsonl").write_bytes(call("a", 1))
    subject.catch_up()
    subject.close()
    subject.overrides["processors.usage.prices"] = prices(3.0)
    pipeline = subject.open().pipelines["usage"]

    def trouble(settings: Any) -> int:
        raise ArithmeticError("no prices today")

    with monkeypatch.context() as broken:
        broken.setattr(pipeline._processor, "basis", trouble)
        assert pipeline.backfill() == 0
    assert pipeline.backfill_trouble == "no prices today"
    assert any("no prices today" in finding.message for finding in subject.open().health.findings())
    assert costs(subject) == [(1, 2.0)]
    assert pipeline.backfill() == 1
    assert not any(finding.name == "backfill_failed" for finding in subject.open().health.findings())
    assert costs(subject) == [(1, 3.0)]
