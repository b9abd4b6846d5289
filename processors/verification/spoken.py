"""A turn taken apart: what a person says in it, sentence by sentence, apart from what is pasted into it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLOCKS = re.compile(r"```.*?(?:```|\Z)|\"\"\".*?(?:\"\"\"|\Z)", re.DOTALL)
_QUOTED_LINE = re.compile(r"(?m)^[ \t]*>.*$")
# A sentence ends before white space; not after "e.g." and the like, nor after the number of a list's item.
_END = re.compile(r"(?<=[.!?])(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\betc\.)(?<!\bvs\.)(?<!\bapprox\.)(?<!^\d\.)\s+(?=\S)")
# A line, or an item of a list that goes on within one.
_ITEM = re.compile(r"\n|(?<=[.!?:;]) (?=\d{1,2}[.)] [A-Za-z])")
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+")
_TYPOGRAPHIC = str.maketrans("’‘“”–—", "''\"\"--")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, as it was written and as it is looked at."""

    text: str
    #: In small letters, with plain quotation marks, without the mark of a list.
    plain: str
    #: Whether it is an item of a list, or stands in one.
    listed: bool = False


def plain(text: str) -> str:
    """Text as expressions look at it."""
    return " ".join(text.translate(_TYPOGRAPHIC).split()).lower()


def own_words(text: str) -> str:
    """A turn without code blocks and quoted lines."""
    return _QUOTED_LINE.sub("\n", _BLOCKS.sub("\n\n", text))


def sentences(text: str) -> list[Sentence]:
    """The sentences of a text; none goes over a line's end that ends a paragraph or an item."""
    found = []
    for line in _ITEM.split(own_words(text)):
        said = _BULLET.sub("", line).strip()
        listed = _BULLET.match(line) is not None
        found += [Sentence(part, plain(part), listed) for part in _END.split(said) if part.strip()]
    return found
