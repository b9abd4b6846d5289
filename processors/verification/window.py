"""From new lines to the turns of one pass: a stretch that is not longer than a model or a person likes to look at."""

from __future__ import annotations

from dataclasses import dataclass, field

from processors.contract import Lines
from processors.verification.turns import Turn, TurnReader


@dataclass(slots=True)
class TurnWindow:
    """The turns of one pass."""

    turns: list[Turn] = field(default_factory=list)
    bad_lines: int = 0
    #: Bytes of the lines that were read; None: all.
    consumed: int | None = None


def next_window(lines: Lines, start: int, reader: TurnReader, longest: int) -> TurnWindow:
    """The turns of the first lines, up to the line with which they become longer than ``longest`` characters.

    ``start`` is where in the file the lines begin.
    """
    window = TurnWindow()
    read = characters = 0
    for line in lines:
        found, bad = reader.take(line, lines.utf8, start + read)
        read += len(line) + 1
        window.turns += found
        window.bad_lines += bad
        characters += sum(len(turn.text) for turn in found)
        if characters >= longest and read < len(lines.data):
            window.consumed = read
            break
    return window
