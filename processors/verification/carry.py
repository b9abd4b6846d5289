"""What is remembered of a session between two passes: the last turns, and what was already found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from processors.redaction import redact
from processors.transcript import clean
from processors.verification.turns import Turn

#: So many characters of a turn are kept as context: of the agent's the last ones, of a person's the first.
LONGEST_CONTEXT = 1200
#: A secret that such a cut would divide is looked for in this many.
_LOOKED_AT = 2 * LONGEST_CONTEXT
#: So many characters of a client's version are kept.
LONGEST_VERSION = 40
#: So many candidates are remembered, so that the same words count once in a session.
MOST_TAKEN = 400


class Carry:
    """The carry of a session, unpacked."""

    def __init__(self, carry: Mapping[str, Any]) -> None:
        self.context = [_turn(one) for one in carry.get("context", ())]
        self.queued: list[str] = list(carry.get("queued", ()))
        #: The client's version, as the reader of the next lines has to know it.
        self.version: str | None = carry.get("version")
        self.taken: list[str] = list(carry.get("taken", ()))
        #: Candidates whose quote nobody said, and secrets that were taken out, in this session so far.
        self.dropped: int = carry.get("dropped", 0)
        self.redacted: int = carry.get("redacted", 0)

    def is_new(self, candidate_id: str) -> bool:
        """Whether this was not found before; from now on it was."""
        if candidate_id in self.taken:
            return False
        self.taken = [*self.taken[1 - MOST_TAKEN :], candidate_id]
        return True

    def remember(self, turns: Sequence[Turn], count: int) -> None:
        """Keep the last turns as context of what comes next."""
        last = [*self.context, *turns]
        self.context = [as_context(turn) for turn in last[max(0, len(last) - count) :]]

    def carry(self) -> dict[str, Any]:
        """The memory as it is carried; empty where nothing has to be remembered."""
        kept: dict[str, Any] = {
            "context": [_packed(turn) for turn in self.context],
            "queued": self.queued,
            "version": clean(self.version)[:LONGEST_VERSION] if self.version is not None else None,
            "taken": self.taken,
            "dropped": self.dropped,
            "redacted": self.redacted,
        }
        return {name: value for name, value in kept.items() if value}


def without_secrets(turn: Turn) -> Turn:
    """A turn as an extractor may see it."""
    return replace(turn, text=redact(clean_all(turn.text))[0])


def as_context(turn: Turn) -> Turn:
    """A turn as it is kept and as extractors see what came before: short, and without secrets.

    Doing it twice changes nothing, so a turn out of the carry is seen as it was before it went in.
    """
    text = turn.text[:_LOOKED_AT] if turn.human else turn.text[-_LOOKED_AT:]
    text = _plain(redact(text)[0])
    text = text[:LONGEST_CONTEXT] if turn.human else text[-LONGEST_CONTEXT:]
    question = _plain(redact(turn.question)[0])[:200] if turn.question is not None else None
    return Turn(turn.human, text.strip(), question=question, pick=turn.pick)


def _plain(text: str) -> str:
    """Text without control characters, which take six times the room in the carry."""
    return "".join(one if one >= " " or one == "\n" else " " for one in clean_all(text))


def clean_all(text: str) -> str:
    """Text that can be stored, of any length."""
    return "".join(clean(text[at : at + 1000]) for at in range(0, len(text), 1000))


def _packed(turn: Turn) -> list[Any]:
    return [turn.human, turn.text, turn.question, turn.pick]


def _turn(packed: Sequence[Any]) -> Turn:
    human, text, question, pick = packed
    return Turn(human, text, question=question, pick=pick)
