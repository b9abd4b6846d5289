"""What people decide about items; every decision acts at once, is noted, and is in the database file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from processors.redaction import redact
from watcher.errors import ItemChanged, NoSuchContradiction, ReviewRefused
from watcher.knowledge import reading, rule
from watcher.knowledge.confidence import OF_SOURCE
from watcher.knowledge.intake import standing_of
from watcher.knowledge.judge import RESOLUTIONS
from watcher.knowledge.naming import evidence_of, name_of
from watcher.knowledge.writer import QUERIES, Writer, note
from watcher.store.database import Connection

Decision = Literal["approve", "mandate", "reject", "revoke"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)

#: What an item becomes by a decision, and from what it can.
_TO: dict[Decision, tuple[str, frozenset[str]]] = {
    "approve": ("approved", frozenset(["pending", "rejected", "revoked", "expired", "mandatory"])),
    "mandate": ("mandatory", frozenset(["pending", "rejected", "revoked", "expired", "approved"])),
    "reject": ("rejected", frozenset(["pending"])),
    "revoke": ("revoked", frozenset(["approved", "mandatory"])),
}
LONGEST_TITLE, LONGEST_CONTENT = 60, 500
DOMAINS = ("finance", "engineering", "product", "data", "operations", "infrastructure")


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be different; None leaves a thing as it is."""

    title: str | None = None
    content: str | None = None
    domain: str | None = None
    entities: list[str] | None = None
    #: ``all`` or ``group:<name>``.
    audience: str | None = None
    #: Whose own it is from now on; empty: everybody's.
    owner: str | None = None
    #: From when and until when it holds; empty: for ever.
    valid_from: str | None = None
    valid_until: str | None = None


