"""The report of sessions, and what people had to do with them."""

from __future__ import annotations

from datetime import date

from processors.usage.reports.filters import LAST_DAY, Filters, Query, unknown_models, where, where_files
from processors.usage.reports.table import EXACT, Report

#: What is told of each, before its measures.
_TOLD = (
    "session_id",
    "title",
    "username",
    "project",
    "repository",
    "parent_session",
    "forked_from",
    "asked_by",
    "last_at",
)
#: What is added up of all sessions of a report. Calls, tokens and cost of a subagent stand in its own row; a session's
#: ``subagent_…`` says the same once more, so that it can be told what the session cost as a whole.
_SUMS = {
    "active_seconds": "DOUBLE PRECISION",
    "human_turns": "BIGINT",
    "other_turns": "BIGINT",
    "assistant_messages": "BIGINT",
    "tool_calls": "BIGINT",
    "tool_errors": "BIGINT",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cache_creation_tokens": "BIGINT",
    "cache_read_tokens": "BIGINT",
    "cost_usd": "DOUBLE PRECISION",
    "subagent_calls": "BIGINT",
    "subagent_cost_usd": "DOUBLE PRECISION",
}


def sessions(query: Query, filters: Filters, limit: int | None = None, offset: int = 0) -> Report:
    """One row a session file, the latest first: so many of them (None: all), passing over those before.

    A subagent's file has the session that it belongs to in ``parent_session``.
    """
    clause, values = where_files(filters)
    sums = ", ".join(f"{EXACT[kind].format(name)} AS {name}" for name, kind in _SUMS.items())
    columns = [*_TOLD, *_SUMS, "primary_model"]
    shown = ", ".join(columns)
    nothing = ", ".join(f"NULL AS {name}" for name in _TOLD)
    part = "" if limit is None else f" LIMIT {limit:d} OFFSET {offset:d}"
    # They are added up once, for the rows and for what all of them come to, which stands first.
    (_, count, *whole), *rows = query(
        f"WITH found AS MATERIALIZED (SELECT session_file, {shown} FROM usage_sessions f WHERE {clause})"
        f" SELECT '' AS session_file, count(*) AS found, {nothing}, {sums}, NULL AS primary_model FROM found"
        f" UNION ALL SELECT * FROM (SELECT session_file, CAST(NULL AS BIGINT) AS found, {shown} FROM found"
        f" ORDER BY last_at DESC NULLS LAST, session_file{part}) AS part"
        " ORDER BY found NULLS LAST, last_at DESC NULLS LAST, session_file",
        values,
    )
    totals = dict(zip(_SUMS, whole[len(_TOLD) :], strict=False))
    return Report("sessions", columns, [row[2:] for row in rows], count, totals, unknown_models(query, filters.user))


def active_by_day(query: Query, filters: Filters) -> list[tuple[date, float]]:
    """Active seconds of the sessions that ended on each day."""
    clause, values = where_files(filters)
    return query(
        f"SELECT {LAST_DAY}, sum(f.active_seconds) FROM usage_files f WHERE {clause} GROUP BY 1 ORDER BY 1", values
    )


def people(query: Query, filters: Filters) -> tuple[int, int]:
    """How many people said something to an agent, and how often: programs, schedules and other agents are none.

    A filter by model passes over it, since what is said is said to no model.
    """
    clause, values = where(filters, "m.username", None)
    # Where a session was gone when turns became rows, it says how many there were, and that they ended on its last day.
    earlier, more = where(filters, "f.username", None, "f.last_at", LAST_DAY, behind=len(values))
    ((users, turns),) = query(
        "SELECT count(DISTINCT username), CAST(COALESCE(sum(turns), 0) AS BIGINT) FROM ("
        " SELECT username, count(*) AS turns FROM usage_turns m"
        f" WHERE asked_by = 'person' AND {clause} GROUP BY username"
        " UNION ALL SELECT username, sum(human_turns) FROM usage_files f"
        f" WHERE rules_version < 2 AND human_turns > 0 AND {earlier} GROUP BY username) AS said",
        [*values, *more],
    )
    return users, turns
