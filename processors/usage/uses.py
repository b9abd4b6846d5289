"""The tool uses of a stretch, and what their results say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from processors.records import NOTHING, Block, ProgressData, Record, ToolResult
from processors.speech import loose
from processors.transcript import clean, earlier, text_of
from processors.usage.context import Contexts
from processors.usage.rows import Use

_MOST = 10**12
_EXTENSION = re.compile(r"[^/\\]\.([A-Za-z0-9_+-]{1,16})\Z")
_EDITORS = frozenset({"Edit", "MultiEdit", "Write", "NotebookEdit"})


class ToolInput(msgspec.Struct, gc=False):
    """The fields of a tool's input that name something; of any type, since any tool may use the names."""

    skill: object = None
    name: object = None
    command: object = None
    subagent_type: object = None


class EditInput(msgspec.Struct, gc=False):
    """The fields of an editing tool's input that name a file."""

    file_path: object = None
    notebook_path: object = None


class Told(msgspec.Struct, gc=False):
    """What the records of a tool's results say beside their texts."""

    denial: str | None = None
    decider: str | None = None
    searches: int | None = None
    added: int | None = None
    removed: int | None = None


class Result(msgspec.Struct, gc=False):
    """What a tool's results say together."""

    error: bool
    at: datetime | None
    position: int
    #: 0 where the use stands in the same stretch.
    context: int
    told: Told | None = None


class Tool(NamedTuple):
    """What a tool's name says."""

    name: str
    event_type: str
    mcp_server: str | None
    #: Takes in what the use's input says, of a tool whose input says something.
    read: Callable[[Use, msgspec.Raw], None] | None


class Uses:
    """Each tool use once, with what its results in this stretch say of it."""

    def __init__(self, positions: Iterator[int], contexts: Contexts) -> None:
        self._positions, self._contexts = positions, contexts
        self._uses: dict[str, Use] = {}
        self._results: dict[str, Result] = {}
        self._tools: dict[str, Tool] = {}
        self._models: dict[str | None, str | None] = {None: None}

    def add(
        self, block: Block, use_id: str, name: str, model: str | None, at: datetime | None, copy: bool, context: int
    ) -> None:
        """A block that uses a tool."""
        position = next(self._positions)
        known = self._uses.get(use_id)
        if known is not None and not (
            earlier(at, known.seen_at) or (at == known.seen_at and known.is_copy and not copy)
        ):
            return
        tool = self._tools.get(name)
        if tool is None:
            tool = self._tools[name] = tool_of(name)
        if model not in self._models:
            self._models[model] = clean(model) if model is not None else None
        use = self._uses[use_id] = Use(
            clean(use_id), False, at, copy, context, position, tool.event_type, tool.name, self._models[model]
        )
        use.mcp_server = tool.mcp_server
        if tool.read is not None:
            tool.read(use, block.input)

    def result(
        self,
        use_id: str,
        error: bool,
        at: datetime | None,
        record: Record,
        data: ProgressData | None,
        asked_by: str,
    ) -> Result:
        """A block with a tool's result; what results say together.

        Its context is kept where the use does not stand in this stretch so far.
        """
        position = next(self._positions)
        known = self._results.get(use_id)
        if known is None:
            context = 0 if use_id in self._uses else self._contexts.of(record, data, asked_by, None)
            known = self._results[use_id] = Result(error, at, position, context)
        else:
            known.error = known.error or error
            if earlier(at, known.at):
                known.at = at
        return known

    def rows(self) -> list[Use]:
        """Uses, and the results of uses that stand in another stretch."""
        uses = self._uses
        for use_id, result in self._results.items():
            use = uses.get(use_id)
            if use is None:
                use = uses[use_id] = Use(clean(use_id), True, result.at, False, result.context, result.position)
            use.own_error, use.result_at = result.error, result.at
            if (told := result.told) is not None:
                use.own_denial, use.own_decider, use.own_searches = told.denial, told.decider, told.searches
                use.own_added, use.own_removed = told.added, told.removed
        return list(uses.values())


