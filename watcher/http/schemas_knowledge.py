"""What the API answers about the knowledge base."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from watcher.http.schemas import Answer, Instant, Number, ProblemOut

Item = Annotated[str, Field(examples=["kv_0f4e7d2a8a4c"])]
ItemStatus = Literal["pending", "approved", "mandatory", "rejected", "revoked", "expired", "superseded"]


class KnowledgeColumnsOut(Answer):
    """What an item says, and how it stands."""

    item_id: Item
    title: str = Field(examples=["VAT on books"])
    content: str = Field(examples=["Books are taxed at the reduced rate of 7%."])
    domain: str = Field(examples=["finance"])
    entities: list[str] = Field(description="What it speaks of.", examples=[["VAT", "books"]])
    status: ItemStatus
    source: str = Field(description="How it came to be known.", examples=["session"])
    audience: str = Field(examples=["all", "group:tax"])
    owner: str | None = Field(description="Whose own it is; null: everybody's.")
    verifiers: Number = Field(description="How many people have said it.")
    valid_from: Instant | None
    valid_until: Instant | None
    superseded_by: Item | None
    created_at: Instant
    updated_at: Instant
    confirmed_at: Instant = Field(description="When it was last said or approved.")
    decided_by: str | None = Field(examples=["admin"])
    decided_at: Instant | None
    check_owed: bool = Field(description="Whether it was not compared with the others yet.")
    check_error: str | None = Field(description="Why not, where it was tried.")
    confidence: float = Field(description="From 0 to 1.", examples=[0.9])


class ListedItemOut(KnowledgeColumnsOut):
    """An item, as lists have it."""

    votes: int = Field(description="Votes for it less those against.")


class KnowledgeItemsOut(Answer):
    """Items of this page, what waits for review first."""

    items: list[ListedItemOut]
    total: int = Field(description="How many there are in all; 0 beyond the last page.")


class EvidenceOut(Answer):
    """What was said once, and proves an item."""

    evidence_id: str = Field(examples=["ev_0f4e7d2a8a4c4a57"])
    username: str = Field(examples=["ann"])
    session_file: str = Field(description="The session's key; empty: an admin wrote it.")
    session_id: str | None
    turn_id: str | None
    occurred_at: Instant | None
    detection_type: str = Field(examples=["correction"])
    user_quote: str = Field(examples=["no, books are always taxed at the reduced rate of 7%"])
    source: str = Field(examples=["session"])
    extractor: str = Field(examples=["rules"])
    source_gone: bool = Field(description="Whether no file holds these words any more.")


class DecidedOut(Answer):
    """An entry of an item's history."""

    happened_at: Instant
    actor: str = Field(examples=["admin"])
    action: str = Field(examples=["approve"])
    from_status: str | None = Field(examples=["pending"])
    to_status: str | None = Field(examples=["approved"])
    reason: str | None
    details: str | None = Field(description="What else is to be known of it, as JSON.")


class RelatedOut(Answer):
    """Another item that an item is much like, or was made from."""

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
    suggestion: str | None = Field(description="A resolution.", examples=["kept_a"])
    merged_title: str | None = Field(description="What both come to, where that is suggested.")
    merged_content: str | None
    found_by: str = Field(examples=["rules"])
    found_at: Instant
    resolution: Literal["kept_a", "kept_b", "merge", "both_valid", "closed"] | None = Field(
        description="How people settled it; closed: an item of the two counts no more."
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
    """Contradictions, open ones first."""

    contradictions: list[ContradictionOut]


class VoteOut(Answer):
    """Whether somebody says that an item is right."""

    username: str = Field(examples=["ann"])
    vote: Literal[-1, 1]
    voted_at: Instant


class KnowledgeItemOut(KnowledgeColumnsOut):
    """Everything about one item."""

    text: str = Field(description="What agents read.")
    digest: str = Field(description="Of that text: `seen`, for a decision about it.")
    warnings: list[str] = Field(description="What in it reads like an instruction to an agent.", examples=[[]])
    evidence: list[EvidenceOut]
    history: list[DecidedOut]
    relations: list[RelatedOut]
    contradictions: list[ContradictionOut]
    votes: list[VoteOut]


class BundledItemOut(Answer):
    """An item as agents are given it."""

    item_id: Item
    title: str
    text: str
    domain: str = Field(examples=["finance"])
    status: Literal["approved", "mandatory"]
    confidence: float = Field(examples=[0.9])


class BundleOut(Answer):
    """What agents are given."""

    items: list[BundledItemOut]
    tokens: int = Field(description="How many it takes of an agent's context, about.", examples=[120])
    left_out: int = Field(description="Approved items for which there was no room.", examples=[0])


class ExportedEvidenceOut(Answer):
    """What was said once, in an export."""

    username: str = Field(examples=["ann"])
    session_file: str
    session_id: str | None
    turn_id: str | None
    occurred_at: Instant | None
    detection_type: str = Field(examples=["correction"])
    user_quote: str


class ExportedItemOut(Answer):
    """An item, in an export."""

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
    """The knowledge base, to keep or to bring elsewhere."""

    format: Literal["session-watcher-knowledge/1"]
    items: list[ExportedItemOut]


#: What an import has to have; what else an export holds may be missing.
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
    """A text that should be looked at twice before agents are given it."""

    text: str = Field(description="What agents would read.")
    warnings: list[str] = Field(description="What it looks like.", examples=[["it holds a link"]])


class KnowledgeProblemOut(ProblemOut):
    """What was refused; with `unread`, until that is `confirmed`."""

    unread: list[UnreadOut] | SkipJsonSchema[None] = Field(None, description="What nobody has confirmed to have read.")


class ImportedOut(Answer):
    """What became of an export's items."""

    added: int
    known: int = Field(description="Those that were there already.")
