"""The tool uses of a stretch, and what their results say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from processors.records import NOTHING, Block, Record, ToolResult
from processors.speech import loose
from processors.transcript import clean, earlier, text_of
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


class Result(msgspec.Struct, gc=False):
    """What a tool's results say together."""

    error: bool
    at: datetime | None
    position: int
    #: 0 where the use stands in the same stretch.
    context: int = 0
    denial: str | None = None
    decider: str | None = None
    searches: int | None = None
    added: int | None = None
    removed: int | None = None


class Uses:
    """Each tool use once, with what its results in this stretch say of it."""

    def __init__(self, positions: Iterator[int]) -> None:
        self._positions = positions
        self._uses: dict[str, Use] = {}
        self._results: dict[str, Result] = {}

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
        use = self._uses[use_id] = Use(clean(use_id), False, at, copy, context, position, "tool_use", clean(name))
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
        elif name in _EDITORS:
            use.language = language_of(block.input)
        elif (server := mcp_server(name)) is not None:
            use.event_type, use.mcp_server = "mcp_call", clean(server)

    def result(self, use_id: str, error: bool, at: datetime | None) -> Result:
        """A block with a tool's result; what results say together."""
        position = next(self._positions)
        known = self._results.get(use_id)
        if known is None:
            known = self._results[use_id] = Result(error, at, position)
        else:
            known.error = known.error or error
            if earlier(at, known.at):
                known.at = at
        return known

    def lacks(self, use_id: str, result: Result) -> bool:
        """Whether a result's context is to be kept with it: the use does not stand in this stretch so far."""
        return not result.context and use_id not in self._uses

    def rows(self) -> list[Use]:
        """Uses, and the results of uses that stand in another stretch."""
        uses = self._uses
        for use_id, result in self._results.items():
            use = uses.get(use_id)
            if use is None:
                use = uses[use_id] = Use(clean(use_id), True, result.at, False, result.context, result.position)
            use.own_error, use.result_at = result.error, result.at
            use.own_denial, use.own_decider, use.own_searches = result.denial, result.decider, result.searches
            use.own_added, use.own_removed = result.added, result.removed
        return list(uses.values())


def tell(result: Result, record: Record, given: ToolResult | None) -> None:
    """Take in what the record of a single result says beside its text."""
    if record.toolDenialKind is not None:
        denial = clean(record.toolDenialKind)
        result.denial = max(result.denial or "", denial)
    if record.permissionDecision is not None and record.permissionDecision.source is not None:
        result.decider = max(result.decider or "", clean(record.permissionDecision.source))
    if given is None:
        return
    if given.searchCount is not NOTHING:
        count = loose(given.searchCount)
        if type(count) is int and 0 <= count <= _MOST:
            result.searches = max(result.searches or 0, count)
    if given.structuredPatch is not NOTHING and (lines := _patch(loose(given.structuredPatch))) is not None:
        added = sum(line.startswith("+") for line in lines)
        result.added = max(result.added or 0, added)
        result.removed = max(result.removed or 0, sum(line.startswith("-") for line in lines))
    if given.content is not NOTHING and text_of(given.type) == "create":
        content = text_of(given.content)
        if content is not None:
            written = content.count("\n") + (not content.endswith("\n") and content != "")
            result.added = max(result.added or 0, written)


def _patch(hunks: Any) -> list[str] | None:
    """The lines of a patch; None where it is none."""
    if not isinstance(hunks, list) or not all(isinstance(hunk, dict) for hunk in hunks):
        return None
    lines = [hunk.get("lines") for hunk in hunks]
    if not all(isinstance(some, list) and all(isinstance(line, str) for line in some) for some in lines):
        return None
    return [line for some in lines for line in some]


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


_tool_input = msgspec.json.Decoder(ToolInput)
_edit_input = msgspec.json.Decoder(EditInput)
