"""How alike two statements are, and whether they say the opposite of each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from rapidfuzz import fuzz, process

#: From here on two statements of a domain are the same one, said in other words.
SAME = 0.82
#: The same for statements that name at least two things in common.
SAME_THINGS, THINGS = 0.65, 2

_WORD = re.compile(r"[^\W_]+(?:[.'’_-][^\W_]+)*")
_NUMBER = re.compile(r"(?<!\S)\d\S*\s?")
_NEGATION = frozenset(["not", "no", "never", "none", "cannot", "without", "nor", "neither"])
_DENIES = re.compile(r"(?:do|does|is|are|ca|wo|should|must|did|was|were|has|have|would|could)n['’]t\Z")
# Said of a number, they turn it around.
_LIMITS = {
    "most": "least", "maximum": "minimum", "before": "after", "above": "below", "more": "less", "include": "exclude",
    "includes": "excludes", "always": "never", "allowed": "forbidden", "enabled": "disabled", "on": "off",
    "first": "last", "opt-in": "opt-out", "internal": "external", "required": "optional",
}  # fmt: skip
_OPPOSITES = {**_LIMITS, **{other: one for one, other in _LIMITS.items()}}


def words_of(text: str) -> str:
    """A statement's words, small and in the order of the alphabet: what `alike` compares."""
    return " ".join(sorted(_WORD.findall(text.casefold())))


def alike(words: str, others: Mapping[str, str], least: float, limit: int | None = None) -> list[tuple[str, float]]:
    """Of statements by name (each as `words_of` gives it), those at least so much like this one; the likest first.

    0 is nothing in common, 1 the same words. Equals are in the order of their names; of equals that are one too many
    those are left out that were given last.
    """
    found = process.extract(words, others, scorer=fuzz.ratio, processor=None, score_cutoff=least * 100, limit=limit)
    return sorted(((name, score / 100) for _, score, name in found), key=lambda one: (-one[1], one[0]))


def in_common(one: str, other: str) -> float:
    """Which share of the words of the shorter of two statements (as `words_of` gives them) the other has too."""
    here, there = set(one.split()), set(other.split())
    return len(here & there) / max(1, min(len(here), len(there)))


def same(score: float, things: frozenset[str], others: frozenset[str]) -> bool:
    """Whether two statements of a domain, so much alike and naming these things, are the same."""
    return score >= SAME or (score >= SAME_THINGS and len(things & others) >= THINGS)


def things_of(entities: Iterable[str]) -> frozenset[str]:
    """The things that a statement names, as they are compared."""
    return frozenset(" ".join(name.casefold().split()) for name in entities if name.strip())


def opposed(one: str, other: str) -> str | None:
    """Why two statements (as `words_of` gives them) that are much alike say different things; None if they do not."""
    here, there = one.split(), other.split()
    if _denials(here) % 2 != _denials(there) % 2:
        return "one denies what the other says"
    only_here, only_there = set(here) - set(there), set(there) - set(here)
    numbers = [sorted(word for word in words if word[0].isdigit()) for words in (only_here, only_there)]
    if all(numbers):
        return f"one says {', '.join(numbers[0])}, the other {', '.join(numbers[1])}"
    for word in sorted(only_here):
        if (opposite := _OPPOSITES.get(word)) in only_there:
            return f"one says {word}, the other {opposite}"
    return None


def without_numbers(words: str) -> str:
    """A statement's words (as `words_of` gives them) that are no numbers."""
    return _NUMBER.sub("", words).strip()


def _denials(words: list[str]) -> int:
    return sum(word in _NEGATION or _DENIES.match(word) is not None for word in words)
