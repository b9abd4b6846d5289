"""People's notes: what is taken from them, what is nobody's business, and what stays when they change."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.knowledge import found_in
from tests.support.noted import OURS, PERSONAL, Noted, noting
from watcher.errors import NotesUnreadable
from watcher.homes.listing import users
from watcher.knowledge.notes.markdown import blocks
from watcher.knowledge.notes.privacy import is_personal


@pytest.mark.parametrize("text", PERSONAL)
def test_what_is_personal_is_known(text: str) -> None:
    """Family, health, pay, moods, appointments, ways to reach somebody, what opens something."""
    assert is_personal([text])


@pytest.mark.parametrize("text", OURS)
def test_what_is_everybodys_is_left(text: str) -> None:
    """Words that are near to personal ones do no harm."""
    assert not is_personal([text])


def test_a_note_is_taken_apart() -> None:
    """Bullets and paragraphs with the headings above them; code, tables, quotes, comments and imports are not said."""
    text = (
        "# CLAUDE.local.md\nOne line\nand its second.\n\n"
        "## Billing\n- first thing\n  goes on\n* second thing\n1. third\n"
        "```\n- code\n# no heading\n```\n| a | b |\n> quoted\n<!-- hidden\n- hidden too -->\n@other.md\n# Other\nlast"
    )
    assert [(one.text, one.headings) for one in blocks(text)] == [
        ("One line and its second.", ("CLAUDE.local.md",)),
        ("first thing goes on", ("CLAUDE.local.md", "Billing")),
        ("second thing", ("CLAUDE.local.md", "Billing")),
        ("third", ("CLAUDE.local.md", "Billing")),
        ("last", ("Other",)),
    ]


def test_rules_make_items_of_it() -> None:
    """A title from heading and words, the text as content and quote; nothing personal or secret, all counted."""
    told = (
        "## Billing\n- **Invoices** are always sent in the `customer` currency\n"
        "- ok then\n- TODO move the invoices now\n"
        "- The deploy key is ghp_0123456789abcdefghijABCDEFGHIJ012345\n"
        "## Personal\n- The blue bicycle stands in the cellar\n"
    )
    found = found_in(told)
    (item,) = found.items
    assert item.title == "Billing: Invoices are always sent in the `customer` currency"
    assert item.content == "Invoices are always sent in the `customer` currency"
    assert item.quote == "**Invoices** are always sent in the `customer` currency"
    assert item.domain == "finance" and "customer" in item.entities and found.filtered == 2


def test_what_is_said_twice_is_one_item() -> None:
    """And is counted once."""
    assert len(found_in("- Releases happen on Tuesdays only.\n- Releases happen on Tuesdays only.\n").items) == 1


def test_a_secret_over_several_lines_is_no_item() -> None:
    """Nothing of a key is taken, however the note is laid out."""
    key = "-----BEGIN RSA PRIVATE KEY-----\n\nabcd efgh ijkl mnop\n\nqrst uvwx yzab\n-----END RSA PRIVATE KEY-----\n"
    found = found_in(f"{key}\nReleases happen on Tuesdays only.\n")
    assert [one.quote for one in found.items] == ["Releases happen on Tuesdays only."] and found.filtered == 1


@pytest.fixture
def noted(tmp_path: Path) -> Iterator[Noted]:
    with noting(tmp_path) as found:
        yield found


def test_what_changes_is_taken_and_nothing_else(noted: Noted) -> None:
    """New, unchanged, rewritten and deleted notes; what was decided stays, and evidence says what is gone."""
    noted.write(f"- {OURS[0]}\n- {OURS[1]}\n- {PERSONAL[0]}\n")
    noted.write(f"- {OURS[4]}\n", "bob", "projects/shop/CLAUDE.local.md")
    noted.run(users_scanned=2, files_found=2, items_extracted=3, items_new=3, items_filtered=1, skipped=0, errors=0)
    assert noted.evidence() == {OURS[0]: False, OURS[1]: False, OURS[4]: False}
    item = noted.base.item(noted.base.named(OURS[0]))
    assert item["status"] == "pending" and item["confidence"] == 0.5 and item["source"] == "claude_local_md"
    (proof,) = item["evidence"]
    assert proof["session_file"] == "notes:ann/CLAUDE.local.md" and proof["username"] == "ann"
    noted.base.review.decide("approve", item["item_id"], "eva")
    noted.run(skipped=2, items_extracted=0, items_new=0, items_preserved=3, items_pending=2)
    noted.write(f"- {OURS[1]}\n- {OURS[6]}\n")
    noted.run(skipped=1, items_new=1, items_preserved=2, items_extracted=2)
    assert noted.evidence() == {OURS[0]: True, OURS[1]: False, OURS[4]: False, OURS[6]: False}
    assert noted.base.item(item["item_id"])["status"] == "approved"
    path = noted.write(f"- {OURS[0]}\n- {OURS[6]}\n")
    noted.run(items_new=1, items_preserved=2)
    assert noted.evidence()[OURS[0]] is False and noted.evidence()[OURS[1]] is True
    path.unlink()
    noted.run(gone=1, files_found=1)
    assert noted.evidence() == {OURS[0]: True, OURS[1]: True, OURS[4]: False, OURS[6]: True}


def test_a_home_that_disappears_takes_its_proof_with_it(
    noted: Noted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its evidence is marked, items and decisions stay; not where nothing is there or can be listed, where a second
    look sees it again, or where it is on another node; when it is back, so is the proof."""
    noted.write(f"- {OURS[0]}\n")
    noted.write(f"- {OURS[1]}\n", "bob")
    noted.run(items_new=2)
    noted.base.review.decide("approve", noted.base.named(OURS[1]), "eva")
    bob, away, homes = noted.homes / "bob", tmp_path / "away", noted.homes
    there = {OURS[0]: False, OURS[1]: False}
    # The disk is not mounted: the folder is empty, or is not there at all.
    homes.rename(away)
    noted.run(gone=0, errors=1)
    homes.mkdir()
    noted.run(gone=0, errors=0)
    homes.rmdir()
    away.rename(homes)
    assert noted.evidence() == there
    # Missed at the first look alone.
    looks: list[int] = []

    def late(*given: Any) -> Iterator[Any]:
        looks.append(1)
        return (one for one in users(*given) if len(looks) > 1 or one[0] != "bob")

    with monkeypatch.context() as patch:
        patch.setattr("watcher.knowledge.notes.job.users", late)
        noted.run(gone=0)
    assert len(looks) == 2 and noted.evidence() == there
    bob.rename(away)
    noted.given["node.name"] = "other"
    noted.run(gone=0)
    del noted.given["node.name"]
    noted.run(gone=1, users_scanned=1, files_found=1)
    assert [gone for _, file, _, gone in noted.base.evidence() if "notes:bob" in file] == [True]
    assert noted.base.item(noted.base.named(OURS[1]))["status"] == "approved"
    noted.run(gone=0)
    away.rename(bob)
    noted.run(gone=0, items_new=1)
    assert [gone for _, file, _, gone in noted.base.evidence() if "notes:bob" in file] == [False]


