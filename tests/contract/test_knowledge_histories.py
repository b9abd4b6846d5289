"""Random histories of the knowledge base against a plain model of it, on both databases."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.knowledge import START, Base, candidate, listed, made
from tests.support.knowledge_model import Model
from tests.support.review_moves import ALLOWED
from watcher.errors import ReviewRefused
from watcher.knowledge.review import DECISIONS, Edit
from watcher.store.database import Connection, Database

TOPICS = ("refunds need approvals from accounting", "the warehouse keeps raw events", "deploys happen before lunch")
MORE = ("in all regions", "for every plan", "since last spring", "as auditors insist", "and nobody else")
PEOPLE = ("ann", "bob", "cid")
STEPS = 45


class Broken(Exception):
    """The process was to die here."""


class History:
    """A knowledge base and its model, to which the same things happen."""

    def __init__(self, base: Base, seed: int) -> None:
        print(f"seed {seed}")
        self.base, self.model, self.rng = base, Model(), random.Random(seed)
        self.sessions: dict[str, list[dict[str, Any]]] = {}
        self.turns = 0
        self.log: list[str] = []
        #: How contradictions came to be settled.
        self.settled: set[str | None] = set()
        #: How many rows there were at most.
        self.most: dict[str, int] = {}

    def statement(self) -> str:
        """Some say the same in other words, some the opposite."""
        words = [self.rng.choice(TOPICS), *self.rng.sample(MORE, self.rng.randrange(3))]
        if self.rng.random() < 0.4:
            words.append(f"for {self.rng.choice((14, 30))} days")
        if self.rng.random() < 0.2:
            words.append("not")
        self.rng.shuffle(words)
        return " ".join(words)

    def said(self, session: str) -> dict[str, Any]:
        self.turns += 1
        content = self.statement()
        return candidate(
            content, session, quote=content if self.rng.random() < 0.6 else f"{content} {self.turns}",
            title=content[:20], turn_id=f"t{self.turns}", session_id=self.rng.choice((None, f"id of {session}")),
            occurred_at=START - timedelta(days=self.rng.randrange(400)), domain=self.rng.choice(("data", "finance")),
            detection_type=self.rng.choice(("correction", "confirmation", "unprompted_definition")),
            entities=listed(*self.rng.sample(("vat", "eur", "iban"), self.rng.randrange(4))),
        )  # fmt: skip

    def any_session(self) -> str | None:
        return self.rng.choice(sorted(self.sessions)) if self.sessions else None

    def any_item(self) -> str | None:
        return self.rng.choice(list(self.model.items)) if self.model.items else None

    # --- What happens

    def append(self) -> str:
        session = self.any_session() if self.rng.random() < 0.6 else None
        session = session or f"{self.rng.choice(PEOPLE)}/{len(self.sessions)}.jsonl"
        rows = [self.said(session) for _ in range(self.rng.randrange(1, 4))]
        kept = {row["candidate_id"] for row in self.sessions.get(session, [])}
        rows = list({row["candidate_id"]: row for row in rows if row["candidate_id"] not in kept}.values())
        self.sessions[session] = [*self.sessions.get(session, []), *rows]
        self.seen(session)
        self.base.bring(*rows)
        self.model.bring(*rows)
        return f"{session} +{len(rows)}"

    def rewrite(self) -> str:
        session = self.any_session()
        if session is None:
            return ""
        old = self.sessions[session]
        rows = [self.said(session) if self.rng.random() < 0.4 else row for row in old]
        if self.rng.random() < 0.4:  # a newer extractor says it otherwise
            rows = [{**row, "content": self.statement(), "title": "newer"} for row in rows]
        rows = list({row["candidate_id"]: row for row in rows if self.rng.random() < 0.8}.values())
        self.sessions[session] = rows
        self.seen(session)
        self.base.replace(session, *rows)
        self.model.replace(session, *rows)
        return f"{session} is now {len(rows)}"

    def fork(self) -> str:
        session = self.any_session()
        if session is None:
            return ""
        copy = f"{self.rng.choice(PEOPLE)}/{len(self.sessions)}-fork.jsonl"
        rows = [
            {
                **row,
                "session_file": copy,
                "username": copy.partition("/")[0],
                "session_id": self.rng.choice((None, copy)),
            }
            for row in self.sessions[session]
        ]
        self.sessions[copy] = rows
        self.base.bring(*rows)
        self.model.bring(*rows)
        return f"{session} to {copy}"

    def delete(self) -> str:
        session = self.any_session()
        if session is not None:
            self.base.status(session, "gone")
            self.model.gone.add(session)
        return f"{session}"

    def restore(self) -> str:
        if not self.model.gone:
            return ""
        session = self.rng.choice(sorted(self.model.gone))
        self.seen(session)
        return session

    def seen(self, session: str) -> None:
        if session in self.model.gone:
            self.base.status(session, "ok")
            self.model.gone.discard(session)

    def forget(self) -> str:
        session = self.any_session()
        if session is None:
            return ""
        self.base.forget(session)
        self.model.forget(session, self.base.now)
        self.sessions[session] = []
        return session

    def restart(self) -> str:
        self.base.restart()
        return "restarted"

    def decide(self) -> str:
        item, decision = self.any_item(), self.rng.choice(DECISIONS)
        if item is None or self.model.items[item].owner is not None:
            return ""
        after, allowed = ALLOWED[decision]
        if self.model.items[item].status in allowed:
            self.base.review.decide(decision, item, "eva")
            self.model.decide(item, after, self.base.now)
        else:
            with pytest.raises(ReviewRefused):
                self.base.review.decide(decision, item, "eva")
        return f"{decision} {item}"

    def settle(self) -> str:
        pairs = sorted(self.base.contradictions(), key=lambda one: str(one["contradiction_id"]))
        if not pairs:
            return ""
        pair, resolution = self.rng.choice(pairs), self.rng.choice(("kept_a", "kept_b", "both_valid"))
        self.base.review.resolve(pair["contradiction_id"], resolution, "eva")
        self.model.settle((pair["item_a"], pair["item_b"]), resolution, self.base.now)
        return f"{pair['item_a']} {pair['item_b']} {resolution}"

    def edit(self) -> str:
        item = self.any_item()
        if item is None:
            return ""
        one = self.model.items[item]
        people = {proof.row["username"] for proof in self.model.evidence.values() if proof.item == item}
        content, owner = one.content, one.owner
        if self.rng.random() < 0.5:
            content = self.statement()
        elif owner is not None:
            owner = None
        elif len(people) == 1:
            (owner,) = people
        self.base.review.edit(item, "eva", Edit(content=content, owner=owner or ""), viewer=one.owner)
        self.model.edit(item, content, owner)
        return f"{item}: {content!r}, of {owner}"

    def drain(self) -> str:
        """Now and then it dies on the way, once or twice, and begins again; then all is as the model has it."""
        broken = 0
        for _ in range(self.rng.choice((0, 0, 1, 2))):
            broken += self.dies(self.rng.randrange(1, 40))
        self.base.drain()
        self.model.drain(self.base.now)
        self.must_equal()
        return f"died {broken} times"

    def dies(self, at: int) -> bool:
        kind = type(self.base.database.connect())
        execute = kind.execute
        seen = 0

        def failing(connection: Connection, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            nonlocal seen
            seen += 1
            if seen == at and sql != "ROLLBACK":
                raise Broken
            return execute(connection, sql, parameters)

        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(kind, "execute", failing)
                self.base.drain()
        except Broken:
            if self.rng.random() < 0.5:
                self.base.restart()
            return True
        return False

    def must_equal(self) -> None:
        run = self.base.run
        found = {
            "items": {
                item: tuple(rest)
                for item, *rest in run(
                    "SELECT item_id, title, content, status, owner, base, floor, verifiers, confirmed_at"
                    " FROM knowledge_items"
                )
            },
            "evidence": {
                name: tuple(rest)
                for name, *rest in run(
                    "SELECT evidence_id, item_id, session_file, username, user_quote, source_gone"
                    " FROM verification_evidence"
                )
            },
            "relations": {(a, b) for a, b in run("SELECT item_a, item_b FROM knowledge_relations")},
            "contradictions": {
                (a, b): how for a, b, how in run("SELECT item_a, item_b, resolution FROM knowledge_contradictions")
            },
        }
        self.settled.update(self.model.contradictions.values())
        for table, wanted in self.model.tables().items():
            assert found[table] == wanted, f"{table}, after {' | '.join(self.log[-15:])}"
            self.most[table] = max(self.most.get(table, 0), len(wanted))

    def step(self) -> None:
        happens = self.rng.choices(
            (self.append, self.rewrite, self.fork, self.delete, self.restore, self.forget, self.restart, self.decide,
             self.settle, self.edit, self.drain),
            (8, 3, 2, 2, 2, 1, 1, 5, 2, 3, 9),
        )[0]  # fmt: skip
        self.base.later(minutes=1)
        self.log.append(f"{happens.__name__} {happens()}")


@pytest.mark.parametrize(
    ("seed", "settled"), [(0, {"both_valid"}), (3, set()), (6, {"closed", "kept_a", "kept_b"}), (8, {"kept_b"})]
)
def test_random_histories_give_what_the_model_says(
    database: Database, tmp_path: Path, seed: int, settled: set[str]
) -> None:
    """Passes, forks, losses, decisions, deaths on the way: every table, after every drain."""
    base = made(database, tmp_path / "backups")
    history = History(base, seed)
    for _ in range(STEPS):
        history.step()
    history.log.append(history.drain())
    assert history.most["items"] > 5 and history.most["evidence"] > 8, history.most
    assert history.settled >= settled, history.settled
    assert history.most["relations"] and history.most["contradictions"], history.most
    base.close()
