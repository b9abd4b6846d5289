"""The reports that the faces show: what counts, added up and filtered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
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
# How a column is added up, by its type. To a billionth (of a dollar, a second): sums of fractions differ in their last
# digits with the order in which they are made.
_EXACT = {
    "BIGINT": "CAST(sum({}) AS BIGINT)",
    "DOUBLE PRECISION": "CAST(CAST(sum({}) AS DECIMAL(38, 9)) AS DOUBLE PRECISION)",
}
_COST = _EXACT["DOUBLE PRECISION"].format("cost_usd")
_SUMS = ", ".join(f"{_EXACT['BIGINT'].format(name)} AS {name}" for name in MEASURES[2:-1])
_ZONE = "AT TIME ZONE (SELECT timezone FROM usage_zone)"
# The day that usage_daily has, by the same zone: its view holds the setting.
_DAY = f"CAST(m.occurred_at {_ZONE} AS DATE)"
_LAST_DAY = f"CAST(f.last_at {_ZONE} AS DATE)"
#: What calls are added up by, and how it is made from a day's calls of a session to a model.
_KEYS = {
    "day": "day",
    "month": "CAST(date_trunc('month', day) AS DATE)",
    "model": "model",
    "username": "username",
    "project": "project",
    "git_branch": "git_branch",
}
#: The reports of calls, each with what it adds up by.
_CUTS = {
    "daily": ("day",),
    "monthly": ("month",),
    "models": ("model",),
    "users": ("username",),
    "projects": ("project",),
    "branches": ("project", "git_branch"),
    "daily_models": ("day", "model"),
}
#: What is added up of all sessions of a report.
_SESSION_SUMS = {
    "active_seconds": "DOUBLE PRECISION",
    "human_turns": "BIGINT",
    "assistant_messages": "BIGINT",
    "tool_calls": "BIGINT",
    "tool_errors": "BIGINT",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cache_creation_tokens": "BIGINT",
    "cache_read_tokens": "BIGINT",
    "cost_usd": "DOUBLE PRECISION",
}


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
    #: How many rows there are of it: all of them may be more than are above.
    total_rows: int
    totals: dict[str, Any]
    #: Models without a price, whose cost is missing above.
    unknown_models: list[str]


def as_json(report: Report) -> dict[str, Any]:
    """A report as the API gives it."""
    return {
        "report": report.name,
        "columns": report.columns,
        "rows": [[_plain(value) for value in row] for row in report.rows],
        "totals": {name: _plain(value) for name, value in report.totals.items()},
        "total_rows": report.total_rows,
        "unknown_models": report.unknown_models,
    }


def part(query: Query, name: str, filters: Filters, limit: int, offset: int) -> Report:
    """So many rows of a report, passing over those before; its totals are those of all."""
    if name == "sessions":  # of which there may be very many
        return sessions(query, filters, limit, offset)
    found = REPORTS[name](query, filters)
    return replace(found, rows=found.rows[offset : offset + limit])


def spent(query: Query, filters: Filters, names: Sequence[str]) -> dict[str, Report]:
    """Several reports of calls, from one pass over them: days in their order, all else with the dearest first.

    Calls are first added up by session, where there are few of them, and only then by what the reports are about.
    """
    cuts = {name: _CUTS[name] for name in names}
    keys = [key for key in _KEYS if any(key in cut for cut in cuts.values())]
    sql, values = _added_up(filters, keys, [(), *cuts.values()])
    rows = query(sql, values)
    unknown = unknown_models(query, filters.user)

    def of(cut: Sequence[str]) -> list[tuple[Any, ...]]:
        """The rows of one cut: in their mask a key is 0 where they are about it, the last one in the lowest bit."""
        wanted = sum((key not in cut) << place for place, key in enumerate(reversed(keys)))
        kept = [1 + keys.index(key) for key in cut]
        return [(*(row[place] for place in kept), *row[1 + len(keys) :]) for row in rows if row[0] == wanted]

    (totals,) = of(())
    added = dict(zip(MEASURES, totals, strict=True))
    found = {name: of(cut) for name, cut in cuts.items()}
    return {name: Report(name, [*cuts[name], *MEASURES], cut, len(cut), added, unknown) for name, cut in found.items()}


def daily(query: Query, filters: Filters) -> Report:
    """One row a day."""
    return _of_calls("daily")(query, filters)


def sessions(query: Query, filters: Filters, limit: int | None = None, offset: int = 0) -> Report:
    """One row a session file, the latest first: so many of them (None: all), passing over those before."""
    where, values = _where_files(filters)
    sums = ", ".join(f"{_EXACT[kind].format(name)} AS {name}" for name, kind in _SESSION_SUMS.items())
    columns = ["session_id", "username", "project", "last_at", *_SESSION_SUMS, "primary_model"]
    shown = ", ".join(columns)
    part = "" if limit is None else f" LIMIT {limit:d} OFFSET {offset:d}"
    # They are added up once, for the rows and for what all of them come to, which stands first.
    (_, count, *whole), *rows = query(
        f"WITH found AS MATERIALIZED (SELECT session_file, {shown} FROM usage_sessions f WHERE {where})"
        f" SELECT '' AS session_file, count(*) AS found, NULL AS session_id, NULL AS username, NULL AS project,"
        f" NULL AS last_at, {sums}, NULL AS primary_model FROM found"
        f" UNION ALL SELECT * FROM (SELECT session_file, CAST(NULL AS BIGINT) AS found, {shown} FROM found"
        f" ORDER BY last_at DESC NULLS LAST, session_file{part}) AS part"
        " ORDER BY found NULLS LAST, last_at DESC NULLS LAST, session_file",
        values,
    )
    totals = dict(zip(_SESSION_SUMS, whole[4:], strict=False))
    return Report("sessions", columns, [row[2:] for row in rows], count, totals, unknown_models(query, filters.user))


def tools(query: Query, filters: Filters) -> Report:
    """One row a tool, the most used first."""
    return _uses(query, filters, "tools", ["tool_name", "event_type"], "event_type <> 'slash_command'")


def skills(query: Query, filters: Filters) -> Report:
    """One row a skill, the most used first."""
    return _uses(query, filters, "skills", ["skill_name"], "skill_name IS NOT NULL")


def subagents(query: Query, filters: Filters) -> Report:
    """One row a kind of subagent, the most used first."""
    return _uses(query, filters, "subagents", ["subagent_type"], "subagent_type IS NOT NULL")


def mcp_servers(query: Query, filters: Filters) -> Report:
    """One row an MCP server, the most used first."""
    return _uses(query, filters, "mcp_servers", ["mcp_server"], "mcp_server IS NOT NULL")


def _of_calls(name: str) -> Callable[[Query, Filters], Report]:
    """A report of calls alone."""
    return lambda query, filters: spent(query, filters, [name])[name]


REPORTS: dict[str, Callable[[Query, Filters], Report]] = {
    "daily": daily,
    "monthly": _of_calls("monthly"),
    "sessions": sessions,
    "models": _of_calls("models"),
    "users": _of_calls("users"),
    "projects": _of_calls("projects"),
    "branches": _of_calls("branches"),
    "tools": tools,
    "skills": skills,
    "subagents": subagents,
    "mcp_servers": mcp_servers,
}


def uses_by_day(query: Query, filters: Filters) -> list[tuple[date, int, int]]:
    """Tool calls of each day, and how many of them failed."""
    where, values = _where(filters, "m.username", "m.model")
    return query(
        f"SELECT {_DAY}, count(*), count(CASE WHEN is_error THEN 1 END) FROM usage_events m"
        f" WHERE event_type <> 'slash_command' AND {where} GROUP BY 1 ORDER BY 1",
        values,
    )


def active_by_day(query: Query, filters: Filters) -> list[tuple[date, float]]:
    """Active seconds of the sessions that ended on each day."""
    where, values = _where_files(filters)
    return query(
        f"SELECT {_LAST_DAY}, sum(f.active_seconds) FROM usage_files f WHERE {where} GROUP BY 1 ORDER BY 1", values
    )


def today(query: Query, now: datetime) -> date:
    """The day that a moment belongs to, in the zone of the reports."""
    ((day,),) = query("SELECT CAST(CAST($1 AS TIMESTAMPTZ) AT TIME ZONE timezone AS DATE) FROM usage_zone", [now])
    return day  # type: ignore[no-any-return]


def last_day(query: Query, user: str | None = None) -> date | None:
    """The latest day that has any call, of one user or of all."""
    where, values = _where(Filters(user=user), "username", None)
    ((day,),) = query(f"SELECT CAST(max(occurred_at) {_ZONE} AS DATE) FROM usage_messages WHERE {where}", values)
    return day  # type: ignore[no-any-return]


def choices(query: Query) -> tuple[list[str], list[str]]:
    """The users and the models that reports can be narrowed to."""
    users = query("SELECT DISTINCT username FROM usage_contexts ORDER BY 1", [])
    models = query("SELECT DISTINCT model FROM usage_calls WHERE counted AND model IS NOT NULL ORDER BY 1", [])
    return [name for (name,) in users], [name for (name,) in models]


def _added_up(filters: Filters, keys: Sequence[str], cuts: Sequence[Sequence[str]]) -> tuple[str, list[Any]]:
    """A query for calls by each of the cuts, whose rows begin with a mask: a bit for each key they are not about."""
    where, values = _where(Filters(filters.since, filters.until, None, filters.model), "", "m.model")
    dated = [key for key in ("day", "month") if key in keys]
    parts = "m.session_file, m.context, m.model" + (f", {_DAY} AS day" if dated else "")
    whose = ""
    if filters.user is not None:
        values.append(filters.user)
        whose = f"WHERE x.username = ${len(values)}"
    made = ", ".join(_KEYS[key] for key in keys)
    sets = ", ".join(f"({', '.join(_KEYS[key] for key in cut)})" for cut in cuts)
    # What goes by time is in its order alone, whatever it cost.
    by_time = "".join(f"WHEN grouping({_KEYS[key]}) = 0 THEN NULL " for key in dated)
    dearest = f"CASE {by_time}ELSE {_COST} END" if by_time else _COST
    return (
        f"SELECT grouping({made}), {made}, count(DISTINCT session_id),"
        f" CAST(COALESCE(sum(calls), 0) AS BIGINT), {_SUMS}, {_COST}"
        f" FROM (SELECT {parts}, count(*) AS calls, {_SUMS}, sum(cost_usd) AS cost_usd"
        f" FROM usage_calls m WHERE m.counted AND {where}"
        f" GROUP BY {', '.join(map(str, range(1, 5 if dated else 4)))}) AS p"
        f" JOIN usage_contexts x ON x.session_file = p.session_file AND x.context = p.context {whose}"
        f" GROUP BY GROUPING SETS ({sets}) ORDER BY {dearest} DESC NULLS LAST, {made}"
    ), values


def _uses(query: Query, filters: Filters, name: str, keys: list[str], which: str) -> Report:
    where, values = _where(filters, "m.username", "m.model")
    groups = ", ".join(str(place) for place in range(1, len(keys) + 1))
    rows = query(
        f"SELECT {', '.join(keys)}, count(*), count(CASE WHEN is_error THEN 1 END), count(DISTINCT session_id)"
        f" FROM usage_events m WHERE {which} AND {where} GROUP BY {groups} ORDER BY {len(keys) + 1} DESC, {groups}",
        values,
    )
    totals = {name: _sum(row[len(keys) + at] for row in rows) for at, name in enumerate(("calls", "errors"))}
    return Report(name, [*keys, "calls", "errors", "sessions"], rows, len(rows), totals, [])


def _where_files(filters: Filters) -> tuple[str, list[Any]]:
    where, values = _where(filters, "f.username", None, "f.last_at", _LAST_DAY)
    if filters.model is not None:
        values.append(filters.model)
        where += f" AND f.session_file IN (SELECT session_file FROM usage_messages WHERE model = ${len(values)})"
    return where, values


def _where(
    filters: Filters, user: str, model: str | None, at: str = "m.occurred_at", day: str = _DAY
) -> tuple[str, list[Any]]:
    clauses, values = ["TRUE"], []
    for clause, value in (
        # In no zone does a day begin or end more than a day away from where it does in UTC. That is said first,
        # since the database passes over what lies elsewhere without looking at each row.
        (f"{at} >=", _instant(filters.since, -1)),
        (f"{at} <", _instant(filters.until, 2)),
        (f"{day} >=", filters.since),
        (f"{day} <=", filters.until),
        (f"{user} =", filters.user),
        (f"{model} =" if model else "", filters.model),
    ):
        if value is not None and clause:
            values.append(value)
            clauses.append(f"{clause} ${len(values)}")
    return " AND ".join(clauses), values


def _instant(day: date | None, more: int) -> datetime | None:
    """The beginning in UTC of the day so many days later; None where there is no such day."""
    if day is None:
        return None
    try:
        return datetime.combine(day, time.min, UTC) + timedelta(more)
    except OverflowError:
        return None


def unknown_models(query: Query, user: str | None = None) -> list[str]:
    """Models without a price (of one user's): what they cost is missing in every report."""
    whose = "" if user is None else "AND session_file IN (SELECT session_file FROM usage_contexts WHERE username = $1)"
    rows = query(
        f"SELECT DISTINCT model FROM usage_calls WHERE counted AND cost_usd IS NULL AND model IS NOT NULL {whose}"
        " ORDER BY 1",
        [] if user is None else [user],
    )
    return [model for (model,) in rows]


def _sum(values: Any) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (date, datetime)) else value