def tell(told: Told | None, record: Record, given: ToolResult | None) -> Told | None:
    """Take in what the record of a single result says beside its text: nothing, in most."""
    denial, decision = record.toolDenialKind, record.permissionDecision
    given = given if given is not None else _NOTHING_GIVEN
    if (
        denial is None
        and decision is None
        and given.structuredPatch is NOTHING
        and given.content is NOTHING
        and given.searchCount is NOTHING
    ):
        return told
    if told is None:
        told = Told()
    if denial is not None:
        told.denial = max(told.denial or "", clean(denial))
    if decision is not None and decision.source is not None:
        told.decider = max(told.decider or "", clean(decision.source))
    if given.searchCount is not NOTHING:
        count = loose(given.searchCount)
        if type(count) is int and 0 <= count <= _MOST:
            told.searches = max(told.searches or 0, count)
    if given.structuredPatch is not NOTHING and (lines := _patch(loose(given.structuredPatch))) is not None:
        added = sum(line.startswith("+") for line in lines)
        told.added = max(told.added or 0, added)
        told.removed = max(told.removed or 0, sum(line.startswith("-") for line in lines))
    if given.content is not NOTHING and text_of(given.type) == "create":
        content = text_of(given.content)
        if content is not None:
            written = content.count("\n") + (not content.endswith("\n") and content != "")
            told.added = max(told.added or 0, written)
    return told


def _patch(hunks: Any) -> list[str] | None:
    """The lines of a patch; None where it is none."""
    if not isinstance(hunks, list) or not all(isinstance(hunk, dict) for hunk in hunks):
        return None
    lines = [hunk.get("lines") for hunk in hunks]
    if not all(isinstance(some, list) and all(isinstance(line, str) for line in some) for some in lines):
        return None
    return [line for some in lines for line in some]


def tool_of(name: str) -> Tool:
    """What a tool's name says."""
    if name == "Skill":
        return Tool(name, "skill", None, _read_skill)
    if name in ("Task", "Agent"):
        return Tool(name, "subagent", None, _read_agent)
    if name in _EDITORS:
        return Tool(name, "tool_use", None, _read_edit)
    server = mcp_server(name)
    return Tool(clean(name), "tool_use" if server is None else "mcp_call", clean(server) if server else None, None)


def _read_skill(use: Use, raw: msgspec.Raw) -> None:
    given = _input(raw)
    use.skill_name = next(
        (clean(one) for one in (given.skill, given.name, given.command) if isinstance(one, str)), None
    )


def _read_agent(use: Use, raw: msgspec.Raw) -> None:
    given = _input(raw)
    use.subagent_type = clean(given.subagent_type) if isinstance(given.subagent_type, str) else None


def _read_edit(use: Use, raw: msgspec.Raw) -> None:
    use.language = language_of(raw)


def mcp_server(tool: str) -> str | None:
    """The server in ``mcp__<server>__<tool>``, None for any other tool."""
    if not tool.startswith("mcp__"):
        return None
    server, _, rest = tool[5:].partition("__")
    return server if server and rest else None


def language_of(raw: msgspec.Raw) -> str | None:
    """The extension of the file that an editing tool is given, in small letters."""
    try:
        given = _edit_input.decode(raw)
    except (ValueError, RecursionError):
        return None
    path = next((one for one in (given.file_path, given.notebook_path) if isinstance(one, str)), "")
    match = _EXTENSION.search(path)
    return match[1].lower() if match is not None else None


def _input(raw: msgspec.Raw) -> ToolInput:
    try:
        return _tool_input.decode(raw)
    except (ValueError, RecursionError):  # not an object, or none that could name anything
        return ToolInput()


_NOTHING_GIVEN = ToolResult()
_tool_input = msgspec.json.Decoder(ToolInput)
_edit_input = msgspec.json.Decoder(EditInput)
