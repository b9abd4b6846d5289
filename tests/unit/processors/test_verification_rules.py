"""What the rules take and what they know to leave; how a candidate is worded."""

from __future__ import annotations

import time

import pytest

from processors.text_features import DOMAINS, LONGEST_CONTENT, LONGEST_TITLE, domain_of, entities_of, folded, title_of
from processors.verification.candidates import DETECTION_TYPES, Candidate, stands
from processors.verification.exclusions import LONGEST_TYPED
from processors.verification.rules import Rules, judge
from processors.verification.turns import Turn


def found(words: str, agent: str = "", question: str | None = None) -> Candidate | None:
    return judge(Turn(True, words, question=question), [Turn(False, agent)] if agent else [])


@pytest.mark.parametrize(
    ("agent", "words", "kind"),
    [
        ("I rounded the totals to whole euros.", "no, totals are never rounded, auditors compare cents", "correction"),
        (
            "Is it right that refunds keep the old rate?",
            "Yes, a refund always keeps the rate of its sale",
            "confirmation",
        ),
        ("So refunds keep the old rate, is that correct?", "Yes, correct.", "confirmation"),
        ("", "Our convention is that ids are ULIDs and never numbers.", "unprompted_definition"),
        ("Anything else?", "For reference, a 'cohort' means all customers of one month.", "unprompted_definition"),
    ],
)
def test_what_it_takes(agent: str, words: str, kind: str) -> None:
    """Contradictions with a statement, confirmed facts, and what was told unasked."""
    candidate = found(words, agent)
    assert candidate is not None and candidate.detection_type == kind


def test_a_bare_yes_says_what_the_agent_supposed() -> None:
    """The content is the agent's sentence, the quote the person's word."""
    candidate = found("Yes, correct.", "So refunds keep the old rate, is that correct?")
    assert candidate is not None
    assert candidate.quote == "Yes, correct." and candidate.content == "Refunds keep the old rate"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Shall I rename it?", "no, leave it"),
        ("Should I always retry, since the network must never lose data?", "yes, go ahead"),
        ("1. Always retry\n2. Never retry", "Never retry"),
        ("1. Always retry\n2. Never retry", "2"),
        ("", "Potential issue: the handler must never swallow errors, because our callers rely on it."),
        ("", "2026-01-01 10:00:00 ERROR a job must never run twice"),
        ("", "Traceback (most recent call last):\nValueError: we always need an amount"),
        ("", "> our totals are always in cents, never in euros"),
        ("", "```\nour totals are always in cents, never in euros\n```"),
        ("Here it is.", "our button must always be blue and never overlap the sidebar"),
        ("", "I wonder whether we should always use cents, maybe not"),
        ("", "do we always use cents in our tables?"),
        ("", "You are a reviewer. You must always answer in JSON and never explain."),
        ("", "# Deploy\n\n## Steps\nAlways run the tests, never skip them."),
        ("", "it still crashes, our page is always blank"),
        ("", "As a manager I want our report to always be there. Acceptance criteria: must be fast"),
        ("", "continue"),
    ],
)
def test_what_it_leaves(agent: str, words: str) -> None:
    """The hard ones: each of them holds words that a rule would look for."""
    assert found(words, agent) is None


def test_what_the_agent_said_is_not_the_persons() -> None:
    """Quoted sentences are not taken; what refutes them is, with what it refutes."""
    agent = "**The worker** deletes a job when it starts. A job never runs twice, because the `lock` is held."
    copied = "The worker deletes a job when it starts. A job never runs twice, because the lock is held."
    assert found(f"{copied} - can you explain this part", agent) is None
    told = "A job never runs twice on one host. that's not quite true, jobs are only deleted once they are acknowledged"
    candidate = found(told, agent)
    assert candidate is not None and candidate.content == told
    assert candidate.title == "Jobs are only deleted once they are acknowledged"


