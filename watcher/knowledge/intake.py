"""The intake: drains the inbox into items and their evidence, then has new items compared with the others.

Everything that follows from a batch of candidates is thought out first, and then written in one
transaction together with the note that they were taken. A comparison that fails stays owed.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from processors.contract import Paused
from watcher.knowledge import confidence
from watcher.knowledge.ids import contradiction_of, evidence_of, name_of
from watcher.knowledge.index import LIVE, Entry, Shelf, entry
from watcher.knowledge.judge import RESOLUTIONS, SEVERITIES, Judge, Resolution, Verdict
from watcher.knowledge.rendering import clean_for_agents
from watcher.knowledge.similarity import SAME_THINGS, alike, opposed, same
from watcher.knowledge.writer import QUERIES, Writer, noted, put_many
from watcher.logs import Log
from watcher.store.database import Connection

log = Log()

#: Candidates that are taken in together.
BATCH = 50
#: A new item is put beside so many others that it is like.
MOST_RELATIONS = 5
#: A judge sees at most so many items of the domain, those first that are most like the new one.
MOST_COMPARED = 200
#: A reviewer is shown at most so many that a new item contradicts, those first that the judge names first.
MOST_CONTRADICTED = 10
#: How long until a comparison that failed is tried again; doubled each time up to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
#: Comparisons are written together that took no longer than this, in seconds: what a model was paid for, at once.
PATIENCE = 1.0
_INTAKE = "intake"
#: What a judge suggests of two items, said of them in the other order.
_TURNED: dict[Resolution | None, Resolution] = {"kept_a": "kept_b", "kept_b": "kept_a"}


@dataclass(slots=True)
class InboxCandidate:
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
    new: dict[str, tuple[Entry, InboxCandidate]] = field(default_factory=dict)
    relations: list[tuple[str, str, float]] = field(default_factory=list)


#: What the evidence of an item comes to: base, floor, verifiers and when it was last said (None: never).
Standing = tuple[float, float, int, datetime | None]

#: An item, and those that it contradicts.
_Judged = tuple[Entry, list[tuple[Entry, Verdict]]]


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
            checks = self._check_due()
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
            waiting = [InboxCandidate(*row) for row in connection.execute(QUERIES["waiting"], [limit])]
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

    def _place(self, one: InboxCandidate, plan: _Plan, taken: Taken) -> None:
        item = self._shelf.named(one.title, one.content, one.username)
        if item is None:
            new = entry("", one.title, one.content, one.domain, json.loads(one.entities), "pending", None)
            likes = alike(new.words, self._shelf.words.get(one.domain, {}), SAME_THINGS)
            item = self._near(one, new, likes)
            taken.merged += item is not None
            if item is None:
                item = self._new(one, new, likes[:MOST_RELATIONS], plan)
                taken.new += 1
            else:
                taken.evidence += 1
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

    def _near(self, one: InboxCandidate, new: Entry, likes: list[tuple[str, float]]) -> str | None:
        """The item that this is another wording of; a correction never is."""
        if one.detection_type == "correction":
            return None
        entries = self._shelf.entries
        near = [
            (not entries[name].live, -score, name)
            for name, score in likes
            if same(score, new.things, entries[name].things)
            # "14 days" and "30 days" are nearly the same letters.
            and opposed(new.words, entries[name].words) is None
        ]
        return min(near)[2] if near else None

    def _new(self, one: InboxCandidate, new: Entry, likes: list[tuple[str, float]], plan: _Plan) -> str:
        name = name_of(one.title, one.content)
        if name in self._shelf.entries:  # somebody keeps the same for themselves
            name = name_of(one.title, f"{one.content}\0{one.username}")
        made = replace(new, item_id=name)
        plan.relations += [(name, other, score) for other, score in likes]
        plan.new[name] = (made, one)
        self._shelf.add(made)
        return name

    def _put(self, connection: Connection, plan: _Plan) -> None:
        touched = {str(values[1]) for values in plan.evidence.values()}
        again = _said_again(connection, touched, plan)
        put_many(connection, "add_evidence", [values for values in plan.evidence.values() if values[0] not in again])
        put_many(connection, "note_intake", [[*row[:4], again.get(row[4], row[4]), *row[5:]] for row in plan.intake])
        standing = standing_of(connection, touched, plan.now)
        put_many(
            connection,
            "add_item",
            [
                [
                    name, made.title, made.content, made.domain, one.entities, "pending", one.source, "all", None,
                    *standing[name][:3], None, None,
                    # Which of two is the newer must be known of those of one batch too.
                    plan.now + timedelta(microseconds=place), standing[name][3], True, None, None,
                ]
                for place, (name, (made, one)) in enumerate(plan.new.items())
            ],
        )  # fmt: skip
        put_many(connection, "note", [noted(name, plan.now, _INTAKE, "found", None, "pending") for name in plan.new])
        for name in touched - plan.new.keys():
            connection.execute(QUERIES["restand"], [name, *standing[name]])
        put_many(
            connection, "relate", [[*pair, "likely_duplicate", score, plan.now] for *pair, score in plan.relations]
        )

    def _check_due(self) -> Taken | None:
        """Have items compared that were not, as many as there is patience for; None if none is due."""
        now = self._clock()

        def due(connection: Connection) -> list[str]:
            self._shelf.bring_up_to_date(connection, self._writer.generation)
            self._shelf.outlast(self._writer.generation)
            return [str(item) for (item,) in connection.execute(QUERIES["owed_checks"], [now, BATCH])]

        items = self._writer.write(due)
        if not items:
            return None
        taken, judged, began = Taken(), list[_Judged](), time.monotonic()
        for item in items:
            new = self._shelf.entries[item]
            others = {other.item_id: other for other in self._others(new)}
            try:
                # Nothing is locked while it thinks: it may be a model on the other side of the world.
                verdicts = _sound(self._judge.contradictions(new, list(others.values()))) if others else []
            except Paused as error:  # an allowance is used up: nothing was asked, and when there is more is known
                self._owe(item, str(error), now, timedelta(seconds=error.retry_after or 0.0), counts=False)
                taken.failed_checks += 1
            except Exception as error:  # noqa: BLE001 — whatever it was, the comparison stays owed, and this is said
                after = timedelta(seconds=getattr(error, "retry_after", None) or 0.0)
                self._owe(item, f"{type(error).__name__}: {error}", now, after)
                taken.failed_checks += 1
            else:
                told = [(others[one.other], one) for one in verdicts if one.other in others]
                judged.append((new, told[:MOST_CONTRADICTED]))
            if time.monotonic() - began > PATIENCE:
                break
        if judged:
            taken += self._enter(judged, now)
        return taken

    def _others(self, new: Entry) -> list[Entry]:
        if new.owner is not None or not new.live:
            return []
        likest = alike(new.words, self._shelf.living.get(new.domain, {}), 0.0, MOST_COMPARED + 1)
        return [self._shelf.entries[name] for name, _ in likest if name != new.item_id][:MOST_COMPARED]

    def _enter(self, judged: list[_Judged], now: datetime) -> Taken:
        def put(connection: Connection) -> Taken:
            self._shelf.outlast(self._writer.generation)
            taken = Taken()
            compared = [entry for new, verdicts in judged for entry in (new, *(other for other, _ in verdicts))]
            stands = _as_compared(connection, compared)
            rows: dict[str, list[Any]] = {}
            for new, verdicts in judged:
                if new.item_id not in stands:
                    continue  # it was changed meanwhile: it is compared again, as it is now
                # What an item came to say meanwhile, it is compared with the others for.
                entered = [(other, one) for other, one in verdicts if other.item_id in stands]
                for other, one in entered:
                    newer, older, suggestion = new, other, one.suggestion
                    if other.number > new.number:
                        newer, older, suggestion = other, new, _TURNED.get(one.suggestion, one.suggestion)
                    name = contradiction_of(new.item_id, other.item_id)
                    rows.setdefault(
                        name,
                        [
                            name, newer.item_id, older.item_id, one.severity, one.explanation, suggestion,
                            one.merged_title, one.merged_content, self._judge.name, now,
                        ],
                    )  # fmt: skip
                taken += Taken(checks=1, contradictions=len(entered))
            put_many(connection, "add_contradiction", list(rows.values()))
            connection.execute(QUERIES["checked"], [[new.item_id for new, _ in judged if new.item_id in stands]])
            return taken

        return self._writer.write(put)

    def _owe(self, item: str, reason: str, now: datetime, least: timedelta, counts: bool = True) -> None:
        """A comparison is tried again, not before ``least`` has passed; ``counts``: and later each time."""
        log.warning("item_comparison_failed", item=item, error=reason)

        def put(connection: Connection) -> None:
            self._shelf.outlast(self._writer.generation)
            ((attempts,),) = connection.execute("SELECT check_attempts FROM knowledge_items WHERE item_id = $1", [item])
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(int(attempts), 10)) if counts else least
            # One attempt is noted at least: without any, nobody would hear that it is owed.
            attempts = int(attempts) + 1 if counts else max(1, int(attempts))
            connection.execute(QUERIES["check_failed"], [item, attempts, now + max(pause, least), reason[:500]])

        self._writer.write(put)


def _said_again(connection: Connection, items: set[str], plan: _Plan) -> dict[str, str]:
    """Evidence that a session has brought for an item before, in the same words: what that was called."""
    before = connection.execute(QUERIES["said_of"], [sorted(items)]) if items else []
    known = {str(evidence) for evidence, *_ in before}
    said = {(item, session, _folded(quote)): str(evidence) for evidence, item, session, quote in before}
    again = {}
    for evidence, (_, item, session_file, session_id, *_, quote, _, _, _) in plan.evidence.items():
        if evidence in known:
            continue
        first = said.setdefault((item, session_id or session_file, _folded(quote)), evidence)
        if first != evidence:
            again[evidence] = first
    return again


def _folded(quote: str) -> str:
    return " ".join(quote.split())


def _sound(verdicts: list[Verdict]) -> list[Verdict]:
    """A judge's verdicts, as they can be kept and shown.

    Raises:
        ValueError: one is none.
    """
    sound = []
    for one in verdicts:
        if one.severity not in SEVERITIES or one.suggestion not in (None, *RESOLUTIONS):
            raise ValueError(f"the judge said {one.severity!r}, {one.suggestion!r}; that is no verdict")
        sound.append(
            replace(
                one,
                explanation=clean_for_agents(one.explanation)[:500],
                merged_title=_cut(one.merged_title, 60),
                merged_content=_cut(one.merged_content, 500),
            )
        )
    return sound


def _cut(text: str | None, longest: int) -> str | None:
    return None if text is None else clean_for_agents(text)[:longest]


def _as_compared(connection: Connection, entries: list[Entry]) -> set[str]:
    """Those of these items that still count, and say what they said when they were compared, to everybody."""
    rows = connection.execute(QUERIES["said_by"], [[one.item_id for one in entries]])
    now = {item: tuple(rest) for item, *rest, status in rows if status in LIVE}
    return {one.item_id for one in entries if now.get(one.item_id) == (one.title, one.content, one.domain, one.owner)}


def standing_of(connection: Connection, items: set[str], now: datetime) -> dict[str, Standing]:
    """What the evidence of items comes to."""
    rows = connection.execute(QUERIES["standing"], [sorted(items)]) if items else []
    of_item: dict[str, list[Any]] = {item: [] for item in items}
    for item, *proof in rows:
        of_item[item].append(proof)
    found = {}
    for item, own in of_item.items():
        found[item] = (
            confidence.base((kind, source) for kind, source, _, _ in own),
            confidence.floor(source for _, source, _, _ in own),
            len({username for _, _, username, _ in own}),
            # A clock that is ahead makes nothing younger than new.
            min(now, max(at for *_, at in own)) if own else None,
        )
    return found
