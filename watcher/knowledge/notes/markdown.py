"""A note taken apart: its bullets and paragraphs, each with the headings above it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from processors.text_features import folded

_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_BULLET = re.compile(r"^[ \t]*(?:[-*+\u2022]|\d{1,3}[.)])[ \t]+")
_FENCE = re.compile(r"^[ \t]{0,12}(```|~~~)")
# Not said: tables, rules, quotes, imports of other files, markup, pictures.
_NOTHING = re.compile(r"^[ \t]*(?:\||>|@\S|<|!\[|[-=*_ \t]{3,}$)")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc]")
#: So many blocks of a note are looked at.
MOST = 500
#: A longer block is a text, not a fact.
LONGEST = 2000


@dataclass(frozen=True, slots=True)
class MarkdownBlock:
    """A bullet or paragraph."""

    #: As it stands there, white space folded.
    text: str
    #: The headings that it stands under, the outermost first.
    headings: tuple[str, ...]


def text_of(content: bytes) -> str:
    """A note's text, as it can be stored; what nobody sees is left out."""
    text = content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return _UNSEEN.sub("", text)


def blocks(text: str) -> Iterator[MarkdownBlock]:
    """The bullets and paragraphs of a text in Markdown, without code, tables and quotes; the first `MOST` of them."""
    found = 0
    headings: list[tuple[int, str]] = []
    for lines in _grouped(text):
        heading = _HEADING.match(lines[0])
        if heading is not None:
            depth = len(heading[1])
            headings = [one for one in headings if one[0] < depth] + [(depth, folded(heading[2]))]
            continue
        told = folded(" ".join([_BULLET.sub("", lines[0]), *lines[1:]]))[: LONGEST + 1]
        if told and len(told) <= LONGEST:
            found += 1
            if found > MOST:
                return
            yield MarkdownBlock(told, tuple(one for _, one in headings))


def _grouped(text: str) -> Iterator[list[str]]:
    """The lines that belong together: of a heading, a bullet, a paragraph."""
    group: list[str] = []
    fence = comment = ""
    for line in text.split("\n"):
        fenced = _FENCE.match(line)
        if fence or fenced:
            if group:
                yield group
                group = []
            if fenced and fence in ("", fenced[1]):
                fence = "" if fence else fenced[1]
            continue
        if comment or line.lstrip().startswith("<!--"):
            comment = "" if "-->" in line else "<!--"
            line = ""
        starts = _HEADING.match(line) or _BULLET.match(line)
        if group and (starts or not line.strip() or _NOTHING.match(line)):
            yield group
            group = []
        if starts or (line.strip() and not _NOTHING.match(line)):
            group.append(line)
            if _HEADING.match(line):
                yield group
                group = []
    if group:
        yield group
