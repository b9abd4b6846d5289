"""Gathers what one stretch of a session shows: calls, tool uses, their results, turns, and what the client says.

This is the hot path: it sees every record of every transcript, so it asks for nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import count
from typing import Any

from processors.contract import Lines, Session
from processors.known import RECORD_TYPES
from processors.records import NOTHING, Block, ClientRecord, Message, ProgressData, Record, ToolResult
from processors.speech import may_refuse
from processors.transcript import embedded, text_of
from processors.usage.calls import Calls
from processors.usage.context import Contexts
from processors.usage.formats import Formats
from processors.usage.rows import Call, Context
from processors.usage.session import SessionFacts, times_of
from processors.usage.turns import Turns
from processors.usage.uses import Uses, tell

#: Prices a call, whose tokens, model and time are in, beside what stands beside it.
Price = Callable[[Call, Context], float | None]


class Stretch:
    """Everything that the records of one stretch of a session hold."""

    def __init__(
        self, session: Session, start: int, carry: Mapping[str, Any], price: Price, priced_by: int = 0
    ) -> None:
        # Rises with every thing that is found. A thing takes more than one byte, so this never reaches the next
        # stretch's start.
        positions = count(start + 1)
        self._price = price
        self._facts = SessionFacts(session, carry, positions)
        self._contexts = Contexts(session.username, priced_by)
        self._calls = Calls(positions, self._contexts)
        self._uses = Uses(positions, self._contexts)
        self._turns = Turns(session.username, carry, positions, is_open=not self._facts.has_own_call)
        self._formats = Formats(positions)
        self._sampled: list[tuple[str, str | None, datetime | None]] = []
        self._awaits_call = not (self._facts.has_own_call and self._facts.is_sampled)

    def take(self, records: list[Record]) -> None:
        """Take these records in, which follow those before."""
        facts, turns = self._facts, self._turns
        facts.identify(records)
        passed = copied = 0
        unknown = self._calls.unknown
        for index, record in enumerate(records):
            kind = record.type
            if kind == "assistant":
                copy = record.requestSessionId is not None and is_foreign(record)
                if (message := record.message) is not None:
                    self._assistant(record, message, record.uuid, record.requestId, record.timestamp, None, copy)
                if copy and not facts.has_own_call:
                    turns.copied()
                    copied = index + 1
                odd = bool(unknown)
            elif kind == "user":
                if (message := record.message) is not None:
                    self._user(record, message)
                odd = record.origin is not None
            elif kind == "progress":
                if record.data is not None and record.data.type == "agent_progress":
                    self._agent(record, record.data)
                odd = bool(unknown)
            else:
                odd = False
                if isinstance(record, ClientRecord):
                    passed = self._pass_to(index, records, passed)
                    self._told(record)
            if odd or (kind is not None and kind not in RECORD_TYPES):
                passed = self._pass_to(index, records, passed)
                self._unknown(record)
        times = times_of(records)
        if copied:
            facts.copied([record for record in records[:copied] if is_foreign(record)])
        facts.pass_over(records[passed:], times_of(records[passed:]) if passed else times)
        facts.active(times_of(records[copied:]) if copied else times, copied > 0)
        facts.opened(turns.opening)

    def _pass_to(self, index: int, records: list[Record], passed: int) -> int:
        """Let what stands between two places date and place what follows."""
        between = records[passed:index]
        self._facts.pass_over(between, times_of(between))
        return index

    def look(self, lines: Lines) -> None:
        """Look at fields of the calls that are the sample, in the lines that the records were read from."""
        self._formats.sample(lines, self._sampled)

    def rows(self) -> dict[str, list[Any]]:
        """Everything that was found, as rows."""
        calls, contexts, price = self._calls.rows(), self._contexts.rows, self._price
        for call in calls:
            call.cost_usd = price(call, contexts[call.context])
        return {
            "usage_contexts": list(contexts.values()),
            "usage_calls": calls,
            "usage_uses": [*self._uses.rows(), *self._turns.commands],
            "usage_said": self._turns.turns,
            "usage_statements": self._facts.statements,
            "usage_links": self._facts.links,
            "usage_listed": self._formats.listed,
            "usage_unknown": self._formats.unknown,
            "usage_files": [self._facts.file(self._turns.first_asked_by)],
        }

    @property
    def withdrawn(self) -> dict[str, list[int]]:
        """Rows of earlier stretches that go."""
        return self._turns.withdrawn

    def carry(self) -> dict[str, Any]:
        """What the next stretch needs of this one."""
        return {**self._facts.carry(), **self._turns.carry()}

    def _agent(self, record: Record, data: ProgressData) -> None:
        for inner in embedded(data):
            message = inner.message
            if message is None:
                continue
            at = inner.timestamp if inner.timestamp is not None else record.timestamp
            if inner.type == "assistant":
                self._assistant(record, message, inner.uuid, inner.requestId, at, data, is_foreign(record))
            elif inner.type == "user" and isinstance(message.content, list):
                self._results(record, message.content, at, data)

    def _assistant(
        self,
        record: Record,
        message: Message,
        uuid: str | None,
        request_id: str | None,
        at: datetime | None,
        data: ProgressData | None,
        copy: bool,
    ) -> None:
        asked_by = self._turns.asked_by
        identity = self._calls.take(record, data, message, uuid, request_id, at, copy, asked_by)
        if identity is not None and data is None and self._awaits_call:
            self._first(record, identity, copy)
        content = message.content
        if content.__class__ is list:
            for block in content:
                if block.type == "tool_use" and block.id is not None and block.name is not None:
                    context = self._contexts.of(record, data, asked_by, message.usage)
                    self._uses.add(block, block.id, block.name, message.model, at, copy, context)

    def _first(self, record: Record, identity: str, copy: bool) -> None:
        """A file's first call is the sample in which fields of `usage` are looked at; its first own one ends a copy."""
        if not self._facts.is_sampled:
            self._facts.is_sampled = True
            self._sampled.append((identity, record.version, record.timestamp))
        if not copy and not self._facts.has_own_call:
            self._facts.has_own_call = True
            self._turns.decided()
        self._awaits_call = not self._facts.has_own_call

    def _user(self, record: Record, message: Message) -> None:
        content = message.content
        if content is None:
            return
        if isinstance(content, str):
            texts = [content]
            self._turns.hear(record)
        else:
            found, says_more = self._results(record, content, record.timestamp, None)
            if found == len(content) and not says_more:
                return
            texts = [text for block in content if block.type == "text" and (text := text_of(block.text)) is not None]
            if texts or says_more:
                self._turns.hear(record)
        if texts and not record.isMeta and not record.isCompactSummary:
            for text in texts:
                if "<command-" in text[:_NEAR]:
                    context = self._contexts.of(record, None, self._turns.asked_by, None)
                    self._turns.tagged(record, text, context)

    def _results(
        self, record: Record, content: list[Block], at: datetime | None, data: ProgressData | None
    ) -> tuple[int, bool]:
        """Note the results among the blocks: how many, and whether a person may have said something beside them."""
        found, failed, asked_by = 0, False, self._turns.asked_by
        for block in content:
            use_id = block.tool_use_id
            if use_id is None or block.type != "tool_result":
                continue
            found += 1
            if error := block.is_error is True:
                failed = failed or may_refuse(block.content)
            result = self._uses.result(use_id, error, at, record, data, asked_by)
        if not found or data is not None:
            return found, False
        given = record.toolUseResult
        if given.__class__ is not ToolResult:
            given = None
        if found == 1:
            result.told = tell(result.told, record, given)
        said = given is not None and (given.answers is not NOTHING or given.userFeedback is not NOTHING)
        return found, said or failed or record.userFeedback is not None

    def _unknown(self, record: Record) -> None:
        """Note a type that is not known, and what is not known of a message."""
        version = record.version if record.version is not None else self._facts.version
        if record.type is not None and record.type not in RECORD_TYPES:
            self._formats.note("type", record.type, version, record.timestamp)
        for name in self._calls.unknown:
            self._formats.note("iteration", name, version, record.timestamp)
        self._calls.unknown.clear()
        if record.origin is not None and record.type == "user":
            self._formats.origin(record.origin.kind, version, record.timestamp)

    def _told(self, record: ClientRecord) -> None:
        """A record in which the client tells something: rare, and of many kinds."""
        facts, kind, attached = self._facts, record.type, record.attachment
        version = record.version if record.version is not None else facts.version
        self._formats.look(record, version)
        if kind == "attachment" and attached is not None:
            if attached.type == "queued_command":
                self._turns.hear(record)
            elif attached.type in ("skill_listing", "agent_listing_delta", "deferred_tools_delta"):
                self._formats.listing(attached)
        elif kind == "api-request-shape" and record.shape is not None:
            self._formats.shape(record.shape)
        elif kind == "queue-operation":
            self._turns.queue(record, facts.version)
        elif kind == "system" and record.subtype == "local_command" and record.commandRun is not None:
            context = self._contexts.of(record, None, self._turns.asked_by, None)
            self._turns.ran(record, record.commandRun, context)
        elif kind == "cost-state":
            facts.state(record)
        elif kind == "pr-link":
            facts.link(record)
        else:
            facts.name(record)


#: A slash command's tag is at a text's beginning; a text that has none so far is not looked at further.
_NEAR = 4000


def is_foreign(record: Record) -> bool:
    """Whether a fork copied this line from another session."""
    return (
        record.requestSessionId is not None
        and record.sessionId is not None
        and record.requestSessionId != record.sessionId
    )
