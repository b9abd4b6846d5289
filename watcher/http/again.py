"""Answers given again: who asks what was answered just now gets the same, and those who ask it at once get one.

However often something is asked for, it is made only a small part of the time, and the work goes on beside it.
Two requests ask the same where every byte of them is the same and they come from one address: nobody is given what
was made for somebody else. Whatever changes something drops all answers; who says so has one made anew.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watcher.http.guard import UPLOADS

#: An answer stands for so many times as long as it took to make, without what it waited for its turn.
TIMES = 100
#: So many bytes are kept at most: of one answer, and of all.
LARGEST, MOST = 4_000_000, 16_000_000
#: What the request's state names where its answer is for once: it is audited, or tells what is told once.
ONCE = frozenset({"action", "once"})

#: What a request's ``Cache-Control`` says that wants no earlier answer: a command does, and a browser that reloads.
ANEW = frozenset({b"no-cache", b"no-store", b"max-age=0"})

#: How many changes there were before it, where it comes from, and all of its head.
Key = tuple[int, str, bytes, bytes, tuple[tuple[bytes, bytes], ...]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    headers: list[tuple[bytes, bytes]]
    body: bytes
    #: When it began to be made, and until when it stands.
    since: float
    until: float


class Again:
    """The application, asked only for what was not answered just now."""

    def __init__(self, app: ASGIApp, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``longest``: how many seconds an answer stands at most."""
        self._app, self._longest, self._clock = app, longest, clock
        self._changes = 0
        self._kept: OrderedDict[Key, Answer] = OrderedDict()
        #: So many bytes are kept, about.
        self.bytes_kept = 0
        self._under_way: dict[Key, asyncio.Future[Answer | None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give a request its answer."""
        # What is uploaded is no answer's business before a processor has taken it.
        if scope["type"] != "http" or scope["method"] == "HEAD" or scope["path"].startswith(UPLOADS) or _anew(scope):
            await self._app(scope, receive, send)
        elif scope["method"] == "GET":
            await self._answer(scope, receive, send)
        else:
            await self._change(scope, receive, send)

    async def _change(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._drop()  # before who asked for it can ask what is now
            await send(message)

        try:
            await self._app(scope, receive, told)
        finally:
            self._drop()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        where = scope["client"][0] if scope["client"] else ""
        key = (self._changes, where, scope["raw_path"], scope["query_string"], tuple(scope["headers"]))
        answer = self._kept.get(key)
        if answer is None or answer.until <= self._clock():
            making = self._under_way.get(key)
            if making is None:
                await self._make(key, scope, receive, send)
                return
            answer = await asyncio.shield(making)
        if answer is None:
            await self._app(scope, receive, send)
            return
        age = (b"age", b"%d" % (self._clock() - answer.since))
        await send({"type": "http.response.start", "status": 200, "headers": [*answer.headers, age]})
        await send({"type": "http.response.body", "body": answer.body})

    async def _make(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        began = self._clock()
        making = self._under_way[key] = asyncio.get_running_loop().create_future()
        headers: list[tuple[bytes, bytes]] | None = None
        body = b""

        async def noted(message: Message) -> None:
            nonlocal headers, body
            state = scope.setdefault("state", {})
            if message["type"] == "http.response.start":
                if message["status"] == 200 and not ONCE & state.keys():
                    headers = message["headers"]
            elif headers is not None:
                body += message.get("body", b"")
                if len(body) > LARGEST:
                    headers = None
                elif not message.get("more_body", False):
                    since = began + state.get("waited", 0.0)
                    until = since + min(self._longest, TIMES * (self._clock() - since))
                    answer = Answer(headers, body, since, until)
                    self._keep(key, answer)
                    making.set_result(answer)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            del self._under_way[key]
            if not making.done():
                making.set_result(None)

    def _keep(self, key: Key, answer: Answer) -> None:
        if key[0] != self._changes:  # something has changed since
            return
        if key in self._kept:
            self._forget(key)
        self._kept[key] = answer
        self.bytes_kept += _size(key, answer)
        while self.bytes_kept > MOST or next(iter(self._kept.values())).until < answer.since:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: Key) -> None:
        self.bytes_kept -= _size(key, self._kept.pop(key))

    def _drop(self) -> None:
        """What is kept is no more; nor is what is being made, which may be from the time before."""
        self._changes += 1
        self._kept.clear()
        self.bytes_kept = 0


def _anew(scope: Scope) -> bool:
    """Whether a GET wants an answer of its own."""
    if scope["method"] != "GET":
        return False
    said = (value.lower().split(b",") for name, value in scope["headers"] if name == b"cache-control")
    return any(word.strip() in ANEW for words in said for word in words)


def _size(key: Key, answer: Answer) -> int:
    """About how many bytes it takes to keep an answer."""
    pairs = (*key[-1], *answer.headers)
    return len(key[2]) + len(key[3]) + len(answer.body) + sum(100 + len(name) + len(value) for name, value in pairs)
