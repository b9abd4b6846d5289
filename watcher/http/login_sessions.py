"""Login sessions of the pages: a token is given once, and a cookie stands for it afterwards."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from watcher.store.tokens import Caller

COOKIE = "session_watcher"
#: Lifetime of a login session in seconds; it also ends with the service.
LASTS = 12 * 3600
#: The most login sessions at once: beyond it the oldest one ends.
MOST = 1000


@dataclass(slots=True)
class LoginSession:
    """A signed-in person's login session, in memory only."""

    token: str
    #: Token of every form of this login session, against cross-site requests.
    form_key: str
    ends: float
    #: Result of the last action, shown on the next page.
    notes: list[str] = field(default_factory=list)


class Visits:
    """All login sessions."""

    def __init__(self, who: Callable[[str], Caller | None], clock: Callable[[], float] = time.monotonic) -> None:
        """``who`` returns a token's owner; it is called for every page, so a revoked token ends its login sessions."""
        self._who = who
        self._clock = clock
        self._lock = threading.Lock()
        #: By the digest of the cookie's value, so that comparisons leak nothing about it.
        self._visits: dict[str, LoginSession] = {}

    def begin(self, token: str) -> str | None:
        """Start a login session and return its cookie's value; None if the token is unknown."""
        if self._who(token) is None:
            return None
        value, now = secrets.token_urlsafe(32), self._clock()
        visit = LoginSession(token, secrets.token_urlsafe(32), now + LASTS)
        with self._lock:
            self._visits = {key: one for key, one in self._visits.items() if one.ends > now}
            if len(self._visits) >= MOST:
                del self._visits[min(self._visits, key=lambda key: self._visits[key].ends)]
            self._visits[_digest(value)] = visit
        return value

    def find(self, value: str | None) -> tuple[LoginSession, Caller] | None:
        """Return the login session and owner of a cookie; None if it has ended."""
        if value is None:
            return None
        with self._lock:
            visit = self._visits.get(_digest(value))
        if visit is None or visit.ends <= self._clock():
            return None
        caller = self._who(visit.token)
        if caller is None:
            self.end(value)
            return None
        return visit, caller

    def end(self, value: str | None) -> None:
        """End a login session. Idempotent."""
        if value is not None:
            with self._lock:
                self._visits.pop(_digest(value), None)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()
