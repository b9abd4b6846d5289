"""What the intake promises, on both databases: nothing twice, nothing lost, nothing merged that must not be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.knowledge import FACTS, START, Base, Told, candidate, listed, made
from tests.support.listener import until
from watcher.knowledge import import_export
from watcher.knowledge.index import Entry
from watcher.knowledge.intake import MOST_CONTRADICTED
from watcher.knowledge.judge import Verdict
from watcher.knowledge.review import Edit
from watcher.knowledge.service import Knowledge
from watcher.knowledge.writer import QUERIES
from watcher.store.database import Connection, Database


@pytest.fixture
def base(database: Database, tmp_path: Path) -> Iterator[Base]:
    opened = made(database, tmp_path / "backups")
    yield opened
    opened.close()


def test_an_item_is_named_by_what_it_says_and_waits_for_review(base: Base) -> None:
    """`kv_` and the first 12 hex digits of sha256 of `title:content`."""
    base.take(candidate("Ünïcode: prices are in cents", title="A: b"))
    name = "kv_" + hashlib.sha256("A: b:Ünïcode: prices are in cents".encode()).hexdigest()[:12]
    told = base.item(name)
    assert (told["status"], told["title"], told["source"], told["audience"]) == ("pending", "A: b", "session", "all")
    assert [one["user_quote"] for one in told["evidence"]] == ["Ünïcode: prices are in cents"]
    assert [(one["actor"], one["from_status"], one["to_status"]) for one in told["history"]] == [
        ("intake", None, "pending")
    ]


def test_said_again_it_is_evidence_once_for_each_session_and_quote(base: Base) -> None:
    """Whatever the extractor calls it, whichever turn it stands in, and however often it is drained."""
    said = {"title": "T"}
    taken = base.take(
        candidate(FACTS[0], "ann/1.jsonl", **said),
        candidate(FACTS[0], "bob/2.jsonl", **said),
        candidate(FACTS[0], "bob/2.jsonl", quote="in other words", **said),
    )
    assert (taken.candidates, taken.new, taken.evidence) == (3, 1, 2)
    assert base.take().candidates == 0
    three = [
        (FACTS[0], "ann/1.jsonl", FACTS[0], False),
        (FACTS[0], "bob/2.jsonl", FACTS[0], False),
        (FACTS[0], "bob/2.jsonl", "in other words", False),
    ]
    assert base.evidence() == three
    # The same words of the same session under another name, in another turn: at once, and later.
    again = [
        candidate(FACTS[0], "bob/2.jsonl", candidate_id=f"c_{n}", turn_id=f"turn {n}", quote="in  other\nwords", **said)
        for n in range(2)
    ]
    for row in again:
        base.take(row)
    base.take(candidate(FACTS[0], "cid/3.jsonl", "yes", candidate_id="c_1", turn_id="a", **said),
              candidate(FACTS[0], "cid/3.jsonl", "yes", candidate_id="c_2", turn_id="b", **said))  # fmt: skip
    assert base.evidence() == [*three, (FACTS[0], "cid/3.jsonl", "yes", False)]
    assert base.item(base.named(FACTS[0]))["verifiers"] == 3


def test_a_line_that_was_copied_is_one_event(base: Base) -> None:
    """Forks and resumed sessions hold the same lines, with their names: no new verifier, no new evidence."""
    for session, own in (("ann/1.jsonl", "s1"), ("ann/fork.jsonl", "s2"), ("bob/copy.jsonl", "s1")):
        base.take(candidate(FACTS[0], session, session_id=own, turn_id="u1"))
    assert base.evidence() == [(FACTS[0], "ann/1.jsonl", FACTS[0], False)]
    base.take(candidate(FACTS[0], "ann/fork.jsonl", session_id="s2", turn_id="u9", quote="and again"))
    assert len(base.evidence()) == 2
    assert base.item(base.named(FACTS[0]))["verifiers"] == 1


ALPHABET = "abcdefghij"


def alike(share: int, of: int = 100) -> tuple[str, str]:
    """Two statements of one word with exactly this share in common."""
    return "m" * of, "m" * share + "x" * (of - share)


#: How alike, which things both name, and whether they are the same.
NEAR: tuple[tuple[int, list[str], bool], ...] = (
    (100, [], True),
    (83, [], True),
    (82, [], True),
    (81, [], False),
    (81, ["Stripe", "VAT"], True),
    (81, ["Stripe"], False),
    (65, ["Stripe", "VAT"], True),
    (64, ["Stripe", "VAT", "EUR"], False),
)


def test_the_near_is_merged_from_these_figures_on(base: Base) -> None:
    """Lexical 0.82, or two things in common and 0.65; what is like enough to show is related."""
    for number, (percent, entities, merged) in enumerate(NEAR):
        one, other = alike(percent)
        domain = f"domain {number}"
        base.take(candidate(one, quote=f"{number}a", title=f"one {number}", domain=domain, entities=listed(*entities)))
        turned = listed(*(name.upper() for name in reversed(entities)))
        taken = base.take(candidate(other, quote=f"{number}b", title=f"two {number}", domain=domain, entities=turned))
        assert (taken.merged, taken.new) == ((1, 0) if merged else (0, 1)), (percent, entities)
        ((item,),) = base.run("SELECT item_id FROM verification_evidence WHERE user_quote = $1", f"{number}b")
        related = base.item(item)["relations"]
        assert [one["kind"] for one in related] == (["likely_duplicate"] if not merged and percent >= 65 else [])
        assert len(base.items(domain=domain)) == 2 - merged


def test_what_is_like_in_another_domain_is_not_the_same(base: Base) -> None:
    """Only what is about the same field is compared."""
    one, other = alike(95)
    base.take(candidate(one, title="one"), candidate(other, title="two", domain="data"))
    assert len(base.items()) == 2
    assert base.item(base.named(other))["relations"] == []


def test_of_two_that_are_near_the_living_and_the_likest_takes_it(base: Base) -> None:
    """A rejected one takes it only where there is no other."""
    base.take(candidate("m" * 100, title="exact"), candidate("m" * 70 + "x" * 30, title="far"))
    base.review.decide("reject", base.named("m" * 100), "eva")
    assert base.take(candidate("m" * 85 + "x" * 15, quote="q", title="mid")).merged == 1
    ((item,),) = base.run("SELECT item_id FROM verification_evidence WHERE user_quote = 'q'")
    assert item == base.named("m" * 70 + "x" * 30)


def test_a_correction_is_never_merged(base: Base) -> None:
    """However alike; but exactly the same it is evidence."""
    one, other = alike(99)
    base.take(candidate(one, title="one"))
    taken = base.take(candidate(other, title="two", detection_type="correction"))
    assert (taken.new, taken.merged) == (1, 0)
    assert base.take(candidate(other, "bob/1.jsonl", title="two", detection_type="correction")).evidence == 1
    assert base.take(candidate(one, "bob/1.jsonl", title="one", detection_type="correction")).evidence == 1


OPPOSED = (
    ("Passport scans are deleted after 14 days by the job", "Passport scans are deleted after 30 days by the job"),
    ("The nightly job deletes passport scans", "The nightly job does not delete passport scans"),
    ("Our invoices always carry the order number of the shop", "Our invoices never carry the order number of the shop"),
    ("A refund needs at least two approvals from accounting", "A refund needs at most two approvals from accounting"),
    ("Deploys are allowed on the last Friday of the month", "Deploys are forbidden on the last Friday of the month"),
    ("The cache can be cleared without asking the data team", "The cache can be cleared after asking the data team"),
    ("The importer isn't idempotent when rows come in twice", "The importer is idempotent when rows come in twice"),
    ("Retention of raw events is 13 months in the warehouse", "Retention of raw events is 18 months in the warehouse"),
    ("Prices include VAT for shops in the union", "Prices exclude VAT for shops in the union"),
    ("The feature flag is enabled on the free plan", "The feature flag is disabled on the free plan"),
)  # fmt: skip


def test_what_says_the_opposite_is_a_contradiction_and_never_merged(base: Base) -> None:
    """Nearly the same letters; whichever came first, and in whatever case it is written."""
    for number, (one, other) in enumerate(OPPOSED):
        same = {"domain": f"domain {number}", "entities": listed("a", "b")}
        base.bring(candidate(one, title="one", **same), candidate(other.upper(), "bob/1.jsonl", title="two", **same))
    base.drain()
    assert len(base.items()) == 2 * len(OPPOSED)
    pairs = {pair["a_content"]: pair for pair in base.contradictions()}
    assert len(pairs) == len(OPPOSED)
    for one, other in OPPOSED:
        pair = pairs[other.upper()]
        assert pair["b_content"] == one and pair["found_by"] == "rules" and pair["explanation"]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_series_is_no_heap_of_contradictions(base: Base, at_once: bool) -> None:
    """The same of number after number, imported or said one by one: nobody is shown pairs of each with each; what one
    of the series denies is still one."""
    told = [f"Our plant {number} never ships before noon, because of its contract" for number in range(60)]
    if at_once:
        items = [{"title": text[:12], "content": text, "domain": "finance"} for text in told]
        import_export.take_in(base.writer, {"format": import_export.FORMAT, "items": items}, "eva")
        base.drain()
        assert base.contradictions() == []
        order = base.run("SELECT content FROM knowledge_items ORDER BY created_at, item_id")
        assert [content for (content,) in order] == told
    else:
        for text in told:
            base.take(candidate(text, title=text[:12]))
        # Until it was seen that it is one.
        assert len(base.contradictions()) == 15
    before = len(base.contradictions())
    text = "Our plant 7 ships before noon, because of its contract"
    base.take(candidate(text, title="another"))
    pairs = base.contradictions(item=base.named(text))
    assert told[7] in {one["b_content"] for one in pairs} and len(pairs) == MOST_CONTRADICTED
    assert len(base.contradictions()) == before + MOST_CONTRADICTED


def test_relations_are_the_five_likest_whatever_the_order(base: Base) -> None:
    """Equals by name; also after a restart, when everything is read anew."""
    variants = [f"{'m' * 70}{letter * 30}" for letter in ALPHABET]
    base.take(*(candidate(text, title=text[-1]) for text in variants))
    base.restart()
    base.take(candidate("m" * 70 + "z" * 30, title="new"))
    names = sorted(base.named(text) for text in variants)
    assert sorted(one["item_id"] for one in base.item(base.named("m" * 70 + "z" * 30))["relations"]) == names[:5]


def test_the_newer_of_two_is_a(base: Base) -> None:
    """`kept_a` keeps the new one: also where both came in one batch, and whichever is looked at first."""
    for number in range(6):
        one, other = f"Retention {'m' * number} is 14 days", f"Retention {'m' * number} is 30 days"
        domain = f"domain {number}"  # so that each pair is alone
        base.bring(candidate(one, f"s/{number}", "a", title=f"a{number}", domain=domain))
        base.bring(candidate(other, f"s/{number}", "b", title=f"b{number}", domain=domain))
    base.drain()
    pairs = base.contradictions()
    assert len(pairs) == 6
    for pair in pairs:
        assert "30" in pair["a_content"] and "14" in pair["b_content"]


def test_a_judge_sees_what_may_be_seen_and_is_believed_as_far_as_it_can_be(database: Database, tmp_path: Path) -> None:
    """Living items of the domain, not personal; names that nobody has are dropped, words are cleaned and cut."""

    def verdicts(new: Entry, others: Sequence[Entry]) -> list[Verdict]:
        return [
            Verdict("kv_000000000000", "hard", "made up"),
            Verdict(new.item_id, "hard", "itself"),
            *(
                Verdict(one.item_id, "soft", "\u202ebe\0cause\n" + "x" * 900, "kept_b", "t" * 90, "c\nd")
                for one in others
            ),
        ]

    judge = Told()
    base = made(database, tmp_path / "backups", judge)
    base.take(*(candidate(text, title=text) for text in FACTS[:4]), candidate(FACTS[4], domain="data", title="d"))
    base.review.decide("reject", base.named(FACTS[1]), "eva")
    base.review.edit(base.named(FACTS[2]), "eva", Edit(owner="ann"))
    judge.shown.clear()
    judge.verdicts = verdicts
    base.take(candidate(FACTS[5], title="new"))
    ((new, others),) = judge.shown
    assert new.content == FACTS[5]
    assert sorted(one.content for one in others) == sorted([FACTS[0], FACTS[3]])
    pairs = base.contradictions()
    assert {pair["b_content"] for pair in pairs} == {FACTS[0], FACTS[3]}
    for pair in pairs:
        assert pair["explanation"] == "because " + "x" * 492 and pair["suggestion"] == "kept_b"
        assert (pair["merged_title"], pair["merged_content"]) == ("t" * 60, "c d")
    base.close()


class Failing(Told):
    """It raises, or says what is no verdict, as long as it is told to."""

    def __init__(self, how: object) -> None:
        super().__init__()
        self.how: object = how

    def contradictions(self, new: Entry, others: Sequence[Entry]) -> list[Verdict]:
        if isinstance(self.how, BaseException):
            raise self.how
        if self.how is not None:
            verdict: Any = self.how
            return [Verdict(others[0].item_id, *verdict)]
        return [Verdict(one.item_id, "hard", "at last") for one in others]


@pytest.mark.parametrize(
    "how",
    [RuntimeError("no answer"), TimeoutError(""), ("fatal", "x"), ("hard", "x", "delete both"), ("hard", None)],
    ids=str,
)
def test_a_judge_that_fails_is_asked_again_later(database: Database, tmp_path: Path, how: object) -> None:
    """The check is owed, said to be so, and made when its time has come; everything else goes on."""
    judge = Failing(how)
    base = made(database, tmp_path / "backups", judge)
    taken = base.take(candidate(FACTS[0], title="a"), candidate(FACTS[1], title="b"))
    assert (taken.new, taken.checks, taken.failed_checks) == (2, 0, 2)
    assert base.take(candidate(FACTS[2], title="c")).new == 1
    knowledge = Knowledge(database, judge)
    owed = knowledge.owed()
    assert owed is not None and owed[0] == 3 and owed[1]
    base.restart()
    pauses = []
    for _ in range(9):
        base.later(seconds=1)
        assert base.drain().failed_checks == 0  # not hammered
        ((due,),) = base.run("SELECT min(check_after) FROM knowledge_items WHERE check_owed")
        pauses.append(due - base.now)
        base.now = due
        assert base.drain().failed_checks >= 1
    assert timedelta(seconds=25) < pauses[0] < timedelta(seconds=31) and max(pauses) <= timedelta(hours=1)
    judge.how = None
    base.later(hours=2)
    assert base.drain().checks == 3
    assert len(base.contradictions()) == 3
    assert knowledge.owed() is None
    knowledge.close()
    base.close()


def test_what_people_write_is_compared_at_once(database: Database, tmp_path: Path) -> None:
    """An item of one's own, other words, an import: each wakes the thread, which would else look once a minute."""
    base = made(database, tmp_path / "backups")
    knowledge = Knowledge(database, Told())

    def compared() -> bool:
        return bool(knowledge.writer.read(QUERIES["count_owed"])[0][0] == 0)

    def written(text: str) -> str:
        return str(knowledge.review.add("eva", Edit(title=text[:40], content=text, domain="finance"))["item_id"])

    knowledge.start()
    try:
        # By what it finds at its start, or by being woken; from then on by the latter alone.
        first = written(FACTS[0])
        until(compared, "what was there at the start")
        written(FACTS[1])
        until(compared, "an item that somebody wrote")
        knowledge.review.edit(first, "eva", Edit(content=FACTS[2]))
        until(compared, "an item that says something else")
        brought = import_export.export(knowledge.writer.read)
        brought["items"] = [{**brought["items"][0], "item_id": "kv_0123456789ab", "content": FACTS[3], "title": "T"}]
        import_export.take_in(knowledge.writer, brought, "eva", trusted=True)
        until(compared, "an item that was imported")
    finally:
        assert knowledge.close()
        base.close()


