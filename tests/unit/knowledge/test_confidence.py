"""Confidence: every number of the design, and likeness as far as it needs no database."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from difflib import SequenceMatcher

import pytest

from watcher.knowledge.confidence import base, confidence, floor
from watcher.knowledge.similarity import alike, opposed, words_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
YEAR = timedelta(days=365)


def sure(
    evidence: list[tuple[str, str]], people: int = 1, status: str = "pending", age: timedelta = timedelta()
) -> float:
    """The confidence of an item that is proven so."""
    worth, least = base(evidence), floor(source for _, source in evidence)
    return confidence(worth, least, people, status, NOW - age, NOW)


@pytest.mark.parametrize(
    ("evidence", "worth"),
    [
        ([("correction", "session")], 0.90),
        ([("unprompted_definition", "session")], 0.90),
        ([("confirmation", "session")], 0.60),
        ([("something new", "session")], 0.60),
        ([("correction", "claude_local_md")], 0.50),
        ([("admin", "admin")], 1.00),
        ([("confirmation", "session"), ("correction", "session")], 0.90),
        ([("confirmation", "session"), ("x", "claude_local_md")], 0.60),
        ([], 0.60),
    ],
)
def test_what_a_proof_is_worth(evidence: list[tuple[str, str]], worth: float) -> None:
    """The best of what there is."""
    assert sure(evidence) == pytest.approx(worth)


def test_further_verifiers_approval_and_mandate() -> None:
    """+0.05 for each further person, +0.20 once approved, 1.00 mandated, and at most 1."""
    proof = [("confirmation", "session")]
    assert sure(proof, people=3) == pytest.approx(0.70)
    assert sure(proof, people=0) == pytest.approx(0.60)
    assert sure(proof, status="approved") == pytest.approx(0.80)
    assert sure(proof, people=3, status="approved") == pytest.approx(0.90)
    assert sure(proof, status="mandatory") == 1.0
    assert sure([("correction", "session")], people=40, status="approved") == 1.0
    for status in ("rejected", "revoked", "expired", "superseded"):
        assert sure(proof, status=status) == pytest.approx(0.60)


def test_half_is_left_after_twelve_months_down_to_the_floors() -> None:
    """0.40 for what a user said, 0.50 for what was mandated, none for notes."""
    said, noted = [("correction", "session")], [("x", "claude_local_md")]
    assert sure(said, age=YEAR) == pytest.approx(0.45)
    assert sure(said, age=YEAR / 2) == pytest.approx(0.90 * 0.5**0.5)
    assert sure(said, age=2 * YEAR) == pytest.approx(0.40)
    assert sure(noted, age=2 * YEAR) == pytest.approx(0.125)
    assert sure(said, status="mandatory", age=YEAR) == pytest.approx(0.50)
    assert sure(noted, status="mandatory", age=9 * YEAR) == pytest.approx(0.50)
    assert sure(said, age=-YEAR) == pytest.approx(0.90)  # a clock that was ahead


def test_it_never_leaves_its_bounds() -> None:
    """From 0 to 1; never more with age, never less with people."""
    rng = random.Random(5)
    for _ in range(500):
        kind = rng.choice(["correction", "confirmation", "x"])
        proof = [(kind, rng.choice(["session", "claude_local_md", "admin"]))]
        status = rng.choice(["pending", "approved", "mandatory"])
        age, people = timedelta(days=rng.random() * 2000), rng.randrange(30)
        value = sure(proof, people, status, age)
        assert 0 <= value <= 1
        assert sure(proof, people, status, age + YEAR) <= value <= sure(proof, people + 1, status, age)


def test_likeness_is_of_the_words_whatever_their_order() -> None:
    """The same words are 1, nothing in common 0; as another implementation counts, and never beyond what was asked."""
    assert alike(words_of("Cents, prices ARE in"), {"a": words_of("prices are in cents!")}, 0.9) == [("a", 1.0)]
    assert alike("aaa", {"a": "bbb"}, 0.0) == [("a", 0.0)]
    rng = random.Random(2)
    print("seed 2")
    others = {
        f"{n:02}": words_of(" ".join(rng.choices(["tax", "cents", "never", "order", "10"], k=5))) for n in range(60)
    }
    words = others["07"]
    found = alike(words, others, 0.65)
    assert found[0][1] == 1.0 and found == sorted(found, key=lambda one: (-one[1], one[0]))
    assert alike(words, dict(reversed(others.items())), 0.65) == found
    for name, other in others.items():
        near = SequenceMatcher(None, words, other, autojunk=False).ratio()
        assert dict(found).get(name, 0.65) >= near - 1e-9  # it finds the longest, that one a long common part


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("paid in 14 days", "paid within 14 days"),
        ("never on Fridays", "on Fridays never"),
        ("it is not never sent", "it is sent"),
        ("plans: 1, 2 and 3", "plans: 1, 2, 3"),
        ("table v2 holds it", "it is held by table v2"),
    ],
)
def test_the_same_in_other_words_is_not_opposed(one: str, other: str) -> None:
    """Either way round."""
    assert opposed(words_of(one), words_of(other)) is None is opposed(words_of(other), words_of(one))
