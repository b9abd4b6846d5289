"""Request gate: checks that every request has to pass before its endpoint runs.

A foreign web page can make a browser send requests to a service on the same machine, and can make its own name
resolve to its address (DNS rebinding). ``Host``, ``Origin`` and ``Sec-Fetch-Site`` of such requests tell their
source; programs send no ``Origin`` and need none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: The longest path with its query, and the longest headers together, in bytes.
LONGEST_TARGET, LONGEST_HEADERS = 48_000, 32_000
#: The longest body, in bytes, unless an endpoint accepts more.
LONGEST_BODY = 1_000_000
#: Endpoints that bound the body themselves.
UPLOADS = "/api/upload/"
#: Endpoints whose body is a whole knowledge base, and their limit.
IMPORT, LONGEST_IMPORT = "/api/knowledge/import", 50_000_000
#: Seconds allowed for a body, and the bytes that each further second must bring.
BODY_SECONDS, BODY_RATE = 30.0, 1024
#: Seconds for which the rest of an oversized body is read after the answer.
LINGER_SECONDS = 5.0

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
}


class Refusal(Exception):
    """A request was refused by the gate."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.answer = JSONResponse({"detail": detail}, status, headers)


class RequestGate:
    """ASGI middleware that admits only requests meant for this service."""

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in ("localhost", *names))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, _longest(scope["path"]))
        too_much = False

        async def guarded(message: Message) -> None:
            nonlocal too_much
            if message["type"] == "http.response.start":
                too_much = message["status"] == 413
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/api/"):
                    headers.setdefault("cache-control", "no-store")
            elif too_much and not message.get("more_body", False):
                # Closing a connection with unread bytes resets it, and the answer would be lost.
                await send({**message, "more_body": True})
                await body.rest()
                message = {"type": "http.response.body"}
            await send(message)

        request = HTTPConnection(scope)
        try:
            self._must_be_meant(request)
            _must_be_small(request, body.longest)
        except Refusal as refusal:
            await refusal.answer(scope, receive, guarded)
            return
        await self._app(scope, body, guarded)

    def _must_be_meant(self, request: HTTPConnection) -> None:
        host = request.headers.get("host", "")
        name = _name(host)
        if not self._ours(name):
            raise Refusal(400, f"not served under the name {host[:100]!r}; [http] names has those that it is")
        origin = request.headers.get("origin")
        if origin is not None and not self._same(origin, host):
            raise Refusal(403, f"not for pages of {origin[:100]!r}")
        elsewhere = request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if elsewhere and request.scope["method"] not in ("GET", "HEAD"):
            raise Refusal(403, "not for pages of another site")

    def _ours(self, name: str) -> bool:
        with suppress(ValueError):
            ip_address(name)
            return True  # no foreign name can be made to resolve to it
        return name in self._names

    def _same(self, origin: str, host: str) -> bool:
        """Check whether a page is this service's own, by the names that its browser or a proxy gives."""
        with suppress(ValueError):
            page = urlsplit(origin)
            known = page.scheme in ("http", "https") and bool(page.netloc)
            return known and (page.netloc.lower() == host.lower() or _name(page.netloc) in self._names - {"localhost"})
        return False


class _Body:
    """A request's body with a bounded size and a minimum rate."""

    def __init__(self, receive: Receive, longest: int | None) -> None:
        self.longest = longest
        self._receive = receive
        self._began: float | None = None
        self._taken = 0
        self._whole = False

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()  # waiting for a disconnect has no limit
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        left = self._began + BODY_SECONDS + self._taken / BODY_RATE - now
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, left))
        except TimeoutError:
            raise HTTPException(408, "the body comes too slowly", {"Connection": "close"}) from None
        self._taken += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self.longest is not None and self._taken > self.longest:
            raise HTTPException(413, _too_long(self.longest), {"Connection": "close"})
        return message

    async def rest(self) -> None:
        """Read and discard the rest until it is complete, the client disconnects or time is up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not self._whole:
                    message = await self._receive()
                    self._whole = not message.get("more_body", False)


def _longest(path: str) -> int | None:
    if path.startswith(UPLOADS):
        return None
    return LONGEST_IMPORT if path == IMPORT else LONGEST_BODY


def _must_be_small(request: HTTPConnection, longest: int | None) -> None:
    scope = request.scope
    if len(scope.get("raw_path", b"")) + len(scope["query_string"]) > LONGEST_TARGET:
        raise Refusal(414, f"the path and query are longer than {LONGEST_TARGET} bytes")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > LONGEST_HEADERS:
        raise Refusal(431, f"the headers are longer than {LONGEST_HEADERS} bytes")
    length = request.headers.get("content-length", "")
    if longest is not None and length.isdecimal() and int(length[:20]) > longest:
        raise Refusal(413, _too_long(longest), {"Connection": "close"})


def _too_long(longest: int) -> str:
    return f"a body of at most {longest} bytes is taken"


def _name(host: str) -> str:
    """Return the name or address in ``name:port``."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()
