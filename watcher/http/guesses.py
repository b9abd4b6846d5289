"""Guesses: wrong tokens, by the address they come from. Whoever sends several waits for each further one."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from watcher.logs import Log

log = Log()

#: So many wrong tokens an address may send at once; one more is forgiven each second.
FREE = 10.0
#: How many seconds each one beyond that has to wait longer than the last, and at most.
STEP, LONGEST_WAIT = 0.5, 5.0
#: So many addresses, and so many tokens that were right, are remembered.
MOST = 4096


@dataclass(slots=True)
class SignIns:
    """What came of attempts to be known, since the start."""

    #: Without any token.
    missing: int = 0
    wrong: int = 0
    #: Of all attempts, those that had to wait before they were looked at.
    slowed: int = 0
    #: Those that were not looked at, since too many waited.
    turned_away: int = 0


class Guesses:
    """Counts what each address tries. Kept in memory, and no more of it than `MOST`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts = SignIns()
        self._clock = clock
        self._lock = threading.Lock()
        #: How much each address has tried, and when that was.
        self._tried: OrderedDict[str, tuple[float, float]] = OrderedDict()
        #: Tokens that were right, from where they were: these are no guesses.
        self._right: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def wait(self, address: str, token: str) -> float | None:
        """How many seconds a token has to wait before it is looked at; None: too many wait already."""
        where, now = _network(address), self._clock()
        with self._lock:
            if (where, _digest(token)) in self._right:
                return 0.0
            tried = self._level(where, now)
            seconds = max(0.0, tried + 1 - FREE) * STEP
            if seconds > LONGEST_WAIT:
                self.counts.turned_away += 1
                return None
            # It counts as wrong until it is known to be right, so that many at once are no way around.
            self._note(where, tried + 1, now)
            if seconds:
                self.counts.slowed += 1
        if seconds:
            log.warning("somebody sends wrong tokens", address=address, waits=seconds)
        return seconds

    def right(self, address: str, token: str) -> None:
        """A token was right."""
        where, now = _network(address), self._clock()
        with self._lock:
            key = (where, _digest(token))
            if key not in self._right:
                self._note(where, max(0.0, self._level(where, now) - 1), now)
                self._right[key] = None
                if len(self._right) > MOST:
                    self._right.popitem(last=False)
            self._right.move_to_end(key)

    def wrong(self, address: str, token: str | None) -> None:
        """A token was wrong, or there was none."""
        with self._lock:
            if token is None:
                self.counts.missing += 1
            else:
                self.counts.wrong += 1
                self._right.pop((_network(address), _digest(token)), None)  # it was revoked

    def _level(self, where: str, now: float) -> float:
        tried, since = self._tried.get(where, (0.0, now))
        return max(0.0, tried - (now - since))

    def _note(self, where: str, tried: float, now: float) -> None:
        self._tried[where] = (tried, now)
        self._tried.move_to_end(where)
        if len(self._tried) > MOST:
            self._tried.popitem(last=False)


def _network(address: str) -> str:
    """An address as it is counted: whoever has one of IPv6 has a whole network of them."""
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ip_network((known, 64), strict=False)) if isinstance(known, IPv6Address) else str(known)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
