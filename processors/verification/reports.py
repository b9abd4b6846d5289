"""What the faces show of what was said: a sentence among those around it, as its session's file has them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from processors.verification.carry import as_context
from processors.verification.turns import Turn, TurnReader

#: How many turns are shown before and after.
BEFORE, AFTER = 4, 2
#: Among how many lines these are looked for: between two turns an agent may use many tools.
_NEAR = 300
#: A line that is longer is left out: nobody says that much.
_LONGEST = 200_000


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """A turn, cut and without secrets."""

    human: bool
    text: str
    #: Whether it is the one that was asked for.
    meant: bool


def around(lines: Iterable[bytes], turn_id: str) -> list[ShownTurn]:
    """The turns around the one of that name, it among them; none where no line has it."""
    name = turn_id.encode()
    near: deque[bytes] = deque(maxlen=_NEAR)
    rest = iter(lines)
    for line in rest:
        if name in line and (meant := _named(line, turn_id)):
            before = [_said(turn) for turn in _turns(near)][-BEFORE:]
            here = [_said(turn, turn in meant) for turn in _turns([line])]
            return [*before, *here, *_after(rest)]
        if len(line) <= _LONGEST:
            near.append(line)
    return []


def _named(line: bytes, turn_id: str) -> list[Turn]:
    return [turn for turn in _turns([line]) if turn.human and turn.turn_id == turn_id]


def _turns(lines: Iterable[bytes]) -> list[Turn]:
    reader = TurnReader()
    return [turn for line in lines for turn in reader.take(line, utf8=False)[0]]


def _after(lines: Iterable[bytes]) -> list[ShownTurn]:
    found: list[ShownTurn] = []
    for _, line in zip(range(_NEAR), lines, strict=False):
        if len(line) <= _LONGEST:
            found += [_said(turn) for turn in _turns([line])]
        if len(found) >= AFTER:
            break
    return found[:AFTER]


def _said(turn: Turn, meant: bool = False) -> ShownTurn:
    return ShownTurn(turn.human, as_context(turn).text, meant)
