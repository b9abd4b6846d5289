"""What agents are given: mandatory items always, then approved ones as far as there is room."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from watcher.knowledge import rendering
from watcher.knowledge.writer import QUERIES
from watcher.store.sql import Query

#: What a bundle may take of an agent's context, and how many characters a token has.
TOKENS, CHARACTERS = 6000, 4
#: No more approved items than this could fit.
_MOST = 2000


def bundle(query: Query, groups: Sequence[str] = (), now: datetime | None = None) -> dict[str, Any]:
    """The items served to somebody who is in these groups, with the exact text of each, and how many did not fit.

    Mandatory items are all there, whatever their size; approved ones by what they count, those first that count
    most, each that still fits.
    """
    now = now if now is not None else datetime.now(UTC)
    audiences = ["all", *(f"group:{group}" for group in groups)]
    rows = query(QUERIES["bundle"], [now.timestamp(), audiences, now, _MOST])
    served: list[dict[str, Any]] = []
    size = total = 0
    for item, title, content, domain, status, confidence, weight, total in rows:  # noqa: B007
        text = rendering.rule(title, content)
        if status != "mandatory" and (weight <= 0 or size + len(text) > TOKENS * CHARACTERS):
            continue
        size += len(text)
        served.append(
            {
                "item_id": item,
                "title": rendering.clean_for_agents(title),
                "text": text,
                "domain": domain,
                "status": status,
                "confidence": round(confidence, 3),
            }
        )
    return {"items": served, "tokens": -(-size // CHARACTERS), "left_out": int(total) - len(served)}
