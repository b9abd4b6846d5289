"""What an extractor finds, and the one condition on which it is kept: its quote stands in what a person said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

from processors.text_features import Domain, folded
from processors.verification.turns import Turn

DetectionType = Literal["correction", "confirmation", "unprompted_definition"]
DETECTION_TYPES: tuple[DetectionType, ...] = get_args(DetectionType)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that a person said and that others could use again."""

    detection_type: DetectionType
    title: str
    content: str
    #: As it stands in the turn, white space aside.
    quote: str
    domain: Domain
    entities: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate and the turn that it was found in; None: in no turn that there is."""

    candidate: Candidate
    turn: Turn | None


class Extractor(Protocol):
    """What finds candidates in a stretch of a conversation."""

    name: str

    def find(self, before: Sequence[Turn], turns: Sequence[Turn], context: int) -> Iterator[Found]:
        """The candidates in ``turns``; of what was said before each, no more than ``context`` turns are looked at.

        ``before`` are the turns that came before the stretch.
        """
        ...


def stands(quote: str, turn: Turn) -> bool:
    """Whether a quote stands in a person's own words, white space folded."""
    return turn.human and not turn.pick and bool(quote.strip()) and folded(quote) in folded(turn.text)
