"""What was said in a stretch: turns, the slash commands among them, and which of both a fork copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import xxhash

from processors.records import ClientRecord, CommandRun, Record
from processors.speech import Said, delivers, enqueued, fold, folded, said
from processors.transcript import clean, command_name
from processors.usage.active_time import micros, moment
from processors.usage.rows import TurnRow, Use

#: So many queued sentences of an old client are remembered, to know them when they are delivered.
MOST_QUEUED = 50
#: So many slash commands are remembered, to know them when the client tells of them once more.
MOST_TAGGED = 50
#: So many turns and commands may yet turn out to be copies.
MOST_UNDECIDED = 300


class Turns:
    """Turns and commands of one stretch; what an earlier stretch left undecided comes from its carry."""

    def __init__(self, username: str, carry: Mapping[str, Any], positions: Iterator[int], is_open: bool) -> None:
        """``is_open``: what comes may yet turn out to be copied."""
        self._username, self._positions, self._open = username, positions, is_open
        #: Queued sentences that no prompt delivered so far: their words' number and position.
        self._queued: list[list[int]] = list(carry.get("queued", ()))
        #: The uuid and name of the last tagged commands.
        self._tagged: list[list[str]] = list(carry.get("tagged", ()))
        #: What may yet turn out to be copied: turns as `_packed`, commands as their position alone.
        self._undecided: list[Any] = list(carry.get("undecided", ()))
        self._turns: dict[int, TurnRow] = {}
        self._commands: dict[int, Use] = {}
        self.withdrawn: dict[str, list[int]] = {"usage_said": [], "usage_uses": []}
        #: Whose turn the latest one is, and the first one of the file.
        self.asked_by: str = carry.get("asked_by", "unknown")
        self.first_asked_by: str | None = carry.get("first_asked_by")
        #: The words of the first prompt of a person.
        self.opening: str | None = None

    @property
    def turns(self) -> list[TurnRow]:
        """The turns of this stretch, and earlier ones that turned out to be copies."""
        return list(self._turns.values())

    @property
    def commands(self) -> list[Use]:
        """The slash commands of this stretch."""
        return list(self._commands.values())

    def carry(self) -> dict[str, Any]:
        """What the next stretch needs of this one."""
        undecided = [self._pack(one) for one in self._undecided[-MOST_UNDECIDED:]]
        kept = {"queued": self._queued, "tagged": self._tagged, "undecided": undecided}
        return {
            **{name: value for name, value in kept.items() if value},
            "asked_by": self.asked_by,
            "first_asked_by": self.first_asked_by,
        }

    def hear(self, record: Record) -> None:
        """Take in what is said in a user's or an attachment's record."""
        for one in said(record):
            if not one.pick:
                self._add(one, record, record.timestamp)

    def queue(self, record: ClientRecord, version: str | None) -> None:
        """Take in a record of the queue: an old client writes a queued sentence nowhere else."""
        if (words := enqueued(record)) and not delivers(version):
            turn = self._add(Said("queued", "person", words), record, record.timestamp)
            self._queued = [*self._queued[1 - MOST_QUEUED :], [_number(fold(words)), turn.position]]

    def tagged(self, record: Record, text: str, context: int) -> None:
        """Take in the slash command of a user's text, if it is one."""
        if (name := command_name(text)) is None:
            return
        self._command(record, name, context)
        if record.uuid is not None:
            self._tagged = [*self._tagged[1 - MOST_TAGGED :], [record.uuid[:80], clean(name)[:80]]]

    def ran(self, record: ClientRecord, run: CommandRun, context: int) -> None:
        """Take in a slash command that the client tells it ran, unless its tagged record came before."""
        if run.command is None:
            return
        name = run.command.strip().removeprefix("/")
        if record.parentUuid is None or [record.parentUuid[:80], clean(name)[:80]] not in self._tagged:
            self._command(record, name, context)

    def copied(self) -> None:
        """All that is undecided was copied from another session."""
        for one in self._undecided:
            if isinstance(one, TurnRow):
                one.is_copy = True
            elif isinstance(one, Use):
                del self._commands[one.position]
            elif isinstance(one, list):  # of an earlier stretch
                turn = self._unpacked(one)
                self.withdrawn["usage_said"].append(turn.position)
                self._turns[turn.position] = turn
            else:
                self.withdrawn["usage_uses"].append(one)
        self._undecided = []

    def decided(self) -> None:
        """Nothing that came so far is a copy any more."""
        self._undecided, self._open = [], False

    def _add(self, one: Said, record: Record, at: datetime | None) -> TurnRow:
        words = folded(one.words)
        if self._queued and one.kind == "prompt":
            self._deliver(words)
        turn = TurnRow(
            f"turn:{_number(words)}:{micros(at) if at is not None else 0}",
            one.kind,
            one.asked_by,
            len(one.words),
            at,
            clean(record.sessionId) if record.sessionId is not None else None,
            self._username,
            False,
            next(self._positions),
        )
        self._turns[turn.position] = turn
        if self._open:
            self._undecided.append(turn)
        self.asked_by = one.asked_by
        if self.first_asked_by is None:
            self.first_asked_by = one.asked_by
        if self.opening is None and one.asked_by == "person" and one.kind in ("prompt", "queued"):
            self.opening = words
        return turn

    def _deliver(self, words: str) -> None:
        """A prompt has the words of a sentence that was queued: it is the turn, and the queued one is none."""
        number = _number(words.lower())
        position = next((place for queued, place in self._queued if queued == number), None)
        if position is None:
            return
        self._queued.remove([number, position])
        if self._turns.pop(position, None) is None:
            self.withdrawn["usage_said"].append(position)
        self._undecided = [one for one in self._undecided if _position(one) != position]

    def _command(self, record: Record, name: str, context: int) -> None:
        name, at = clean(name), record.timestamp
        mark = str(micros(at)) if at is not None else record.uuid
        if mark is None:
            return
        use = Use(clean(f"command:{name}:{mark}"), False, at, False, context, next(self._positions), "slash_command")
        use.command_name = name
        self._commands[use.position] = use
        if self._open:
            self._undecided.append(use)

    def _pack(self, one: Any) -> Any:
        if isinstance(one, TurnRow):
            at = micros(one.seen_at) if one.seen_at is not None else None
            session = one.session_id[:200] if one.session_id is not None else None
            return [one.turn_id, one.kind, one.asked_by, one.characters, at, session, one.position]
        return one.position if isinstance(one, Use) else one

    def _unpacked(self, packed: list[Any]) -> TurnRow:
        turn_id, kind, asked_by, characters, at, session, position = packed
        return TurnRow(turn_id, kind, asked_by, characters, moment(at), session, self._username, True, position)


def _position(one: Any) -> int:
    return one.position if isinstance(one, (TurnRow, Use)) else one[-1] if isinstance(one, list) else one


def _number(text: str) -> int:
    # Half of what the hash has, so that it stays a whole number in the carry and in any database.
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) >> 1
