"""The intake: drains the inbox into items and their evidence, then has new items compared with the others.

Everything that follows from a batch of candidates is thought out first, and then written in one
transaction together with the note that they were taken. A comparison that fails stays owed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from watcher.knowledge import confidence
from watcher.knowledge.judge import Judge, Verdict
from watcher.knowledge.likeness import SAME_THINGS, alike, opposed, same
from watcher.knowledge.naming import contradiction_of, evidence_of, name_of
from watcher.knowledge.shelf import Entry, Shelf, entry
from watcher.knowledge.writer import QUERIES, Writer, note
from watcher.store.database import Connection

log = structlog.get_logger("watcher.knowledge")

#: Candidates that are taken in together.
BATCH = 50
#: A new item is put beside so many others that it is like.
MOST_RELATIONS = 5
#: A judge sees at most so many items of the domain, those first that are most like the new one.
MOST_COMPARED = 200
#: How long until a comparison that failed is tried again; doubled each time up to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
_INTAKE = "intake"


@dataclass(slots=True)
class Candidate:
    """A row of the inbox."""

    session_file: str
    candidate_id: str
    username: str
    session_id: str | None
    turn_id: str | None
    occurred_at: datetime | None
    detection_type: str
    title: str
    content: str
    user_quote: str
    domain: str
    entities: str
    source: str
    extractor: str

    @property
    def digest(self) -> str:
        """Of what it says; the query for what waits computes the same."""
        told = ":".join((self.detection_type, self.domain, self.title, self.content, self.entities))
        return hashlib.md5(told.encode(), usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class Taken:
    """What a batch comes to."""

    candidates: int = 0
    new: int = 0
    evidence: int = 0
    merged: int = 0
    checks: int = 0
    contradictions: int = 0
    failed_checks: int = 0

    def __iadd__(self, other: Taken) -> Taken:
        for name in Taken.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self


@dataclass(slots=True)
class _Plan:
    """What is to be written for a batch."""

    now: datetime
    evidence: dict[str, list[Any]] = field(default_factory=dict)
    intake: list[list[Any]] = field(default_factory=list)
    new: dict[str, tuple[Entry, Candidate]] = field(default_factory=dict)
    relations: list[tuple[str, str, float]] = field(default_factory=list)


class Intake:
    """Drains the inbox; one thread at a time."""

    def __init__(self, writer: Writer, judge: Judge, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._writer, self._judge, self._clock = writer, judge, clock
        self._shelf = Shelf()

    def drain(self, stop: Callable[[], bool] = lambda: False) -> Taken:
        """Take in everything that waits, and make every comparison that is due.

        Raises:
            Exception: the database's errors; what was committed before stays.
        """
        taken = Taken()
        while not stop():
            batch = self._take(BATCH)
            taken += batch
            if batch.candidates < BATCH:
                break
        while not stop():
            checks = self._check_next()
            if checks is None:
                break
            taken += checks
        return taken

    def mark_sources(self) -> int:
        """Mark the evidence that no file holds any more, and unmark what one holds again; how many changed."""

        def mark(connection: Connection) -> int:
            self._shelf.outlast(self._writer.generation)
            changed = connection.execute(QUERIES["lost_sources"])
            for evidence, gone in changed:
                connection.execute(QUERIES["mark_evidence"], [evidence, gone])
            return len(changed)

        return self._writer.write(mark)

    def _take(self, limit: int) -> Taken:
        def take(connection: Connection) -> Taken:
            self._shelf.bring_up_to_date(connection, self._writer.generation)
            self._shelf.outlast(self._writer.generation)
            waiting = [Candidate(*row) for row in connection.execute(QUERIES["waiting"], [limit])]
            plan, taken = _Plan(self._clock()), Taken(candidates=len(waiting))
            for one in waiting:
                self._place(one, plan, taken)
            self._put(connection, plan)
            return taken

        try:
            return self._writer.write(take)
        except BaseException:
            self._shelf = Shelf()  # it may hold what was not written
            raise

    def _place(self, one: Candidate, plan: _Plan, taken: Taken) -> None:
        item = self._shelf.named(one.title, one.content, one.username)
        if item is None:
            item = self._near(one)
            taken.merged += item is not None
        if item is None:
            item = self._new(one, plan)
            taken.new += 1
        else:
            taken.evidence += 1
        session = one.session_id or one.session_file
        evidence = evidence_of(item, session, one.turn_id, one.user_quote)
        plan.evidence.setdefault(
            evidence,
            [
                evidence, item, one.session_file, one.session_id, one.turn_id, one.username, one.occurred_at,
                one.detection_type, one.user_quote, one.source, one.extractor, plan.now,
            ],
        )  # fmt: skip
        plan.intake.append([one.session_file, one.candidate_id, one.digest, item, evidence, plan.now])

    def _near(self, one: Candidate) -> str | None:
        """The item that this is another wording of; a correction never is."""
        if one.detection_type == "correction":
            return None
        new = entry("", one.title, one.content, one.domain, json.loads(one.entities), "pending", None)
        shelf = self._shelf
        near = [
            (not shelf.entries[name].live, -score, name)
            for name, score in alike(new.words, shelf.words.get(one.domain, {}), SAME_THINGS)
            if same(score, new.things, shelf.entries[name].things)
            # "14 days" and "30 days" are nearly the same letters.
            and opposed(new.words, shelf.entries[name].words) is None
        ]
        return min(near)[2] if near else None

    def _new(self, one: Candidate, plan: _Plan) -> str:
        name = name_of(one.title, one.content)
        if name in self._shelf.entries:  # somebody keeps the same for themselves
            name = name_of(one.title, f"{one.content}\0{one.username}")
        made = entry(name, one.title, one.content, one.domain, json.loads(one.entities), "pending", None)
        others = self._shelf.words.get(one.domain, {})
        plan.relations += [
            (name, other, score) for other, score in alike(made.words, others, SAME_THINGS, MOST_RELATIONS)
        ]
        plan.new[name] = (made, one)
        self._shelf.add(made)
        return name

    def _put(self, connection: Connection, plan: _Plan) -> None:
        for values in plan.evidence.values():
            connection.execute(QUERIES["add_evidence"], values)
        for values in plan.intake:
            connection.execute(QUERIES["note_intake"], values)
        touched = {str(values[1]) for values in plan.evidence.values()}
        standing = standing_of(connection, touched, plan.now)
        for name, (made, one) in plan.new.items():
            base, floor, verifiers, confirmed_at = standing[name]
            connection.execute(
                QUERIES["add_item"],
                [
                    name, made.title, made.content, made.domain, one.entities, "pending", one.source, "all", None,
                    base, floor, verifiers, None, None, plan.now, confirmed_at, True, None, None,
                ],
            )  # fmt: skip
            note(connection, name, plan.now, _INTAKE, "found", None, "pending")
        for name in touched - plan.new.keys():
            connection.execute(QUERIES["restand"], [name, *standing[name]])
        for one_name, other, score in plan.relations:
            connection.execute(QUERIES["relate"], [one_name, other, "likely_duplicate", score, plan.now])

    def _check_next(self) -> Taken | None:
        """Have the next item compared that was not; None if none is due."""
        now = self._clock()

        def due(connection: Connection) -> str | None:
            self._shelf.bring_up_to_date(connection, self._writer.generation)
            self._shelf.outlast(self._writer.generation)
            rows = connection.execute(QUERIES["owed_checks"], [now, 1])
            return str(rows[0][0]) if rows else None

        item = self._writer.write(due)
        if item is None:
            return None
        new = self._shelf.entries[item]
        others = self._others(new)
        try:
            # Nothing is locked while it thinks: it may be a model on the other side of the world.
            verdicts = self._judge.contradictions(new, others) if others else []
        except Exception as error:  # noqa: BLE001 — whatever it was, the comparison stays owed, and this is said
            self._owe(item, f"{type(error).__name__}: {error}", now)
            return Taken(failed_checks=1)
        known = {other.item_id for other in others}
        return self._enter(new, [one for one in verdicts if one.other in known], now)

    def _others(self, new: Entry) -> list[Entry]:
        if new.owner is not None or not new.live:
            return []
        words = {
            name: words
            for name, words in self._shelf.words.get(new.domain, {}).items()
            if name != new.item_id and self._shelf.entries[name].live
        }
        return [self._shelf.entries[name] for name, _ in alike(new.words, words, 0.0, MOST_COMPARED)]

    def _enter(self, new: Entry, verdicts: list[Verdict], now: datetime) -> Taken:
        def put(connection: Connection) -> Taken:
            self._shelf.outlast(self._writer.generation)
            for one in verdicts:
                connection.execute(
                    QUERIES["add_contradiction"],
                    [
                        contradiction_of(new.item_id, one.other), new.item_id, one.other, one.severity,
                        one.explanation[:500], one.suggestion, one.merged_title, one.merged_content,
                        self._judge.name, now,
                    ],
                )  # fmt: skip
            connection.execute(QUERIES["checked"], [new.item_id])
            return Taken(checks=1, contradictions=len(verdicts))

        return self._writer.write(put)

    def _owe(self, item: str, reason: str, now: datetime) -> None:
        log.warning("an item could not be compared with the others; it is tried again", item=item, error=reason)

        def put(connection: Connection) -> None:
            self._shelf.outlast(self._writer.generation)
            ((attempts,),) = connection.execute("SELECT check_attempts FROM knowledge_items WHERE item_id = $1", [item])
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(int(attempts), 10))
            connection.execute(QUERIES["check_failed"], [item, now + pause, reason[:500]])

        self._writer.write(put)


def standing_of(
    connection: Connection, items: set[str], now: datetime
) -> dict[str, tuple[float, float, int, datetime]]:
    """What the evidence of items comes to: base, floor, verifiers and when it was last said."""
    rows = connection.execute(QUERIES["standing"], [sorted(items)]) if items else []
    found = {}
    for item in items:
        own = [row[1:] for row in rows if row[0] == item]
        found[item] = (
            confidence.base((kind, source) for kind, source, _, _ in own),
            confidence.floor(source for _, source, _, _ in own),
            len({username for _, _, username, _ in own}),
            # A clock that is ahead makes nothing younger than new.
            min(now, max((at for *_, at in own), default=now)),
        )
    return found
