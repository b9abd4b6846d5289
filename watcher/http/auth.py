"""Authentication by bearer token, authorisation by role, and a limit on concurrent reports."""

from __future__ import annotations

import asyncio
import hmac
import os
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from fastapi import HTTPException, Request

from watcher.logs import Log
from watcher.store import tokens
from watcher.store.sql import Query
from watcher.store.tokens import Caller, Role

log = Log()

#: The most expensive reads answered at once: the other cores are for the workers.
READING_AT_ONCE = max(1, (os.cpu_count() or 1) // 2)
NOT_THEIRS = "this token sees only what is its user's own"


def bearer(headers: Mapping[str, str]) -> str | None:
    """Return the bearer token of a request's headers, None without one."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return given.strip() or None if scheme.lower() == "bearer" else None


@dataclass(slots=True)
class RefusedRequests:
    """Requests without a known token, since the start."""

    #: Requests without any token.
    missing: int = 0
    wrong: int = 0


class Doorkeeper:
    """Authenticates requests by the service's own token and the tokens made by command."""

    def __init__(self, token: str, query: Query) -> None:
        self.refused = RefusedRequests()
        self._lock = threading.Lock()
        self._token = token.encode()
        self._query = query
        self._reading = asyncio.Semaphore(READING_AT_ONCE)

    async def in_turn(self) -> AsyncIterator[None]:
        """Wait for a slot for an expensive read; waiting holds no thread, so that other requests are served."""
        async with self._reading:
            yield

    def known(self, request: Request) -> Caller:
        """Authenticate a request; the caller is stored in the request's state.

        Raises:
            HTTPException: 401, unknown or missing token.
        """
        given = bearer(request.headers)
        found = self.who(given) if given is not None else None
        if given is None or found is None:
            self.refuse(request, missing=given is None)
            raise HTTPException(401, "a bearer token is needed: see state/token", {"WWW-Authenticate": "Bearer"})
        request.state.caller = found
        return found

    def refuse(self, request: Request, missing: bool) -> None:
        """Count a request without a known token; a wrong token is logged with the client's address."""
        with self._lock:
            if missing:
                self.refused.missing += 1
                return
            self.refused.wrong += 1
        log.warning("token_refused", client=request.client.host if request.client else "", path=request.url.path)

    def reader(self, request: Request) -> Caller:
        """Require a role that may read everything.

        Raises:
            HTTPException: 401, or 403 for a user's own token.
        """
        found = self.known(request)
        if found.role == "user":
            raise HTTPException(403, NOT_THEIRS)
        return found

    def only(self, request: Request) -> str:
        """Return the user to whom the answer is restricted; empty: unrestricted.

        Raises:
            HTTPException: 401.
        """
        found = self.known(request)
        return found.username or "" if found.role == "user" else ""

    def admin(self, action: str) -> Callable[[Request], Caller]:
        """Require an admin; the request is audited as ``action``."""
        return self.acting(action, "admin")

    def acting(self, action: str, *roles: Role) -> Callable[[Request], Caller]:
        """Require one of these roles; the request is audited as ``action``."""

        def allowed(request: Request) -> Caller:
            found = self.known(request)
            request.state.action = action
            if found.role not in roles:
                wanted = " or ".join(roles)
                raise HTTPException(403, f"a token of the role {wanted} is needed; this one is a {found.role}'s")
            return found

        return allowed

    def who(self, given: str) -> Caller | None:
        """Return the owner of a token; None if it is unknown."""
        if hmac.compare_digest(given.encode("utf-8", "replace"), self._token):
            return Caller("admin", "admin")
        return tokens.caller(self._query, given)
