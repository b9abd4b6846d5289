"""What is kept of notes: their items in the inbox, each note's replaced at once, and what was taken when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from processors.text_features import folded
from watcher.knowledge.notes.items import Item, NoteExtractor, NoteItem, identity
from watcher.knowledge.notes.reader import Note
from watcher.knowledge.writer import QUERIES, Writer, put_many
from watcher.store.database import Connection

#: The source of such evidence.
SOURCE = "claude_local_md"
#: How long until a note is tried again of which a model made nothing; doubled each time up to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(hours=1), timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Known:
    """A note as it was last taken, or tried."""

    #: Of its content and the extractor; with ``#`` and a number where so many parts of it are taken and more are not.
    digest: str
    items: int
    filtered: int
    attempts: int
    #: When it is tried again; None: it was taken.
    after: datetime | None
    error: str | None

    def parts_of(self, digest: str) -> int | None:
        """How many parts of a note as it is now were taken; None: it was another then."""
        whole, _, parts = self.digest.partition("#")
        return int(parts or 0) if whole == digest else None


class Inbox:
    """The knowledge base as far as notes are concerned."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def known(self) -> dict[str, Known]:
        """Every note that was taken or tried, by its key."""
        return {
            str(key): Known(digest, int(items), int(filtered), int(attempts), after, error)
            for key, _, digest, items, filtered, attempts, after, error in self._writer.read(QUERIES["notes"])
        }

    def pending(self) -> int:
        """How many items from notes wait for a review."""
        ((count,),) = self._writer.read(QUERIES["count_noted"], [SOURCE])
        return int(count)

    def put(
        self, note: Note, digest: str, text: str, found: NoteItem, extractor: NoteExtractor, now: datetime
    ) -> tuple[int, int]:
        """Replace what stands there of a note by what was found; how many items stayed, and how many are new.

        What an extractor may have forgotten stays as long as its words stand in the note.
        """
        told = {identity(one, extractor): one for one in found.items}

        def put(connection: Connection) -> tuple[int, int]:
            before = {
                str(candidate): Item(title, content, quote, "")
                for candidate, title, content, quote in connection.execute(QUERIES["noted_items"], [note.key])
            }
            stay = {name for name, one in before.items() if name in told or (extractor.forgets and _stands(one, text))}
            quotes = {before[name].quote for name in stay}
            new = {
                name: one
                for name, one in told.items()
                if name not in stay and not (extractor.forgets and one.quote in quotes)
            }
            connection.execute(QUERIES["drop_noted"], [note.key, sorted(before.keys() - stay)])
            put_many(
                connection,
                "add_noted",
                [
                    [
                        note.key, name, note.username, note.written_at, "unprompted_definition", one.title, one.content,
                        one.quote, one.domain, one.told_entities, SOURCE, extractor.name,
                    ]
                    for name, one in new.items()
                ],
            )  # fmt: skip
            taken = [note.key, note.username, digest, len(stay) + len(new), found.filtered, now, 0, None, None]
            connection.execute(QUERIES["note_taken"], taken)
            return len(stay), len(new)

        return self._writer.write(put)

    def failed(self, note: Note, digest: str, known: Known | None, reason: str, now: datetime) -> None:
        """Remember that nothing could be made of a note, and when it is tried again; what stands there stays."""
        attempts = known.attempts + 1 if known is not None and known.digest == digest else 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts - 1, 10))
        items, filtered = (known.items, known.filtered) if known is not None else (0, 0)
        row = [note.key, note.username, digest, items, filtered, now, attempts, now + pause, reason[:500]]
        self._writer.write(lambda connection: connection.execute(QUERIES["note_taken"], row))

    def gone(self, key: str) -> None:
        """A note is there no more: what it proved is marked so, and stays."""

        def drop(connection: Connection) -> None:
            connection.execute(QUERIES["erase_inbox"], [key])
            connection.execute(QUERIES["note_gone"], [key])

        self._writer.write(drop)


def _stands(one: Item, text: str) -> bool:
    """Whether an item's words still stand in a note, and may be told."""
    return folded(one.quote) in folded(text) and one.is_ours()
