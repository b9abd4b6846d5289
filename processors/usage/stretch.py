"""Gathers what one stretch of a session shows: calls, tool uses, their results, slash commands and turns.

This is the hot path: it sees every record of every transcript, so it asks for nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec
import xxhash

from processors.contract import Session
from processors.records import Block, Message, ProgressData, Record
from processors.transcript import SYNTHETIC, clean, command_name, embedded, is_person, text_of
from processors.usage.rows import Call, Context, Use

#: Prices a call, whose tokens, model and time are in.
Price = Callable[[Call], float | None]


class ToolInput(msgspec.Struct, gc=False):
    """The fields of a tool's input that name something; of any type, since any tool may use the names."""

    skill: object = None
    name: object = None
    command: object = None
    subagent_type: object = None


_tool_input = msgspec.json.Decoder(ToolInput)


class _Result:
    """What a tool's results say together."""

    __slots__ = ("at", "context", "error", "position")

    def __init__(self, error: bool, at: datetime | None, context: int, position: int) -> None:
        self.error = error
        self.at = at
        self.context = context
        self.position = position


class Stretch:
    """Everything that the records of one stretch of a session hold."""

    def __init__(self, session: Session, start: int, price: Price) -> None:
        self._session = session
        self._price = price
        #: Rises with every thing that is found. A thing takes more than one byte, so this
        #: never reaches the next stretch's start.
        self._position = start
        self._calls: dict[tuple[str, str], Call] = {}
        self._uses: dict[str, Use] = {}
        self._results: dict[str, _Result] = {}
        self._contexts: dict[tuple[Any, ...], Context] = {}
        self._last_context: tuple[tuple[Any, ...], int] = ((), 0)
        self.times: list[datetime] = []
        self.human_turns = 0
        self.session_id: str | None = None
        self.cwd: str | None = None
        self.version: str | None = None

    def take(self, records: list[Record]) -> None:
        """Take these records in, which follow those before."""
        self.times += [record.timestamp for record in records if record.timestamp is not None]
        if self.session_id is None:
            self.session_id = _first(record.sessionId for record in records)
        if self.cwd is None:
            self.cwd = _first(record.cwd for record in records)
        version = _first(record.version for record in reversed(records))
        if version is not None:
            self.version = version
        for record in records:
            kind, message = record.type, record.message
            if kind == "assistant":
                if message is not None:
                    self._assistant(record, message, record.uuid, record.requestId, record.timestamp, None)
            elif kind == "user":
                if message is not None:
                    self._user(record, message)
            elif kind == "progress" and record.data is not None and record.data.type == "agent_progress":
                self._agent(record, record.data)

    def rows(self) -> dict[str, list[Any]]:
        """Everything that was found, as rows."""
        price = self._price
        for call in self._calls.values():
            call.cost_usd = price(call)
        uses = self._uses
        for use_id, result in self._results.items():
            use = uses.get(use_id)
            if use is None:
                use = uses[use_id] = Use(clean(use_id), True, result.at, result.context, result.position)
            use.own_error, use.result_at = result.error, result.at
        return {
            "usage_contexts": list(self._contexts.values()),
            "usage_calls": list(self._calls.values()),
            "usage_uses": list(uses.values()),
        }

    def _agent(self, record: Record, data: ProgressData) -> None:
        for inner in embedded(data):
            message = inner.message
            if message is None:
                continue
            at = inner.timestamp if inner.timestamp is not None else record.timestamp
            if inner.type == "assistant":
                self._assistant(record, message, inner.uuid, inner.requestId, at, data)
            elif inner.type == "user" and isinstance(message.content, list):
                self._results_of(record, message.content, at, data)

    def _assistant(
        self,
        record: Record,
        message: Message,
        uuid: str | None,
        request_id: str | None,
        at: datetime | None,
        data: ProgressData | None,
    ) -> None:
        model = message.model
        if message.usage is not None and model != SYNTHETIC:
            identity = message.id if message.id is not None else uuid
            if identity is not None:  # without either the line was bad, and is not here
                self._call(record, message, (identity, request_id or ""), at, data)
        content = message.content
        if content.__class__ is list:
            for block in content:
                if block.type == "tool_use" and block.id is not None and block.name is not None:
                    self._use(record, model, block, block.id, block.name, at, data)

    def _call(
        self,
        record: Record,
        message: Message,
        key: tuple[str, str],
        at: datetime | None,
        data: ProgressData | None,
    ) -> None:
        usage = message.usage
        assert usage is not None
        read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        fresh, output = usage.input_tokens or 0, usage.output_tokens or 0
        tokens = fresh + output + written + read
        self._position += 1
        known = self._calls.get(key)
        first_at = at
        if known is not None:
            first_at = known.first_at
            if at is not None and (first_at is None or at < first_at):
                known.first_at = first_at = at
            if tokens < known.tokens or (tokens == known.tokens and not _earlier(at, known.seen_at)):
                return
        lives = usage.cache_creation
        served = usage.server_tool_use
        self._calls[key] = Call(
            clean(key[0]),
            clean(key[1]),
            at,
            first_at,
            clean(message.model) if message.model is not None else None,
            fresh,
            output,
            written,
            (lives.ephemeral_1h_input_tokens or 0) if lives is not None else 0,
            read,
            (served.web_search_requests or 0) if served is not None else 0,
            tokens,
            self._context(record, data),
            self._position,
        )

    def _use(
        self,
        record: Record,
        model: str | None,
        block: Block,
        use_id: str,
        name: str,
        at: datetime | None,
        data: ProgressData | None,
    ) -> None:
        self._position += 1
        known = self._uses.get(use_id)
        if known is not None and not _earlier(at, known.seen_at):
            return
        use = self._uses[use_id] = Use(
            clean(use_id), False, at, self._context(record, data), self._position, "tool_use", clean(name)
        )
        if model is not None:
            use.model = clean(model)
        if name == "Skill":
            use.event_type, given = "skill", _input(block.input)
            use.skill_name = next(
                (clean(v) for v in (given.skill, given.name, given.command) if isinstance(v, str)), None
            )
        elif name in ("Task", "Agent"):
            use.event_type, given = "subagent", _input(block.input)
            use.subagent_type = clean(given.subagent_type) if isinstance(given.subagent_type, str) else None
        elif (server := mcp_server(name)) is not None:
            use.event_type, use.mcp_server = "mcp_call", clean(server)

    def _user(self, record: Record, message: Message) -> None:
        content = message.content
        answered = False
        texts: list[str] = []
        if isinstance(content, str):
            texts = [content]
        elif content is not None:
            answered = self._results_of(record, content, record.timestamp, None)
            texts = [text for block in content if block.type == "text" and (text := text_of(block.text)) is not None]
        if not texts or record.isMeta or record.isCompactSummary:
            return
        if record.uuid is not None:
            self._commands(record, record.uuid, texts)
        if not record.isSidechain and not answered and any(map(is_person, texts)):
            self.human_turns += 1

    def _commands(self, record: Record, uuid: str, texts: list[str]) -> None:
        names = [name for text in texts if (name := command_name(text)) is not None]
        at = record.timestamp
        for number, name in enumerate(names):
            self._position += 1
            use_id = clean(f"command:{uuid}" + (f":{number}" if number else ""))
            known = self._uses.get(use_id)
            if known is not None and not _earlier(at, known.seen_at):
                continue
            use = Use(use_id, False, at, self._context(record, None), self._position, "slash_command")
            use.command_name = clean(name)
            self._uses[use_id] = use

    def _results_of(self, record: Record, content: list[Block], at: datetime | None, data: ProgressData | None) -> bool:
        """Note the results among the blocks; whether there is any result block."""
        answered = False
        for block in content:
            if block.type != "tool_result":
                continue
            answered = True
            use_id = block.tool_use_id
            if use_id is None:
                continue
            self._position += 1
            error = block.is_error is True
            known = self._results.get(use_id)
            if known is None:
                # The context matters only where the use stands elsewhere.
                context = 0 if use_id in self._uses else self._context(record, data)
                self._results[use_id] = _Result(error, at, context, self._position)
            else:
                known.error = known.error or error
                if _earlier(at, known.at):
                    known.at = at
        return answered

    def _context(self, record: Record, data: ProgressData | None) -> int:
        if data is None:
            agent, side = record.agentId, record.isSidechain is True
        else:
            agent, side = data.agentId if data.agentId is not None else record.agentId, True
        key = (record.sessionId, record.cwd, record.gitBranch, record.version, agent, side)
        last, number = self._last_context
        if key == last:  # nearly always
            return number
        known = self._contexts.get(key)
        if known is None:
            known = self._contexts[key] = context_of(self._session.username, key)
        self._last_context = (key, known.context)
        return known.context


