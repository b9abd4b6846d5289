"""Wrapping of strangers' text for a model: between tags that the text itself can neither close nor open.

A model reads more spellings of a tag than a parser does, so whatever may pass for the tag's name after
an angle bracket is written in square ones: in any case, with white space or invisible characters in it,
in look-alike letters, as entities or escapes.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

#: Characters that no form of Unicode calls the same, and that are read as the same.
_ALIKE = {
    "<": "‹〈〈❮❰⟨⟪˂ᐸ⧼︿﹤＜《≪«",
    "/": "⁄∕⧸／╱",
    "a": "аɑα",
    "c": "сϲ",
    "e": "еε",
    "i": "іιɪ",
    "n": "пոɴռη",
    "o": "оοօ",
    "p": "рρ",
    "r": "гᴦʀ",
    "s": "ѕꜱ",
    "t": "тτᴛꭲ",
    "u": "υսᴜц",
    "x": "хχ",
    "y": "уγ",
}
_NAMED = {"<": "lt|LT", "/": "sol"}
# Where characters stand that decompose to a letter or sign of ASCII.
_RANGES = ((0x80, 0x3000), (0xA720, 0xA800), (0xAB30, 0xAB70), (0xFB00, 0x10000), (0x1D400, 0x1F200))
# What may stand between the characters of a tag and is not seen: white space, controls, formats, marks.
_UNSEEN = (
    r"(?:[\s\x00-\x1f\x7f-\xa0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f"
    r"\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff"
    r"\u1dc0-\u1dff\u20d0-\u20f0]"
    r"|&(?:amp;){0,4}(?:#0{0,6}(?:9|10|13|32|160|173|820[3-7]|8288|65279)"
    r"|#[xX]0{0,6}(?:9|[aAdD]|20|[aA][0dD]|200[b-fB-F]|2060|[fF][eE][fF][fF])"
    r"|nbsp|shy|zwj|zwnj|lrm|rlm|Tab|NewLine|NoBreak|ZeroWidthSpace);?"
    r"|%(?:25){0,4}(?:20|09|0[aAdD])|\\[nrt](?![a-z]))*"
)
# Text of these is invisible to people, and read by models.
_TAG_CHARACTERS = re.compile("[\U000e0000-\U000e0fff]")


def wrap(tag: str, text: str, **attributes: str) -> str:
    """Text between ``<tag …>`` and ``</tag>``; attributes are ours and made of letters and digits."""
    assert all(value.isalnum() for value in attributes.values())
    told = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<{tag}{told}>\n{without(tag, text)}\n</{tag}>"


def without(tag: str, text: str) -> str:
    """Text in which nothing can be taken for the tag, opening or closing."""
    text = _TAG_CHARACTERS.sub("", text)
    return _pattern(tag).sub(lambda match: f"[/{tag}" if match["slash"] else f"[{tag}", text)


@cache
def _pattern(tag: str) -> re.Pattern[str]:
    alike = _alike()
    name = _UNSEEN.join(_spellings(letter, alike) for letter in tag)
    slash = rf"(?P<slash>\\{{0,4}}{_spellings('/', alike)}{_UNSEEN})?"
    return re.compile(f"{_spellings('<', alike)}{_UNSEEN}{slash}{name}")


def _spellings(character: str, alike: dict[str, str]) -> str:
    """An expression for one character, however it is written. No two of a pattern's parts fit the same text."""
    plain = re.escape(character + character.upper() + alike.get(character, "") + _ALIKE.get(character, ""))
    codes = {ord(character), ord(character.upper())}
    entities = [rf"#0{{0,6}}{code}" for code in codes] + [rf"#[xX]0{{0,6}}{_hex(code)}" for code in codes]
    entities += [_NAMED[character]] if character in _NAMED else []
    hexadecimal = "|".join(_hex(code) for code in codes)
    escapes = rf"u00(?:{hexadecimal})|u\{{0{{0,4}}(?:{hexadecimal})\}}|x(?:{hexadecimal})"
    octal = "|".join(f"0?{code:o}" for code in codes)
    return (
        rf"(?:[{plain}]|&(?:amp;){{0,4}}(?:{'|'.join(entities)})(?!\d);?"
        rf"|%(?:25){{0,4}}(?:{hexadecimal})|\\{{1,4}}(?:{escapes}|{octal}))"
    )


def _hex(code: int) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in f"{code:x}")


@cache
def _alike() -> dict[str, str]:
    """Each sign or letter of ASCII with the characters that Unicode takes apart to it."""
    found: dict[str, str] = {}
    for first, end in _RANGES:
        for code in range(first, end):
            apart = unicodedata.normalize("NFKD", chr(code)).casefold()
            base = "".join(one for one in apart if not unicodedata.combining(one))
            if len(base) == 1 and base.isascii():
                found[base] = found.get(base, "") + chr(code)
    return found
