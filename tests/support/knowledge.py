"""What tests of the knowledge base share: an inbox to fill, a clock to set, a judge that does as it is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from watcher.knowledge import bundle, erase, queries
from watcher.knowledge.index import Entry
from watcher.knowledge.intake import Intake, Taken
from watcher.knowledge.judge import Judge, Verdict, Words
from watcher.knowledge.notes.items import NoteItem, NoteRules, pieces
from watcher.knowledge.review import Review
from watcher.knowledge.writer import Writer
from watcher.store.database import Database
from watcher.store.migrations import migrate

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

_INBOX = (
    "session_file", "candidate_id", "username", "session_id", "turn_id", "occurred_at", "detection_type", "title",
    "content", "user_quote", "domain", "entities", "source", "extractor", "secrets",
)  # fmt: skip

#: Statements that nobody takes for one another.
FACTS = (
    "Refunds over a hundred euro need two approvals from accounting",
    "The warehouse table orders_v2 is the source of truth for revenue",
    "Deploys happen on weekdays before three in the afternoon",
    "Customer emails are stored lowercase in every service",
    "Our staging cluster is rebuilt from scratch each night",
    "Invoices carry the tax rate of the country of delivery",
    "Feature flags are removed within one sprint after launch",
    "Kafka topics are named by team and then by event",
    "Support tickets are answered within four business hours",
    "The billing worker retries five times and then pages somebody",
    "Passport scans must be deleted ninety days after the check",
    "Every schema change ships with a backfill plan",
)


def candidate(content: str, session: str = "ann/s.jsonl", quote: str = "", **more: Any) -> dict[str, Any]:
    """A row of the inbox, as the extractor makes it: its name follows from the quote."""
    quote = quote or content
    return {
        "session_file": session,
        "candidate_id": "c_" + hashlib.sha256(quote.encode()).hexdigest()[:16],
        "username": session.partition("/")[0],
        "session_id": None,
        "turn_id": None,
        "occurred_at": START,
        "detection_type": "unprompted_definition",
        "title": content[:40],
        "content": content,
        "user_quote": quote,
        "domain": "finance",
        "entities": "[]",
        "source": "session",
        "extractor": "rules",
        "secrets": 0,
        **more,
    }


def listed(*names: str) -> str:
    """Entities as the inbox has them."""
    return json.dumps(names, ensure_ascii=False)


class Told:
    """A judge that says what a test tells it to; it knows what it was shown."""

    name = "told"

    def __init__(self, verdicts: Callable[[Entry, Sequence[Entry]], list[Verdict]] = lambda new, others: []) -> None:
        self.verdicts = verdicts
        self.shown: list[tuple[Entry, list[Entry]]] = []

    def contradictions(self, new: Entry, others: Sequence[Entry]) -> list[Verdict]:
        """See `watcher.knowledge.judge.Judge`."""
        self.shown.append((new, list(others)))
        return self.verdicts(new, others)


@dataclass
class Base:
    """A knowledge base on a database, without a service around it."""

    database: Database
    judge: Judge = field(default_factory=Words)
    now: datetime = START

    def __post_init__(self) -> None:
        self.writer = Writer(self.database)
        self.review = Review(self.writer, lambda: self.now)
        self.restart()

    def restart(self) -> None:
        """Nothing is remembered but what the database holds."""
        self.intake = Intake(self.writer, self.judge, lambda: self.now)

    def later(self, **time: float) -> None:
        """Time goes by."""
        self.now += timedelta(**time)

    def bring(self, *rows: dict[str, Any]) -> None:
        """Candidates come into the inbox, as a pass brings them."""
        connection = self.database.connect()
        marks = ", ".join(f"${n}" for n in range(1, len(_INBOX) + 1))
        rest = ", ".join(f"{name} = excluded.{name}" for name in _INBOX[2:])
        try:
            for row in rows:
                connection.execute(
                    f"INSERT INTO knowledge_inbox ({', '.join(_INBOX)}) VALUES ({marks})"
                    f" ON CONFLICT (session_file, candidate_id) DO UPDATE SET {rest}",
                    [row[name] for name in _INBOX],
                )
        finally:
            connection.close()

    def replace(self, session: str, *rows: dict[str, Any]) -> None:
        """A session is taken anew, as a whole."""
        self.run("DELETE FROM knowledge_inbox WHERE session_file = $1", session)
        self.bring(*rows)

    def status(self, session: str, status: str) -> None:
        """What the sweep has found of a session's file."""
        self.run("DELETE FROM session_processor_state WHERE session_file = $1", session)
        self.run(
            "INSERT INTO session_processor_state (processor_name, session_file, username, processed_at, file_size,"
            " processed_bytes, bad_lines, processor_version, status, attempts, items_extracted)"
            " VALUES ('verification', $1, 'ann', now(), 0, 0, 0, 1, $2, 0, 0)",
            session,
            status,
        )

    def drain(self) -> Taken:
        """As the service does it."""
        taken = self.intake.drain()
        self.intake.mark_sources()
        self.review.expire()
        return taken

    def take(self, *rows: dict[str, Any]) -> Taken:
        """Bring candidates and drain."""
        self.bring(*rows)
        return self.drain()

    def forget(self, session: str) -> erase.Erased:
        """As ``sessions forget`` does it."""
        return self.writer.write(lambda connection: erase.erase(connection, session, self.now), durable=True)

    def run(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Any statement."""
        connection = self.database.connect()
        try:
            return connection.execute(sql, parameters)
        finally:
            connection.close()

    def item(self, which: str, viewer: str | None = None) -> dict[str, Any]:
        """Everything about one item."""
        return queries.item(self.writer.read, which, viewer)

    def items(self, viewer: str | None = None, **wanted: Any) -> list[str]:
        """The contents of what is listed, in order."""
        return [
            one["content"] for one in queries.items(self.writer.read, queries.ItemFilter(**wanted), viewer)["items"]
        ]

    def named(self, content: str) -> str:
        """The one item that says this."""
        ((item,),) = self.run("SELECT item_id FROM knowledge_items WHERE content = $1", content)
        return str(item)

    def evidence(self) -> list[tuple[Any, ...]]:
        """Each piece: what it is for, which session, the quote, and whether its source is gone."""
        return sorted(
            self.run(
                "SELECT i.content, e.session_file, e.user_quote, e.source_gone"
                " FROM verification_evidence e LEFT JOIN knowledge_items i ON i.item_id = e.item_id"
            )
        )

    def contradictions(self, **which: Any) -> list[dict[str, Any]]:
        """Pairs that cannot both hold."""
        return queries.contradictions(self.writer.read, **which)

    def bundle(self, *groups: str) -> dict[str, Any]:
        """What agents are given now."""
        return bundle.bundle(self.writer.read, groups, self.now)

    def close(self) -> None:
        """Give its connection back."""
        self.writer.close()


def made(database: Database, backups: Any, judge: Judge | None = None) -> Base:
    """A knowledge base with all of its tables."""
    migrate(database, backups)
    return Base(database, judge if judge is not None else Words())


def found_in(text: str) -> NoteItem:
    """What the rules make of a note."""
    ((found, last),) = pieces("notes:ann/CLAUDE.local.md", text, NoteRules())
    assert last
    return found
