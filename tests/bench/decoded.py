"""The fields that the yardstick decodes: frozen, so that it stays one whatever the program reads besides."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

#: A count that a database can add up: 0 to 10^12.
Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]

_NOTHING = msgspec.Raw(b"null")


class CacheCreation(msgspec.Struct, gc=False):
    """Tokens written to the cache, by how long they live."""

    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class ServerToolUse(msgspec.Struct, gc=False):
    """What the provider's own tools did."""

    web_search_requests: Count | None = None


class Tokens(msgspec.Struct, gc=False):
    """What one API call used."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation: CacheCreation | None = None
    server_tool_use: ServerToolUse | None = None


class Block(msgspec.Struct, gc=False):
    """A block of a message's content."""

    type: str | None = None
    id: str | None = None
    name: str | None = None
    tool_use_id: str | None = None
    is_error: bool | None = None
    #: Left as they are: they are large, and read only where they matter.
    input: msgspec.Raw = _NOTHING
    text: msgspec.Raw = _NOTHING
    content: msgspec.Raw = _NOTHING


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


class Record(msgspec.Struct, gc=False):
    """A line of a transcript."""

    type: str | None = None
    timestamp: datetime | None = None
    uuid: str | None = None
    sessionId: str | None = None
    requestId: str | None = None
    cwd: str | None = None
    gitBranch: str | None = None
    version: str | None = None
    agentId: str | None = None
    isSidechain: bool | None = None
    isMeta: bool | None = None
    isCompactSummary: bool | None = None
    message: Message | None = None
    data: ProgressData | None = None
