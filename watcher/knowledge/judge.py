"""Who finds out that two items cannot both hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from watcher.knowledge.index import Entry
from watcher.knowledge.similarity import alike, in_common, opposed, without_numbers

Severity = Literal["hard", "soft"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
#: How people may settle a contradiction; ``a`` is the newer item.
Resolution = Literal["kept_a", "kept_b", "merge", "both_valid"]
RESOLUTIONS: tuple[Resolution, ...] = get_args(Resolution)
#: How one is settled by itself: an item of the two counts no more.
CLOSED = "closed"

#: Statements less alike than this are not about the same thing, as far as words can tell.
_ABOUT_THE_SAME = 0.60
#: Nor are those that have fewer of their words in common: of the one that has fewer, at least this share.
_IN_COMMON = 0.50
#: More statements than these that differ in their numbers alone are a series, one for each plant or version.
_SERIES = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """An item that the new one contradicts."""

    other: str
    severity: Severity
    explanation: str
    suggestion: Resolution | None = None
    #: What both say together, where that is suggested.
    merged_title: str | None = None
    merged_content: str | None = None


class Judge(Protocol):
    """Compares a new item with others of its domain, all at once."""

    @property
    def name(self) -> str:
        """Under which its verdicts are kept."""
        ...

    def contradictions(self, new: Entry, others: Sequence[Entry]) -> list[Verdict]:
        """Those that it contradicts; may raise anything, and is asked again later."""
        ...


class Words:
    """The judge that needs no model: statements that are much alike, and differ in a denial or a number.

    Those of a series, which say the same of number after number, contradict nobody.
    """

    name = "rules"

    def contradictions(self, new: Entry, others: Sequence[Entry]) -> list[Verdict]:
        """See `Judge`."""
        words, own = {other.item_id: other.words for other in others}, without_numbers(new.words)
        series = {name for name, one in words.items() if one != new.words and without_numbers(one) == own}
        if len(series) > _SERIES:
            words = {name: one for name, one in words.items() if name not in series}
        found: list[Verdict] = []
        for name, score in alike(new.words, words, _ABOUT_THE_SAME):
            reason = opposed(new.words, words[name])
            if reason is not None and in_common(new.words, words[name]) >= _IN_COMMON:
                severity: Severity = "hard" if score >= 0.75 else "soft"
                found.append(Verdict(name, severity, f"They are much alike, but {reason}."))
        return found
