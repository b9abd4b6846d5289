"""The sweep: compares the tree with the state rows and queues what differs, which recovers every lost event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from watcher.pipeline.queue import ChangeQueue
from watcher.store.database import Database, read_beside
from watcher.store.sql import QUERIES
from watcher.transcripts.sessions import TREE, Listing


@dataclass(frozen=True, slots=True)
class SweepResult:
    """The result of a sweep."""

    scanned: int
    offered: frozenset[str]
    unreadable: list[str]
    #: The number of offered sessions that are not in the tree.
    vanished: int = 0
    #: The number that the queue had no room for.
    forgotten: int = 0


class Sweep:
    """Finds the sessions that one processor has not processed in their current state."""

    def __init__(
        self,
        name: str,
        stands_from: int,
        look: Callable[[], Listing],
        queue: ChangeQueue,
        database: Database,
        wall_clock: Callable[[], float],
    ) -> None:
        self._name, self._look = name, look
        #: Sessions processed by a lower version of the processor count as different.
        self.stands_from = stands_from
        self._queue, self._database, self._wall_clock = queue, database, wall_clock

    def run(self, now: float, at_once: bool = False) -> SweepResult:
        """Offer every session that differs from its state row; ``now`` is on the queue's clock.

        Files are offered with their age, so that the debounce applies to those still being written; ``at_once`` skips
        the debounce.
        """
        listing = self._look()
        wall = self._wall_clock()
        # A session processed between the listing and the query is merely offered once more.
        parameters = [self._name, self.stands_from, datetime.fromtimestamp(wall, UTC), listing.node]
        rows = read_beside(self._database, "tree", TREE, listing.lines, QUERIES["differing"], parameters)
        offered: set[str] = set()
        vanished = forgotten = 0
        for key, changed in rows:
            if changed is None:
                if key.startswith(listing.unknown):
                    continue
                vanished += 1
            offered.add(key)
            forgotten += not self._offer(key, changed, now, wall, at_once)
        return SweepResult(listing.count, frozenset(offered), listing.unreadable, vanished, forgotten)

    def _offer(self, key: str, changed: int | None, now: float, wall: float, at_once: bool) -> bool:
        if changed is None:
            return self._queue.offer(key, now, last=0.0)
        age = max(0.0, wall - changed / 1e9)
        return self._queue.offer(key, now, last=now - age, at_once=at_once)
