"""The turns of a conversation: what people said and what the agent said, in order; `processors.speech` says whose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import xxhash

from processors.contract import Lines
from processors.records import Record
from processors.speech import delivers, enqueued, fold, said
from processors.transcript import SYNTHETIC, read, text_of
from processors.verification.sentences import without_pastes

#: Of one turn no more than this is looked at: nobody says that much, it is pasted.
LONGEST_TURN = 8000
#: So many messages that were sent while the agent worked are remembered, to know them when they come again.
MOST_QUEUED = 50

#: What begins a question of ours to a model: should one ever stand in a transcript, nobody said it.
OURS = "A conversation, shown to a model by Session Watcher:"
#: What begins words that count as a person's turn, but hold nothing that a person said.
_NOBODYS = (
    OURS,
    "Stop hook feedback:",
)


@dataclass(frozen=True, slots=True)
class Turn:
    """Something that was said."""

    #: Whether a person said it; else the agent did.
    human: bool
    text: str
    at: datetime | None = None
    session_id: str | None = None
    #: The line's own name, which copies of it in other sessions share.
    turn_id: str | None = None
    #: What the agent asked, where this answers a question of it.
    question: str | None = None
    #: Whether it is only a pick of what the agent offered: no words of one's own.
    pick: bool = False


class TurnReader:
    """Lines to turns; remembers the messages that come a second time when the agent takes them up."""

    def __init__(self, queued: Sequence[str] = (), version: str | None = None) -> None:
        #: Hashes of the messages that were queued and have not come again.
        self.queued = list(queued)
        #: The client's version by the last line that named one.
        self.version = version

    def take(self, line: bytes, utf8: bool = True, start: int | None = None) -> tuple[list[Turn], int]:
        """The turns of one line, and 1 if it cannot be read, though its end may be whole.

        ``start`` is where in the file the line begins, if that is known.
        """
        records, bad = read(Lines(line, utf8), start)
        found: list[Turn] = []
        for record in records:
            found += self._turns(record)
            if record.version is not None:
                self.version = record.version
        return found, bad

    def _turns(self, record: Record) -> Iterator[Turn]:
        if record.type == "assistant":
            if text := _agents(record):
                yield _turn(record, text, human=False)
        elif record.type == "queue-operation":
            if (words := enqueued(record)) and not delivers(self.version):
                self.queued = [*self.queued[1 - MOST_QUEUED :], _name(words)]
                if own := _own(words):
                    yield _turn(record, own)
        else:
            yield from self._said(record)

    def _said(self, record: Record) -> Iterator[Turn]:
        """What a person said in a record, each once."""
        here = set[str]()
        for one in said(record):
            came_before = one.kind in ("prompt", "queued") and self._came_before(one.words)
            own = _own(one.words) if one.asked_by == "person" and not came_before else ""
            if own and own not in here:
                here.add(own)
                question = one.question[:LONGEST_TURN] if one.question is not None else None
                yield _turn(record, own, question=question, pick=one.pick)

    def _came_before(self, words: str) -> bool:
        """Whether these words were queued earlier; they are then no longer waited for."""
        if not self.queued or (name := _name(words)) not in self.queued:
            return False
        self.queued.remove(name)
        return True


def _turn(record: Record, text: str, *, human: bool = True, question: str | None = None, pick: bool = False) -> Turn:
    # Of the agent the end matters, which is what was answered; of a person the beginning.
    text = text[:LONGEST_TURN] if human else text[-LONGEST_TURN:]
    return Turn(human, text, record.timestamp, record.sessionId, record.uuid, question, pick)


def _own(words: str) -> str:
    """What of a person's words that person said."""
    words = without_pastes(words)
    return "" if words.startswith(_NOBODYS) else words


def _name(text: str) -> str:
    return xxhash.xxh3_64_hexdigest(fold(text).encode("utf-8", "replace"))


def _agents(record: Record) -> str:
    """The agent's own words in a record."""
    message = record.message
    if record.isSidechain or record.isMeta or record.isCompactSummary or message is None or message.model == SYNTHETIC:
        return ""
    content = message.content
    if isinstance(content, str):
        return content.strip()
    texts = (text_of(block.text) for block in content or () if block.type == "text")
    return "\n".join(text for text in texts if text).strip()
