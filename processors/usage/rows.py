"""The rows that `usage` makes; the fields of each are its table's columns."""

from __future__ import annotations

from datetime import datetime

import msgspec

from processors.contract import Export, Once, Schema, Table


class Context(msgspec.Struct, frozen=True, gc=False):
    """What stood beside a call or tool use; changes rarely within a session."""

    context: int
    session_id: str | None
    username: str
    project: str | None
    cwd: str | None
    git_branch: str | None
    version: str | None
    agent_id: str | None
    is_sidechain: bool


class Call(msgspec.Struct, gc=False, omit_defaults=True):
    """An API call as one stretch of one session shows it; what the store decides is left out."""

    message_id: str
    request_id: str
    seen_at: datetime | None
    #: Earliest line of the key in this stretch.
    first_at: datetime | None
    model: str | None
    input_tokens: int
    output_tokens: int
    cache_creation_tokens: int
    cache_creation_1h_tokens: int
    cache_read_tokens: int
    web_search_requests: int
    tokens: int
    context: int
    #: Where in its file it stands; only the order means something.
    position: int
    cost_usd: float | None = None
    occurred_at: datetime | None = None
    counted: bool | None = None
    #: Filled in by the spine.
    session_file: str = ""


class Use(msgspec.Struct, gc=False, omit_defaults=True):
    """A tool use or slash command, or a tool's result that came in another stretch.

    Most fields are empty in most rows, and some are for the store to decide: what is None is not written,
    which halves the bytes.
    """

    use_id: str
    is_result: bool
    seen_at: datetime | None
    context: int
    position: int
    event_type: str | None = None
    tool_name: str | None = None
    model: str | None = None
    own_error: bool | None = None
    result_at: datetime | None = None
    is_error: bool | None = None
    finished_at: datetime | None = None
    skill_name: str | None = None
    subagent_type: str | None = None
    mcp_server: str | None = None
    command_name: str | None = None
    occurred_at: datetime | None = None
    counted: bool | None = None
    #: Filled in by the spine.
    session_file: str = ""


class File(msgspec.Struct, gc=False):
    """A session file as a whole."""

    session_id: str
    username: str
    project: str | None
    version: str | None
    first_at: datetime | None
    last_at: datetime | None
    active_seconds: float
    human_turns: int


SCHEMA = Schema(
    package="processors.usage",
    exports={
        "usage_messages": Export("occurred_at"),
        "usage_events": Export("occurred_at", key=("tool_use_id",)),
        "usage_sessions": Export("first_at"),
    },
    tables={
        "usage_contexts": Table(
            columns={
                "session_file": "text",
                "context": "integer",
                "session_id": "text",
                "username": "text",
                "project": "text",
                "cwd": "text",
                "git_branch": "text",
                "version": "text",
                "agent_id": "text",
                "is_sidechain": "boolean",
            },
            key=("session_file", "context"),
        ),
        "usage_calls": Table(
            columns={
                "session_file": "text",
                "message_id": "text",
                "request_id": "text",
                "seen_at": "timestamp",
                "first_at": "timestamp",
                "occurred_at": "timestamp",
                "model": "text",
                "input_tokens": "integer",
                "output_tokens": "integer",
                "cache_creation_tokens": "integer",
                "cache_creation_1h_tokens": "integer",
                "cache_read_tokens": "integer",
                "web_search_requests": "integer",
                "tokens": "integer",
                "cost_usd": "real",
                "context": "integer",
                "position": "integer",
                "counted": "boolean",
            },
            once=Once(
                by=("message_id", "request_id"),
                best=("tokens DESC", "seen_at ASC NULLS LAST", "session_file", "position"),
                merged={"occurred_at": "min(first_at)"},
            ),
        ),
        "usage_uses": Table(
            columns={
                "session_file": "text",
                "use_id": "text",
                "is_result": "boolean",
                "event_type": "text",
                "tool_name": "text",
                "skill_name": "text",
                "subagent_type": "text",
                "mcp_server": "text",
                "command_name": "text",
                "model": "text",
                "seen_at": "timestamp",
                "own_error": "boolean",
                "result_at": "timestamp",
                "occurred_at": "timestamp",
                "is_error": "boolean",
                "finished_at": "timestamp",
                "context": "integer",
                "position": "integer",
                "counted": "boolean",
            },
            once=Once(
                by=("use_id",),
                best=("is_result", "seen_at ASC NULLS LAST", "session_file", "position"),
                merged={
                    "occurred_at": "min(seen_at) FILTER (WHERE NOT is_result)",
                    "is_error": "bool_or(own_error)",
                    "finished_at": "min(result_at)",
                },
            ),
            expires="occurred_at",
        ),
        "usage_files": Table(
            columns={
                "session_file": "text",
                "session_id": "text",
                "username": "text",
                "project": "text",
                "version": "text",
                "first_at": "timestamp",
                "last_at": "timestamp",
                "active_seconds": "real",
                "human_turns": "integer",
            },
            key=("session_file",),
        ),
    },
)
