"""The sweep: compares the tree with the state rows and offers what differs.

It makes every lost event harmless: whatever nobody told us, the tree does.
"""

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
        stands_from: int,
        look: Callable[[], Listing],
        queue: ChangeQueue,
        database: Database,
        wall_clock: Callable[[], float],
    ) -> None:
        self._name, self._look = name, look
        #: Sessions that an earlier version of the processor has taken differ from what it has to do.
        self.stands_from = stands_from
        self._queue, self._database, self._wall_clock = queue, database, wall_clock

    def run(self, now: float, at_once: bool = False) -> SweepResult:
        """Offer every session that differs from its state row; ``now`` is on the queue's clock.

        A file that is still being written is offered with the age it has, so that it is
        left to rest like one whose event came; ``at_once``, it is not.
        """
        listing = self._look()
        wall = self._wall_clock()
        # What is processed between the look and the reading is looked at once more.
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
