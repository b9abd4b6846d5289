"""The sweep: compares the tree with the state rows and offers what differs.

It makes every lost event harmless: whatever nobody told us, the tree does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from watcher.queue import ChangeQueue
from watcher.sessions import Listing, Signature, node_of
from watcher.store.database import Database, read
from watcher.store.sql import QUERIES


@dataclass(frozen=True, slots=True)
class Found:
    """What a sweep saw."""

    scanned: int
    offered: frozenset[str]
    unreadable: list[str]
    #: Of those offered, how many are not in the tree.
    vanished: int = 0
    #: How many the queue had no room for.
    forgotten: int = 0


class Sweep:
    """Finds what one processor has not taken as it is."""

    def __init__(
        self,
        name: str,
        version: int,
        look: Callable[[], Listing],
        queue: ChangeQueue,
        database: Database,
        wall_clock: Callable[[], float],
    ) -> None:
        self._name, self._version, self._look = name, version, look
        self._queue, self._database, self._wall_clock = queue, database, wall_clock

    def run(self, now: float, at_once: bool = False) -> Found:
        """Offer every session that differs from its state row; ``now`` is on the queue's clock.

        A file that is still being written is offered with the age it has, so that it is
        left to rest like one whose event came; ``at_once``, it is not.
        """
        listing = self._look()
        files = listing.files
        # What is processed between the two at worst is looked at once more.
        rows = read(self._database, QUERIES["seen"], [self._name])
        wall = self._wall_clock()
        moment = datetime.fromtimestamp(wall, UTC)
        offered: set[str] = set()
        vanished = forgotten = 0
        known = set()
        for row in rows:
            key = row[0]
            if node_of(key) != listing.node:
                continue
            known.add(key)
            seen = files.get(key)
            if seen is None and key.startswith(listing.unknown):
                continue
            if self._differs(row, seen, moment):
                vanished += seen is None
                forgotten += not self._offer(key, seen, now, wall, at_once)
                offered.add(key)
        for key, seen in files.items():
            if key not in known:
                forgotten += not self._offer(key, seen, now, wall, at_once)
                offered.add(key)
        return Found(len(files), frozenset(offered), listing.unreadable, vanished, forgotten)

    def _differs(self, row: tuple[Any, ...], seen: Signature | None, moment: datetime) -> bool:
        _, *signature, version, status, next_attempt_at = row
        if seen is None:
            return bool(status != "gone")
        return (
            tuple(signature) != tuple(seen)
            or status == "gone"
            or (version is not None and version < self._version)
            or (next_attempt_at is not None and next_attempt_at <= moment)
        )

    def _offer(self, key: str, seen: Signature | None, now: float, wall: float, at_once: bool) -> bool:
        if seen is None:
            return self._queue.offer(key, now, last=0.0)
        age = max(0.0, wall - seen[2] / 1e9)
        return self._queue.offer(key, now, last=now - age, at_once=at_once)
