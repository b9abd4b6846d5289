"""Signing in to the pages: a token is given once, and a cookie stands for it from then on."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from watcher.store.tokens import Caller

COOKIE = "session_watcher"
#: A visit lasts so long after signing in, in seconds, or until the service is stopped.
LASTS = 12 * 3600
#: More people at once are not expected: the oldest visit makes room.
MOST = 1000


@dataclass(slots=True)
class LoginSession:
    """Somebody who has signed in. Kept in memory only."""

    token: str
    #: What every form of this visit holds, and no other page can know.
    form_key: str
    ends: float
    #: What came of the last action, told on the next page.
    notes: list[str] = field(default_factory=list)


class Visits:
    """Who has signed in."""

    def __init__(self, who: Callable[[str], Caller | None], clock: Callable[[], float] = time.monotonic) -> None:
        """``who`` says whose a token is; it is asked again at every page, so a revoked one ends its visits."""
        self._who = who
        self._clock = clock
        self._lock = threading.Lock()
        #: By the digest of the cookie's value: what is compared tells nothing about it.
        self._visits: dict[str, LoginSession] = {}

    def begin(self, token: str) -> str | None:
        """The value of the cookie for a new visit; None if the token is nobody's."""
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
        """The visit that a cookie stands for, and who it is; None if it has ended."""
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
        """Sign out. Idempotent."""
        if value is not None:
            with self._lock:
                self._visits.pop(_digest(value), None)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()
