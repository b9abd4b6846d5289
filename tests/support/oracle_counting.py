"""The oracle's reading of what stands in one session: its calls, tool events and results, before anything is merged."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.support.oracle_commands import Commands
from tests.support.oracle_lenient import a_count, a_string, an_object, objects, strings
from tests.support.oracle_reading import Object, Part, Record, blocks_of, instant_of, is_call, parts_of
from tests.support.oracle_rows import Call, Event, Found, Result
from tests.support.oracle_sessions import find_session
from tests.support.oracle_statements import find_links, find_statements
from tests.support.oracle_text import clean, error_kind, result_text, stored
from tests.support.oracle_turns import find_turns
from tests.support.oracle_unknown import Known, find_unknown

#: How many uses without a result an error is looked for in.
OPEN_USES = 500
#: Iterations that are further calls.
FURTHER_CALLS = ("advisor_message", "compaction")


def is_foreign(record: Object) -> bool:
    """Whether a record was copied here from the session that it names."""
    first, here = a_string(record, "requestSessionId"), record.get("sessionId")
    return record.get("type") == "assistant" and first is not None and here is not None and first != here


def find(session_file: str, username: str, records: list[Record], known: Known) -> Found:
    """What stands in a session's records, in the order of the file."""
    found = Found(session_file, username, records)
    copied_at = []
    for record in records:
        if is_foreign(record.fields):
            found.copied_until = record.place
            found.forked_from = stored(record.fields.get("requestSessionId"))
            copied_at.append(instant_of(record.fields))
        elif any(is_call(part) and not part.embedded for part in parts_of(record.fields)):
            break
    found.last_copied_call = max((at for at in copied_at if at is not None), default=None)
    find_session(found)
    find_turns(found)
    find_links(found)
    find_statements(found)
    find_unknown(found, known)
    commands = Commands()
    open_uses: dict[str, str] = {}  # of uses that had no result yet: id to tool name, oldest first
    for record in records:
        for identity, name in commands.of(record.fields):
            if record.place > found.copied_until:
                found.events.append(_command(found, record, identity, name))
        for part in parts_of(record.fields):
            if is_call(part):
                found.calls.extend(_calls(found, record, part))
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
    return found


# --- Calls and their iterations


def _calls(found: Found, record: Record, part: Part) -> Iterator[Call]:
    usage: Object = part.message["usage"]
    model = stored(part.message.get("model"))
    yield _call(found, record, part, -1, usage, model)
    for number, iteration in enumerate(objects(usage, "iterations") or []):
        if iteration.get("type") in FURTHER_CALLS:
            own = a_string(iteration, "model")
            yield _call(found, record, part, number, iteration, stored(own) if own is not None else model)


def _call(found: Found, record: Record, part: Part, number: int, spent: Object, model: str | None) -> Call:
    """A row of the call: ``spent`` is its usage, or an iteration of it."""
    usage, outer = part.message["usage"], part.outer
    name = part.message.get("id")
    lifetimes = an_object(spent, "cache_creation")
    five_minutes = a_count(lifetimes, "ephemeral_5m_input_tokens") or 0
    one_hour = a_count(lifetimes, "ephemeral_1h_input_tokens") or 0
    counts = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    if not any(a_count(spent, count) for count in counts):
        five_minutes = one_hour = 0
    return Call(
        message_id=stored(name if name is not None else part.uuid) or "",
        iteration=number,
        request_id=stored(part.request_id) or "",
        session_file=found.session_file,
        session_id=stored(outer.get("sessionId")),
        username=found.username,
        at=part.at,
        model=model,
        requested_model=stored(outer.get("requestedModel")),
        input_tokens=a_count(spent, "input_tokens") or 0,
        output_tokens=a_count(spent, "output_tokens") or 0,
        thinking_tokens=a_count(an_object(spent, "output_tokens_details"), "thinking_tokens") or 0,
        cache_creation_tokens=max(a_count(spent, "cache_creation_input_tokens") or 0, five_minutes + one_hour),
        cache_creation_1h_tokens=one_hour,
        cache_read_tokens=a_count(spent, "cache_read_input_tokens") or 0,
        web_search_requests=a_count(an_object(spent, "server_tool_use"), "web_search_requests") or 0,
        speed=stored(usage.get("speed")),
        inference_geo=stored(usage.get("inference_geo")),
        service_tier=stored(usage.get("service_tier")),
        effort=stored(outer.get("effort")),
        skill=stored(outer.get("attributionSkill")),
        plugin=stored(outer.get("attributionPlugin")),
        mcp_server=stored(outer.get("attributionMcpServer")),
        mcp_tool=stored(outer.get("attributionMcpTool")),
        agent=stored(outer.get("attributionAgent")),
        is_sidechain=part.embedded or bool(outer.get("isSidechain")),
        is_copy=is_foreign(outer),
        agent_id=stored(part.agent_id),
        cwd=stored(outer.get("cwd")),
        git_branch=stored(outer.get("gitBranch")),
        version=stored(outer.get("version")),
        record=record.place,
        place=len(found.calls),
    )


