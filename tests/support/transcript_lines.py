"""Lines as Claude Code writes them: records with the fields of real ones, all words invented."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

OPUS = "claude-opus-4-6"
SONNET = "claude-sonnet-4-5-20250929"
HAIKU = "claude-haiku-4-5-20251001"


def line(*records: Object) -> bytes:
    """A line of one record, or of several glued together."""
    return "".join(json.dumps(record, separators=(",", ":")) for record in records).encode() + b"\n"


def name(label: str) -> str:
    """A UUID that always is the same for the same label."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, label))


def usage(
    input_tokens: int,
    output_tokens: int,
    cache_creation: int = 0,
    cache_read: int = 0,
    one_hour: int = 0,
    web_searches: int | None = None,
) -> Object:
    """What a message says of its tokens."""
    says: Object = {
        "input_tokens": input_tokens,
        "cache_creation_input_tokens": cache_creation,
        "cache_read_input_tokens": cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": max(0, cache_creation - one_hour),
            "ephemeral_1h_input_tokens": one_hour,
        },
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }
    if web_searches is not None:
        says["server_tool_use"] = {"web_search_requests": web_searches, "web_fetch_requests": 0}
    return says


def text(words: str) -> Object:
    """A block of words."""
    return {"type": "text", "text": words}


def thinking(words: str) -> Object:
    """A block of thought."""
    return {"type": "thinking", "thinking": words, "signature": "EvgBCkYICxgCKkBtJiOH"}


def image() -> Object:
    """A block with a picture."""
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


def tool(identity: str, tool_name: str, **given: Any) -> Object:
    """A block that uses a tool."""
    return {"type": "tool_use", "id": identity, "name": tool_name, "input": given}


def result(identity: str, content: Any, is_error: bool | None = None) -> Object:
    """A block with what a tool gave."""
    block: Object = {"tool_use_id": identity, "type": "tool_result", "content": content}
    return block if is_error is None else {**block, "is_error": is_error}


def message(message_id: str | None, block: Object, used: Object | None, model: str = OPUS) -> Object:
    """What stands under ``message`` of an assistant line."""
    says: Object = {
        "model": model,
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "content": [block],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": used,
    }
    return {key: value for key, value in says.items() if key != "id" or value is not None}


@dataclass(frozen=True)
class Talk:
    """A session that speaks: makes its records."""

    session_id: str
    cwd: str
    version: str = "2.1.49"
    branch: str | None = "main"
    sidechain: bool = False
    agent_id: str | None = None

    def record(self, kind: str, at: str, label: str, **more: Any) -> Object:
        """Any record with the common fields; ``label`` gives it its uuid."""
        common: Object = {
            "parentUuid": name("parent of " + label),
            "isSidechain": self.sidechain,
            "userType": "external",
            "cwd": self.cwd,
            "sessionId": self.session_id,
            "version": self.version,
            "gitBranch": self.branch,
            "type": kind,
        }
        if self.agent_id is not None:
            common["agentId"] = self.agent_id
        return {**common, **more, "uuid": name(label), "timestamp": at}

    def user(self, at: str, label: str, content: Any, **more: Any) -> Object:
        """A line of the user: words, or a list of blocks."""
        return self.record("user", at, label, message={"role": "user", "content": content}, **more)

    def gave(
        self, at: str, identity: str, content: Any, is_error: bool | None = None, of_tool: Any = None, **more: Any
    ) -> Object:
        """A line with the result of a tool."""
        said = {"toolUseResult": content if of_tool is None else of_tool}
        blocks = [result(identity, content, is_error)]
        return self.user(at, "result " + identity + self.session_id, blocks, **said, **more)

    def assistant(
        self,
        at: str,
        call: str,
        block: Object,
        used: Object | None,
        model: str = OPUS,
        request: bool = True,
        label: str = "",
        **more: Any,
    ) -> Object:
        """A line of the assistant: one block of the call's message."""
        if request:
            more["requestId"] = "req_011C" + call
        says = message("msg_01" + call, block, used, model)
        return self.record("assistant", at, label or f"{call} {at}", message=says, **more)

    def agent_progress(self, at: str, label: str, inner: Any, normalized: Any = (), **more: Any) -> Object:
        """A line of a subagent's progress, with what it said embedded."""
        data: Object = {
            "message": inner,
            "normalizedMessages": list(normalized),
            "type": "agent_progress",
            "prompt": "Look through the handlers and name what they share.",
        }
        data.update(more)
        return self.progress(at, label, **data)

    def progress(self, at: str, label: str, **data: Any) -> Object:
        """A progress line of any kind."""
        return self.record(
            "progress", at, label, slug="calm-mending-heron", data=data, toolUseID="agent_" + label, parentToolUseID="x"
        )

    def plain(self, kind: str, at: str | None = None, **more: Any) -> Object:
        """A line of the small kinds that have no uuid."""
        found: Object = {"type": kind, **more, "sessionId": self.session_id}
        return found if at is None else {**found, "timestamp": at}


def embedded(kind: str, at: str | None, label: str, says: Object, **more: Any) -> Object:
    """A record as it stands inside an ``agent_progress`` line."""
    found: Object = {"type": kind, "message": says, **more, "uuid": name(label)}
    return found if at is None else {**found, "timestamp": at}
