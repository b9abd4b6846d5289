"""Response models of the knowledge base."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from watcher.http.schemas import Answer, Instant, Number, ProblemOut

Item = Annotated[str, Field(examples=["kv_0f4e7d2a8a4c"])]
ItemStatus = Literal["pending", "approved", "mandatory", "rejected", "revoked", "expired", "superseded"]


class KnowledgeColumnsOut(Answer):
    """An item's text and status."""

    item_id: Item
    title: str = Field(examples=["VAT on books"])
    content: str = Field(examples=["Books are taxed at the reduced rate of 7%."])
    domain: str = Field(examples=["finance"])
    entities: list[str] = Field(description="What it is about.", examples=[["VAT", "books"]])
    status: ItemStatus
    source: str = Field(description="Where the item came from.", examples=["session"])
    audience: str = Field(examples=["all", "group:tax"])
    owner: str | None = Field(description="The only user who sees it; null: everybody does.")
    verifiers: Number = Field(description="Number of people who have stated it.")
    valid_from: Instant | None
    valid_until: Instant | None
    superseded_by: Item | None
    created_at: Instant
    updated_at: Instant
    confirmed_at: Instant = Field(description="When it was last stated or approved.")
    decided_by: str | None = Field(examples=["admin"])
    decided_at: Instant | None
    check_owed: bool = Field(description="Whether it waits for the comparison with the other items.")
    check_error: str | None = Field(description="Why the last comparison failed.")
    confidence: float = Field(description="From 0 to 1.", examples=[0.9])


class ListedItemOut(KnowledgeColumnsOut):
    """An item in a list."""

    votes: int = Field(description="Votes for it minus votes against it.")


class KnowledgeItemsOut(Answer):
    """One page of items, those that wait for review first."""

    items: list[ListedItemOut]
    total: int = Field(description="Number of items on all pages; 0 beyond the last page.")


class EvidenceOut(Answer):
    """A quote that proves an item."""

    evidence_id: str = Field(examples=["ev_0f4e7d2a8a4c4a57"])
    username: str = Field(examples=["ann"])
    session_file: str = Field(description="The session's key; empty: an admin wrote the item.")
    session_id: str | None
    turn_id: str | None
    occurred_at: Instant | None
    detection_type: str = Field(examples=["correction"])
    user_quote: str = Field(examples=["no, books are always taxed at the reduced rate of 7%"])
    source: str = Field(examples=["session"])
    extractor: str = Field(examples=["rules"])
    source_gone: bool = Field(description="Whether no file contains the quote any more.")


class DecidedOut(Answer):
    """An entry of an item's history."""

    happened_at: Instant
    actor: str = Field(examples=["admin"])
    action: str = Field(examples=["approve"])
    from_status: str | None = Field(examples=["pending"])
    to_status: str | None = Field(examples=["approved"])
    reason: str | None
    details: str | None = Field(description="Further details, as JSON.")


class RelatedOut(Answer):
    """Another item that is similar to an item, or from which it was made."""

    item_id: Item
    kind: str = Field(examples=["similar"])
    score: float = Field(examples=[0.71])
    title: str


class ContradictionOut(Answer):
    """Two items that cannot both hold; `a` is the newer one."""

    contradiction_id: str = Field(examples=["kc_0f4e7d2a8a4c"])
    item_a: Item
    item_b: Item
    severity: Literal["hard", "soft"]
    explanation: str
    suggestion: str | None = Field(description="Suggested resolution.", examples=["kept_a"])
    merged_title: str | None = Field(description="Suggested title of the merged item.")
    merged_content: str | None
    found_by: str = Field(examples=["rules"])
    found_at: Instant
    resolution: Literal["kept_a", "kept_b", "merge", "both_valid", "closed"] | None = Field(
        description="How it was resolved; closed: one of the two items is no longer served."
    )
    resolved_by: str | None
    resolved_at: Instant | None
    reason: str | None
    merged_item: Item | None
    a_title: str
    a_content: str
    a_status: ItemStatus
    b_title: str
    b_content: str
    b_status: ItemStatus


class ContradictionsOut(Answer):
    """Contradictions, unresolved ones first."""

    contradictions: list[ContradictionOut]


class VoteOut(Answer):
    """A person's vote on an item."""

    username: str = Field(examples=["ann"])
    vote: Literal[-1, 1]
    voted_at: Instant


class KnowledgeItemOut(KnowledgeColumnsOut):
    """All details of one item."""

    text: str = Field(description="The text that agents read.")
    digest: str = Field(description="Digest of that text; sent as `seen` with a decision about it.")
    warnings: list[str] = Field(description="What in it resembles an instruction to an agent.", examples=[[]])
    evidence: list[EvidenceOut]
    history: list[DecidedOut]
    relations: list[RelatedOut]
    contradictions: list[ContradictionOut]
    votes: list[VoteOut]


class BundledItemOut(Answer):
    """An item of the bundle."""

    item_id: Item
    title: str
    text: str
    domain: str = Field(examples=["finance"])
    status: Literal["approved", "mandatory"]
    confidence: float = Field(examples=[0.9])


class BundleOut(Answer):
    """The bundle for agents."""

    items: list[BundledItemOut]
    tokens: int = Field(description="Approximate number of tokens in an agent's context.", examples=[120])
    left_out: int = Field(description="Approved items that exceed the size limit.", examples=[0])


class ExportedEvidenceOut(Answer):
    """Evidence in an export."""

    username: str = Field(examples=["ann"])
    session_file: str
    session_id: str | None
    turn_id: str | None
    occurred_at: Instant | None
    detection_type: str = Field(examples=["correction"])
    user_quote: str


class ExportedItemOut(Answer):
    """An item in an export."""

    title: str = Field(examples=["VAT on books"])
    content: str = Field(examples=["Books are taxed at the reduced rate of 7%."])
    domain: str = Field(examples=["finance"])
    entities: list[str]
    status: ItemStatus
    audience: str = Field(examples=["all"])
    valid_from: Instant | None
    valid_until: Instant | None
    created_at: Instant
    evidence: list[ExportedEvidenceOut]


class ExportedOut(Answer):
    """The knowledge base as an export."""

    format: Literal["session-watcher-knowledge/1"]
    items: list[ExportedItemOut]


#: The keys that an import requires; other keys of an export may be missing.
IMPORTED_FILE: dict[str, Any] = {
    "type": "object",
    "required": ["format", "items"],
    "properties": {
        "format": {"const": "session-watcher-knowledge/1"},
        "items": {"type": "array", "items": {"type": "object", "required": ["title", "content", "domain"]}},
    },
    "example": {
        "format": "session-watcher-knowledge/1",
        "items": [
            {"title": "VAT on books", "content": "Books are taxed at the reduced rate of 7%.", "domain": "finance"}
        ],
    },
}


class UnreadOut(Answer):
    """A text with warnings that must be confirmed before it is served."""

    text: str = Field(description="The text that agents would read.")
    warnings: list[str] = Field(description="The warnings.", examples=[["it holds a link"]])


class KnowledgeProblemOut(ProblemOut):
    """A refusal; with `unread` until that is `confirmed`."""

    unread: list[UnreadOut] | SkipJsonSchema[None] = Field(None, description="Texts whose warnings are not confirmed.")


class ImportedOut(Answer):
    """Result of an import."""

    added: int
    known: int = Field(description="Items that existed already.")
