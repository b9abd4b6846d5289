"""The lag: files that changed, and are not taken as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from watcher.health import Finding
from watcher.sessions import Signature
from watcher.store.sql import QUERIES

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

#: A processor may be behind by so many sweeps, and a file wait for so many times that.
GRACE, NEVER = 2.0, 4.0


def of_files(
    query: Query, files: Mapping[str, Signature], sweep_every: Mapping[str, float], now: float
) -> list[Finding]:
    """How far each processor is behind the tree; ``sweep_every`` in seconds by processor, ``now`` since the epoch.

    Files that are put aside are named elsewhere, and hold nobody up here. Of a time that has not come nothing
    can be told: it was written by another clock.
    """
    found: list[Finding] = []
    changed = {key: at for key, signature in files.items() if (at := _changed_at(signature)) <= now}
    for name, every in sweep_every.items():
        grace = GRACE * every
        rows = query(QUERIES["standing"], [name])
        taken = {key: at.timestamp() for key, _, at in rows if at is not None}
        latest = max((at for at in taken.values() if at <= now), default=0.0)
        aside = {key for key, status, _ in rows if status in ("failed", "quarantined")}
        aside |= {key for key, at in taken.items() if at > now}
        newest = max((at for key, at in changed.items() if key not in aside), default=0.0)
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
        known = {key for key, _, _ in rows}
        never = sorted(
            key
            for key, signature in files.items()
            if key not in known and now - _came_at(signature, now) > NEVER * grace
        )
        if never:
            found.append(
                Finding(
                    "info",
                    "never_taken",
                    f"{name} has never taken {len(never)} files, the first: {never[0]}; "
                    f"run jobs run session-processor:{name} and see what it says.",
                    {"processor": name, "files": len(never)},
                )
            )
    return found


def _changed_at(signature: Signature) -> float:
    """When the content last changed: a modification time in the future is nobody's."""
    return min(signature[2], signature[3]) / 1e9


def _came_at(signature: Signature, now: float) -> float:
    """Since when it is as it is, or where it is: one that was moved in has an old time of change."""
    return max((at for at in (signature[2] / 1e9, signature[3] / 1e9) if at <= now), default=now)
