"""What is known, ready for people and programs: items, their proof, contradictions, counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from watcher.errors import NoSuchItem
from watcher.knowledge import rendering
from watcher.knowledge.index import SERVED
from watcher.knowledge.writer import ITEM, QUERIES
from watcher.store.sql import Query, named

STATUSES = ("pending", "approved", "mandatory", "rejected", "revoked", "expired", "superseded")
EVIDENCE = (
    "evidence_id", "username", "session_file", "session_id", "turn_id", "occurred_at", "detection_type", "user_quote",
    "source", "extractor", "source_gone",
)  # fmt: skip
_HISTORY = ("happened_at", "actor", "action", "from_status", "to_status", "reason", "details")
_CONTRADICTION = (
    "contradiction_id", "item_a", "item_b", "severity", "explanation", "suggestion", "merged_title", "merged_content",
    "found_by", "found_at", "resolution", "resolved_by", "resolved_at", "reason", "merged_item",
    "a_title", "a_content", "a_status", "b_title", "b_content", "b_status",
)  # fmt: skip


#: More words than these are not looked for.
MOST_WORDS = 20
_SAID = "lower(title || ' ' || content || ' ' || entities)"


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items are meant; what is empty means any."""

    status: str = ""
    domain: str = ""
    #: Words that all stand in it.
    text: str = ""
    #: Only what is served to agents.
    served: bool = False
    limit: int = 50
    offset: int = 0


def items(query: Query, wanted: ItemFilter, viewer: str | None = None) -> dict[str, Any]:
    """Items, what waits for review first, then by confidence; personal ones only for their owner, ``viewer``."""
    words = list(dict.fromkeys(wanted.text.split()))[:MOST_WORDS]
    # A condition for each word: a list of them would be looked through once for each item.
    conditions = (f"AND strpos({_SAID}, lower(${number})) > 0" for number in range(8, 8 + len(words)))
    rows = query(
        QUERIES["items"].replace("{WORDS}", " ".join(conditions)),
        [
            datetime.now(UTC).timestamp(), viewer, wanted.status, wanted.domain, wanted.served, wanted.limit,
            wanted.offset, *words,
        ],
    )  # fmt: skip
    return {
        "items": [{**item_of(row[: len(ITEM) + 1]), "votes": int(row[-2])} for row in rows],
        "total": int(rows[0][-1]) if rows else 0,
    }


def item(query: Query, which: str, viewer: str | None = None, served: bool = False) -> dict[str, Any]:
    """Everything about one item: the text that agents read, the proof, who decided what.

    Raises:
        NoSuchItem: there is none, it is somebody else's own, or it is not ``served`` where only that may be seen.
    """
    told = found(query, which, viewer)
    if served and told["owner"] is None and told["status"] not in SERVED:
        raise NoSuchItem(which)
    (shown,) = with_proof(query, [told])
    related = query(QUERIES["relations"], [which])
    others = [one for one, _, _ in related]
    said = query(QUERIES["said_by"], [others]) if others else []
    visible = {one: title for one, title, _, _, owner, _ in said if owner in (None, viewer)}
    return {
        **shown,
        "history": [named(_HISTORY, row) for row in query(QUERIES["history"], [which])],
        "relations": [
            {"item_id": one, "kind": kind, "score": round(score, 3), "title": visible[one]}
            for one, kind, score in related
            if one in visible
        ],
        "contradictions": contradictions(query, item=which, resolved=True),
        "votes": [named(("username", "vote", "voted_at"), row) for row in query(QUERIES["votes"], [which])],
    }


def with_proof(query: Query, items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items with the text that agents read, what is to be minded in it, and the sentences that prove them."""
    proof = evidence(query, [one["item_id"] for one in items])
    return [
        {
            **one,
            "text": rendering.rule(one["title"], one["content"]),
            "digest": rendering.digest(one["title"], one["content"]),
            "warnings": rendering.warnings(one["title"], one["content"]),
            "evidence": proof[one["item_id"]],
        }
        for one in items
    ]


def evidence(query: Query, items: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """What proves items, by item, in the order in which it was said."""
    proof: dict[str, list[dict[str, Any]]] = {one: [] for one in items}
    for which, *row in query(QUERIES["evidence"], [list(items)]) if items else []:
        proof[which].append(named(EVIDENCE, row))
    return proof


def found(query: Query, which: str, viewer: str | None = None) -> dict[str, Any]:
    """One item's own columns.

    Raises:
        NoSuchItem: there is none, or it is somebody else's own.
    """
    rows = query(QUERIES["item"], [datetime.now(UTC).timestamp(), which])
    told = item_of(rows[0]) if rows else None
    if told is None or told["owner"] not in (None, viewer):
        raise NoSuchItem(which)
    return told


def contradictions(query: Query, which: str = "", item: str = "", resolved: bool = False) -> list[dict[str, Any]]:
    """Pairs of items that cannot both hold, open ones first; not those of personal items."""
    return [named(_CONTRADICTION, row) for row in query(QUERIES["contradictions"], [which, item, resolved])]


def counts(query: Query) -> dict[str, Any]:
    """How much there is, and what waits."""
    by_status = {status: int(count) for status, count in query(QUERIES["counts"], [])}
    ((waiting,),) = query(QUERIES["count_waiting"], [])
    ((contradicting,),) = query(QUERIES["count_open"], [])
    ((owed, attempts, error),) = query(QUERIES["count_owed"], [])
    return {
        "items": {status: by_status.get(status, 0) for status in STATUSES},
        "inbox": int(waiting),
        "contradictions": int(contradicting),
        "checks_owed": int(owed),
        "check_error": error if attempts else None,
    }


def item_of(row: Sequence[Any]) -> dict[str, Any]:
    """An item's own columns and its confidence, ready for JSON."""
    told = named((*ITEM, "confidence"), row)
    told["entities"] = json.loads(told["entities"])
    told["confidence"] = round(told["confidence"], 3)
    for inner in ("base", "floor"):
        del told[inner]
    return told
