"""Single sessions: what each adds up to, and what happened in it, one thing after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from processors.usage.reports.filters import Query
from processors.usage.reports.table import CALLS, COST

_BEGINNING = datetime.min.replace(tzinfo=UTC)

#: What is told of a session file in `summary`, and in a list of them.
SUMMARY = (
    "session_file", "session_id", "parent_session", "forked_from", "username", "title", "project", "repository",
    "version", "asked_by", "first_at", "last_at", "wall_seconds", "active_seconds", "human_turns", "other_turns",
    "assistant_messages", "tool_calls", "tool_errors", "input_tokens", "output_tokens", "cache_creation_tokens",
    "cache_read_tokens", "cost_usd", "subagent_calls", "subagent_cost_usd", "primary_model",
)  # fmt: skip
GLANCE = (
    "session_file", "title", "project", "repository", "parent_session", "forked_from", "human_turns", "other_turns",
    "assistant_messages", "cost_usd", "subagent_cost_usd",
)  # fmt: skip


def summary(query: Query, key: str) -> dict[str, Any] | None:
    """What a session file adds up to; None if it has no usage."""
    rows = query(f"SELECT {', '.join(SUMMARY)} FROM usage_sessions WHERE session_file = $1", [key])
    return dict(zip(SUMMARY, rows[0], strict=True)) if rows else None


def related(query: Query, told: dict[str, Any]) -> dict[str, list[str]]:
    """By what they are to a session, as `summary` tells of it, the files that belong together with it.

    ``session`` is whose subagent it is, ``subagents`` are its own, ``parent`` is what it was forked from.
    """
    main = "SELECT session_file FROM usage_main_files WHERE session_id = $1"
    theirs = """
        SELECT f.session_file FROM usage_files f JOIN usage_main_files m ON m.session_id = f.parent_session
        WHERE m.session_file = $1 ORDER BY f.first_at NULLS LAST, f.session_file
    """
    return {
        name: [key for (key,) in query(sql, [value])] if value is not None else []
        for name, sql, value in (
            ("session", main, told["parent_session"]),
            ("parent", main, told["forked_from"]),
            ("subagents", theirs, told["session_file"]),
        )
    }


def glances(query: Query, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Some session files at a glance, by their key; those without any usage are left out."""
    # Not from the view: asked for several, it first adds up all that there are.
    rows = query(
        "WITH own AS (SELECT * FROM usage_files WHERE session_file = ANY($1)),"
        " agents AS (SELECT m.session_file AS main, f.session_file FROM usage_main_files m"
        " JOIN usage_files f ON f.parent_session = m.session_id WHERE m.session_file = ANY($1)),"
        f" spent AS (SELECT session_file, {CALLS} AS calls, {COST} AS cost_usd FROM usage_calls WHERE counted"
        " AND session_file IN (SELECT session_file FROM own UNION SELECT session_file FROM agents)"
        " GROUP BY session_file)"
        " SELECT f.session_file, f.title, l.project, l.repository, f.parent_session, f.forked_from,"
        " CASE WHEN f.rules_version < 2 THEN f.human_turns ELSE COALESCE(t.people, 0) END, COALESCE(t.others, 0),"
        " COALESCE(c.calls, 0), c.cost_usd, a.cost_usd FROM own f"
        " LEFT JOIN usage_places l ON l.session_file = f.session_file"
        " LEFT JOIN (SELECT session_file, count(CASE WHEN asked_by = 'person' THEN 1 END) AS people,"
        " count(CASE WHEN asked_by <> 'person' THEN 1 END) AS others FROM usage_said"
        " WHERE counted AND session_file = ANY($1) GROUP BY session_file) t ON t.session_file = f.session_file"
        " LEFT JOIN spent c ON c.session_file = f.session_file"
        " LEFT JOIN (SELECT main, sum(cost_usd) AS cost_usd FROM agents JOIN spent USING (session_file)"
        " GROUP BY main) a ON a.main = f.session_file",
        [list(keys)],
    )
    return {row[0]: dict(zip(GLANCE, row, strict=True)) for row in rows}


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened in a session: a call to a model, or the use of a tool or command."""

    at: datetime | None
    #: ``call``, ``iteration`` (a further call to a model within it), or the event's type.
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
        "SELECT c.occurred_at, CASE WHEN c.iteration = -1 THEN 'call' ELSE 'iteration' END, c.model, x.agent_id,"
        " c.input_tokens + c.cache_creation_tokens + c.cache_read_tokens, c.output_tokens, c.cost_usd"
        " FROM usage_calls c JOIN usage_contexts x ON x.session_file = c.session_file AND x.context = c.context"
        " WHERE c.counted AND c.session_file = $1"
        " ORDER BY c.occurred_at NULLS LAST, c.message_id, c.iteration LIMIT $2",
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
