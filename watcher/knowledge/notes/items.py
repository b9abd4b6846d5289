"""What is taken from a note: an item with the words that prove it, if it is nobody's own business."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from processors.redaction import redact
from processors.text_features import LONGEST_QUOTE, content_of, domain_of, entities_of, title_of
from watcher.knowledge.notes.markdown import MarkdownBlock, blocks
from watcher.knowledge.notes.privacy import holds_secret, is_personal
from watcher.knowledge.notes.work_filter import is_of_work

#: Shorter blocks say nothing by themselves.
_SHORTEST, _FEWEST_WORDS = 20, 4
# Headings that name the note, not what it is about.
_NO_SUBJECT = re.compile(
    r"(?i)^(?:claude(?:\.local)?(?:\.md)?|(?:local |my |project )?(?:notes?|rules?|memory|misc))\W*$"
)
_MARKS = re.compile(r"(?<![\w*])(?:\*{1,3}|__)(?=\S)|(?<=[^\s*])(?:\*{1,3}|__)(?![\w*])")
_TASK = re.compile(r"(?i)^(?:\[[ x]\]|todo\b|fixme\b)|\?$")


@dataclass(frozen=True, slots=True)
class Item:
    """Something that a person noted and that others could use."""

    title: str
    content: str
    #: As it stands in the note, white space folded.
    quote: str
    domain: str
    entities: list[str] = field(default_factory=list)

    def is_ours(self, headings: Sequence[str] = ()) -> bool:
        """Whether it may be told: it is not personal, and holds no secret; ``headings`` stand above it."""
        told = (self.content, self.quote)
        # What is made of the words themselves is judged with them.
        words = " ".join((self.quote, *headings)).lower()
        labels = [one for one in (self.title, *self.entities) if not all(_stands(word, words) for word in one.split())]
        return not is_personal(told, headings, labels) and not holds_secret((*told, *labels, *headings))

    @property
    def told_entities(self) -> str:
        """As the inbox has them."""
        return json.dumps(self.entities, ensure_ascii=False)


def _stands(word: str, words: str) -> bool:
    return word.strip(".:,;…*_").lower() in words


@dataclass(slots=True)
class NoteItem:
    """What a note holds."""

    items: list[Item] = field(default_factory=list)
    #: Blocks and items that are personal or hold a secret.
    filtered: int = 0


class NoteExtractor(Protocol):
    """What makes items of a note."""

    name: str
    #: Raised where it comes to look otherwise: every note is taken again.
    version: int
    #: Whether it may leave out the next time what it found before and what still stands there.
    forgets: bool

    def parts(self, told: Sequence[MarkdownBlock]) -> Sequence[Sequence[MarkdownBlock]]:
        """What is looked at, and remembered, at a time; at least one."""
        ...

    def find(self, key: str, part: Sequence[MarkdownBlock]) -> NoteItem:
        """The items in these blocks of a note, of which none is personal."""
        ...


class NoteRules:
    """Takes every bullet and paragraph that says something."""

    name, version, forgets = "rules", 3, False

    def parts(self, told: Sequence[MarkdownBlock]) -> Sequence[Sequence[MarkdownBlock]]:
        """See `NoteExtractor`: all at once, since it costs nothing."""
        return [told]

    def find(self, key: str, part: Sequence[MarkdownBlock]) -> NoteItem:
        """See `NoteExtractor`."""
        found = NoteItem()
        for block in part:
            text = _MARKS.sub("", block.text)
            if len(text) < _SHORTEST or len(text.split()) < _FEWEST_WORDS or _TASK.search(text):
                continue
            subject = next((one for one in reversed(block.headings) if not _NO_SUBJECT.match(one)), "")
            item = Item(
                title_of(f"{_MARKS.sub('', subject)}: {text}" if subject else text),
                content_of([text]),
                block.text[:LONGEST_QUOTE],
                domain_of(text, " ".join(block.headings)),
                entities_of(block.text),
            )
            if item.is_ours(block.headings):
                found.items.append(item)
            else:
                found.filtered += 1
        return found


def pieces(key: str, text: str, extractor: NoteExtractor, done: int = 0) -> Iterator[tuple[NoteItem, bool]]:
    """What stands in the parts of a note, each item once, and whether it was the last; without so many done before.

    Raises:
        Exception: what the extractor raises.
    """
    # As a whole: a secret may go over more than one line.
    told, personal = _ours(blocks(redact(text)[0]))
    parts = extractor.parts(told)
    for number, part in enumerate(parts[done:], done + 1):
        found = extractor.find(key, part)
        items = list({identity(one, extractor): one for one in found.items}.values())
        yield NoteItem(items, found.filtered + (personal if number == 1 else 0)), number >= len(parts)


def identity(item: Item, extractor: NoteExtractor) -> str:
    """What a candidate is called: by its quote alone where its wording may be another one the next time."""
    told = (item.quote,) if extractor.forgets else (item.title, item.content, item.quote)
    return hashlib.sha256("\0".join(told).encode("utf-8", "replace")).hexdigest()[:16]


def _ours(all_of_them: Iterable[MarkdownBlock]) -> tuple[list[MarkdownBlock], int]:
    """The blocks that may be told, and how many may not: what does not speak of work could be anybody's own."""
    ours, personal = [], 0
    for block in all_of_them:
        if is_personal((block.text,), block.headings) or holds_secret((block.text, *block.headings)):
            personal += 1
        elif is_of_work(block.text, block.headings):
            ours.append(block)
        else:  # shorter ones say nothing
            personal += len(block.text.split()) >= _FEWEST_WORDS
    return ours, personal