class Meanwhile(Told):
    """While it thinks, something else happens."""

    def __init__(self) -> None:
        super().__init__()
        self.do: list[Any] = []

    def contradictions(self, new: Entry, others: Sequence[Entry]) -> list[Verdict]:
        self.shown.append((new, list(others)))
        if self.do:
            self.do.pop()(new, others)
        return [Verdict(one.item_id, "hard", f"{new.content} / {one.content}") for one in others]


def test_what_changes_while_a_judge_thinks_is_judged_as_it_then_is(database: Database, tmp_path: Path) -> None:
    """No verdict about words that stand nowhere any more, none about what became personal, was rejected or erased."""
    judge = Meanwhile()
    base = made(database, tmp_path / "backups", judge)
    base.take(*(candidate(text, f"{text[:3]}/s") for text in FACTS[:3]))
    base.run("DELETE FROM knowledge_contradictions")
    one, two, three = (base.named(text) for text in FACTS[:3])

    def rewrite(new: Entry, others: Sequence[Entry]) -> None:
        base.review.edit(new.item_id, "eva", Edit(content="something else"))

    judge.do = [rewrite]
    base.take(candidate(FACTS[3], "x/s", title="four"))
    assert {pair["explanation"].split(" / ")[0] for pair in base.contradictions()} == {"something else"}
    assert len(base.contradictions()) == 3

    def upset(new: Entry, others: Sequence[Entry]) -> None:
        base.review.edit(one, "eva", Edit(owner=FACTS[0][:3]))
        base.review.edit(two, "eva", Edit(content="no more what was judged"))
        base.forget(f"{FACTS[2][:3]}/s")

    judge.do = [upset]
    base.take(candidate(FACTS[4], "y/s", title="five"))
    new = base.named(FACTS[4])
    rows = base.run(
        "SELECT item_a, item_b, explanation FROM knowledge_contradictions WHERE item_a = $1 OR item_b = $1", new
    )
    assert {one for row in rows for one in row[:2]} == {new, two, base.named("something else")}
    assert not any(FACTS[1] in explanation for _, _, explanation in rows)
    assert base.run("SELECT count(*) FROM knowledge_items WHERE check_owed") == [(0,)]
    assert three not in {one for row in base.run("SELECT item_a, item_b FROM knowledge_contradictions") for one in row}

    def reject(new: Entry, others: Sequence[Entry]) -> None:
        base.review.decide("reject", base.named(FACTS[4]), "eva")

    judge.do = [reject]
    base.take(candidate(FACTS[5], "z/s", title="six"))
    assert base.contradictions(item=base.named(FACTS[5])) and not base.contradictions(item=base.named(FACTS[4]))
    base.close()


