"""The standing of every processor, read from the tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from watcher.knowledge import queries
from watcher.store.sql import QUERIES, Query


def gather(query: Query, enabled: Sequence[str], troubled: int = 20) -> dict[str, Any]:
    """Sessions by processor and status, the latest of those with trouble, what is known; ready for JSON.

    Processors that are enabled are there from the beginning, others as long as they have rows.
    """
    processors = {name: _nothing(name) for name in enabled}
    for name, status, sessions, items, bad_lines, size, latest in query(QUERIES["tallies"], []):
        entry = processors.setdefault(name, _nothing(name))
        entry[status] = sessions
        entry["items"] += items
        entry["bad_lines"] += bad_lines
        entry["bytes"] += size
        entry["last_processed_at"] = max(filter(None, (entry["last_processed_at"], _iso(latest))), default=None)
    trouble = [
        {
            "processor": name,
            "session": key,
            "status": status,
            "attempts": attempts,
            "error": error,
            "next_attempt_at": _iso(next_attempt_at),
            "bad_lines": bad_lines,
        }
        for name, key, status, attempts, error, next_attempt_at, bad_lines in query(QUERIES["troubled"], [troubled])
    ]
    return {
        "processors": [processors[name] for name in sorted(processors)],
        "troubled": trouble,
        "knowledge": queries.counts(query),
    }


def _nothing(name: str) -> dict[str, Any]:
    return {
        "processor": name,
        "ok": 0,
        "failed": 0,
        "quarantined": 0,
        "gone": 0,
        "items": 0,
        "bad_lines": 0,
        "bytes": 0,
        "last_processed_at": None,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
