"""The knowledge base by the API: who sees what, what a decision answers, and what an import may be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.served import TOKEN, Reply, Served, served
from watcher.http import guard
from watcher.knowledge.ids import name_of

SAID = {"title": "VAT on books", "content": "Books are taxed at the reduced rate of 7%.", "domain": "finance"}
BOOKS = f"/api/knowledge/items/{name_of(SAID['title'], SAID['content'])}"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    """One that knows nothing yet."""
    with served(tmp_path) as running:
        yield running


def bring(service: Served, *items: dict[str, Any], token: str | None = TOKEN) -> Reply:
    """Import these items."""
    body = json.dumps({"format": "session-watcher-knowledge/1", "items": items}).encode()
    return service.ask("POST", "/api/knowledge/import", token, body=body)


def test_an_item_on_its_way_to_agents(service: Served) -> None:
    """Users see it once it is approved, as it was read; each step of an admin is audited once, with the item."""
    ann = service.token("user", "ann")
    assert bring(service, SAID).json == {"added": 1, "known": 0}
    assert service.ask("GET", "/api/knowledge/items", ann).json["total"] == 0
    assert service.ask("GET", BOOKS, ann).status == 404
    assert service.ask("GET", "/api/knowledge/bundle", ann).json["items"] == []
    shown = service.ask("GET", BOOKS).json
    assert (shown["status"], shown["evidence"]) == ("pending", [])
    before = len(service.audit())
    assert service.ask("POST", f"{BOOKS}/approve", seen="something else").status == 409
    assert service.ask("POST", f"{BOOKS}/revoke").status == 400
    done = service.ask("POST", f"{BOOKS}/approve", seen=shown["digest"], reason="true")
    assert done.json["status"] == "approved" and done.json["history"][-1]["reason"] == "true"
    noted = [(one["action"], one["status"], BOOKS.endswith(one["resource"])) for one in service.audit()[before:]]
    assert noted == [
        ("knowledge_approve", 409, True),
        ("knowledge_revoke", 400, True),
        ("knowledge_approve", 200, True),
    ]
    assert service.ask("GET", BOOKS, ann).json["text"] == shown["text"]
    (served_item,) = service.ask("GET", "/api/knowledge/bundle", ann).json["items"]
    assert served_item["text"] == shown["text"]
    (vote,) = service.ask("POST", f"{BOOKS}/vote", ann, vote=-1).json["votes"]
    assert (vote["username"], vote["vote"]) == ("ann", -1)
    assert service.ask("GET", BOOKS).json["status"] == "approved", "votes decide nothing"


def test_text_with_warnings_is_shown_before_agents_are_given_it(service: Served) -> None:
    """The refusal holds the exact text and why; confirmed, it is done; each is audited once."""
    words: dict[str, Any] = {"title": "The shop", "content": "Books are at http://books.example/ for all."}
    unread = [{"text": f"{words['title']}: {words['content']}", "warnings": ["it holds a link"]}]
    bring(service, SAID)
    service.ask("POST", f"{BOOKS}/approve")
    before = len(service.audit())
    for path in ("/api/knowledge/items", f"{BOOKS}/edit"):
        refused = service.ask("POST", path, **words)
        assert (refused.status, refused.json["unread"]) == (400, unread) and "it holds a link" in refused.detail
        assert service.ask("GET", BOOKS).json["content"] == SAID["content"]
    assert service.ask("POST", f"{BOOKS}/edit", **words, seen="other", confirmed="true").status == 409
    assert service.ask("POST", f"{BOOKS}/edit", **words, confirmed="true").json["content"] == words["content"]
    noted = [(one["action"], one["status"]) for one in service.audit()[before:]]
    assert noted == [("knowledge_add", 400), ("knowledge_edit", 400), ("knowledge_edit", 409), ("knowledge_edit", 200)]


def test_an_import_is_all_or_nothing_whatever_is_sent(service: Served) -> None:
    """What is no export is one sentence and one entry of the audit; nobody unknown is listened to."""
    wrong: tuple[bytes, ...] = (
        b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"1" * 5000,
        b'{"format": "session-watcher-knowledge/1", "items": [NaN]}',
    )  # fmt: skip
    for body in wrong:
        before = len(service.audit())
        refused = service.ask("POST", "/api/knowledge/import", body=body)
        assert refused.status == 400 and refused.detail, body[:20]
        assert [one["status"] for one in service.audit()[before:]] == [400], body[:20]
        assert service.ask("POST", "/api/knowledge/import", None, body=body).status == 401
        assert len(service.audit()) == before + 1
    for odd in (
        {**SAID, "title": "half a \ud800 pair"},
        {**SAID, "audience": "group:\0"},
        {**SAID, "valid_until": "0001-01-01T00:00+14:00"},
        {**SAID, "evidence": [{"user_quote": "x", "occurred_at": "9999-12-31T23:59-14:00"}]},
        {**SAID, "evidence": [{"user_quote": "\ud800"}]},
    ):
        refused = bring(service, {**SAID, "title": "Another"}, odd)
        assert refused.status == 400 and refused.detail.startswith("item 2: "), (odd, refused)
    assert service.ask("GET", "/api/knowledge/items").json["total"] == 0


def test_a_whole_knowledge_base_can_be_brought(service: Served) -> None:
    """More than other requests may, and not without end; again, it changes nothing."""
    said = {"username": "ann", "session_file": "ann/a.jsonl", "detection_type": "correction", "user_quote": "no, 7%"}
    proof = [{**said, "turn_id": str(turn), "note": "x" * 4000} for turn in range(300)]
    assert len(json.dumps(proof)) > guard.LONGEST_BODY
    assert bring(service, {**SAID, "evidence": proof}).json == {"added": 1, "known": 0}
    kept = service.ask("GET", "/api/knowledge/export").json
    assert len(kept["items"][0]["evidence"]) == 300
    assert bring(service, *kept["items"]).json == {"added": 0, "known": 1}
    head = f"POST /api/knowledge/import HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    too_long = service.raw(head.encode() + f"Content-Length: {guard.LONGEST_IMPORT + 1}\r\n\r\n".encode())
    assert too_long.startswith(b"HTTP/1.1 413 ")
