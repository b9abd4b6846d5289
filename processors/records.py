"""What a transcript's lines hold, as far as anybody reads it (docs/counting.md lists the fields).

Fields stand in the order in which clients write them: the decoder looks a key up from behind the last one on, and any
other order takes a fifth longer.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

#: A count that a database can add up: 0 to 10^12.
Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
#: Milliseconds since 1970, to the end of the years that are read.
Millis = Annotated[int, msgspec.Meta(ge=0, le=253_000_000_000_000)]

#: What stands for a raw value that is not there: to be compared by identity.
NOTHING = msgspec.Raw(b"null")


class CacheCreation(msgspec.Struct, gc=False):
    """Tokens written to the cache, by how long they live."""

    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class ServerToolUse(msgspec.Struct, gc=False):
    """What the provider's own tools did."""

    web_search_requests: Count | None = None


class OutputDetails(msgspec.Struct, gc=False):
    """What the output consists of."""

    thinking_tokens: Count | None = None


class TokenCounts(msgspec.Struct, gc=False):
    """What a call took."""

    input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation: CacheCreation | None = None
    output_tokens: Count | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use: ServerToolUse | None = None


class Iteration(TokenCounts, gc=False):
    """One of the calls that a message took: a part of it, or another model's."""

    type: str | None = None
    model: str | None = None


class Tokens(TokenCounts, gc=False):
    """What one API call used."""

    service_tier: str | None = None
    inference_geo: str | None = None
    iterations: list[Iteration] | None = None
    speed: str | None = None


class Block(msgspec.Struct, gc=False):
    """A block of a message's content; `input`, `text` and `content` are large, and read only where they matter."""

    tool_use_id: str | None = None
    type: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = NOTHING
    text: msgspec.Raw = NOTHING
    content: msgspec.Raw = NOTHING
    is_error: bool | None = None


class Message(msgspec.Struct, gc=False):
    """What an assistant or a user said."""

    id: str | None = None
    model: str | None = None
    usage: Tokens | None = None
    content: str | list[Block] | None = None


class EmbeddedRecord(msgspec.Struct, gc=False):
    """A record inside a progress record."""

    type: str | None = None
    uuid: str | None = None
    requestId: str | None = None
    timestamp: datetime | None = None
    message: Message | None = None


class ProgressData(msgspec.Struct, gc=False):
    """What a progress record carries."""

    type: str | None = None
    agentId: str | None = None
    message: EmbeddedRecord | None = None
    normalizedMessages: list[EmbeddedRecord] | None = None


class Origin(msgspec.Struct, gc=False):
    """Where a user's line comes from, as the client says."""

    kind: str | None = None
    subkind: str | None = None


class Attachment(msgspec.Struct, gc=False):
    """What the client put into the prompt beside the user's words."""

    type: str | None = None
    #: Of a `queued_command`: a string, or a list of text blocks.
    prompt: msgspec.Raw = NOTHING
    origin: Origin | None = None
    #: Of a listing: the names that it adds, and one line for each.
    addedTypes: msgspec.Raw = NOTHING
    addedNames: msgspec.Raw = NOTHING
    names: msgspec.Raw = NOTHING


class CommandRun(msgspec.Struct, gc=False):
    """A slash command that the client ran itself."""

    command: str | None = None


class Decision(msgspec.Struct, gc=False):
    """Who let a tool run, or did not."""

    source: str | None = None


class ToolResult(msgspec.Struct, gc=False):
    """What a tool's result holds beside its text; each may be anything."""

    answers: msgspec.Raw = NOTHING
    questions: msgspec.Raw = NOTHING
    annotations: msgspec.Raw = NOTHING
    userFeedback: msgspec.Raw = NOTHING
    structuredPatch: msgspec.Raw = NOTHING
    searchCount: msgspec.Raw = NOTHING
    type: msgspec.Raw = NOTHING
    content: msgspec.Raw = NOTHING


class Shape(msgspec.Struct, gc=False):
    """What every request of a session has in common."""

    tools: list[msgspec.Raw] | None = None


class Record(msgspec.Struct, gc=False):
    """A line of a transcript."""

    isSidechain: bool | None = None
    cwd: str | None = None
    sessionId: str | None = None
    version: str | None = None
    gitBranch: str | None = None
    agentId: str | None = None
    type: str | None = None
    message: Message | None = None
    requestId: str | None = None
    #: The session whose request brought this line; another one where a fork copied it.
    requestSessionId: str | None = None
    requestedModel: str | None = None
    attributionSkill: str | None = None
    attributionPlugin: str | None = None
    attributionMcpServer: str | None = None
    attributionMcpTool: str | None = None
    attributionAgent: str | None = None
    uuid: str | None = None
    timestamp: datetime | None = None
    effort: str | None = None
    isMeta: bool | None = None
    isCompactSummary: bool | None = None
    toolUseResult: ToolResult | str | list[msgspec.Raw] | None = None
    data: ProgressData | None = None
    origin: Origin | None = None
    promptSource: str | None = None
    turnOrigin: str | None = None
    planContent: str | None = None
    userFeedback: str | None = None
    toolDenialKind: str | None = None
    permissionDecision: Decision | None = None


class ClientRecord(Record, gc=False):
    """A line in which the client tells something of its own (`processors.known.CLIENT_TYPES`).

    They are few: their fields are apart from those that every record is asked for.
    """

    parentUuid: str | None = None
    attachment: Attachment | None = None
    subtype: str | None = None
    commandRun: CommandRun | None = None
    operation: str | None = None
    content: msgspec.Raw = NOTHING
    modelUsage: msgspec.Raw = NOTHING
    startTime: Millis | None = None
    shape: Shape | None = None
    prRepository: str | None = None
    prNumber: Count | None = None
    customTitle: str | None = None
    aiTitle: str | None = None
    summary: str | None = None


#: Fields that make a line bad where they are of another type than is stated; all others of these read as absent then,
#: and the line stays good (`processors.transcript`).
STRICT: dict[type[msgspec.Struct], frozenset[str]] = {
    ClientRecord: frozenset(
        {
            *("type", "timestamp", "uuid", "sessionId", "requestId", "cwd", "gitBranch", "version", "agentId"),
            *("isSidechain", "isMeta", "isCompactSummary", "message", "data"),
        }
    ),
    Tokens: frozenset(
        {
            *("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
            *("cache_creation", "server_tool_use"),
        }
    ),
}