class Review:
    """Decisions about items, one at a time."""

    def __init__(self, writer: Writer, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._writer, self._clock = writer, clock

    def decide(
        self, decision: Decision, which: str, actor: str, reason: str | None = None, seen: str | None = None
    ) -> dict[str, Any]:
        """Approve, mandate, reject or revoke an item; the item as it then is.

        ``seen`` is the digest of the text that the reviewer has read.

        Raises:
            NoSuchItem: there is none.
            ItemChanged: it says something else by now.
            ReviewRefused: it cannot become that from what it is.
        """
        after, allowed = _TO[decision]

        def put(connection: Connection) -> dict[str, Any]:
            item = reading.found(connection.execute, which)
            _unchanged(item, seen)
            if item["status"] not in allowed:
                raise ReviewRefused(f"{which} is {item['status']}; {decision} is for what is {_or(sorted(allowed))}")
            self._become(connection, item, after, actor, decision, reason)
            return reading.item(connection.execute, which)

        return self._writer.write(put, durable=True)

    def add(self, actor: str, edit: Edit, mandatory: bool = False, reason: str | None = None) -> dict[str, Any]:
        """An item that an admin writes: approved, or mandatory at once.

        Raises:
            ReviewRefused: it says nothing, or there is such an item already.
        """

        def put(connection: Connection) -> dict[str, Any]:
            values = edited(edit)
            item = name_of(values["title"], values["content"])
            if connection.execute("SELECT 1 FROM knowledge_items WHERE item_id = $1", [item]):
                raise ReviewRefused(f"{item} says this already; see memory show {item}")
            status = "mandatory" if mandatory else "approved"
            self._insert(connection, item, values, status, "admin", actor, actor)
            note(connection, item, self._clock(), actor, "added", None, status, reason)
            return reading.item(connection.execute, item)

        return self._writer.write(put, durable=True)

    def edit(
        self, which: str, actor: str, edit: Edit, reason: str | None = None, viewer: str | None = None
    ) -> dict[str, Any]:
        """Change what an item says, for whom and how long; its identity stays. The item as it then is.

        An item that comes to say something else is compared with the others again. One that is made personal is
        seen by its owner alone from then on.

        Raises:
            NoSuchItem: there is none, or it is somebody else's own.
            ReviewRefused: the change makes no sense.
        """

        def put(connection: Connection) -> dict[str, Any]:
            item = reading.found(connection.execute, which, viewer)
            before = _columns(item)
            values = _edited(before, edit)
            changed = {key: [before[key], values[key]] for key in values if before[key] != values[key]}
            if not changed:
                return reading.item(connection.execute, which, viewer)
            if values["owner"] and "owner" in changed:
                _own(connection, which, values["owner"])
            now = self._clock()
            reworded = bool({"title", "content", "domain"} & changed.keys()) and not values["owner"]
            connection.execute(
                QUERIES["rewrite"],
                [
                    which, values["title"], values["content"], values["domain"], _listed(values["entities"]),
                    values["audience"], values["owner"], values["valid_from"], values["valid_until"], now, reworded,
                ],
            )  # fmt: skip
            note(connection, which, now, actor, "edited", item["status"], item["status"], reason, changed)
            return reading.item(connection.execute, which, values["owner"] or viewer)

        return self._writer.write(put, durable=True)

    def vote(self, which: str, username: str, vote: int) -> dict[str, Any]:
        """Say that an item is right (1) or wrong (-1), or take that back (0); the item with its votes.

        Raises:
            NoSuchItem: there is none, or it is somebody else's own.
            ReviewRefused: that is no vote.
        """
        if vote not in (-1, 0, 1):
            raise ReviewRefused(f"a vote is 1, -1 or 0 (to take it back), not {vote}")

        def put(connection: Connection) -> dict[str, Any]:
            reading.found(connection.execute, which, username)
            if vote:
                connection.execute(QUERIES["vote"], [which, username, vote, self._clock()])
            else:
                connection.execute(QUERIES["unvote"], [which, username])
            return reading.item(connection.execute, which, username)

        return self._writer.write(put, durable=True)

    def resolve(
        self,
        which: str,
        resolution: str,
        actor: str,
        title: str | None = None,
        content: str | None = None,
        reason: str | None = None,
    ) -> dict[str, Any]:
        """Settle a contradiction; what was said is done. The contradiction as it then is.

        ``kept_a`` and ``kept_b`` supersede the other item, ``merge`` writes what both come to (``title`` and
        ``content``, or what was suggested) and supersedes both, ``both_valid`` only closes it.

        Raises:
            NoSuchContradiction: there is none.
            ReviewRefused: it is settled already, or cannot be settled so.
        """
        if resolution not in RESOLUTIONS:
            raise ReviewRefused(f"the resolution {resolution!r} is none; there are {', '.join(RESOLUTIONS)}")

        def put(connection: Connection) -> dict[str, Any]:
            pair = reading.contradictions(connection.execute, which, resolved=True)
            if not which or not pair:
                raise NoSuchContradiction(which)
            if pair[0]["resolution"] is not None:
                raise ReviewRefused(f"{which} was settled already, as {pair[0]['resolution']}")
            a, b = (reading.found(connection.execute, pair[0][side]) for side in ("item_a", "item_b"))
            merged = None
            if resolution == "kept_a":
                self._supersede(connection, b, a["item_id"], actor, which)
            elif resolution == "kept_b":
                self._supersede(connection, a, b["item_id"], actor, which)
            elif resolution == "merge":
                said = (title or pair[0]["merged_title"], content or pair[0]["merged_content"])
                merged = self._merge(connection, a, b, said, actor, which)
            connection.execute(QUERIES["resolve"], [which, resolution, actor, self._clock(), reason, merged])
            return reading.contradictions(connection.execute, which, resolved=True)[0]

        return self._writer.write(put, durable=True)

    def expire(self) -> int:
        """End what held only until now; how many items."""

        def put(connection: Connection) -> int:
            due = connection.execute(QUERIES["expiring"], [self._clock()])
            for which, _ in due:
                item = _any(connection, str(which))
                self._become(connection, item, "expired", "clock", "expire", "its time is over")
            return len(due)

        return self._writer.write(put)

    def _become(
        self,
        connection: Connection,
        item: dict[str, Any],
        after: str,
        actor: str,
        action: str,
        reason: str | None,
        by: str | None = None,
    ) -> None:
        now = self._clock()
        # Who approves a thing says that it holds today.
        confirmed = now if after in ("approved", "mandatory") else datetime.fromisoformat(item["confirmed_at"])
        connection.execute(QUERIES["decide"], [item["item_id"], after, actor, now, confirmed, by])
        note(connection, item["item_id"], now, actor, action, item["status"], after, reason, {"by": by} if by else None)

    def _supersede(self, connection: Connection, item: dict[str, Any], by: str, actor: str, why: str) -> None:
        if item["status"] == "superseded":
            return
        self._become(connection, item, "superseded", actor, "supersede", why, by)

    def _merge(
        self,
        connection: Connection,
        a: dict[str, Any],
        b: dict[str, Any],
        said: tuple[str | None, str | None],
        actor: str,
        which: str,
    ) -> str:
        title, content = said
        if not title or not content:
            raise ReviewRefused("merge needs what both items come to: a title and a content")
        statuses = {a["status"], b["status"]}
        status = "mandatory" if "mandatory" in statuses else "approved" if "approved" in statuses else "pending"
        audience = a["audience"] if a["audience"] == b["audience"] else "all"
        entities = list(dict.fromkeys([*a["entities"], *b["entities"]]))
        edit = Edit(title, content, a["domain"], entities, audience)
        values = edited(edit)
        merged = name_of(values["title"], values["content"])
        if merged in (a["item_id"], b["item_id"]):
            raise ReviewRefused("this is what one of the two says; keep that one instead")
        if connection.execute("SELECT 1 FROM knowledge_items WHERE item_id = $1", [merged]):
            raise ReviewRefused(f"{merged} says this already; keep that one, and supersede the others")
        now = self._clock()
        for item in (a, b):
            for row in connection.execute(
                "SELECT session_file, session_id, turn_id, username, occurred_at, detection_type, user_quote, source,"
                " extractor FROM verification_evidence WHERE item_id = $1",
                [item["item_id"]],
            ):
                session_file, session_id, turn_id, username, at, kind, quote, source, extractor = row
                evidence = evidence_of(merged, session_id or session_file, turn_id, quote)
                connection.execute(
                    QUERIES["add_evidence"],
                    [
                        evidence, merged, session_file, session_id, turn_id, username, at, kind, quote, source,
                        extractor, now,
                    ],
                )  # fmt: skip
        self._insert(connection, merged, values, status, "merge", actor, None)
        note(connection, merged, now, actor, "merged", None, status, which, {"of": [a["item_id"], b["item_id"]]})
        for item in (a, b):
            connection.execute(QUERIES["relate"], [merged, item["item_id"], "merged_from", 1.0, now])
            self._supersede(connection, item, merged, actor, which)
        return merged

    def _insert(
        self,
        connection: Connection,
        item: str,
        values: dict[str, Any],
        status: str,
        source: str,
        actor: str,
        author: str | None,
    ) -> None:
        now = self._clock()
        if author is not None:
            evidence = evidence_of(item, f"admin:{author}", None, values["content"])
            connection.execute(
                QUERIES["add_evidence"],
                [evidence, item, "", None, None, author, now, "admin", values["content"], source, source, now],
            )
        base, floor, verifiers, confirmed_at = standing_of(connection, {item}, now)[item]
        connection.execute(
            QUERIES["add_item"],
            [
                item, values["title"], values["content"], values["domain"],
                _listed(values["entities"]), status, source, values["audience"], values["owner"],
                max(base, OF_SOURCE.get(source, 0.0)), floor, verifiers, values["valid_from"], values["valid_until"],
                now, now if status != "pending" else confirmed_at, True, actor, now,
            ],
        )  # fmt: skip


_BLANK: dict[str, Any] = {
    "title": "", "content": "", "domain": "engineering", "entities": [], "audience": "all", "owner": None,
    "valid_from": None, "valid_until": None,
}  # fmt: skip


def _any(connection: Connection, which: str) -> dict[str, Any]:
    ((owner,),) = connection.execute("SELECT owner FROM knowledge_items WHERE item_id = $1", [which])
    return reading.found(connection.execute, which, owner)


def _unchanged(item: dict[str, Any], seen: str | None) -> None:
    if seen is not None and seen != rule.digest(item["title"], item["content"]):
        raise ItemChanged(item["item_id"])


def _own(connection: Connection, which: str, owner: str) -> None:
    others = connection.execute(
        "SELECT DISTINCT username FROM verification_evidence WHERE item_id = $1 AND username <> $2", [which, owner]
    )
    if others:
        raise ReviewRefused(f"{which} was said by others too ({len(others)}); it cannot be one person's own")


def edited(edit: Edit) -> dict[str, Any]:
    """The columns of a new item, checked like a change.

    Raises:
        ReviewRefused: they make no sense.
    """
    return _edited(_BLANK, edit)


def _columns(item: dict[str, Any]) -> dict[str, Any]:
    """What of an item can be edited."""
    columns = {key: item[key] for key in _BLANK}
    for key in ("valid_from", "valid_until"):
        columns[key] = datetime.fromisoformat(columns[key]) if columns[key] else None
    return columns


def _listed(entities: list[str]) -> str:
    return json.dumps(entities, ensure_ascii=False)


def _edited(item: dict[str, Any], edit: Edit) -> dict[str, Any]:
    """The item's own columns after a change.

    Raises:
        ReviewRefused: the change makes no sense.
    """
    values = dict(item)
    for key, longest in (("title", LONGEST_TITLE), ("content", LONGEST_CONTENT)):
        if (text := getattr(edit, key)) is not None:
            values[key], _ = redact(rule.clean_for_agents(text))
        if not values[key]:
            raise ReviewRefused(f"{key}: an item needs one")
        if len(values[key]) > longest:
            raise ReviewRefused(f"{key}: at most {longest} characters, this has {len(values[key])}")
    if edit.domain is not None:
        if edit.domain not in DOMAINS:
            raise ReviewRefused(f"domain: {edit.domain!r} is none; there are {', '.join(DOMAINS)}")
        values["domain"] = edit.domain
    if edit.entities is not None:
        values["entities"] = [redact(rule.clean_for_agents(one)[:100])[0] for one in edit.entities[:20]]
    if edit.audience is not None:
        kind, _, name = edit.audience.partition(":")
        if edit.audience != "all" and (kind != "group" or not name.strip() or len(name) > 100):
            raise ReviewRefused(f"audience: {edit.audience!r} is none; all and group:<name> are accepted")
        values["audience"] = edit.audience
    if edit.owner is not None:
        values["owner"] = edit.owner or None
    for key in ("valid_from", "valid_until"):
        if (text := getattr(edit, key)) is not None:
            values[key] = _moment(key, text)
    if values["valid_from"] and values["valid_until"] and values["valid_from"] >= values["valid_until"]:
        raise ReviewRefused("valid_until: it must be after valid_from")
    return values


def _moment(key: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ReviewRefused(f"{key}: {text!r} is no date; 2026-01-31 and 2026-01-31T12:00+00:00 are accepted") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _or(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
