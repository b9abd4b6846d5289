"""The oracle's reading of what stands in one session: its calls, tool events and results, before anything is merged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.oracle_reading import Object, Part, Record, blocks_of, instant_of, is_call, parts_of
from tests.oracle_text import clean, commands_of, error_kind, is_human_turn, result_text, stored

#: How many uses without a result an error is looked for in.
OPEN_USES = 500


@dataclass(frozen=True)
class Call:
    """One line of an API call, with the columns of ``usage_messages``."""

    message_id: str
    request_id: str
    session_file: str
    session_id: str | None
    username: str
    at: datetime | None
    model: str | None
    input_tokens: int
    output_tokens: int
    cache_creation_tokens: int
    cache_creation_1h_tokens: int
    cache_read_tokens: int
    web_search_requests: int
    is_sidechain: bool
    agent_id: str | None
    project: str | None
    cwd: str | None
    git_branch: str | None
    version: str | None
    #: Where in its file it stood.
    place: int

    @property
    def tokens(self) -> int:
        """All its tokens together."""
        return self.input_tokens + self.output_tokens + self.cache_creation_tokens + self.cache_read_tokens


@dataclass(frozen=True)
class Event:
    """One occurrence of a tool use or slash command."""

    event_type: str
    tool_use_id: str
    tool_name: str | None
    skill_name: str | None
    subagent_type: str | None
    mcp_server: str | None
    command_name: str | None
    model: str | None
    at: datetime | None
    session_file: str
    session_id: str | None
    username: str
    place: int


@dataclass(frozen=True)
class Result:
    """One result of a tool use. ``tool`` and ``kind`` matter where it is an error."""

    tool_use_id: str
    is_error: bool
    at: datetime | None
    tool: str
    kind: str
    message: str
    session_file: str
    session_id: str | None
    username: str
    place: int


@dataclass
class Found:
    """All that stands in one session."""

    session_file: str
    username: str
    records: list[Record]
    calls: list[Call] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    human_turns: int = 0
    session_id: str | None = None
    project: str | None = None
    version: str | None = None


def last_part(cwd: Any) -> str | None:
    """The folder name of a path."""
    return stored(cwd.rstrip("/").rpartition("/")[2]) or None if isinstance(cwd, str) else None


def find(session_file: str, username: str, records: list[Record]) -> Found:
    """What stands in a session's records, in the order of the file."""
    found = Found(session_file, username, records)
    open_uses: dict[str, str] = {}  # of uses that had no result yet: id to tool name, oldest first
    for record in records:
        fields = record.fields
        at = instant_of(fields)
        if at is not None:
            found.times.append(at)
        if found.session_id is None:
            found.session_id = stored(fields.get("sessionId"))
        if found.project is None:
            found.project = last_part(fields.get("cwd"))
        found.version = stored(fields.get("version")) or found.version
        found.human_turns += is_human_turn(fields)
        for part in parts_of(fields):
            if is_call(part):
                found.calls.append(_call(found, part))
            found.events.extend(_commands(found, part))
            for block in blocks_of(part.message):
                event = _use(found, part, block)
                if event is not None:
                    found.events.append(event)
                    open_uses.pop(event.tool_use_id, None)
                    open_uses[event.tool_use_id] = event.tool_name or ""
                    while len(open_uses) > OPEN_USES:
                        del open_uses[next(iter(open_uses))]
                result = _result(found, part, block, open_uses)
                if result is not None:
                    found.results.append(result)
                    open_uses.pop(result.tool_use_id, None)
    if found.session_id is None:
        found.session_id = session_file.rpartition("/")[2].removesuffix(".jsonl")
    return found


def _call(found: Found, part: Part) -> Call:
    usage: Object = part.message["usage"]
    lifetimes: Object = usage.get("cache_creation") or {}
    tools: Object = usage.get("server_tool_use") or {}
    name = part.message.get("id")
    return Call(
        message_id=stored(name if name is not None else part.uuid) or "",
        request_id=stored(part.request_id) or "",
        session_file=found.session_file,
        session_id=stored(part.outer.get("sessionId")),
        username=found.username,
        at=part.at,
        model=stored(part.message.get("model")),
        input_tokens=usage.get("input_tokens") or 0,
        output_tokens=usage.get("output_tokens") or 0,
        cache_creation_tokens=usage.get("cache_creation_input_tokens") or 0,
        cache_creation_1h_tokens=lifetimes.get("ephemeral_1h_input_tokens") or 0,
        cache_read_tokens=usage.get("cache_read_input_tokens") or 0,
        web_search_requests=tools.get("web_search_requests") or 0,
        is_sidechain=part.embedded or bool(part.outer.get("isSidechain")),
        agent_id=stored(part.agent_id),
        project=last_part(part.outer.get("cwd")),
        cwd=stored(part.outer.get("cwd")),
        git_branch=stored(part.outer.get("gitBranch")),
        version=stored(part.outer.get("version")),
        place=len(found.calls),
    )


def _event(found: Found, part: Part, event_type: str, identity: str, **columns: str | None) -> Event:
    names = ("tool_name", "skill_name", "subagent_type", "mcp_server", "command_name")
    return Event(
        event_type=event_type,
        tool_use_id=stored(identity) or "",
        **{name: stored(columns.get(name)) for name in names},
        model=stored(part.message.get("model")),
        at=part.at,
        session_file=found.session_file,
        session_id=stored(part.outer.get("sessionId")),
        username=found.username,
        place=len(found.events),
    )


def _commands(found: Found, part: Part) -> Iterator[Event]:
    if part.uuid is None:
        return
    for number, name in enumerate(commands_of(part)):
        identity = f"command:{part.uuid}" + (f":{number}" if number else "")
        yield _event(found, part, "slash_command", identity, command_name=name)


def _use(found: Found, part: Part, block: Object) -> Event | None:
    """The tool use that a block is, if it is one."""
    if part.role != "assistant" or block.get("type") != "tool_use":
        return None
    identity, name = block.get("id"), block.get("name")
    if identity is None or name is None:
        return None
    given = block.get("input")
    given = given if isinstance(given, dict) else {}
    if name == "Skill":
        candidates = [given.get("skill"), given.get("name"), given.get("command")]
        skill = next((value for value in candidates if isinstance(value, str)), None)
        return _event(found, part, "skill", identity, tool_name=name, skill_name=skill)
    if name in ("Task", "Agent"):
        return _event(found, part, "subagent", identity, tool_name=name, subagent_type=given.get("subagent_type"))
    server = re.fullmatch(r"mcp__(.+?)__.+", name, re.DOTALL)
    if server:
        return _event(found, part, "mcp_call", identity, tool_name=name, mcp_server=server[1])
    return _event(found, part, "tool_use", identity, tool_name=name)


def _result(found: Found, part: Part, block: Object, open_uses: dict[str, str]) -> Result | None:
    """The tool result that a block is, if it is one."""
    identity = block.get("tool_use_id")
    if part.role != "user" or block.get("type") != "tool_result" or identity is None:
        return None
    identity = stored(identity) or ""
    text = result_text(block)
    tool = open_uses.get(identity, "unknown")
    denial = None if part.embedded else part.outer.get("toolDenialKind")
    return Result(
        tool_use_id=identity,
        is_error=block.get("is_error") is True,
        at=part.at,
        tool=tool,
        kind=error_kind(text, tool, denial),
        message=clean(text)[:200],
        session_file=found.session_file,
        session_id=stored(part.outer.get("sessionId")),
        username=found.username,
        place=len(found.results),
    )
