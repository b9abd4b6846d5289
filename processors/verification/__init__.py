"""``verification``: what people corrected, confirmed or defined, with the sentence that proves it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from processors.contract import (
    Extraction,
    ModelAccess,
    ProcessorSettings,
    Schema,
    Seconds,
    Table,
    Work,
    setting,
)
from processors.redaction import redact
from processors.text_features import folded
from processors.transcript import clean
from processors.verification.candidates import Candidate, Extractor, stands
from processors.verification.carry import Carry, without_secrets
from processors.verification.turns import Turn, TurnReader
from processors.verification.window import next_window

#: More turns than this do not fit into what is carried from pass to pass.
MOST_CONTEXT = 8


@dataclass(frozen=True, kw_only=True)
class VerificationSettings(ProcessorSettings):
    """``[processors.verification]``."""

    quiet: Seconds = setting(Seconds(120), "Debounce: how long a session must be unchanged before it is read.")
    max_wait: Seconds = setting(Seconds(900), "A session that keeps changing is read this long after its first change.")
    sweep_every: Seconds = setting(Seconds(900), "How often the tree is compared with the processed offsets.")
    deadline: Seconds = setting(
        Seconds(900), "Time limit of one extraction; a longer one is killed and counts as failed."
    )
    extractor: Literal["rules", "llm"] = setting(
        "rules", "How candidates are found. rules: offline; llm: [model] model."
    )
    include_users: list[str] = setting([], "Users whose sessions are searched for knowledge; empty: all.")
    exclude_users: list[str] = setting([], "Users whose sessions are not searched; overrides include_users.")
    window_chars: int = setting(24_000, "Maximum characters of new turns in one window.")
    context_turns: int = setting(4, "Preceding turns given as context, 0 to 8.")

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        super().__post_init__()
        if not 1 <= self.window_chars <= 1_000_000:
            raise ValueError("window_chars: a whole number from 1 to 1000000")
        if not 0 <= self.context_turns <= MOST_CONTEXT:
            raise ValueError(f"context_turns: a whole number from 0 to {MOST_CONTEXT}")

    @property
    def asks_model(self) -> bool:
        """See `ProcessorSettings.asks_model`."""
        return self.extractor == "llm"

    def mines(self, username: str) -> bool:
        """Whether this person's sessions are looked at."""
        return username not in self.exclude_users and (not self.include_users or username in self.include_users)


class InboxRow(msgspec.Struct, gc=False):
    """A candidate, as it waits."""

    candidate_id: str
    username: str
    session_id: str | None
    turn_id: str | None
    occurred_at: datetime | None
    detection_type: str
    title: str
    content: str
    user_quote: str
    domain: str
    entities: str
    source: str
    extractor: str
    secrets: int


SCHEMA = Schema(
    package="processors.verification",
    tables={
        "knowledge_inbox": Table(
            columns={
                "session_file": "text",
                "candidate_id": "text",
                "username": "text",
                "session_id": "text",
                "turn_id": "text",
                "occurred_at": "timestamp",
                "detection_type": "text",
                "title": "text",
                "content": "text",
                "user_quote": "text",
                "domain": "text",
                "entities": "text",
                "source": "text",
                "extractor": "text",
                "secrets": "integer",
            },
            key=("session_file", "candidate_id"),
        )
    },
)


class Verification:
    """The processor."""

    name = "verification"
    version = 3
    settings = VerificationSettings
    schema = SCHEMA

    def __init__(self, extractor: Extractor | None = None) -> None:
        self._extractor = extractor

    def extract(self, work: Work) -> Extraction:
        """See `processors.contract.Processor.extract`."""
        if not work.settings.mines(work.session.username):
            return Extraction()
        memory = Carry(work.carry)
        reader = TurnReader(memory.queued, memory.version)
        window = next_window(work.lines, work.start, reader, work.settings.window_chars)
        extractor = self._extractor or _chosen(work)
        rows: list[InboxRow] = []
        turns = [without_secrets(turn) if turn.human else turn for turn in window.turns]
        for found in extractor.find(memory.context, turns, work.settings.context_turns):
            if found.turn is None or not stands(found.candidate.quote, found.turn):
                memory.dropped += 1
                continue
            row = _row(found.candidate, found.turn, work.session.username, extractor.name)
            if memory.is_new(row.candidate_id):
                memory.redacted += row.secrets
                rows.append(row)
        memory.queued, memory.version = reader.queued, reader.version
        memory.remember(turns, work.settings.context_turns)
        return Extraction(
            rows={"knowledge_inbox": rows},
            items=len(rows),
            bad_lines=window.bad_lines,
            consumed=window.consumed,
            carry=memory.carry(),
        )


def _chosen(work: Work) -> Extractor:
    """What finds candidates, as the settings have it."""
    if work.settings.asks_model:
        # Loaded when used, like the rules.
        from processors.verification.llm import Llm

        return Llm(work.model or ModelAccess(), work.session.key)
    # Loaded when used: expressions take a while to be made, and every command asks what processors there are.
    from processors.verification.rules import Rules

    return Rules()


def _row(candidate: Candidate, turn: Turn, username: str, extractor: str) -> InboxRow:
    secrets = 0

    def kept(text: str) -> str:
        nonlocal secrets
        text, count = redact(clean(folded(text)))
        secrets = max(secrets, count)
        return text

    # Of the words themselves, so that the same words are the same evidence whoever finds them; but one "yes" is not
    # another that agrees to something else.
    quote, content = kept(candidate.quote), kept(candidate.content)
    words = f"{quote}\0{content}" if candidate.detection_type == "confirmation" else quote
    name = hashlib.sha256(words.casefold().encode("utf-8", "replace")).hexdigest()[:16]
    return InboxRow(
        f"c_{name}",
        username,
        _clean(turn.session_id),
        _clean(turn.turn_id),
        turn.at,
        candidate.detection_type,
        kept(candidate.title),
        content,
        quote,
        candidate.domain,
        json.dumps([kept(one) for one in candidate.entities], ensure_ascii=False),
        "session",
        extractor,
        secrets,
    )


def _clean(text: str | None) -> str | None:
    return clean(text) if text is not None else None