def test_content_can_be_understood_by_itself() -> None:
    """With what "this" points back to, the rest of a list, and without the order to write it down."""
    for words, content in {
        "The exports go to the auditors. They must never hold names, because the law forbids it.": None,
        "- Invoices never change\n- our credit notes must always name the invoice\n- Our refunds need two people": (
            "Invoices never change; our credit notes must always name the invoice; Our refunds need two people"
        ),
        "Please put into CLAUDE.md that our fixtures must be made with `make seed`": (
            "Our fixtures must be made with `make seed`"
        ),
    }.items():
        candidate = found(words)
        assert candidate is not None and candidate.content == (content or words)
        assert stands(candidate.quote, Turn(True, words))


def test_every_candidate_keeps_its_measures() -> None:
    """Its quote stands in the turn, title and content are as long as they may be, kind and domain are known ones."""
    rule = "Our invoices are never sent before the delivery, because the tax office of our country insists on it."
    for words in (
        rule,
        f"{rule} " * 6,
        f"- {rule}\n\n```\ncode\n```\n- {rule}",
        "our " + "very " * 300 + "id is never 0",
    ):
        turn = Turn(True, words)
        candidate = judge(turn, [])
        assert candidate is not None
        assert stands(candidate.quote, turn)
        assert 0 < len(candidate.title) <= LONGEST_TITLE and 0 < len(candidate.content) <= LONGEST_CONTENT
        assert candidate.detection_type in DETECTION_TYPES and candidate.domain in DOMAINS


def test_a_quote_stands_only_in_a_persons_words() -> None:
    """White space is folded; the agent's words, picks and empty quotes prove nothing."""
    assert stands("a  b", Turn(True, "x a\n b y"))
    assert not stands("a c", Turn(True, "a b c")) and not stands(" ", Turn(True, "a b"))
    assert not stands("a", Turn(False, "a")) and not stands("a", Turn(True, "a", pick=True))
    assert folded(" a\n\tb ") == "a b"


def test_picks_and_the_agent_are_not_judged() -> None:
    """Only what a person said in own words."""
    rule = "Our convention is that ids are never numbers."
    turns = [Turn(False, rule), Turn(True, rule, pick=True)]
    assert list(Rules().find([], turns, 4)) == []
    assert len(list(Rules().find([], [Turn(True, rule)], 0))) == 1


def test_wording() -> None:
    """A title leaves out what only opens a sentence; domain and entities come from the words."""
    assert title_of("no, for reference, invoices are final.") == "Invoices are final"
    assert title_of("`ids` are ULIDs") == "`ids` are ULIDs"
    assert len(title_of("word " * 50)) <= LONGEST_TITLE
    assert title_of("(note the hooks run the latest code)") == "The hooks run the latest code"
    assert title_of(
        "This should not change, only the `--local` flag should install the version of the wrapper"
    ).startswith("Only the `--local` flag")
    assert title_of("The recovery tool has to walk over the whole tree in any case to get the metadata") == (
        "The recovery tool has to walk over the whole tree"
    )
    assert title_of("For manual commits we use git hooks to also add the trailers there").endswith(" also add…")
    assert domain_of("Invoices are booked without VAT", "") == "finance"
    assert domain_of("Redis and the GPU nodes are in the cluster", "") == "infrastructure"
    assert domain_of("nothing that one would know", "") == "engineering"
    assert entities_of("The `order_total` of ERP goes to flowBoard, see order_total") == [
        "order_total",
        "ERP",
        "flowBoard",
    ]


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "'",
        " ",
        "the a ",
        "yes ",
        "- ",
        "?",
        "is not ",
        "\"'",
        "<system-reminder ",
        "we ",
        "\n",
        "a.b",
        "; ",
        ", why would you a",
        ", so that argument ",
        "mention a",
        "there is a ",
        "we have a that ",
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    """Whatever is repeated, no expression runs away."""
    words = (piece * 8000)[:8000]
    began = time.monotonic()
    found(words, words)
    found(words[:LONGEST_TYPED], "I will do that.")  # what is longer is not looked at sentence by sentence
    assert time.monotonic() - began < 2


def test_a_no_before_the_agent_has_answered() -> None:
    """It goes against what the agent was given to do; as the first words of a session against nothing."""
    turn = Turn(True, "No, refunds belong to the ledger, not to the orders")
    assert judge(turn, []) is None
    found = judge(turn, [Turn(True, "Sum the orders")])
    assert found is not None and (found.detection_type, found.quote) == ("correction", turn.text)
