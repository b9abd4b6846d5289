"""The knowledge base as a file: to keep, to look at, to bring elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from watcher.errors import ReviewRefused, Unconfirmed
from watcher.knowledge import reading, rule
from watcher.knowledge.editing import BLANK, Edit, edited, moment
from watcher.knowledge.intake import standing_of
from watcher.knowledge.naming import evidence_of, name_of
from watcher.knowledge.shelf import SERVED
from watcher.knowledge.writer import ITEM, QUERIES, Writer, note
from watcher.store.database import Connection
from watcher.store.sql import named

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

#: What the format is called; another one is refused.
FORMAT = "session-watcher-memory/1"
#: No file brings more items than this at once.
MOST_ITEMS = 100_000
_ITEM = ("title", "content", "domain", "entities", "status", "audience", "valid_from", "valid_until", "created_at")
_EVIDENCE = ("username", "session_file", "session_id", "turn_id", "occurred_at", "detection_type", "user_quote")


@dataclass(slots=True)
class Imported:
    """What became of a file's items."""

    added: int = 0
    known: int = 0


@dataclass(slots=True)
class _Import:
    actor: str
    #: Whether items are what they were.
    trusted: bool
    #: The names of items that are there.
    known: set[str]
    done: Imported = field(default_factory=Imported)
    #: What agents would be given at once, and should be looked at twice.
    unread: list[tuple[str, list[str]]] = field(default_factory=list)


def export(query: Query) -> dict[str, Any]:
    """Every item that is not somebody's own, with its evidence; ready for JSON."""
    items = []
    for row in query(QUERIES["exported"], [datetime.now(UTC).timestamp()]):
        told = reading.item_of(row[: len(ITEM) + 1])
        proof = [named(reading.EVIDENCE, one) for one in query(QUERIES["evidence"], [told["item_id"]])]
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
                "evidence": [{key: one[key] for key in _EVIDENCE} for one in proof],
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
        known = {item for (item,) in connection.execute("SELECT item_id FROM knowledge_items")}
        bringing = _Import(actor, trusted, known)
        for number, one in enumerate(given["items"], start=1):
            try:
                _one(connection, one, bringing)
            except (ReviewRefused, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
                raise ReviewRefused(f"item {number}: {error}; nothing was taken in") from None
        if bringing.unread and not confirmed:
            raise Unconfirmed(bringing.unread)
        return bringing.done

    return writer.write(put, durable=True)


def _one(connection: Connection, one: Mapping[str, Any], bringing: _Import) -> None:
    json.dumps(one, ensure_ascii=False).encode()  # half a surrogate pair is no text, to no database
    status = one.get("status", "pending") if bringing.trusted else "pending"
    if status not in reading.STATUSES or status == "superseded":
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
    item = name_of(values["title"], values["content"])
    if item in bringing.known:
        bringing.done.known += 1
        return
    if status in SERVED and (found := rule.warnings(values["title"], values["content"])):
        bringing.unread.append((rule.rule(values["title"], values["content"]), found))
    now = datetime.now(UTC)
    for proof in one.get("evidence", []):
        fields = {key: proof.get(key) for key in _EVIDENCE}
        text = {key: "" if fields[key] is None else str(fields[key]).replace("\0", "")[:500] for key in _EVIDENCE}
        at = moment("occurred_at", text["occurred_at"])
        evidence = evidence_of(item, text["session_id"] or text["session_file"], fields["turn_id"], text["user_quote"])
        connection.execute(
            QUERIES["add_evidence"],
            [
                evidence, item, text["session_file"], text["session_id"] or None, text["turn_id"] or None,
                text["username"], at, text["detection_type"], text["user_quote"], "import", "import", now,
            ],
        )  # fmt: skip
    base, floor, verifiers, confirmed_at = standing_of(connection, {item}, now)[item]
    connection.execute(
        QUERIES["add_item"],
        [
            item, values["title"], values["content"], values["domain"],
            json.dumps(values["entities"], ensure_ascii=False), status, "import", values["audience"], None, base,
            floor, verifiers, values["valid_from"], values["valid_until"], now, confirmed_at or now, True,
            bringing.actor if status != "pending" else None, now if status != "pending" else None,
        ],
    )  # fmt: skip
    note(connection, item, now, bringing.actor, "imported", None, status)
    bringing.known.add(item)
    bringing.done.added += 1