def test_what_cannot_be_read_is_refused_and_not_gone(noted: Noted) -> None:
    """A link, a pipe, a second name, too large a note: named, without a word of them taken, and the others are."""
    path = noted.write(f"- {OURS[0]}\n", name="projects/a/CLAUDE.local.md")
    noted.write(f"- {OURS[1]}\n")
    noted.run(items_new=2)
    elsewhere = noted.homes.parent / "secret.md"
    elsewhere.write_text(f"- {OURS[2]}\n")
    path.unlink()
    path.symlink_to(elsewhere)
    for name, make in (
        ("pipe", lambda one: os.mkfifo(one)),
        ("hard", lambda one: os.link(elsewhere, one)),
        ("large", lambda one: one.write_bytes(b"x" * 100_001)),
    ):
        (noted.homes / "ann" / "projects" / name).mkdir()
        make(noted.homes / "ann" / "projects" / name / "CLAUDE.local.md")
    (noted.homes / "ann" / "projects" / "linked").symlink_to(noted.homes.parent)
    stats = noted.run(refused=5, errors=0, skipped=1, items_new=0, gone=0, files_found=1)
    told = " ".join(one["reason"] for one in stats["details"])
    assert all(word in told for word in ("a link", "a pipe", "2 names", "100,001 bytes"))
    assert noted.evidence() == {OURS[0]: False, OURS[1]: False}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"corporate_memory.sources": []}, "set [corporate_memory] sources"),
        ({"corporate_memory.extractor": "llm"}, "[model] model"),
    ],
)
def test_what_is_not_set_is_said(noted: Noted, given: dict[str, Any], words: str) -> None:
    """No sources, no model: an error that says what to set."""
    noted.given = given
    with pytest.raises(ValueError, match=r"\[") as raised:
        noted.job.run()
    assert words in str(raised.value) and isinstance(raised.value, NotesUnreadable)


def test_blocks_are_bounded() -> None:
    """However much a note holds, so much of it is looked at."""
    assert len(list(blocks("- a fact of four words\n" * 5000))) == 500
    assert list(blocks("word " * 1000)) == []
