"""What a stretch holds that this version does not know, and what stood in its prompts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from processors.contract import Lines
from processors.known import ATTACHMENT_TYPES, ORIGINS, SYSTEM_SUBTYPES, USAGE_FIELDS
from processors.records import Attachment, ClientRecord, Shape
from processors.speech import loose
from processors.transcript import clean, earlier
from processors.usage.rows import Listed, Unknown

#: So many names of one listing are kept.
_MOST_LISTED = 1000


class Formats:
    """Unknown names and listings of one stretch."""

    def __init__(self, positions: Iterator[int]) -> None:
        self._positions = positions
        self._unknown: dict[tuple[str, str, str], Unknown] = {}
        self._listed: dict[tuple[str, str], Listed] = {}

    @property
    def unknown(self) -> list[Unknown]:
        """The names that are not known."""
        return list(self._unknown.values())

    @property
    def listed(self) -> list[Listed]:
        """What stood in the prompts."""
        return list(self._listed.values())

    def look(self, record: ClientRecord, version: str | None) -> None:
        """Note what is not known inside a record that is no message."""
        kind = record.type
        if kind == "system" and record.subtype is not None and record.subtype not in SYSTEM_SUBTYPES:
            self.note("subtype", record.subtype, version, record.timestamp)
        attached = record.attachment
        if kind == "attachment" and attached is not None:
            if attached.type is not None and attached.type not in ATTACHMENT_TYPES:
                self.note("attachment", attached.type, version, record.timestamp)
            if attached.type == "queued_command" and attached.origin is not None:
                self.origin(attached.origin.kind, version, record.timestamp)

    def origin(self, kind: str | None, version: str | None, at: datetime | None) -> None:
        """Note an origin that is not known."""
        if kind is not None and kind not in ORIGINS:
            self.note("origin", kind, version, at)

    def note(self, kind: str, name: str, version: str | None, at: datetime | None) -> None:
        """Note a name that is not known."""
        name, version = clean(name)[:200], clean(version)[:200] if version is not None else ""
        known = self._unknown.get((kind, name, version))
        if known is None:
            self._unknown[kind, name, version] = Unknown(kind, name, version, at, at, next(self._positions))
            return
        if earlier(at, known.first_at):
            known.first_at = at
        if at is not None and (known.last_at is None or at > known.last_at):
            known.last_at = at

    def sample(self, lines: Lines, sampled: Iterable[tuple[str, str | None, datetime | None]]) -> None:
        """Note the fields of `usage` that are not known, in the lines of some calls: id, version and time."""
        data = lines.data
        for message_id, version, at in sampled:
            place = data.find(msgspec.json.encode(message_id))
            if place < 0:
                continue
            end = data.find(b"\n", place)
            line = data[data.rfind(b"\n", 0, place) + 1 : end if end >= 0 else len(data)]
            try:
                usage: Any = msgspec.json.decode(line)["message"]["usage"]
            except (ValueError, KeyError, TypeError, RecursionError):  # several objects, or an embedded call
                continue
            for name in usage if isinstance(usage, dict) else ():
                if name not in USAGE_FIELDS:
                    self.note("usage_field", name, version, at)

    def listing(self, attached: Attachment) -> None:
        """Take in what the client tells the model of skills, agents and tools."""
        if attached.type == "skill_listing":
            self._list("skill", attached.names)
        elif attached.type == "agent_listing_delta":
            self._list("agent", attached.addedTypes)
        elif attached.type == "deferred_tools_delta":
            self._list("tool", attached.addedNames)

    def shape(self, shape: Shape) -> None:
        """Take in the tools of a session's requests, with what their schemas weigh."""
        for raw in shape.tools or ():
            tool = loose(raw)
            name = tool.get("name") if isinstance(tool, dict) else None
            if isinstance(name, str):
                self._keep("tool", name, len(memoryview(raw)))

    def _list(self, kind: str, names: msgspec.Raw) -> None:
        listed = loose(names)
        for name in listed[:_MOST_LISTED] if isinstance(listed, list) else ():
            if isinstance(name, str):
                self._keep(kind, name, None)

    def _keep(self, kind: str, name: str, size: int | None) -> None:
        name = clean(name)[:200]
        known = self._listed.get((kind, name))
        if known is None or size is not None:
            self._listed[kind, name] = Listed(kind, name, size)
        if kind == "tool" and name.startswith("mcp__") and (server := name[5:].partition("__")[0]):
            self._listed.setdefault(("server", server), Listed("server", server, None))
