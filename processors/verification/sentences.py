"""A turn taken apart: what a person says in it, sentence by sentence, apart from what is pasted into it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLOCKS = re.compile(r"```.*?(?:```|\Z)|\"\"\".*?(?:\"\"\"|\Z)", re.DOTALL)
# What the client writes around what was pasted; where an end has attributes, they are those of its beginning.
_PASTE = re.compile(r"<pasted_content( [^>\n]{0,200})?>")
_PASTE_ENDS = re.compile(r"</pasted_content(?: [^>\n]{0,200})?>")
#: What stands for a paste that was left out, so that what stood on its two sides is not taken for one sentence.
LEFT_OUT = "[…]"
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


def without_pastes(text: str) -> str:
    """A text without what its client says was pasted into it: nobody said that."""
    kept, at = list[str](), 0
    while (begins := _PASTE.search(text, at)) is not None:
        kept.append(text[at : begins.start()].strip())
        at = _end_of_paste(text, begins)
    return f"\n{LEFT_OUT}\n".join(filter(None, [*kept, text[at:].strip()])) if kept else text


def _end_of_paste(text: str, begins: re.Match[str]) -> int:
    """Where a paste ends: at the end that is its own, so that none within it counts; else at the next, else never."""
    own = f"</pasted_content{begins[1] or ''}>"
    if begins[1] is not None and (at := text.find(own, begins.end())) >= 0:
        return at + len(own)
    ends = _PASTE_ENDS.search(text, begins.end())
    return ends.end() if ends is not None else len(text)


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
