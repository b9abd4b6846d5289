"""Response models for unknown formats."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from watcher.http.schemas import Answer, Instant, Number


class UnknownFormatOut(Answer):
    """A name in transcripts that this version does not know, or a model without a price."""

    kind: Literal["iteration", "usage_field", "type", "model", "several_requests", "subtype", "attachment", "origin"]
    name: str = Field(examples=["advisor_result"])
    version: str = Field(description="The client's version that wrote it; empty if unknown.", examples=["2.1.400"])
    sessions: Number
    first_at: Instant | None
    last_at: Instant | None
    means: str = Field(description="What may not be counted.")


class FormatsOut(Answer):
    """Unknown formats in the transcripts."""

    formats: list[UnknownFormatOut]
    total: Number
