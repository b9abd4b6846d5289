"""What people decide about items; every decision acts at once, is noted, and is in the database file."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from watcher.errors import ItemChanged, NoSuchContradiction, ReviewRefused
from watcher.knowledge import queries, rendering
from watcher.knowledge.close import close_contradictions
from watcher.knowledge.confidence import OF_SOURCE
from watcher.knowledge.edits import BLANK, columns, edited, listed
from watcher.knowledge.edits import Edit as Edit
from watcher.knowledge.ids import evidence_of, name_of
from watcher.knowledge.index import LIVE, SERVED
from watcher.knowledge.intake import standing_of
from watcher.knowledge.judge import RESOLUTIONS
from watcher.knowledge.writer import QUERIES, Writer, note
from watcher.store.database import Connection

Decision = Literal["approve", "mandate", "reject", "revoke"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)

#: What an item becomes by a decision, and from what it can.
_TO: dict[Decision, tuple[str, frozenset[str]]] = {
    "approve": ("approved", frozenset(["pending", "rejected", "revoked", "expired", "mandatory"])),
    "mandate": ("mandatory", frozenset(["pending", "rejected", "revoked", "expired", "approved"])),
    "reject": ("rejected", frozenset(["pending"])),
    "revoke": ("revoked", frozenset(SERVED)),
}


class Review:
    """Decisions about items, one at a time."""

    def __init__(self, writer: Writer, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._writer, self._clock = writer, clock

    def decide(
        self,
        decision: Decision,
        which: str,
        actor: str,
        reason: str | None = None,
        seen: str | None = None,
        confirmed: bool = False,
    ) -> dict[str, Any]:
        """Approve, mandate, reject or revoke an item; the item as it then is.

        ``seen`` is the digest of the text that the reviewer has read, ``confirmed`` that its warnings were.

        Raises:
            NoSuchItem: there is none.
            ItemChanged: it says something else by now.
            ReviewRefused: it cannot become that from what it is.
            Unconfirmed: agents would read what has warnings.
        """
        after, allowed = _TO[decision]

        def put(connection: Connection) -> dict[str, Any]:
            item = queries.found(connection.execute, which)
            _unchanged(item, seen)
            if item["status"] not in allowed:
                raise ReviewRefused(f"{which} is {item['status']}; {decision} is for what is {_or(sorted(allowed))}")
            if after in SERVED:
                rendering.must_be_confirmed([(item["title"], item["content"])], confirmed)
            self._become(connection, item, after, actor, decision, reason)
            return queries.item(connection.execute, which)

        return self._writer.write(put, durable=True)

    def add(
        self, actor: str, edit: Edit, mandatory: bool = False, reason: str | None = None, confirmed: bool = False
    ) -> dict[str, Any]:
        """An item that an admin writes: approved, or mandatory at once.

        Raises:
            ReviewRefused: it says nothing, or there is such an item already.
            Unconfirmed: it has warnings.
        """

        def put(connection: Connection) -> dict[str, Any]:
            values = edited(BLANK, edit)
            rendering.must_be_confirmed([(values["title"], values["content"])], confirmed)
            item = _new_name(connection, values["title"], values["content"], actor)
            status = "mandatory" if mandatory else "approved"
            self._insert(connection, item, values, status, "admin", actor, actor)
            note(connection, item, self._clock(), actor, "added", None, status, reason)
            return queries.item(connection.execute, item)

        return self._writer.write(put, durable=True)

    def edit(
        self,
        which: str,
        actor: str,
        edit: Edit,
        reason: str | None = None,
        viewer: str | None = None,
        seen: str | None = None,
        confirmed: bool = False,
    ) -> dict[str, Any]:
        """Change what an item says, for whom and how long; its identity stays. The item as it then is.

        ``seen`` is the digest of the text that was changed, ``confirmed`` that the warnings of the new one were read.

        An item that comes to say something else, or to be everybody's, is compared with the others again. One that
        is made personal is seen by its owner alone from then on.

        Raises:
            NoSuchItem: there is none, or it is somebody else's own.
            ItemChanged: it says something else by now.
            ReviewRefused: the change makes no sense.
            Unconfirmed: agents are given it, and its new text has warnings.
        """

        def put(connection: Connection) -> dict[str, Any]:
            item = queries.found(connection.execute, which, viewer)
            _unchanged(item, seen)
            before = columns(item)
            values = edited(before, edit)
            changed = {key: [before[key], values[key]] for key in values if before[key] != values[key]}
            if not changed:
                return queries.item(connection.execute, which, viewer)
            # Somebody's own is asked about too: as everybody's again, agents are given it as it stands.
            if item["status"] in SERVED and {"title", "content"} & changed.keys():
                rendering.must_be_confirmed([(values["title"], values["content"])], confirmed)
            if values["owner"] and "owner" in changed:
                _own(connection, which, values["owner"])
            now = self._clock()
            reworded = bool({"title", "content", "domain", "owner"} & changed.keys()) and not values["owner"]
            connection.execute(
                QUERIES["rewrite"],
                [
                    which, values["title"], values["content"], values["domain"], listed(values["entities"]),
                    values["audience"], values["owner"], values["valid_from"], values["valid_until"], now, reworded,
                ],
            )  # fmt: skip
            note(connection, which, now, actor, "edited", item["status"], item["status"], reason, changed)
            return queries.item(connection.execute, which, values["owner"] or viewer)

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
            queries.found(connection.execute, which, username)
            if vote:
                connection.execute(QUERIES["vote"], [which, username, vote, self._clock()])
            else:
                connection.execute(QUERIES["unvote"], [which, username])
            return queries.item(connection.execute, which, username)

        return self._writer.write(put, durable=True)

    def resolve(
        self,
        which: str,
        resolution: str,
        actor: str,
        title: str | None = None,
        content: str | None = None,
        reason: str | None = None,
        confirmed: bool = False,
    ) -> dict[str, Any]:
        """Settle a contradiction; what was said is done. The contradiction as it then is.

        ``kept_a`` and ``kept_b`` supersede the other item, ``merge`` writes what both come to (``title`` and
        ``content``, or what was suggested) and supersedes both, ``both_valid`` only closes it.

        Raises:
            NoSuchContradiction: there is none.
            ReviewRefused: it is settled already, or cannot be settled so.
            Unconfirmed: agents would be given what both come to, and it has warnings.
        """
        if resolution not in RESOLUTIONS:
            raise ReviewRefused(f"the resolution {resolution!r} is none; there are {', '.join(RESOLUTIONS)}")

        def put(connection: Connection) -> dict[str, Any]:
            pair = queries.contradictions(connection.execute, which, resolved=True)
            if not which or not pair:
                raise NoSuchContradiction(which)
            if pair[0]["resolution"] is not None:
                raise ReviewRefused(f"{which} was settled already, as {pair[0]['resolution']}")
            a, b = (queries.found(connection.execute, pair[0][side]) for side in ("item_a", "item_b"))
            # Settled before its items are ended, which closes what else is open with them.
            settle = [which, resolution, actor, self._clock(), reason]
            connection.execute(QUERIES["resolve"], [*settle, None])
            if resolution == "kept_a":
                self._supersede(connection, b, a["item_id"], actor, which)
            elif resolution == "kept_b":
                self._supersede(connection, a, b["item_id"], actor, which)
            elif resolution == "merge":
                said = (title or pair[0]["merged_title"], content or pair[0]["merged_content"])
                merged = self._merge(connection, a, b, said, actor, which, confirmed)
                connection.execute(QUERIES["resolve"], [*settle, merged])
            return queries.contradictions(connection.execute, which, resolved=True)[0]

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
        affirmed = now if after in SERVED else datetime.fromisoformat(item["confirmed_at"])
        connection.execute(QUERIES["decide"], [item["item_id"], after, actor, now, affirmed, by])
        note(connection, item["item_id"], now, actor, action, item["status"], after, reason, {"by": by} if by else None)
        if after not in LIVE:
            close_contradictions(connection, item["item_id"], now, actor, f"{item['item_id']} is {after}")

    def _supersede(self, connection: Connection, item: dict[str, Any], by: str, actor: str, why: str) -> None:
        self._become(connection, item, "superseded", actor, "supersede", why, by)

    def _merge(
        self,
        connection: Connection,
        a: dict[str, Any],
        b: dict[str, Any],
        said: tuple[str | None, str | None],
        actor: str,
        which: str,
        confirmed: bool,
    ) -> str:
        title, content = said
        if not title or not content:
            raise ReviewRefused("merge needs what both items come to: a title and a content")
        statuses = {a["status"], b["status"]}
        status = "mandatory" if "mandatory" in statuses else "approved" if "approved" in statuses else "pending"
        if a["audience"] != b["audience"]:
            raise ReviewRefused(
                f"the two are for different people ({a['audience']}, {b['audience']}); edit the audience of one first"
            )
        entities = list(dict.fromkeys([*a["entities"], *b["entities"]]))
        edit = Edit(title, content, a["domain"], entities, a["audience"])
        values = edited(BLANK, edit)
        title, content = values["title"], values["content"]
        if (title, content) in ((a["title"], a["content"]), (b["title"], b["content"])):
            raise ReviewRefused("this is what one of the two says; keep that one instead")
        if status in SERVED:
            rendering.must_be_confirmed([(title, content)], confirmed)
        merged = _new_name(connection, title, content, actor)
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
                listed(values["entities"]), status, source, values["audience"], values["owner"],
                max(base, OF_SOURCE.get(source, 0.0)), floor, verifiers, values["valid_from"], values["valid_until"],
                now, now if status != "pending" else confirmed_at or now, True, actor, now,
            ],
        )  # fmt: skip


def _any(connection: Connection, which: str) -> dict[str, Any]:
    ((owner,),) = connection.execute("SELECT owner FROM knowledge_items WHERE item_id = $1", [which])
    return queries.found(connection.execute, which, owner)


def _new_name(connection: Connection, title: str, content: str, actor: str) -> str:
    """What an item that says this is called; another name where its own is taken by what is no more the same.

    Raises:
        ReviewRefused: there is such an item already.
    """
    said = connection.execute(
        "SELECT item_id FROM knowledge_items WHERE title = $1 AND content = $2 AND owner IS NULL", [title, content]
    )
    if said:
        raise ReviewRefused(f"{said[0][0]} says this already; see knowledge show {said[0][0]}")
    # Nobody is told of what somebody keeps for himself.
    for name in (name_of(title, content), name_of(title, f"{content}\0{actor}")):
        if not connection.execute("SELECT 1 FROM knowledge_items WHERE item_id = $1", [name]):
            return name
    return name_of(title, f"{content}\0{secrets.token_hex(8)}")


def _unchanged(item: dict[str, Any], seen: str | None) -> None:
    if seen is not None and seen != rendering.digest(item["title"], item["content"]):
        raise ItemChanged(item["item_id"])


def _own(connection: Connection, which: str, owner: str) -> None:
    others = connection.execute(
        "SELECT DISTINCT username FROM verification_evidence WHERE item_id = $1 AND username <> $2", [which, owner]
    )
    if others:
        raise ReviewRefused(f"{which} was said by others too ({len(others)}); it cannot be one person's own")


def _or(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
