"""What a sentence claims is found whatever it is wrapped in; an order, a question or a place of this hour is none."""

from __future__ import annotations

import pytest

from processors.verification.claims import claim_of
from processors.verification.sentences import Sentence, plain


@pytest.mark.parametrize(
    ("words", "claim"),
    [
        ("please put into AGENTS.md that fixtures are made with `make seed`", "fixtures are made with `make seed`"),
        ("also mention that the sandbox is wiped each sunday", "the sandbox is wiped each sunday"),
        ("Write a section explaining that refunds need two signatures", "refunds need two signatures"),
        ("test accounts never get real invoices, could you filter them", "test accounts never get real invoices"),
        ("Sure, but the app should pick up the locale", "the app should pick up the locale"),
        ("you are not correct: list calls return 100 objects", "list calls return 100 objects"),
        ("so unless I'm mistaken, the tool has to walk the tree, so that argument does not hold",
         "the tool has to walk the tree"),
        ("the gateway retries every upload, why would you retry here as well?",
         "the gateway retries every upload, so there is no need to retry here as well"),
        ("indexes come from the migrations, why create them twice?",
         "indexes come from the migrations, so there is no need to create them twice"),
        ("our ids are ULIDs", "our ids are ULIDs"),
    ],
)  # fmt: skip
def test_the_claim_stands_alone(words: str, claim: str) -> None:
    """Without the order to write it down, the request that follows from it, or the question that wants no answer."""
    assert claim_of(Sentence(words, plain(words))).text == claim


@pytest.mark.parametrize(
    "words",
    [
        "mention in the PR description that the tests are green",
        "add a comment that this must be removed after the demo",
        "write a test that always fails when nothing comes back",
        "if the tests pass on the runner, please commit",
        "now the build takes twice as long, why is that so?",
    ],
)
def test_what_is_aimed_at_the_task_stays_whole(words: str) -> None:
    """No weight for it, and nothing taken out of it."""
    claim = claim_of(Sentence(words, plain(words)))
    assert (claim.text, claim.weight) == (words, 0.0)


def test_what_a_person_wants_to_be_so_is_told_with_it() -> None:
    """It is looked at without the wish, and told with it."""
    words = "we have hidden commands that are called too, I want no telemetry on them"
    claim = claim_of(Sentence(words, plain(words)))
    assert claim.text == words and claim.plain == "we have hidden commands that are called too"