# --- Tool uses, their results, and commands


def _event(found: Found, part: Part, event_type: str, identity: str, **columns: str | None) -> Event:
    names = ("tool_name", "skill_name", "subagent_type", "mcp_server", "language")
    return Event(
        event_type=event_type,
        tool_use_id=stored(identity) or "",
        **{name: stored(columns.get(name)) for name in names},
        command_name=None,
        model=stored(part.message.get("model")),
        at=part.at,
        is_copy=is_foreign(part.outer),
        session_file=found.session_file,
        session_id=stored(part.outer.get("sessionId")),
        username=found.username,
        place=len(found.events),
    )


def _command(found: Found, record: Record, identity: str, name: str) -> Event:
    message = record.fields.get("message") if record.fields.get("type") == "user" else None
    return Event(
        event_type="slash_command",
        tool_use_id=stored(identity) or "",
        tool_name=None,
        skill_name=None,
        subagent_type=None,
        mcp_server=None,
        command_name=stored(name),
        language=None,
        model=stored((message or {}).get("model")),
        at=instant_of(record.fields),
        is_copy=False,
        session_file=found.session_file,
        session_id=stored(record.fields.get("sessionId")),
        username=found.username,
        place=len(found.events),
    )


def _use(found: Found, part: Part, block: Object) -> Event | None:
    """The tool use that a block is, if it is one."""
    if part.role != "assistant" or block.get("type") != "tool_use":
        return None
    identity, name = block.get("id"), block.get("name")
    if identity is None or name is None:
        return None
    given = an_object(block, "input")
    if name == "Skill":
        candidates = [given.get("skill"), given.get("name"), given.get("command")]
        skill = next((value for value in candidates if isinstance(value, str)), None)
        return _event(found, part, "skill", identity, tool_name=name, skill_name=skill)
    if name in ("Task", "Agent"):
        return _event(found, part, "subagent", identity, tool_name=name, subagent_type=given.get("subagent_type"))
    server = re.fullmatch(r"mcp__(.+?)__.+", name, re.DOTALL)
    if server:
        return _event(found, part, "mcp_call", identity, tool_name=name, mcp_server=server[1])
    return _event(found, part, "tool_use", identity, tool_name=name, language=_language(name, given))


def _language(name: str, given: Object) -> str | None:
    """The extension of the file that a tool writes."""
    path = a_string(given, "file_path")
    if path is None:
        path = a_string(given, "notebook_path")
    if name not in ("Edit", "MultiEdit", "Write", "NotebookEdit") or path is None:
        return None
    stem, dot, extension = re.split(r"[/\\]", path)[-1].rpartition(".")
    return extension.lower() if dot and stem and re.fullmatch("[A-Za-z0-9_+-]{1,16}", extension) else None


def is_result(block: Object) -> bool:
    """Whether a block is a tool's result."""
    return block.get("type") == "tool_result" and block.get("tool_use_id") is not None


def _result(found: Found, part: Part, block: Object, open_uses: dict[str, str]) -> Result | None:
    """The tool result that a block is, if it is one."""
    if part.role != "user" or not is_result(block):
        return None
    identity = stored(block["tool_use_id"]) or ""
    text = result_text(block)
    alone = not part.embedded and len([one for one in blocks_of(part.message) if is_result(one)]) == 1
    said: Object = part.outer if alone else {}
    of_tool = an_object(said, "toolUseResult")
    lines = _patched(of_tool)
    tool = open_uses.get(identity, "unknown")
    denial = None if part.embedded else part.outer.get("toolDenialKind")
    return Result(
        tool_use_id=identity,
        is_error=block.get("is_error") is True,
        at=part.at,
        denial=stored(said.get("toolDenialKind")),
        decided_by=stored(an_object(said, "permissionDecision").get("source")),
        search_count=a_count(of_tool, "searchCount"),
        lines_added=_added(of_tool, lines),
        lines_removed=None if lines is None else len([line for line in lines if line.startswith("-")]),
        tool=tool,
        kind=error_kind(text, tool, denial),
        message=clean(text)[:200],
        session_file=found.session_file,
        session_id=stored(part.outer.get("sessionId")),
        username=found.username,
        place=len(found.results),
    )


def _added(of_tool: Object, lines: list[str] | None) -> int | None:
    """How many lines a tool added."""
    added = None if lines is None else len([line for line in lines if line.startswith("+")])
    content = a_string(of_tool, "content")
    if a_string(of_tool, "type") == "create" and content is not None:
        added = max(added or 0, len(content.split("\n")) - (content.endswith("\n") or content == ""))
    return added


def _patched(of_tool: Object) -> list[str] | None:
    """The lines of a tool's patch; None where there is none that can be read."""
    hunks = objects(of_tool, "structuredPatch")
    if hunks is None:
        return None
    found: list[str] = []
    for hunk in hunks:
        lines = strings(hunk, "lines")
        if lines is None:
            return None
        found += lines
    return found