class Broken(Exception):
    """The database fails in the middle."""


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_or_doubled_when_the_database_fails_in_the_middle(
    base: Base, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each statement of the intake in turn; what is done again gives what an undisturbed run gives."""
    rows = [
        candidate(FACTS[0], "ann/1", title="a"),
        candidate(FACTS[0] + " always", "bob/1", quote="near", title="b"),
        candidate(OPPOSED[seed][0], "cid/1", title="c"),
        candidate(OPPOSED[seed][1], "dan/1", title="d"),
    ]
    base.bring(*rows)
    execute = type(base.writer.database.connect()).execute
    failures = seen = 0
    wanted = 1

    def failing(connection: Connection, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        nonlocal seen, wanted, failures
        seen += 1
        if seen == wanted and sql != "ROLLBACK":
            wanted, seen, failures = wanted + 1, 0, failures + 1
            raise Broken
        return execute(connection, sql, parameters)

    kind = type(base.writer.database.connect())
    with monkeypatch.context() as patch:
        patch.setattr(kind, "execute", failing)
        while True:
            seen = 0
            try:
                base.drain()
            except Broken:
                continue
            break
    assert failures >= 10
    assert len(base.evidence()) == 4 and len(base.items()) == 3
    assert len(base.contradictions()) == 1
    assert base.run("SELECT count(*) FROM knowledge_items WHERE check_owed") == [(0,)]
    assert base.run("SELECT count(*) FROM knowledge_history") == [(3,)]
    assert base.drain().candidates == 0


def test_a_source_that_goes_is_marked_and_unmarked_when_it_is_back(base: Base) -> None:
    """Deleted, restored, rewritten without it and with it again: the item stays, the mark comes and goes."""
    row = candidate(FACTS[0], "ann/1.jsonl", turn_id="u1")
    base.status("ann/1.jsonl", "ok")
    base.take(row)

    def gone() -> bool:
        base.drain()
        ((_, _, _, mark),) = base.evidence()
        return bool(mark)

    assert not gone()
    base.status("ann/1.jsonl", "gone")
    assert gone()
    base.status("ann/1.jsonl", "ok")
    assert not gone()
    base.replace("ann/1.jsonl", candidate(FACTS[1], "ann/1.jsonl", detection_type="correction"))
    base.drain()
    assert base.evidence() == sorted(
        [(FACTS[0], "ann/1.jsonl", FACTS[0], True), (FACTS[1], "ann/1.jsonl", FACTS[1], False)]
    )
    base.replace("ann/1.jsonl", row)
    base.drain()
    assert base.evidence() == sorted(
        [(FACTS[0], "ann/1.jsonl", FACTS[0], False), (FACTS[1], "ann/1.jsonl", FACTS[1], True)]
    )
    assert len(base.items()) == 2


def test_a_renamed_session_and_a_fork_still_hold_it(base: Base) -> None:
    """The file under its new name, or the copy, is where it stands now."""
    base.status("ann/old.jsonl", "ok")
    base.take(candidate(FACTS[0], "ann/old.jsonl", turn_id="u1", session_id="s"))
    base.status("ann/old.jsonl", "gone")
    base.take(candidate(FACTS[0], "ann/new.jsonl", turn_id="u1", session_id="s"))
    assert [mark for *_, mark in base.evidence()] == [False]
    base.status("ann/new.jsonl", "gone")
    base.drain()
    assert [mark for *_, mark in base.evidence()] == [True]


def test_a_newer_extractor_that_puts_it_otherwise_keeps_the_proof(base: Base) -> None:
    """The sentence still stands in the file, so its source is not gone, of the old item and of the new one."""
    base.status("ann/1.jsonl", "ok")
    base.take(candidate(FACTS[0], "ann/1.jsonl", quote="said", turn_id="u1"))
    base.replace("ann/1.jsonl", candidate(FACTS[1], "ann/1.jsonl", quote="said", turn_id="u1"))
    assert base.drain().candidates == 1
    assert base.evidence() == sorted(
        [(FACTS[0], "ann/1.jsonl", "said", False), (FACTS[1], "ann/1.jsonl", "said", False)]
    )
    assert base.drain().candidates == 0


def test_merging_items_keeps_their_proof(base: Base) -> None:
    """What was copied into the merged item has the source that it was copied from: there, gone, forgotten."""
    base.take(
        candidate(OPPOSED[0][0], "ann/1", title="one", turn_id="u1"),
        candidate(OPPOSED[0][1], "bob/1", title="two", turn_id="u2"),
        candidate(OPPOSED[0][1], "bob/fork", title="two", turn_id="u2"),
    )
    (pair,) = base.contradictions()
    settled = base.review.resolve(
        pair["contradiction_id"], "merge", "eva", "both", "Scans go after 14 days, backups after 30"
    )
    base.drain()
    assert [mark for *_, mark in base.evidence()] == [False] * 4
    for session in ("ann/1", "bob/1"):
        base.status(session, "gone")
    base.drain()
    marks = {(content[:5], session): mark for content, session, _, mark in base.evidence()}
    assert marks == {
        ("Passp", "ann/1"): True,
        ("Scans", "ann/1"): True,
        ("Passp", "bob/1"): False,
        ("Scans", "bob/1"): False,
    }
    base.forget("bob/1")
    assert {session for _, session, *_ in base.evidence()} == {"ann/1", "bob/fork"}
    base.forget("bob/fork")
    base.forget("ann/1")
    assert base.run("SELECT count(*) FROM knowledge_items") == [(0,)], settled
    for table in TABLES:
        assert base.run(f"SELECT count(*) FROM {table}") == [(0,)], table


def test_what_is_forgotten_goes_and_what_others_said_stays(base: Base) -> None:
    """Evidence, and items without other evidence that were never approved; what was approved stays what it is."""
    base.take(
        candidate(FACTS[0], "ann/1", title="only ann"),
        candidate(FACTS[1], "ann/1", title="both"),
        candidate(FACTS[1], "bob/1", title="both", occurred_at=START - timedelta(days=100)),
        candidate(FACTS[2], "ann/1", title="approved", occurred_at=START - timedelta(days=90)),
        candidate(FACTS[3], "ann/1", title="once approved"),
        candidate(FACTS[4], "ann/1", title="rejected"),
    )
    base.later(days=1)
    decided = base.now
    base.review.decide("approve", base.named(FACTS[2]), "eva")
    base.review.decide("approve", base.named(FACTS[3]), "eva")
    base.review.decide("revoke", base.named(FACTS[3]), "eva")
    base.review.decide("reject", base.named(FACTS[4]), "eva")
    base.bring(candidate(FACTS[5], "ann/1"))  # not taken in yet
    base.later(days=30)
    erased = base.forget("ann/1")
    assert (erased.evidence, erased.items) == (5, 2)
    assert sorted(base.items()) == sorted([FACTS[1], FACTS[2], FACTS[3]])
    assert base.evidence() == [(FACTS[1], "bob/1", FACTS[1], False)]
    both, approved = base.item(base.named(FACTS[1])), base.item(base.named(FACTS[2]))
    assert (both["verifiers"], both["confirmed_at"][:10]) == (1, "2025-11-21")
    assert approved["status"] == "approved" and approved["confirmed_at"] == decided.isoformat()
    assert base.drain().candidates == 0
    assert base.forget("ann/1").evidence == 0
    for table in ("knowledge_inbox", "knowledge_intake", "verification_evidence"):
        assert base.run(f"SELECT count(*) FROM {table} WHERE session_file = 'ann/1'") == [(0,)]


def test_a_forgotten_copy_leaves_the_other_and_no_name(base: Base) -> None:
    """What stands in somebody else's copy stays, as that person's."""
    base.take(candidate(FACTS[0], "ann/1", turn_id="u", session_id="s1"))
    base.take(candidate(FACTS[0], "bob/copy", turn_id="u", session_id="s2"))
    base.forget("ann/1")
    told = base.item(base.named(FACTS[0]))
    assert [(one["session_file"], one["username"], one["session_id"]) for one in told["evidence"]] == [
        ("bob/copy", "bob", "s2")
    ]
    base.forget("bob/copy")
    assert base.items() == []


def test_old_words_do_not_make_a_decision_older(base: Base) -> None:
    """Confidence counts from when it was last said or decided, whatever comes in later."""
    base.take(candidate(FACTS[0], "ann/1"))
    base.later(days=10)
    told = base.review.decide("approve", base.named(FACTS[0]), "eva")
    assert told["confirmed_at"] == base.now.isoformat()
    base.take(candidate(FACTS[0], "bob/1", occurred_at=START - timedelta(days=400)))
    assert base.item(base.named(FACTS[0]))["confirmed_at"] == base.now.isoformat()
    base.later(days=5)
    base.take(candidate(FACTS[0], "cid/1", occurred_at=base.now))
    assert base.item(base.named(FACTS[0]))["confirmed_at"] == base.now.isoformat()
    base.take(candidate(FACTS[0], "dan/1", occurred_at=base.now + timedelta(days=900)))
    assert base.item(base.named(FACTS[0]))["confirmed_at"] == base.now.isoformat()


def test_what_was_rewritten_to_the_opposite_is_not_proven_by_the_old_words(base: Base) -> None:
    """Said again, they are an item of their own, and a contradiction; said once more, its evidence."""
    one, other = OPPOSED[0]
    base.take(candidate(one, "ann/1", title="t"))
    item = base.named(one)
    base.review.edit(item, "eva", Edit(content=other))
    base.take(candidate(one, "bob/1", title="t"))
    assert [session for content, session, *_ in base.evidence() if content == other] == ["ann/1"]
    assert len(base.contradictions()) == 1
    base.take(candidate(one, "cid/1", title="t"))
    assert len(base.items()) == 2
    assert base.take(candidate(other, "dan/1", title="t")).evidence == 1
    assert base.item(item)["verifiers"] == 2


def test_a_whole_inbox_at_once_or_one_by_one_is_the_same(base: Base, tmp_path: Path) -> None:
    """More than one batch: items, evidence, relations and contradictions do not depend on how they came."""
    rows = [
        candidate(f"{FACTS[n % 12]} {'in plant ' + str(n % 5) if n % 3 else ''}", f"u{n % 7}/s{n % 9}", title=f"t{n}")
        for n in range(70)
    ]
    base.bring(*rows)
    base.drain()
    whole = told_of(base)
    for table in TABLES:
        base.run(f"DELETE FROM {table}")
    base.restart()
    for row in rows:
        base.take(row)
        base.later(seconds=1)
    assert told_of(base) == whole
    assert all(whole.values())


TABLES = (
    "knowledge_inbox", "knowledge_intake", "knowledge_items", "verification_evidence", "knowledge_relations",
    "knowledge_contradictions", "knowledge_history",
)  # fmt: skip


def told_of(base: Base) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that follows from what was said, without the moments at which it was taken in."""
    tables = {
        "knowledge_items": "item_id, title, content, domain, entities, status, base, floor, verifiers, confirmed_at",
        "verification_evidence": "evidence_id, item_id, session_file, user_quote, username, source_gone",
        "knowledge_relations": "item_a, item_b, kind, score",
        "knowledge_contradictions": "contradiction_id, item_a, item_b, severity",
        "knowledge_intake": "session_file, candidate_id, digest, item_id, evidence_id",
    }
    return {table: sorted(base.run(f"SELECT {columns} FROM {table}"), key=str) for table, columns in tables.items()}


def test_the_inbox_counts_what_the_intake_would_take(base: Base) -> None:
    """The digest is the same on both sides, whatever the words hold."""
    base.bring(candidate("ünï 'quotes' \\ : %_ \U0001f600", entities=json.dumps(["ä", "\\n"])))
    assert base.run(QUERIES["count_waiting"]) == [(1,)]
    base.drain()
    assert base.run(QUERIES["count_waiting"]) == [(0,)]
