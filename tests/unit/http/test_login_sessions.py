"""Signing in to the pages: visits that end, and addresses that lead nowhere else."""

from __future__ import annotations

import random

import pytest

from tests.support.clock import Clock
from watcher.http.login_sessions import LASTS, MOST, Visits
from watcher.http.pages.layout import inside
from watcher.store.tokens import Caller


def test_a_visit_ends_by_itself_by_signing_out_and_when_its_token_is_revoked() -> None:
    """What a browser keeps is worth nothing from then on; other visits go on."""
    known, clock = {"one": Caller("one", "admin"), "two": Caller("two", "user", "ann")}, Clock()
    visits = Visits(known.get, clock)
    assert visits.begin("three") is None and visits.begin("") is None
    cookies = {name: visits.begin(name) for name in known}
    again = visits.begin("one")
    assert len({*cookies.values(), again, None}) == 4

    def there(value: str | None) -> str | None:
        found = visits.find(value)
        return None if found is None else found[1].name

    assert [there(cookies["one"]), there(cookies["two"]), there(again)] == ["one", "two", "one"]
    assert there(None) is None and there("") is None and there(str(again)[:-1]) is None
    visits.end(again)
    visits.end(again)
    assert there(again) is None and there(cookies["one"]) == "one"
    del known["two"]
    assert there(cookies["two"]) is None
    known["two"] = Caller("two", "user", "ann")
    assert there(cookies["two"]) is None, "a visit whose token was revoked comes back with a new one of that name"
    clock.now += LASTS - 1
    assert there(cookies["one"]) == "one"
    clock.now += 1
    assert there(cookies["one"]) is None


def test_each_visit_has_a_key_for_its_forms_that_is_not_the_cookie() -> None:
    """No two are alike, and neither holds the token."""
    visits = Visits({"secret-token": Caller("one", "admin")}.get)
    cookies = [visits.begin("secret-token") for _ in range(20)]
    found = [visits.find(cookie) for cookie in cookies]
    keys = [one[0].form_key for one in found if one is not None]
    words = [*keys, *(str(cookie) for cookie in cookies)]
    assert len(set(words)) == 40 and all(len(word) >= 32 and "secret" not in word for word in words)


def test_only_so_many_visits_are_kept() -> None:
    """The oldest makes room: nobody fills the memory by signing in."""
    clock = Clock()
    visits = Visits({"one": Caller("one", "admin")}.get, clock)
    cookies = []
    for _ in range(MOST + 5):
        clock.now += 1
        cookies.append(visits.begin("one"))
    assert [visits.find(cookie) is None for cookie in cookies] == [True] * 5 + [False] * MOST


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example", "https://evil.example/", "http:evil.example", "/\\evil.example", "\\\\evil.example",
        "/\t/evil.example", "\n//evil.example", "javascript:alert(1)", "evil.example", "", "///evil.example",
        "/\r\nSet-Cookie: a=b", "?x", "http://[", "/\u2028/evil.example",
    ],
)  # fmt: skip
def test_an_address_that_leads_elsewhere_is_not_gone_to(address: str) -> None:
    """After signing in one is where one was going only if that is a page of ours."""
    assert inside(address) == "/"


def test_an_address_of_ours_is_kept_as_it_is() -> None:
    """With all that was asked for in it."""
    rng = random.Random(3)
    for _ in range(200):
        address = "/" + "".join(rng.choice("abc/%2F?&=#é.:@") for _ in range(rng.randrange(20)))
        if not address.startswith("//"):
            assert inside(address) == address
