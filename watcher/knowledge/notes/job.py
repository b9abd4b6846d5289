"""The corporate-memory job: reads the notes of every home, and takes those that changed into the inbox."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from processors import llm
from processors.contract import Transient, Unconfigured
from watcher.errors import NotesUnreadable
from watcher.homes.listing import plain, users
from watcher.homes.stats import TOLD_OF_ALL, VisitTally
from watcher.homes.timeouts import Late, Patience
from watcher.homes.walk import WalkStopped
from watcher.knowledge.notes.inbox import Inbox, Known
from watcher.knowledge.notes.items import NoteExtractor, NoteItem, NoteRules, pieces
from watcher.knowledge.notes.llm import NoteLlm
from watcher.knowledge.notes.markdown import text_of
from watcher.knowledge.notes.reader import Note, Reader, is_of, key_in_home
from watcher.knowledge.writer import Writer
from watcher.logs import Log
from watcher.settings import Settings, model_access
from watcher.settings.patterns import Pattern

log = Log()


@dataclass
class Read:
    """What a run did."""

    #: Homes that were looked through.
    users_scanned: int = 0
    files_found: int = 0
    #: Found in the notes that changed.
    items_extracted: int = 0
    #: Of all notes: those that stood in the inbox before, and still do.
    items_preserved: int = 0
    items_new: int = 0
    #: Personal ones, and those that hold a secret, in the notes that changed.
    items_filtered: int = 0
    #: From notes, whenever they came: they wait for a review.
    items_pending: int = 0
    #: Notes that have not changed.
    skipped: int = 0
    #: Notes that are gone.
    gone: int = 0
    #: What is no note as it should be: links, pipes, other people's files, too large ones.
    refused: int = 0
    #: Homes and notes that could not be read, and notes of which nothing could be made.
    errors: int = 0
    #: The first of these refusals and errors: whose, what, why.
    details: list[dict[str, str]] = field(default_factory=list)

    def add(self, found: NoteItem, new: int, stayed: int) -> None:
        """What a part of a note came to."""
        self.items_extracted += len(found.items)
        self.items_filtered += found.filtered
        self.items_new += new
        self.items_preserved += stayed


class CorporateMemory:
    """Reads people's notes; the settings are asked for anew at each run. One run at a time."""

    def __init__(self, settings: Callable[[], Settings], writer: Writer) -> None:
        self._settings = settings
        self._inbox = Inbox(writer)
        self._patience = Patience()
        self._stopping = threading.Event()
        #: What the last run did.
        self.last = Read()

    def stop(self) -> None:
        """End what runs before its next note. Idempotent."""
        self._stopping.set()

    def run(self) -> dict[str, Any]:
        """Take in the notes that changed; what was done.

        Raises:
            NotesUnreadable: it cannot be done as it is set; or it was stopped.
            Exception: the database's errors.
        """
        settings = self._settings()
        extractor = _extractor(settings)
        deadline, sources = settings.collector.deadline, settings.corporate_memory.sources
        read, total, known = Read(), VisitTally(), self._inbox.known()
        hindered: str | None = None
        homes = list(users(sources, self._patience, deadline, total))
        listed = not total.errors
        try:
            for name, patterns in homes:
                reader = Reader(name, patterns, self._stopping.is_set, settings.node.name)
                if not self._look(reader, deadline, total):
                    continue
                for note in reader.notes.values():
                    if self._stopping.is_set():
                        raise WalkStopped
                    hindered = self._take(note, extractor, known.get(note.key), hindered, read, total)
                read.files_found += len(reader.notes)
                self._drop(filter(reader.is_gone, known), read)
            if listed:
                self._drop(self._without_home(known, homes, settings), read)
        except WalkStopped:
            raise NotesUnreadable("it was stopped; the next run goes on") from None
        read.users_scanned, read.errors = total.users_processed, read.errors + total.errors
        read.refused, read.details = total.files_refused + total.users_refused, total.details[:TOLD_OF_ALL]
        read.items_pending = self._inbox.pending()
        self.last = read
        return asdict(read)

    def _drop(self, keys: Iterable[str], read: Read) -> None:
        for key in keys:
            self._inbox.gone(key)
            read.gone += 1

    def _without_home(
        self, known: Iterable[str], homes: Sequence[tuple[str, list[Pattern]]], settings: Settings
    ) -> list[str]:
        """The notes whose home is there no more, if a second look agrees; none where a folder of homes is empty.

        An empty one is more often a disk that is not mounted than everybody gone at once.
        """
        sources, node = settings.corporate_memory.sources, settings.node.name

        def missing(homes: Sequence[tuple[str, list[Pattern]]]) -> list[str]:
            if {Pattern.parse(text).above for text in sources} != {patterns[0].above for _, patterns in homes}:
                return []
            prefixes = tuple(key_in_home(name, (), node) for name, _ in homes)
            return [key for key in known if is_of(key, node) and not key.startswith(prefixes)]

        if not (gone := missing(homes)):
            return []
        again = VisitTally()
        there = list(users(sources, self._patience, settings.collector.deadline, again))
        return [] if again.errors else [key for key in missing(there) if key in gone]

    def _look(self, reader: Reader, deadline: float, total: VisitTally) -> bool:
        """Read a home; whether it came to an end."""
        try:
            self._patience.within(reader.path, deadline, reader.run, reader.stop)
        except WalkStopped:
            raise
        except Exception as error:  # what nobody foresaw in one home hinders no other
            if not isinstance(error, Late):
                log.exception("home_read_failed", user=reader.user)
            total.errors += 1
            total.note(reader.user, plain(reader.path), str(error) or type(error).__name__)
            return False
        total.add(reader.tally)
        return True

    def _take(
        self,
        note: Note,
        extractor: NoteExtractor,
        known: Known | None,
        hindered: str | None,
        read: Read,
        total: VisitTally,
    ) -> str | None:
        """Take a note if it has changed; why no other can be taken at present, None if nothing hinders it."""
        now = datetime.now(UTC)
        digest = f"{extractor.name}:{extractor.version}:{hashlib.sha256(note.content).hexdigest()}"
        if known is not None and known.digest == digest and known.after is None:
            read.skipped += 1
            read.items_preserved += known.items
            return hindered
        reason, taken = hindered, False
        done = 0 if known is None else known.parts_of(digest)
        if known is not None and done is not None and known.after is not None and known.after > now:
            reason = f"{known.error}; it is tried again at {known.after.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        if reason is None:
            done, text = done or 0, text_of(note.content)
            try:
                for found, last in pieces(note.key, text, extractor, done):
                    done += 1
                    stayed, new = self._inbox.put(
                        note, digest if last else f"{digest}#{done}", text, found, extractor, now
                    )
                    read.add(found, new, 0 if taken else stayed)
                    taken = True
            except Unconfigured as error:
                raise NotesUnreadable(str(error)) from None
            except Transient as error:  # the same would be said of the next one
                reason = hindered = str(error)
            except llm.Unanswered as error:
                reason = str(error)
                part = f"{digest}#{done}" if done else digest
                self._inbox.failed(note, part, self._inbox.known().get(note.key), reason, now)
            else:
                return hindered
        read.errors += 1
        total.note(note.username, note.key, reason)
        if known is not None and not taken:
            read.items_preserved += known.items
        return hindered


def _extractor(settings: Settings) -> NoteExtractor:
    """Who makes items of notes.

    Raises:
        NotesUnreadable: nobody can, as it is set.
    """
    chosen = settings.corporate_memory
    if not chosen.sources:
        raise NotesUnreadable('no notes are named: set [corporate_memory] sources, such as ["/home/*/CLAUDE.local.md"]')
    if chosen.extractor == "rules":
        return NoteRules()
    access = model_access(settings)
    if missing := llm.unconfigured(access):
        raise NotesUnreadable(f'[corporate_memory] extractor is "llm", and {missing}; or set it to "rules"')
    return NoteLlm(access)
