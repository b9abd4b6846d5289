"""Single sessions: what each adds up to, and what happened in it, one thing after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from processors.usage.reports import Query

_BEGINNING = datetime.min.replace(tzinfo=UTC)

#: What is told of a session file in `summary`, and in a list of them.
SUMMARY = (
    "session_file", "session_id", "username", "project", "version", "first_at", "last_at", "wall_seconds",
    "active_seconds", "human_turns", "assistant_messages", "tool_calls", "tool_errors", "input_tokens",
    "output_tokens", "cache_creation_tokens", "cache_read_tokens", "cost_usd", "primary_model",
)  # fmt: skip
GLANCE = ("session_file", "project", "human_turns", "assistant_messages", "cost_usd")


def summary(query: Query, key: str) -> dict[str, Any] | None:
    """What a session file adds up to; None if it has no usage."""
    rows = query(f"SELECT {', '.join(SUMMARY)} FROM usage_sessions WHERE session_file = $1", [key])
    return dict(zip(SUMMARY, rows[0], strict=True)) if rows else None


def glances(query: Query, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Some session files at a glance, by their key; those without any usage are left out."""
    # Not from the view: asked for several, it first adds up all that there are.
    rows = query(
        "SELECT f.session_file, f.project, f.human_turns, coalesce(c.calls, 0), c.cost_usd FROM usage_files f"
        " LEFT JOIN (SELECT session_file, count(*) AS calls, sum(cost_usd) AS cost_usd FROM usage_calls"
        " WHERE counted AND session_file = ANY($1) GROUP BY session_file) c ON c.session_file = f.session_file"
        " WHERE f.session_file = ANY($1)",
        [list(keys)],
    )
    return {row[0]: dict(zip(GLANCE, row, strict=True)) for row in rows}


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened in a session: a call to a model, or the use of a tool or command."""

    at: datetime | None
    #: ``call``, or the event's type.
    kind: str
    #: The model, or the tool, skill, subagent or command.
    name: str | None
    agent_id: str | None = None
    #: Of a call: input, cache writes and cache reads; and output.
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    #: Of a use.
    use_id: str | None = None
    is_error: bool | None = None
    duration_ms: int | None = None


def timeline(query: Query, key: str, most: int) -> list[Moment]:
    """The first ``most`` things that count for one session file, in order of time; undated ones last."""
    calls = query(
        "SELECT occurred_at, 'call', model, agent_id, input_tokens + cache_creation_tokens + cache_read_tokens,"
        " output_tokens, cost_usd FROM usage_messages WHERE session_file = $1"
        " ORDER BY occurred_at NULLS LAST, message_id LIMIT $2",
        [key, most],
    )
    uses = query(
        "SELECT occurred_at, event_type, coalesce(skill_name, subagent_type, tool_name, command_name), NULL,"
        " NULL, NULL, NULL, tool_use_id, is_error, duration_ms FROM usage_events WHERE session_file = $1"
        " ORDER BY occurred_at NULLS LAST, tool_use_id LIMIT $2",
        [key, most],
    )
    # Sorting is stable: a call stands before the uses that it asked for in the same instant.
    found = sorted((Moment(*row) for row in [*calls, *uses]), key=lambda one: (one.at is None, one.at or _BEGINNING))
    return found[:most]
