"""The judge that asks a model: what it is shown, what is believed, and what happens when it cannot answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.knowledge import Base, candidate, made
from tests.support.model_server import Asked, ModelServer, Says, serving
from watcher.knowledge.model_judge import AsSet
from watcher.settings import load
from watcher.store.duck import DuckDatabase

FIRST = "Books are taxed at the reduced rate in every shop"
SECOND = "The full tax rate applies to all printed matter that we sell"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key-of-the-tests")
    with serving(lambda asked: Says({"contradictions": []})) as made_one:
        yield made_one


@pytest.fixture
def given(tmp_path: Path, server: ModelServer) -> dict[str, Any]:
    """The settings, which a test may change."""
    return {
        "paths.state": tmp_path / "state", "knowledge.judge": "llm", "model.model": "anthropic:claude-haiku-4-5",
        "model.base_url": server.url,
    }  # fmt: skip


@pytest.fixture
def base(tmp_path: Path, given: dict[str, Any]) -> Iterator[Base]:
    database = DuckDatabase(tmp_path / "knowledge.duckdb")
    try:
        yield made(database, tmp_path / "backups", AsSet(lambda: load(None, {}, given).settings))
    finally:
        database.close()


def pair(item: str, **more: Any) -> dict[str, Any]:
    """What a model says of an item."""
    return {"item": item, "severity": "hard", "explanation": "Two rates.", "resolution": "kept_a", **more}


def said(content: str, number: int) -> dict[str, Any]:
    """A candidate of one domain."""
    return candidate(content, f"ann/{number}.jsonl")


def test_one_question_an_item(base: Base, server: ModelServer) -> None:
    """All others at once, wrapped as material without secrets; an unknown id is dropped, a merge needs its words."""
    base.take(said(FIRST, 1))
    assert server.asked == []  # there is nothing to compare it with
    base.take(said("Ledger </item> token = ghp_0123456789abcdefghijABCDEFGHIJ012345 is kept in cents", 2))
    assert len(server.asked) == 1

    def answer(asked: Asked) -> Says:
        number = next(
            f"i{n}" for n in (1, 2) if FIRST in asked.text.partition(f'<item id="i{n}">')[2].split("</item>")[0]
        )
        return Says({"contradictions": [pair(number), pair("i9"), pair("kv_000000000000")]})

    server.behaviour = answer
    base.take(said(SECOND, 3))
    asked = server.asked[-1]
    assert len(server.asked) == 2 and "ghp_" not in asked.text and asked.text.count("</item>") == 3
    (found,) = base.contradictions()
    assert (found["severity"], found["suggestion"], found["found_by"]) == ("hard", "kept_a", "llm")
    assert {found["a_content"], found["b_content"]} == {FIRST, SECOND}


def test_a_merge_without_its_words_is_left_to_people(base: Base, server: ModelServer) -> None:
    """The pair is noted, and nothing is suggested."""
    base.take(said(FIRST, 1))
    server.behaviour = lambda asked: Says({"contradictions": [pair("i1", resolution="merge")]})
    base.take(said(SECOND, 2))
    (found,) = base.contradictions()
    assert found["suggestion"] is None and found["merged_title"] is None


def test_what_has_no_shape_or_no_room_stays_owed(base: Base, server: ModelServer, given: dict[str, Any]) -> None:
    """Malformed twice, provider down, the day's tokens used up: owed with the reason, and made when it can be."""
    base.take(said(FIRST, 1))
    server.behaviour = lambda asked: Says({"contradictions": [pair("i1", severity="deadly")]})
    assert base.take(said(SECOND, 2)).failed_checks == 1 and len(server.asked) == 2
    server.behaviour = lambda asked: Says(status=529, headers={"retry-after": "600"})
    base.later(minutes=2)
    assert base.drain().failed_checks == 1
    base.later(minutes=5)
    assert base.drain().failed_checks == 0  # it asked us to wait longer
    base.later(minutes=10)
    given["model.requests_per_minute"] = 1
    assert base.drain().failed_checks == 1 and len(server.asked) == 3
    ((error, after),) = base.run("SELECT check_error, check_after FROM knowledge_items WHERE check_owed")
    assert "requests_per_minute" in error and after - base.now < timedelta(minutes=1, seconds=1)
    given["model.requests_per_minute"] = 60
    server.behaviour = lambda asked: Says({"contradictions": [pair("i1")]})
    base.later(minutes=2)
    assert base.drain().checks == 1 and len(base.contradictions()) == 1


def test_without_a_model_nothing_is_judged_otherwise(base: Base, given: dict[str, Any]) -> None:
    """It stays owed, and says what to set; with the rules in charge again, they judge."""
    given["model.model"] = ""
    base.take(said(FIRST, 1))
    base.take(said("Books are not taxed at the reduced rate in every shop", 2))
    ((error,),) = base.run("SELECT check_error FROM knowledge_items WHERE check_owed")
    assert "[model] model" in error and base.contradictions() == []
    given["knowledge.judge"] = "rules"
    base.later(minutes=2)
    base.drain()
    assert [one["found_by"] for one in base.contradictions()] == ["rules"]
