"""What the oracle finds in one session file, before anything is merged with what other files hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tests.support.oracle_reading import Record


@dataclass(frozen=True)
class Call:
    """One line of an API call or of an iteration of it, with the columns of ``usage_messages``."""

    message_id: str
    iteration: int
    request_id: str
    session_file: str
    session_id: str | None
    username: str
    at: datetime | None
    model: str | None
    requested_model: str | None
    input_tokens: int
    output_tokens: int
    thinking_tokens: int
    cache_creation_tokens: int
    cache_creation_1h_tokens: int
    cache_read_tokens: int
    web_search_requests: int
    speed: str | None
    inference_geo: str | None
    service_tier: str | None
    effort: str | None
    skill: str | None
    plugin: str | None
    mcp_server: str | None
    mcp_tool: str | None
    agent: str | None
    is_sidechain: bool
    is_copy: bool
    agent_id: str | None
    cwd: str | None
    git_branch: str | None
    version: str | None
    #: Place of its record in the file.
    record: int
    #: Where among the calls of its file it stood.
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
    language: str | None
    model: str | None
    at: datetime | None
    is_copy: bool
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
    denial: str | None
    decided_by: str | None
    search_count: int | None
    lines_added: int | None
    lines_removed: int | None
    tool: str
    kind: str
    message: str
    session_file: str
    session_id: str | None
    username: str
    place: int


@dataclass(frozen=True)
class Turn:
    """Something that somebody said to the agent."""

    kind: str
    asked_by: str
    words: str
    at: datetime | None
    is_copy: bool
    session_file: str
    session_id: str | None
    username: str
    #: Place of its record in the file.
    record: int
    #: Which of its record's turns it is.
    part: int


@dataclass(frozen=True)
class Link:
    """A pull request that a session made or looked at."""

    pull_request: str
    at: datetime
    git_branch: str | None
    session_file: str
    session_id: str
    record: int


@dataclass(frozen=True)
class ModelTotal:
    """What a client says that it spent on a model."""

    input_tokens: int
    output_tokens: int
    cache_creation_tokens: int
    cache_read_tokens: int
    web_search_requests: int
    cost_usd: float

    @property
    def tokens(self) -> int:
        """All its tokens together."""
        return self.input_tokens + self.output_tokens + self.cache_creation_tokens + self.cache_read_tokens


@dataclass(frozen=True)
class Statement:
    """A client's own reckoning."""

    models: dict[str, ModelTotal]
    at: datetime | None
    #: When the client began to add up.
    started: datetime | None
    session_file: str
    session_id: str
    record: int


@dataclass(frozen=True)
class Unknown:
    """A name that is not known, and where it stood."""

    kind: str
    name: str
    version: str
    at: datetime | None


@dataclass(frozen=True)
class Request:
    """A request id that a call has outside sidechains, and where it stood."""

    message_id: str
    request_id: str
    version: str
    at: datetime | None


@dataclass
class Found:
    """All that stands in one session file."""

    session_file: str
    username: str
    records: list[Record]
    #: Place of the last foreign record; everything up to it was copied.
    copied_until: int = -1
    forked_from: str | None = None
    calls: list[Call] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    #: The same with those that were queued and came as a prompt later.
    heard: list[Turn] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    #: Times after the copied part.
    own_times: list[datetime] = field(default_factory=list)
    #: Whose turn was the latest one before a record, by the record's place.
    asked_by: dict[int, str] = field(default_factory=dict)
    session_id: str = ""
    cwd: str | None = None
    version: str | None = None
    title: str | None = None
    #: ``owner/name`` of its pull requests.
    remotes: list[str] = field(default_factory=list)
    last_copied_call: datetime | None = None

    @property
    def stem(self) -> str:
        """The file's name without its folder and ``.jsonl``."""
        return self.session_file.rpartition("/")[2].removesuffix(".jsonl")

    @property
    def is_subagents(self) -> bool:
        """Whether this is a file of a subagent."""
        *folders, name = self.session_file.split("/")
        return name.startswith("agent-") or "subagents" in folders
