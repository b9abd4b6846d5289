"""The rows that `usage` makes; the fields of each are its table's columns (`processors.usage.schema`)."""

from __future__ import annotations

from datetime import datetime

import msgspec

#: By which edition of docs/counting.md rows are made.
RULES_VERSION = 2


class Context(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What stood beside a call or tool use; changes rarely within a session."""

    context: int
    rules_version: int
    session_id: str | None
    username: str
    is_sidechain: bool
    cwd: str | None = None
    git_branch: str | None = None
    version: str | None = None
    agent_id: str | None = None
    asked_by: str | None = None
    requested_model: str | None = None
    effort: str | None = None
    skill: str | None = None
    plugin: str | None = None
    mcp_server: str | None = None
    mcp_tool: str | None = None
    agent: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    service_tier: str | None = None
    #: The prices by which the costs beside it were made.
    priced_by: int | None = None
    #: What earlier rules kept here; today's have it with the session file.
    project: str | None = None


class Call(msgspec.Struct, gc=False, omit_defaults=True):
    """An API call as one stretch of one session shows it; what the store decides is left out."""

    message_id: str
    #: Index in `usage.iterations`; -1: the call itself.
    iteration: int
    request_id: str
    seen_at: datetime | None
    #: Earliest line of the call in this stretch.
    first_at: datetime | None
    model: str | None
    input_tokens: int
    output_tokens: int
    thinking_tokens: int
    cache_creation_tokens: int
    cache_creation_1h_tokens: int
    cache_read_tokens: int
    web_search_requests: int
    tokens: int
    #: Which of two alike counts first: 0 an original outside a sidechain, 1 a copy there, 2 and 3 the same inside.
    precedence: int
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
    is_copy: bool
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
    language: str | None = None
    own_denial: str | None = None
    own_decider: str | None = None
    own_searches: int | None = None
    own_added: int | None = None
    own_removed: int | None = None
    denial: str | None = None
    decided_by: str | None = None
    search_count: int | None = None
    lines_added: int | None = None
    lines_removed: int | None = None
    occurred_at: datetime | None = None
    counted: bool | None = None
    #: Filled in by the spine.
    session_file: str = ""


class TurnRow(msgspec.Struct, gc=False):
    """Something that somebody said, as one record shows it."""

    turn_id: str
    kind: str
    asked_by: str
    characters: int
    seen_at: datetime | None
    session_id: str | None
    username: str
    is_copy: bool
    position: int
    counted: bool | None = None


class CostStatement(msgspec.Struct, gc=False):
    """What the client says that a session spent so far on one model."""

    session_id: str
    stated_at: datetime | None
    model: str
    input_tokens: int
    output_tokens: int
    thinking_tokens: int
    cache_creation_tokens: int
    cache_creation_1h_tokens: int
    cache_read_tokens: int
    web_search_requests: int
    cost_usd: float
    #: When the client began to add up.
    started_at: datetime | None
    position: int


class Link(msgspec.Struct, gc=False):
    """A pull request that a session made."""

    session_id: str
    pull_request: str
    repository: str
    git_branch: str | None
    linked_at: datetime | None
    position: int


class Listed(msgspec.Struct, gc=False):
    """A skill, agent, tool or server that stood in a session's prompt."""

    kind: str
    name: str
    #: What its description takes there, as JSON; None where that is not known.
    bytes: int | None


class Unknown(msgspec.Struct, gc=False):
    """A name of the format that this version does not know, as one stretch shows it."""

    kind: str
    name: str
    version: str
    first_at: datetime | None
    last_at: datetime | None
    position: int


class File(msgspec.Struct, gc=False):
    """A session file as a whole."""

    rules_version: int
    session_id: str
    #: Of a subagent's file: the session that it belongs to.
    parent_session: str | None
    #: Of a fork: the session whose lines it copied.
    forked_from: str | None
    #: The time of the last call that was copied.
    copied_at: datetime | None
    username: str
    title: str | None
    repository: str | None
    #: The last part of the repository.
    project: str | None
    version: str | None
    asked_by: str | None
    first_at: datetime | None
    last_at: datetime | None
    active_seconds: float
    #: How many turns earlier rules counted, where a session was gone when they changed; of others `usage_said` tells.
    human_turns: int = 0
