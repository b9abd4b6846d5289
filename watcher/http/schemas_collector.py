"""Response models of the collector."""

from __future__ import annotations

from pydantic import Field

from watcher.http.schemas import Answer, Number


class NotCollectedOut(Answer):
    """A home or file that was refused, or could not be read or written."""

    user: str = Field(examples=["ann"])
    path: str
    reason: str


class CollectorDetailsOut(Answer):
    """Totals of the run over all homes."""

    dry_run: bool = Field(description="Whether it only told what it would do.")
    users_processed: Number
    users_refused: int = Field(description="Homes of which nothing can be copied.", examples=[0])
    files_copied: Number
    files_appended: Number
    files_replaced: Number
    files_skipped: Number = Field(description="Those whose copies are equal already.")
    files_refused: int = Field(examples=[0])
    bytes_copied: Number
    errors: int = Field(description="Homes and files that could not be read or written.", examples=[0])
    details: list[NotCollectedOut] = Field(description="The first refusals and errors.", examples=[[]])
    warnings: list[NotCollectedOut] = Field(
        description="The first settings of Claude Code that could not be used: how long it keeps transcripts there.",
        examples=[[]],
    )


class CollectorRunOut(Answer):
    """Result of a run of the collector."""

    ok: bool = Field(description="Whether everything could be read and written.")
    details: CollectorDetailsOut
