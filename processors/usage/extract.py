"""From one stretch of a session to the rows that follow from it, by the rules of docs/counting.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import xxhash

from processors.contract import Extraction, Session, Work
from processors.records import Block, Message, ProgressData, Record
from processors.transcript import SYNTHETIC, clean, command_name, embedded, is_person, read, text_of
from processors.usage import span
from processors.usage.rows import Call, Context, File, Use

#: Prices a call: model, time, and the call itself, whose tokens are in.
Price = Callable[[Call], float | None]

_MCP = re.compile(r"mcp__(.+?)__(.+)", re.DOTALL)


class ToolInput(msgspec.Struct, gc=False):
    """The fields of a tool's input that name something; of any type, since any tool may use the names."""

    skill: object = None
    name: object = None
    command: object = None
    subagent_type: object = None


_tool_input = msgspec.json.Decoder(ToolInput)


class Stretch:
    """Gathers what one piece of a session shows."""

    def __init__(self, session: Session, start: int, price: Price) -> None:
        self._session = session
        self._price = price
        self._position = start
        self._calls: dict[tuple[str, str], Call] = {}
        self._uses: dict[str, Use] = {}
        self._results: dict[str, Use] = {}
        self._contexts: dict[tuple[Any, ...], Context] = {}
        self.times: list[datetime] = []
        self.human_turns = 0
        self.session_id: str | None = None
        self.cwd: str | None = None
        self.version: str | None = None

    def add(self, record: Record) -> None:
        """Take one record in."""
        if record.timestamp is not None:
            self.times.append(record.timestamp)
        if self.session_id is None:
            self.session_id = record.sessionId
        if self.cwd is None:
            self.cwd = record.cwd
        if record.version is not None:
            self.version = record.version
        kind, message = record.type, record.message
        if message is not None and kind == "assistant":
            self._assistant(record, message, record.uuid, record.requestId, record.timestamp, None)
        elif message is not None and kind == "user":
            self._user(record, message)
        elif kind == "progress" and record.data is not None and record.data.type == "agent_progress":
            for inner in embedded(record.data):
                at = inner.timestamp or record.timestamp
                if inner.message is None:
                    continue
                if inner.type == "assistant":
                    self._assistant(record, inner.message, inner.uuid, inner.requestId, at, record.data)
                elif inner.type == "user" and isinstance(inner.message.content, list):
                    self._results_of(record, inner.message.content, at, record.data)

    def rows(self) -> dict[str, list[Any]]:
        """Everything that was found."""
        for call in self._calls.values():
            call.cost_usd = self._price(call)
        for use_id, result in self._results.items():
            use = self._uses.get(use_id)
            if use is None:
                self._uses[use_id] = result
            else:
                use.own_error = use.is_error = result.own_error
                use.result_at = use.finished_at = result.result_at
        return {
            "usage_contexts": list(self._contexts.values()),
            "usage_calls": list(self._calls.values()),
            "usage_uses": list(self._uses.values()),
        }

    def _assistant(
        self,
        record: Record,
        message: Message,
        uuid: str | None,
        request_id: str | None,
        at: datetime | None,
        data: ProgressData | None,
    ) -> None:
        if message.usage is not None and message.model != SYNTHETIC:
            self._call(record, message, uuid, request_id, at, data)
        if isinstance(message.content, list):
            for block in message.content:
                if block.type == "tool_use" and block.id is not None and block.name is not None:
                    self._use(record, message, block, at, data)

    def _call(
        self,
        record: Record,
        message: Message,
        uuid: str | None,
        request_id: str | None,
        at: datetime | None,
        data: ProgressData | None,
    ) -> None:
        usage = message.usage
        assert usage is not None
        identity = message.id if message.id is not None else uuid
        assert identity is not None, "such a line is bad, and was not read"
        read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        fresh, output = usage.input_tokens or 0, usage.output_tokens or 0
        tokens = fresh + output + written + read
        self._position += 1
        key = (clean(identity), clean(request_id) if request_id else "")
        known = self._calls.get(key)
        if known is not None:
            if at is not None and (known.first_at is None or at < known.first_at):
                known.first_at = known.occurred_at = at
            if tokens < known.tokens or (tokens == known.tokens and not _earlier(at, known.seen_at)):
                return
        first_at = at if known is None else known.first_at
        long_lived = usage.cache_creation.ephemeral_1h_input_tokens if usage.cache_creation else None
        searches = usage.server_tool_use.web_search_requests if usage.server_tool_use else None
        self._calls[key] = Call(
            key[0],
            key[1],
            at,
            first_at,
            first_at,
            clean(message.model) if message.model is not None else None,
            fresh,
            output,
            written,
            long_lived or 0,
            read,
            searches or 0,
            tokens,
            None,
            self._context(record, data),
            self._position,
        )

    def _use(
        self, record: Record, message: Message, block: Block, at: datetime | None, data: ProgressData | None
    ) -> None:
        assert block.id is not None and block.name is not None
        self._position += 1
        use_id = clean(block.id)
        known = self._uses.get(use_id)
        if known is not None and not _earlier(at, known.seen_at):
            return
        name = clean(block.name)
        skill = agent = server = None
        event = "tool_use"
        if name == "Skill":
            event, given = "skill", _input(block.input)
            skill = next((v for v in (given.skill, given.name, given.command) if isinstance(v, str)), None)
        elif name in ("Task", "Agent"):
            event, given = "subagent", _input(block.input)
            agent = given.subagent_type if isinstance(given.subagent_type, str) else None
        elif match := _MCP.fullmatch(name):
            event, server = "mcp_call", match[1]
        model = clean(message.model) if message.model is not None else None
        self._uses[use_id] = Use(
            use_id,
            False,
            event,
            name,
            clean(skill) if skill is not None else None,
            clean(agent) if agent is not None else None,
            server,
            None,
            model,
            at,
            None,
            None,
            at,
            None,
            None,
            self._context(record, data),
            self._position,
        )

    def _user(self, record: Record, message: Message) -> None:
        content = message.content
        texts: list[str] = []
        answered = False
        if isinstance(content, str):
            texts = [content]
        elif content is not None:
            answered = self._results_of(record, content, record.timestamp, None)
            texts = [text for block in content if block.type == "text" and (text := text_of(block.text)) is not None]
        if record.isMeta or record.isCompactSummary:
            return
        if record.uuid is not None:
            self._commands(record, texts)
        if not record.isSidechain and not answered and any(map(is_person, texts)):
            self.human_turns += 1

    def _commands(self, record: Record, texts: list[str]) -> None:
        found = [name for text in texts if (name := command_name(text)) is not None]
        for number, name in enumerate(found):
            self._position += 1
            use_id = f"command:{clean(record.uuid or '')}" + (f":{number}" if number else "")
            known = self._uses.get(use_id)
            if known is not None and not _earlier(record.timestamp, known.seen_at):
                continue
            at = record.timestamp
            self._uses[use_id] = Use(
                use_id, False, "slash_command", None, None, None, None, clean(name), None,
                at, None, None, at, None, None, self._context(record, None), self._position,
            )  # fmt: skip

    def _results_of(self, record: Record, content: list[Block], at: datetime | None, data: ProgressData | None) -> bool:
        """Note the results among the blocks; whether there is any result block."""
        answered = False
        for block in content:
            if block.type != "tool_result":
                continue
            answered = True
            if block.tool_use_id is None:
                continue
            self._position += 1
            use_id = clean(block.tool_use_id)
            known = self._results.get(use_id)
            error = bool(block.is_error)
            if known is None:
                self._results[use_id] = Use(
                    use_id, True, None, None, None, None, None, None, None,
                    at, error, at, None, error, at, self._context(record, data), self._position,
                )  # fmt: skip
            else:
                known.own_error = known.is_error = known.own_error or error
                if _earlier(at, known.result_at):
                    known.result_at = known.finished_at = known.seen_at = at
        return answered

    def _context(self, record: Record, data: ProgressData | None) -> int:
        agent = record.agentId if data is None else data.agentId or record.agentId
        side = bool(record.isSidechain) if data is None else True
        key = (record.sessionId, record.cwd, record.gitBranch, record.version, agent, side)
        known = self._contexts.get(key)
        if known is None:
            texts = [clean(text) if text is not None else None for text in key[:5]]
            session_id, cwd, branch, version, agent = texts
            # The same context has the same number in every stretch and every run.
            number = xxhash.xxh3_64_intdigest(msgspec.json.encode([*texts, side])) >> 1
            known = self._contexts[key] = Context(
                number, session_id, self._session.username, project_of(cwd), cwd, branch, version, agent, side
            )
        return known.context


