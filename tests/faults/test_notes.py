"""People's notes, read as root among hostile users: nobody's words come under another's name, and no home holds up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.hostile_homes import UIDS, DeadMount, before_opening, to_anothers, to_hard_link, to_link, to_pipe
from tests.support.knowledge import made
from tests.support.listener import until
from tests.support.noted import OURS, Noted
from watcher.homes import timeouts
from watcher.store.duck import DuckDatabase

pytestmark = pytest.mark.faults

NAME = "projects/shop/CLAUDE.local.md"


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Noted]:
    """Three users with a note each; ann's is a secret to the others."""
    monkeypatch.chdir(tmp_path)
    database = DuckDatabase(tmp_path / "knowledge.duckdb")
    found = Noted(tmp_path, made(database, tmp_path / "backups"))
    for number, user in enumerate(UIDS):
        found.write(f"- {OURS[number]}\n", user, NAME)
    settle(found)
    try:
        yield found
    finally:
        database.close()


def settle(noted: Noted) -> None:
    """Everything in a home belongs to its user, and is private."""
    for user, uid in UIDS.items():
        for path in [noted.homes / user, *(noted.homes / user).rglob("*")]:
            os.chown(path, uid, uid, follow_symlinks=False)
            if not path.is_symlink():
                path.chmod(0o700 if path.is_dir() else 0o600)


def said_by(noted: Noted, user: str) -> set[str]:
    """What the inbox has from one user."""
    rows = noted.base.run("SELECT user_quote FROM knowledge_inbox WHERE username = $1", user)
    return {str(quote) for (quote,) in rows}


@pytest.mark.parametrize("swap", [to_link, to_hard_link, to_pipe, to_anothers])
def test_a_note_swapped_at_the_last_moment_is_refused(noted: Noted, swap: Callable[[Path, Path], None]) -> None:
    """Between the check and the opening: the descriptor is looked at, not the name; what bob noted before stays."""
    noted.run(items_new=3)
    mine, anns = noted.homes / "bob" / "CLAUDE.local.md", noted.homes / "ann" / NAME
    mine.write_text("- Nothing that anybody could use\n")
    settle(noted)

    def once() -> None:
        if anns.exists() and mine.stat(follow_symlinks=False).st_uid == UIDS["bob"]:
            swap(mine, anns)

    with before_opening("CLAUDE.local.md", once) as swapped:
        stats = noted.run()
    assert swapped and stats["refused"] >= 1
    assert OURS[0] not in said_by(noted, "bob") and OURS[1] in said_by(noted, "bob")
    assert not noted.base.run("SELECT 1 FROM knowledge_notes WHERE note = 'notes:bob/CLAUDE.local.md'")


def test_folders_that_lead_elsewhere_lead_nowhere(noted: Noted) -> None:
    """Links to another's home or project, and to the folder above: each refused, and nothing comes from there."""
    bob = noted.homes / "bob" / "projects"
    (bob / "anns").symlink_to(noted.homes / "ann" / "projects" / "shop")
    (bob / "up").symlink_to("../../ann/projects/shop")
    (noted.homes / "mallory").symlink_to(noted.homes / "ann")
    noted.run(refused=3, items_new=3, users_scanned=3)
    assert said_by(noted, "bob") == {OURS[1]} and said_by(noted, "mallory") == set()


@pytest.mark.parametrize("place", ["bob", "bob/projects", "bob/projects/shop"])
def test_a_home_that_hangs_holds_up_nobody(noted: Noted, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """The others are read, its notes are not gone, and it is read again when it answers."""
    monkeypatch.setattr(timeouts, "GRACE", 0.2)
    noted.given["collector.deadline"] = "500ms"
    noted.run(items_new=3, errors=0)
    noted.write(f"- {OURS[4]}\n", "zoe", NAME)
    settle(noted)
    dead = DeadMount(noted.homes / place)
    try:
        stats = noted.run(errors=1, skipped=1, items_new=1, gone=0)
        assert "gave no answer" in stats["details"][0]["reason"]
        assert "still gives no answer" in noted.run(errors=1, skipped=2)["details"][0]["reason"]
    finally:
        dead.end()
    assert noted.evidence()[OURS[1]] is False
    until(lambda: noted.job.run()["skipped"] == 3, "bob's home to be read again")
