"""Only what evidently speaks of work is taken from a note; words of people's lives may name things."""

from __future__ import annotations

import re

import pytest

from tests.support.knowledge import found_in
from watcher.knowledge.notes.work_filter import is_of_things, is_of_work

TOPIC = re.compile(r"\b(?:sick|wedding|therapy)\b")


@pytest.mark.parametrize(
    "text",
    [
        "balances are integers in half days",
        "Alcohol is sold only after the age check",
        "shifts overlap 15 minutes on purpose",
        "A patient may have more than one policy",
        "sleep(5) is forbidden, wait for the locator",
        "Rooms are booked for 30 minutes at least",
        "we never round before the last step",
    ],
)
def test_a_rule_about_things_is_work(text: str) -> None:
    """By its form, whatever it speaks of."""
    assert is_of_work(text)


@pytest.mark.parametrize(
    "text",
    [
        "grumpy before the second espresso",
        "Backpacking through Peru in August, no laptop",
        "rent is two months behind",
        "no meetings before ten please",
        "half of them vote green",
        "hearing gets worse in winter",
    ],
)
def test_what_is_not_evidently_work_is_none(text: str) -> None:
    """It could be anybody's own."""
    assert not is_of_work(text)


def test_what_is_done_under_a_heading_of_work_is_work() -> None:
    """Also on a certain day, which elsewhere speaks for an appointment."""
    text = "the rest is moved on friday"
    assert is_of_work(text, ("Invoices",)) and not is_of_work(text, ("Ideas",)) and not is_of_work(text)


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("Sick notes are uploaded as PDF", True),
        ("the wedding list may have several owners", True),
        ("the wedding is stored in `events`", True),
        ("the wedding is in June", False),
        ("therapy sessions are moved to Tuesdays", False),
        ("sick again, probably the air conditioning", False),
    ],
)
def test_words_of_peoples_lives_name_things_too(text: str, things: bool) -> None:
    """Where many things are spoken of, something is called after it, or a program is; never of certain days."""
    assert is_of_things(text, TOPIC) is things


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("Pull requests touching auth need a review by Peter or Anna", True),
        ("Anna's loader says 'unknown record' for a BOM", True),
        ("Pull requests of Peter need a second look by somebody patient", False),
        ("Anna says the importer is too slow for the nightly run", False),
        ("Customers reach the hotline +49 30 5550100 on each invoice", True),
        ("Customers reach Bert's invoice desk at +49 30 5550100", False),
    ],
)
def test_who_reviews_or_wrote_something_is_no_secret(text: str, taken: bool) -> None:
    """Nor is the number that everybody calls; whatever else is said of somebody by name is."""
    assert bool(found_in(f"- {text}\n").items) is taken
