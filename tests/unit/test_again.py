"""Answers given again: only to who asks the same, only for a while, and never past a change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from tests.support.clock import Clock
from watcher.http.again import LARGEST, MOST, TIMES, Again

Reply = tuple[int, bytes, str | None]
LONGEST = 30.0


@dataclass
class Door:
    """An application that counts how often it is asked, and what stands before it."""

    #: How long an answer takes, its status, what is after its number, and what is said of the request.
    takes: float = 0.01
    status: int = 200
    padding: bytes = b""
    state: dict[str, Any] = field(default_factory=dict)
    #: Waited for in the midst of an answer.
    meanwhile: Callable[[], Awaitable[object]] | None = None
    #: Done once by who is told that an answer begins.
    told: Callable[[], Awaitable[object]] | None = None
    made: int = 0
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.again = Again(self._app, LONGEST, self.clock)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.made += 1
        number = self.made
        if self.meanwhile is not None:
            await self.meanwhile()
        self.clock.now += self.takes
        scope["state"].update(self.state)
        if self.status == 500:
            raise ValueError("it fails")
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"x-number", b"%d" % number)]})
        await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
        await send({"type": "http.response.body", "body": self.padding})

    async def ask(
        self,
        path: str = "/api/status",
        method: str = "GET",
        query: bytes = b"",
        client: str = "127.0.0.1",
        **headers: str,
    ) -> Reply:
        """Status, body and age."""
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)
            told, self.told = self.told, None
            if told is not None:
                await told()

        async def receive() -> Message:
            return {"type": "http.request"}

        named = {"host": "here", **{name.replace("_", "-"): value for name, value in headers.items()}}
        given = [(name.encode(), value.encode()) for name, value in named.items()]
        scope: Scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": given,
            "client": (client, 1),
            "state": {},
        }
        await self.again(scope, receive, send)
        age = dict(sent[0]["headers"]).get(b"age")
        return sent[0]["status"], b"".join(one["body"] for one in sent[1:]), age.decode() if age else None

    def body(self, *words: Any, **given: Any) -> bytes:
        return asyncio.run(self.ask(*words, **given))[1]


@pytest.fixture
def door() -> Door:
    return Door()


def test_an_answer_stands_in_proportion_to_what_it_took(door: Door) -> None:
    """What is made at a hundredth of a second's cost is made once a second at most; its age is told."""
    assert asyncio.run(door.ask()) == (200, b"1", None)
    door.clock.now += (TIMES - 1) * door.takes - 0.001
    assert asyncio.run(door.ask()) == (200, b"1", "0")
    door.clock.now += 0.002
    assert asyncio.run(door.ask()) == (200, b"2", None)


def test_waiting_for_a_turn_is_no_work(door: Door) -> None:
    """What was quickly made after others were served stands no longer for that."""
    door.takes, door.state = 5.0, {"waited": 4.9}
    assert door.body() == b"1"
    door.clock.now += (TIMES - 1) * 0.1 - 0.01
    assert asyncio.run(door.ask()) == (200, b"1", "9")
    door.clock.now += 0.02
    assert door.body() == b"2"


def test_no_answer_is_older_than_is_allowed(door: Door) -> None:
    """However long it took."""
    door.takes = 5.0
    assert door.body() == b"1"
    door.clock.now += LONGEST - door.takes - 1
    assert asyncio.run(door.ask()) == (200, b"1", "29")
    door.clock.now += 1
    assert door.body() == b"2"
    door.takes = 2 * LONGEST
    assert [door.body(query=b"all"), door.body(query=b"all")] == [b"3", b"4"]


@pytest.mark.parametrize(
    "other",
    [
        {"path": "/api/statuS"},
        {"query": b"user=ann"},
        {"client": "127.0.0.2"},
        {"authorization": "Bearer b"},
        {"cookie": "session_watcher=b"},
        {"accept": "text/plain"},
        {"X-Refreshing": "1"},
    ],
    ids=str,
)
def test_nobody_is_given_what_was_made_for_another_request(door: Door, other: dict[str, Any]) -> None:
    """A byte that differs, or where it comes from, is enough."""
    same = {"authorization": "Bearer a", "cookie": "session_watcher=a", "accept": "*/*"}
    assert door.body(**same) == b"1"
    assert door.body(**{**same, **other}) == b"2"
    assert [door.body(**same), door.body(**{**same, **other})] == [b"1", b"2"]


@pytest.mark.parametrize("said", ["no-cache", "max-age=0", "no-store", "No-Cache", "private, no-cache", "max-age=00"])
def test_who_wants_an_answer_of_now_has_one_made(door: Door, said: str) -> None:
    """As a command does, or a browser that reloads; other words of that header are answers' business."""
    anew = said != "max-age=00"
    asyncio.run(door.ask(cache_control=said))
    asyncio.run(door.ask(cache_control=said))
    assert door.made == 1 + anew


