"""The lag: files that changed, and are not taken as they are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from watcher.health.findings import Finding
from watcher.store.database import Database, read_beside
from watcher.store.sql import QUERIES
from watcher.transcripts.sessions import TREE, Listing

#: A processor may be behind by so many sweeps, and a file wait for so many times that.
GRACE, NEVER = 2.0, 4.0


def of_files(database: Database, listing: Listing, sweep_every: Mapping[str, float], now: float) -> list[Finding]:
    """How far each processor is behind the tree; ``sweep_every`` in seconds by processor, ``now`` since the epoch.

    Quarantined files have a finding of their own, and hold nobody up here. Of a time that has not come nothing
    can be told: it was written by another clock.
    """
    found: list[Finding] = []
    for name, every in sweep_every.items():
        grace = GRACE * every
        times = [datetime.fromtimestamp(now, UTC), round(now * 1e9), round((now - NEVER * grace) * 1e9)]
        ((taken, changed, never, first),) = read_beside(
            database, "tree", TREE, listing.lines, QUERIES["behind"], [name, *times]
        )
        latest = taken.timestamp() if taken else 0.0
        newest = changed / 1e9 if changed else 0.0
        if newest - latest > grace and now - newest > grace:
            lag = newest - latest if latest else now - newest
            found.append(
                Finding(
                    "warning",
                    "lag",
                    f"{name} is {lag:.0f} s behind the newest file; see what it waits for with status, or run "
                    f"jobs run session-processor:{name}.",
                    {"processor": name, "lag_seconds": round(lag)},
                )
            )
        if never:
            found.append(
                Finding(
                    "info",
                    "never_taken",
                    f"{name} has never taken {never} files, the first: {first}; "
                    f"run jobs run session-processor:{name} and see what it says.",
                    {"processor": name, "files": never},
                )
            )
    return found
