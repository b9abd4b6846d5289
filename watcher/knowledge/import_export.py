"""The knowledge base as a file: to keep, to look at, to bring elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from watcher.errors import ReviewRefused
from watcher.knowledge import queries, rendering
from watcher.knowledge.edits import BLANK, Edit, edited, listed, moment
from watcher.knowledge.ids import evidence_of, name_of
from watcher.knowledge.index import SERVED
from watcher.knowledge.intake import Standing, standing_of
from watcher.knowledge.writer import QUERIES, Writer, noted, put_many
from watcher.store.database import Connection
from watcher.store.sql import Query

#: What the format is called; another one is refused.
FORMAT = "session-watcher-knowledge/1"
#: No file brings more items than this at once.
MOST_ITEMS = 100_000
_ITEM = ("title", "content", "domain", "entities", "status", "audience", "valid_from", "valid_until", "created_at")
_EVIDENCE = ("username", "session_file", "session_id", "turn_id", "occurred_at", "detection_type", "user_quote")


@dataclass(slots=True)
class Imported:
    """What became of a file's items."""

    added: int = 0
    known: int = 0


def export(query: Query) -> dict[str, Any]:
    """Every item that is not somebody's own, with its evidence; ready for JSON."""
    every = [queries.item_of(row) for row in query(QUERIES["exported"], [datetime.now(UTC).timestamp()])]
    proof = queries.evidence(query, [told["item_id"] for told in every])
    items = []
    for told in every:
        kept = (
            "title",
            "content",
            "domain",
            "entities",
            "status",
            "audience",
            "valid_from",
            "valid_until",
            "created_at",
        )
        items.append(
            {
                **{key: told[key] for key in kept},
                "evidence": [{key: one[key] for key in _EVIDENCE} for one in proof[told["item_id"]]],
            }
        )
    return {"format": FORMAT, "items": items}


def take_in(writer: Writer, given: object, actor: str, trusted: bool = False, confirmed: bool = False) -> Imported:
    """Add the items of a file that are not there yet, all or none of them.

    They wait for review, unless the file is ``trusted``: then they are what they were.

    Raises:
        ReviewRefused: it is no such file; the text says where.
        Unconfirmed: agents would be given some of them at once, and these have warnings.
    """
    if not isinstance(given, Mapping) or given.get("format") != FORMAT or not isinstance(given.get("items"), list):
        raise ReviewRefused(f"this is no export of a knowledge base ({FORMAT})")
    if len(given["items"]) > MOST_ITEMS:
        raise ReviewRefused(f"more than {MOST_ITEMS} items at once; cut the file into parts")

    def put(connection: Connection) -> Imported:
        there = connection.execute("SELECT item_id, owner IS NOT NULL FROM knowledge_items")
        known, own = ({str(item) for item, personal in there if bool(personal) == which} for which in (False, True))
        now, items, proofs = datetime.now(UTC), dict[str, dict[str, Any]](), list[list[Any]]()
        for number, one in enumerate(given["items"], start=1):
            try:
                item, values = _item(one, trusted)
                if item in own:  # nobody is told of what somebody keeps for himself
                    item = name_of(values["title"], f"{values['content']}\0import")
                if item not in known and item not in items:
                    proofs += _evidence(one, item, now)
                    items[item] = values
            except (ReviewRefused, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
                raise ReviewRefused(f"item {number}: {error}; nothing was taken in") from None
        served = [(one["title"], one["content"]) for one in items.values() if one["status"] in SERVED]
        rendering.must_be_confirmed(served, confirmed)
        put_many(connection, "add_evidence", list({proof[0]: proof for proof in proofs}.values()))
        standing = standing_of(connection, set(items), now)
        # Which of two is the newer is known by their place in the file.
        rows = [
            _row(item, one, standing[item], now + timedelta(microseconds=place), actor)
            for place, (item, one) in enumerate(items.items())
        ]
        put_many(connection, "add_item", rows)
        history = [noted(item, now, actor, "imported", None, one["status"]) for item, one in items.items()]
        put_many(connection, "note", history)
        return Imported(len(items), len(given["items"]) - len(items))

    return writer.write(put, durable=True)


def _item(one: Mapping[str, Any], trusted: bool) -> tuple[str, dict[str, Any]]:
    """An item's name and its columns."""
    json.dumps(one, ensure_ascii=False).encode()  # half a surrogate pair is no text, to no database
    status = one.get("status", "pending") if trusted else "pending"
    if status not in queries.STATUSES or status == "superseded":
        status = "rejected" if status == "superseded" else "pending"
    edit = Edit(
        title=str(one["title"]),
        content=str(one["content"]),
        domain=str(one["domain"]),
        entities=[str(entity) for entity in one.get("entities", [])],
        audience=str(one.get("audience", "all")),
        valid_from=one.get("valid_from") or "",
        valid_until=one.get("valid_until") or "",
    )
    values = edited(BLANK, edit)
    return name_of(values["title"], values["content"]), {**values, "status": status}


def _evidence(one: Mapping[str, Any], item: str, now: datetime) -> Iterator[list[Any]]:
    """The rows of what proves it."""
    for proof in one.get("evidence", []):
        fields = {key: proof.get(key) for key in _EVIDENCE}
        text = {key: "" if fields[key] is None else str(fields[key]).replace("\0", "")[:500] for key in _EVIDENCE}
        at = moment("occurred_at", text["occurred_at"])
        evidence = evidence_of(item, text["session_id"] or text["session_file"], fields["turn_id"], text["user_quote"])
        yield [
            evidence, item, text["session_file"], text["session_id"] or None, text["turn_id"] or None,
            text["username"], at, text["detection_type"], text["user_quote"], "import", "import", now,
        ]  # fmt: skip


def _row(item: str, one: dict[str, Any], standing: Standing, now: datetime, actor: str) -> list[Any]:
    """The row of an item that proof has brought so far."""
    base, floor, verifiers, confirmed_at = standing
    decided = one["status"] != "pending"
    return [
        item, one["title"], one["content"], one["domain"], listed(one["entities"]), one["status"], "import",
        one["audience"], None, base, floor, verifiers, one["valid_from"], one["valid_until"], now, confirmed_at or now,
        True, actor if decided else None, now if decided else None,
    ]  # fmt: skip