def test_those_who_ask_at_once_get_one_answer(door: Door) -> None:
    """And who asks otherwise waits for none of them."""

    async def ask() -> None:
        go = asyncio.Event()
        door.meanwhile = go.wait
        many = [asyncio.create_task(door.ask()) for _ in range(20)]
        await asyncio.sleep(0)
        gone = many.pop(5)
        gone.cancel()
        door.meanwhile = None
        assert (await door.ask(query=b"other"))[1] == b"2"
        go.set()
        assert {body for _, body, _ in await asyncio.gather(*many)} == {b"1"}

    asyncio.run(ask())
    assert door.made == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_change_is_seen_at_once(door: Door, method: str) -> None:
    """What was answered before is not answered any more, whatever came of the change."""
    assert [door.body(), door.body(query=b"more")] == [b"1", b"2"]
    assert door.body("/api/sessions/retry", method) == b"3"
    assert [door.body(), door.body(query=b"more")] == [b"4", b"5"]
    door.status = 500
    with pytest.raises(ValueError, match="it fails"):
        door.body("/api/sessions/retry", method)
    door.status = 200
    assert door.body() == b"7"


def test_what_was_begun_before_a_change_is_not_given_after_it(door: Door) -> None:
    """Neither to who asks while it is still made, nor to who asks later; after it is from when its answer begins."""

    async def ask() -> None:
        assert (await door.ask())[1] == b"1"
        go = asyncio.Event()
        door.meanwhile = go.wait
        early = asyncio.create_task(door.ask(query=b"more"))
        await asyncio.sleep(0)
        door.meanwhile = None
        seen: list[bytes] = []

        async def at_once() -> None:
            seen.append((await door.ask())[1])
            seen.append((await door.ask(query=b"more"))[1])

        door.told = at_once
        await door.ask("/api/sessions/retry", "POST")
        assert seen == [b"4", b"5"], "asked by who has only heard the beginning of the answer"
        go.set()
        assert (await early)[1] == b"2"
        assert not door.again.bytes_kept
        assert [(await door.ask())[1], (await door.ask(query=b"more"))[1]] == [b"6", b"7"]

    asyncio.run(ask())


@pytest.mark.parametrize(
    "given",
    [
        {"status": 404},
        {"state": {"action": "tokens_list"}},
        {"state": {"once": True}},
        {"padding": b"x" * LARGEST},
    ],
    ids=str,
)
def test_what_is_for_once_is_made_each_time(given: dict[str, Any]) -> None:
    """Refusals, what is audited, what tells something once, and what is too large to be kept."""
    door = Door(**given)

    async def ask() -> list[bytes]:
        return [body[:1] for _, body, _ in await asyncio.gather(door.ask(), door.ask(), door.ask())]

    assert sorted(asyncio.run(ask())) == [b"1", b"2", b"3"]
    assert door.body()[:1] == b"4"


@pytest.mark.parametrize("given", [{"method": "HEAD"}, {"path": "/api/upload/ann/a.jsonl"}], ids=str)
def test_what_is_known_of_uploads_is_always_of_now(door: Door, given: dict[str, Any]) -> None:
    """They resume by it; and laptops that send all day drop nobody's answers."""
    assert [door.body(**given), door.body(**given)] == [b"1", b"2"]
    assert door.body() == b"3"
    assert door.body("/api/upload/ann/a.jsonl", "PUT") == b"4"
    assert door.body() == b"3"


def test_who_waits_for_an_answer_that_fails_makes_their_own(door: Door) -> None:
    """The failure is told to who met it."""

    async def ask() -> None:
        go = asyncio.Event()
        door.status, door.meanwhile = 500, go.wait
        first, second = asyncio.create_task(door.ask()), asyncio.create_task(door.ask())
        await asyncio.sleep(0)

        async def mended() -> None:
            door.status = 200

        door.meanwhile = mended
        go.set()
        with pytest.raises(ValueError, match="it fails"):
            await first
        assert await second == (200, b"2", None)

    asyncio.run(ask())


def test_no_memory_is_filled(door: Door) -> None:
    """What was answered longest ago makes room, and what stands no longer goes with the next that is kept."""
    door.padding, door.takes = b"x" * (LARGEST - 10), 0.05
    for number in range(3 * MOST // LARGEST):
        door.body(query=b"%d" % number)
        assert door.again.bytes_kept <= MOST
    assert door.again.bytes_kept > MOST - LARGEST - 1000
    made = door.made
    door.body(query=b"%d" % (3 * MOST // LARGEST - 1))
    assert door.made == made
    door.body(query=b"0")
    assert door.made == made + 1
    door.clock.now += LONGEST
    door.padding = b""
    for _ in range(10):
        door.body(query=b"small")
        assert door.again.bytes_kept < 1000
        door.clock.now += LONGEST
    for number in range(100):
        door.body(query=b"%d" % number, method="GET", authorization="x" * 30_000)
    assert 100 * 30_000 < door.again.bytes_kept <= MOST
