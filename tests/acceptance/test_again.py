"""Answers that are given again, by a service that runs: nobody's are anybody else's, and no change is missed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.listener import until
from tests.support.processes import call
from tests.support.served import TOKEN, Reply, Served, served
from watcher.http import again
from watcher.http.client import Client

FORM = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
ITEM: dict[str, Any] = {
    "title": "Prices are in cents",
    "content": "All prices are kept in cents.",
    "domain": "engineering",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """What is answered stands for an hour, however quickly it was made."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(again, "TIMES", 10**9)
        with served(tmp_path_factory.mktemp("again"), http__answers_stand="1h") as running:
            yield running


def stands(reply: Reply) -> bool:
    """Whether this was answered before."""
    assert reply.status == 200, reply
    return "age" in reply.headers


def signed_in(service: Served, token: str = TOKEN) -> dict[str, str]:
    """The headers of a new visit."""
    answer = service.ask("POST", "/sign-in", token=None, body=urlencode({"token": token}).encode(), headers=FORM)
    assert answer.status == 303, answer
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def form_key(page: Reply) -> bytes:
    """What only the forms of a visit hold."""
    found = re.search(rb'name="form_key" value="([^"]+)"', page.body)
    assert found is not None, page
    return found[1]


def test_what_is_asked_again_is_as_it_was_until_somebody_changes_something(service: Served) -> None:
    """Whoever it is; what comes in by itself is seen when the answer has stood long enough."""
    first = service.ask("GET", "/api/knowledge/counts")
    again = service.ask("GET", "/api/knowledge/counts")
    assert not stands(first) and stands(again) and again.body == first.body
    cookie = signed_in(service)
    assert not stands(service.ask("GET", "/knowledge", token=None, headers=cookie))
    assert stands(service.ask("GET", "/knowledge", token=None, headers=cookie))

    item = service.ask("POST", "/api/knowledge/items", **ITEM)
    assert item.status == 200, item
    counts = service.ask("GET", "/api/knowledge/counts")
    assert not stands(counts) and counts.json["items"]["approved"] == first.json["items"]["approved"] + 1
    page = service.ask("GET", "/knowledge", token=None, headers=cookie)
    assert not stands(page) and ITEM["title"].encode() in page.body


def test_what_comes_in_by_itself_is_seen_later(service: Served) -> None:
    """That is the price: here an hour."""
    asked = service.ask("GET", "/api/sessions", text="late.jsonl")
    assert asked.json["total"] == 0
    (service.sessions / "ann").mkdir()
    (service.sessions / "ann" / "late.jsonl").write_bytes(call("late"))
    taken = "SELECT 1 FROM session_processor_state WHERE session_file = 'ann/late.jsonl'"
    until(lambda: service.live.core.query(taken), "it to be taken")
    assert stands(service.ask("GET", "/api/sessions", text="late.jsonl"))
    assert Client(service.url, TOKEN).get("/api/sessions", text="late.jsonl")["total"] > 0, "commands see what is now"
    service.ask("POST", "/api/sessions/retry", session="ann/late.jsonl")
    assert service.ask("GET", "/api/sessions", text="late.jsonl").json["total"] > 0


def test_nobody_is_given_anothers(service: Served) -> None:
    """Not another visit's page with its key for forms, nor what another token may see."""
    visits = [signed_in(service), signed_in(service)]
    keys = [form_key(service.ask("GET", "/knowledge", token=None, headers=one)) for one in [*visits, *visits]]
    assert keys[:2] == keys[2:] and keys[0] != keys[1]
    ann, bob = service.token("user", "ann"), service.token("user", "bob")
    names = [service.ask("GET", "/api/whoami", token=one).json["username"] for one in (ann, bob, ann, bob)]
    assert names == ["ann", "bob", "ann", "bob"]
    assert not stands(service.ask("GET", "/api/jobs")) and stands(service.ask("GET", "/api/jobs"))
    assert service.ask("GET", "/api/jobs", token=ann).status == 403
    assert service.ask("GET", "/api/jobs", token="wrong").status == 401
    assert service.ask("GET", "/api/jobs", token=None).status == 401


def test_whose_visit_or_token_ends_sees_nothing_any_more(service: Served) -> None:
    """From that moment."""
    name = "leaving"
    token = service.ask("POST", "/api/admin/tokens", name=name, role="reader").json["token"]
    cookie = signed_in(service, token)
    for _ in range(2):
        assert service.ask("GET", "/api/jobs", token=token).status == 200
        assert service.ask("GET", "/usage", token=None, headers=cookie).status == 200
    assert service.ask("POST", "/api/admin/tokens/revoke", which=name).status == 200
    assert service.ask("GET", "/api/jobs", token=token).status == 401
    assert service.ask("GET", "/usage", token=None, headers=cookie).status == 303

    cookie = signed_in(service)
    page = service.ask("GET", "/usage", token=None, headers=cookie)
    body = urlencode({"form_key": form_key(page).decode()}).encode()
    assert service.ask("POST", "/sign-out", token=None, body=body, headers={**FORM, **cookie}).status == 303
    assert service.ask("GET", "/usage", token=None, headers=cookie).status == 303


def test_what_is_told_once_is_told_once(service: Served) -> None:
    """What came of a button, on the page after it; and what is audited is, each time."""
    cookie = signed_in(service)
    item = service.ask("POST", "/api/knowledge/items", **{**ITEM, "title": "Days begin at midnight"}).json["item_id"]
    page = service.ask("GET", "/knowledge/item", token=None, headers=cookie, item=item)
    body = urlencode({"form_key": form_key(page).decode(), "vote": "1"}).encode()
    told = service.ask("POST", "/knowledge/vote", token=None, body=body, headers={**FORM, **cookie}, item=item)
    assert told.status == 303, told
    pages = [service.ask("GET", told.headers["location"], token=None, headers=cookie) for _ in range(3)]
    assert [b"Your vote is noted." in page.body for page in pages] == [True, False, False]
    assert [stands(page) for page in pages] == [False, False, True]

    before = len(service.audit())
    assert not any(stands(service.ask("GET", "/api/admin/tokens")) for _ in range(3))
    assert [one["action"] for one in service.audit()[before:]] == ["tokens_list"] * 3
