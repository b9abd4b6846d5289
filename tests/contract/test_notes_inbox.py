"""What is kept of people's notes, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.knowledge import found_in, made
from watcher.knowledge.notes.inbox import Inbox
from watcher.knowledge.notes.items import NoteRules
from watcher.knowledge.notes.reader import Note
from watcher.knowledge.review import Edit
from watcher.store.database import Database

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FIRST, SECOND, THIRD = (
    "Invoices are always sent in the customer's currency",
    "Releases happen on Tuesdays, never on Fridays",
    "Support tickets are answered within 4 hours",
)


def test_a_note_is_replaced_at_once_and_remembered(database: Database, tmp_path: Path) -> None:
    """What stays keeps its place, what is new comes behind it, what is gone goes; a try that failed changes nothing."""
    base = made(database, tmp_path / "backups")
    inbox = Inbox(base.writer)

    def put(key: str, *facts: str) -> tuple[int, int]:
        text = "".join(f"- {fact}\n" for fact in facts)
        note = Note(key, "ann", text.encode(), NOW)
        return inbox.put(note, f"digest of {len(facts)}", text, found_in(text), NoteRules(), NOW)

    def waiting() -> list[tuple[str, str]]:
        return [
            (str(file), str(quote))
            for file, quote in base.run("SELECT session_file, user_quote FROM knowledge_inbox ORDER BY arrival")
        ]

    assert put("notes:ann/a.md", FIRST, SECOND) == (0, 2) and put("notes:ann/b.md", FIRST) == (0, 1)
    assert inbox.pending() == 3
    assert base.drain().new == 2 and inbox.pending() == 2
    base.review.edit(base.named(SECOND), "ann", Edit(owner="ann"))
    assert inbox.pending() == 1, "what is somebody's own is in no count"
    base.review.edit(base.named(SECOND), "ann", Edit(owner=""), viewer="ann")
    assert put("notes:ann/a.md", SECOND, THIRD) == (1, 1)
    assert waiting() == [("notes:ann/a.md", SECOND), ("notes:ann/b.md", FIRST), ("notes:ann/a.md", THIRD)]
    base.drain()
    assert [(quote, gone) for _, file, quote, gone in base.evidence() if file == "notes:ann/a.md"] == [
        (FIRST, True), (SECOND, False), (THIRD, False),
    ]  # fmt: skip
    before, note = waiting(), Note("notes:ann/a.md", "ann", b"", NOW)
    for attempts, hours in ((1, 1), (2, 2), (3, 4)):
        inbox.failed(note, "new", inbox.known()[note.key], "refused", NOW)
        known = inbox.known()[note.key]
        assert (known.attempts, known.after, known.items) == (attempts, NOW + timedelta(hours=hours), 2)
    inbox.failed(note, "newer", inbox.known()[note.key], "refused", NOW)
    assert inbox.known()[note.key].attempts == 1 and waiting() == before
    inbox.gone(note.key)
    assert waiting() == [("notes:ann/b.md", FIRST)] and set(inbox.known()) == {"notes:ann/b.md"}
    base.drain()
    assert all(gone for _, file, _, gone in base.evidence() if file == note.key)
    assert len(base.items()) == 3
    assert base.forget("notes:ann/b.md").evidence == 1 and inbox.known()["notes:ann/b.md"].items == 0
    base.close()