def context_of(username: str, key: tuple[Any, ...]) -> Context:
    """The row for what stands beside a call or use; the same has the same number in every stretch and run."""
    texts = [clean(text) if text is not None else None for text in (*key[:5], project_of(key[1]))]
    session_id, cwd, branch, version, agent, project = texts
    side = key[5]
    number = xxhash.xxh3_64_intdigest(msgspec.json.encode([*texts, side])) >> 1
    return Context(number, session_id, username, project, cwd, branch, version, agent, side)


def project_of(cwd: str | None) -> str | None:
    """The folder's name: the last part of a path."""
    return cwd.rstrip("/").rpartition("/")[2] if cwd is not None else None


def mcp_server(tool: str) -> str | None:
    """The server in ``mcp__<server>__<tool>``, None for any other tool."""
    if not tool.startswith("mcp__"):
        return None
    server, _, rest = tool[5:].partition("__")
    return server if server and rest else None


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value is not None), None)


def _earlier(at: datetime | None, than: datetime | None) -> bool:
    """Whether a time comes before another; none is last."""
    return at is not None and (than is None or at < than)


def _input(raw: msgspec.Raw) -> ToolInput:
    try:
        return _tool_input.decode(raw)
    except (ValueError, RecursionError):  # not an object, or none that could name anything
        return ToolInput()
