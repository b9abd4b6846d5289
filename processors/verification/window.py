"""From new lines to the turns of one pass: a stretch that is not longer than a model or a person likes to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from processors.contract import Lines
from processors.verification.turns import Reader, Turn


@dataclass(slots=True)
class Window:
    """The turns of one pass."""

    turns: list[Turn] = field(default_factory=list)
    bad_lines: int = 0
    #: Bytes of the lines that were read; None: all.
    consumed: int | None = None
    #: What the reader remembers after them.
    queued: list[str] = field(default_factory=list)


def next_window(lines: Lines, queued: Sequence[str], longest: int) -> Window:
    """The turns of the first lines, up to the line with which they become longer than ``longest`` characters."""
    window, reader = Window(), Reader(list(queued))
    read = characters = 0
    for line in lines:
        read += len(line) + 1
        found, bad = reader.take(line, lines.utf8)
        window.turns += found
        window.bad_lines += bad
        characters += sum(len(turn.text) for turn in found)
        if characters >= longest and read < len(lines.data):
            window.consumed = read
            break
    window.queued = reader.queued
    return window
