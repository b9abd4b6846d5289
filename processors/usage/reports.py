"""The reports that the faces show: what counts, added up and filtered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

#: What calls add up to, in the order of every report's columns.
MEASURES = (
    "sessions",
    "calls",
    "input_tokens",
    "output_tokens",
    "cache_creation_tokens",
    "cache_creation_1h_tokens",
    "cache_read_tokens",
    "web_search_requests",
    "cost_usd",
)
_SUMS = ", ".join(
    ["count(DISTINCT session_id)", "count(*)"]
    + [f"CAST(sum({name}) AS BIGINT)" for name in MEASURES[2:-1]]
    + ["sum(cost_usd)"]
)
# The day that usage_daily has, by the same zone: its view holds the setting.
_DAY = "CAST(m.occurred_at AT TIME ZONE (SELECT timezone FROM usage_zone) AS DATE)"


@dataclass(frozen=True, slots=True)
class Filters:
    """What a report is narrowed to; days are whole and both included."""

    since: date | None = None
    until: date | None = None
    user: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A table with its totals."""

    name: str
    columns: list[str]
    rows: list[tuple[Any, ...]]
    totals: dict[str, Any]
    #: Models without a price, whose cost is missing above.
    unknown_models: list[str]


def as_json(report: Report, limit: int | None = None, offset: int = 0) -> dict[str, Any]:
    """A report as the API gives it; of its rows so many, passing over those before (None: all)."""
    rows = report.rows if limit is None else report.rows[offset : offset + limit]
    return {
        "report": report.name,
        "columns": report.columns,
        "rows": [[_plain(value) for value in row] for row in rows],
        "totals": {name: _plain(value) for name, value in report.totals.items()},
        "total_rows": len(report.rows),
        "unknown_models": report.unknown_models,
    }


def daily(query: Query, filters: Filters) -> Report:
    """One row a day."""
    return _by(query, filters, "daily", ["day"], _DAY, "1")


def monthly(query: Query, filters: Filters) -> Report:
    """One row a month, dated by its first day."""
    return _by(query, filters, "monthly", ["month"], f"CAST(date_trunc('month', {_DAY}) AS DATE)", "1")


def models(query: Query, filters: Filters) -> Report:
    """One row a model, the dearest first."""
    return _by(query, filters, "models", ["model"], "m.model", "10 DESC NULLS LAST, 1")


def users(query: Query, filters: Filters) -> Report:
    """One row a user, the dearest first."""
    return _by(query, filters, "users", ["username"], "m.username", "10 DESC NULLS LAST, 1")


def sessions(query: Query, filters: Filters) -> Report:
    """One row a session file, the latest first."""
    where, values = _where(
        filters, "f.username", None, "CAST(f.last_at AT TIME ZONE (SELECT timezone FROM usage_zone) AS DATE)"
    )
    if filters.model is not None:
        values.append(filters.model)
        where += f" AND f.session_file IN (SELECT session_file FROM usage_messages WHERE model = ${len(values)})"
    columns = [
        "session_id", "username", "project", "last_at", "active_seconds", "human_turns", "assistant_messages",
        "tool_calls", "tool_errors", "input_tokens", "output_tokens", "cache_creation_tokens", "cache_read_tokens",
        "cost_usd", "primary_model",
    ]  # fmt: skip
    rows = query(
        f"SELECT {', '.join(columns)} FROM usage_sessions f WHERE {where}"
        " ORDER BY last_at DESC NULLS LAST, session_file",
        values,
    )
    totals = {
        name: _sum(row[at] for row in rows)
        for at, name in enumerate(columns)
        if name not in ("session_id", "username", "project", "last_at", "primary_model")
    }
    return Report("sessions", columns, rows, totals, unknown_models(query, filters.user))


def tools(query: Query, filters: Filters) -> Report:
    """One row a tool, the most used first."""
    where, values = _where(filters, "m.username", "m.model")
    columns = ["tool_name", "event_type", "calls", "errors", "sessions"]
    rows = query(
        "SELECT tool_name, event_type, count(*), count(CASE WHEN is_error THEN 1 END), count(DISTINCT session_id)"
        f" FROM usage_events m WHERE event_type <> 'slash_command' AND {where} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
        values,
    )
    return Report(
        "tools", columns, rows, {name: _sum(row[at] for row in rows) for at, name in ((2, "calls"), (3, "errors"))}, []
    )


REPORTS: dict[str, Callable[[Query, Filters], Report]] = {
    "daily": daily,
    "monthly": monthly,
    "sessions": sessions,
    "models": models,
    "users": users,
    "tools": tools,
}


def _by(query: Query, filters: Filters, name: str, keys: list[str], key: str, order: str) -> Report:
    where, values = _where(filters, "m.username", "m.model")
    rows = query(f"SELECT {key}, {_SUMS} FROM usage_messages m WHERE {where} GROUP BY 1 ORDER BY {order}", values)
    ((*totals,),) = query(f"SELECT {_SUMS} FROM usage_messages m WHERE {where}", values)
    unknown = unknown_models(query, filters.user)
    return Report(name, [*keys, *MEASURES], rows, dict(zip(MEASURES, totals, strict=True)), unknown)


def _where(filters: Filters, user: str, model: str | None, day: str = _DAY) -> tuple[str, list[Any]]:
    clauses, values = ["TRUE"], []
    for clause, value in (
        (f"{day} >=", filters.since),
        (f"{day} <=", filters.until),
        (f"{user} =", filters.user),
        (f"{model} =" if model else "", filters.model),
    ):
        if value is not None and clause:
            values.append(value)
            clauses.append(f"{clause} ${len(values)}")
    return " AND ".join(clauses), values


def unknown_models(query: Query, user: str | None = None) -> list[str]:
    """Models without a price (of one user's): what they cost is missing in every report."""
    where, values = _where(Filters(user=user), "username", None)
    rows = query(
        "SELECT DISTINCT model FROM usage_messages"
        f" WHERE cost_usd IS NULL AND model IS NOT NULL AND {where} ORDER BY 1",
        values,
    )
    return [model for (model,) in rows]


def _sum(values: Any) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (date, datetime)) else value
