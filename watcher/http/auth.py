"""Who asks, and whether they may: bearer tokens."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable

from fastapi import HTTPException, Request

from watcher.store import tokens
from watcher.store.tokens import Caller, Query


class Doorkeeper:
    """Knows the service's own token and those that were made by command."""

    def __init__(self, token: str, query: Query) -> None:
        self._token = token.encode()
        self._query = query
        self._lock = threading.Lock()
        #: How often somebody came without a token that is known.
        self.refused = 0

    def known(self, request: Request) -> Caller:
        """Who asks; noted in the request for whoever comes later.

        Raises:
            HTTPException: 401, nobody that is known.
        """
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        found = self.who(given.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            self.turn_away()
            raise HTTPException(401, "a bearer token is needed: see state/token", {"WWW-Authenticate": "Bearer"})
        request.state.caller = found
        return found

    def reader(self, request: Request) -> Caller:
        """Somebody who may see everything.

        Raises:
            HTTPException: 401, or 403 for a user's own token.
        """
        found = self.known(request)
        if found.role == "user":
            raise HTTPException(403, "this token sees only what is its user's own")
        return found

    def admin(self, action: str) -> Callable[[Request], Caller]:
        """Somebody who may do everything; what they do is audited as ``action``."""

        def allowed(request: Request) -> Caller:
            found = self.known(request)
            request.state.action = action
            if found.role != "admin":
                raise HTTPException(403, f"a token of the role admin is needed; this one is a {found.role}'s")
            return found

        return allowed

    def turn_away(self) -> None:
        """Somebody came without a token that is known."""
        with self._lock:
            self.refused += 1

    def who(self, given: str) -> Caller | None:
        """Whose token this is; None if it is nobody's."""
        if hmac.compare_digest(given.encode("utf-8", "replace"), self._token):
            return Caller("admin", "admin")
        return tokens.caller(self._query, given)