def extract(work: Work, price: Price) -> Extraction:
    """What follows from a stretch; see `processors.contract.Processor.extract`."""
    records, bad_lines = read(work.lines)
    stretch = Stretch(work.session, work.start, price)
    for record in records:
        stretch.add(record)
    rows = stretch.rows()
    items = len(rows["usage_calls"]) + sum(not use.is_result for use in rows["usage_uses"])
    carry = dict(work.carry)
    if records:
        carry = _remember(carry, stretch)
        rows["usage_files"] = [_file(work.session, carry)]
    return Extraction(rows=rows, items=items, bad_lines=bad_lines, carry=carry)


def project_of(cwd: str | None) -> str | None:
    """The folder's name: the last part of a path."""
    return cwd.rstrip("/").rpartition("/")[2] if cwd is not None else None


def _remember(carry: dict[str, Any], stretch: Stretch) -> dict[str, Any]:
    """The session so far, of which `_file` makes its row."""
    active, folded = span.fold(span.merge(carry.get("active", []), stretch.times), carry.get("folded", 0))
    times = [span.micros(at) for at in (min(stretch.times), max(stretch.times))] if stretch.times else []
    times += [carry[name] for name in ("first", "last") if carry.get(name) is not None]
    return {
        "session_id": carry.get("session_id") or _cleaned(stretch.session_id),
        "project": carry.get("project") if carry.get("project") is not None else project_of(_cleaned(stretch.cwd)),
        "version": _cleaned(stretch.version) or carry.get("version"),
        "first": min(times, default=None),
        "last": max(times, default=None),
        "active": active,
        "folded": folded,
        "turns": carry.get("turns", 0) + stretch.human_turns,
    }


def _file(session: Session, carry: Mapping[str, Any]) -> File:
    return File(
        carry["session_id"] or session.stem,
        session.username,
        carry["project"],
        carry["version"],
        span.moment(carry["first"]),
        span.moment(carry["last"]),
        span.seconds(carry["active"], carry["folded"]),
        carry["turns"],
    )


def _cleaned(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _earlier(at: datetime | None, than: datetime | None) -> bool:
    """Whether a time comes before another; none is last."""
    return at is not None and (than is None or at < than)


def _input(raw: msgspec.Raw) -> ToolInput:
    try:
        return _tool_input.decode(raw)
    except ValueError:  # not an object
        return ToolInput()
