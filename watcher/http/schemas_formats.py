"""What the API answers about the transcripts' format, for its description."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from watcher.http.schemas import Answer, Instant, Number


class UnknownFormatOut(Answer):
    """A name of the transcripts' format that this version does not know, or a model without a price."""

    kind: Literal["iteration", "usage_field", "type", "model", "several_requests", "subtype", "attachment", "origin"]
    name: str = Field(examples=["advisor_result"])
    version: str = Field(description="Of the client that wrote it; empty where it is not known.", examples=["2.1.400"])
    sessions: Number
    first_at: Instant | None
    last_at: Instant | None
    means: str = Field(description="What may not be counted.")


class FormatsOut(Answer):
    """What is not known of the transcripts' format."""

    formats: list[UnknownFormatOut]
    total: Number
