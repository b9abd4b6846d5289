"""What is committed or changed is seen by the very next request, and whoever may not see it any more does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.listener import until
from tests.support.processes import call
from tests.support.served import TOKEN, Reply, Served, served

FORM = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
COMMITTED = "SELECT count(*) FROM usage_messages WHERE session_file = 'ann/late.jsonl'"
ITEM: dict[str, Any] = {
    "title": "Prices are in cents",
    "content": "All prices are kept in cents.",
    "domain": "engineering",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("next")) as running:
        yield running


def signed_in(service: Served, token: str = TOKEN) -> dict[str, str]:
    """The headers of a new visit."""
    answer = service.ask("POST", "/sign-in", token=None, body=urlencode({"token": token}).encode(), headers=FORM)
    assert answer.status == 303, answer
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def page(service: Served, path: str, visit: dict[str, str], **query: Any) -> Reply:
    """A page, as a visit sees it."""
    answer = service.ask("GET", path, token=None, headers=visit, **query)
    assert answer.status == 200, answer
    return answer


def hidden(on: Reply, name: str) -> str:
    """What a form of a page holds."""
    found = re.search(rb'name="%s" value="([^"]+)"' % name.encode(), on.body)
    assert found is not None, on
    return found[1].decode()


def pressed(service: Served, path: str, visit: dict[str, str], on: Reply, query: dict[str, Any], **fields: str) -> str:
    """A button of a page; where it leads."""
    body = urlencode({"form_key": hidden(on, "form_key"), **fields}).encode()
    answer = service.ask("POST", path, token=None, body=body, headers={**FORM, **visit}, **query)
    assert answer.status == 303, answer
    return answer.headers["location"]


def test_the_next_request_shows_what_was_committed(service: Served) -> None:
    """API and page, asked a moment before, over and over: each commit is in the first answer after it."""
    visit = signed_in(service)
    path = service.sessions / "ann" / "late.jsonl"
    path.parent.mkdir()
    assert service.ask("GET", "/api/sessions").json["total"] == 0
    assert b"late.jsonl" not in page(service, "/sessions", visit).body
    for number in range(1, 4):
        with path.open("ab") as file:
            file.write(call(f"late-{number}", tokens=number * 1111))
        committed = [(number,)]
        until(lambda due=committed: service.live.core.query(COMMITTED) == due, "it to be in the tables")  # type: ignore[misc]
        assert service.ask("GET", "/api/usage/daily").json["totals"]["calls"] == number
        input_tokens = f"{sum(range(1, number + 1)) * 1111:,}"
        assert input_tokens.encode() in page(service, "/usage", visit, since="").body, input_tokens
    assert service.ask("GET", "/api/sessions").json["total"] > 0
    assert b"late.jsonl" in page(service, "/sessions", visit).body


def test_the_next_request_shows_what_a_button_changed(service: Served) -> None:
    """On everybody's pages and in the API; what came of it is told once."""
    item = service.ask("POST", "/api/knowledge/items", **ITEM).json["item_id"]
    visit, other = signed_in(service), signed_in(service)
    before = service.ask("GET", "/api/knowledge/counts").json["items"]
    assert ITEM["title"].encode() in page(service, "/knowledge", other).body
    on = page(service, "/knowledge/item", visit, item=item)
    back = pressed(service, "/knowledge/vote", visit, on, {"item": item}, vote="1")
    pages = [page(service, back, visit) for _ in range(3)]
    assert [b"Your vote is noted." in one.body for one in pages] == [True, False, False]

    on = page(service, "/knowledge/item", visit, item=item)
    pressed(
        service, "/knowledge/revoke", visit, on, {"item": item}, reason="they are in euros", seen=hidden(on, "seen")
    )
    after = service.ask("GET", "/api/knowledge/counts").json["items"]
    assert (after["approved"], after["revoked"]) == (before["approved"] - 1, before.get("revoked", 0) + 1)
    assert b"revoked" in page(service, "/knowledge/item", other, item=item).body
    assert ITEM["title"].encode() not in page(service, "/knowledge", other, status="approved").body


def test_whose_visit_or_token_ends_sees_nothing_any_more(service: Served) -> None:
    """From that moment."""
    name = "leaving"
    token = service.ask("POST", "/api/admin/tokens", name=name, role="reader").json["token"]
    visit = signed_in(service, token)
    assert service.ask("GET", "/api/jobs", token=token).status == 200
    page(service, "/usage", visit)
    assert service.ask("POST", "/api/admin/tokens/revoke", which=name).status == 200
    assert service.ask("GET", "/api/jobs", token=token).status == 401
    assert service.ask("GET", "/usage", token=None, headers=visit).status == 303

    visit = signed_in(service)
    pressed(service, "/sign-out", visit, page(service, "/usage", visit), {})
    assert service.ask("GET", "/usage", token=None, headers=visit).status == 303
