"""The reports of tools, skills, subagents and MCP servers: how often they were used, and what they have cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from processors.usage.reports.filters import DAY, Filters, Query, unknown_models, where
from processors.usage.reports.table import ADDED, CALLS, EXACT, MEASURES, SUMS, Report

_USES = ("uses", "errors")


@dataclass(frozen=True, slots=True)
class _Cause:
    """What calls are attributed to."""

    #: Its columns in the report, each with that of a call that it caused, see `_CAUSED`.
    keys: dict[str, str]
    #: Whether it is something that the agent uses: then its uses are counted beside its calls.
    is_used: bool = True


CAUSES = {
    "skills": _Cause({"skill_name": "skill"}),
    "subagents": _Cause({"subagent_type": "agent"}),
    "mcp_servers": _Cause({"mcp_server": "mcp_server"}),
    "mcp_tools": _Cause({"mcp_server": "mcp_server", "mcp_tool": "mcp_tool"}),
    "plugins": _Cause({"plugin": "plugin"}, is_used=False),
}
#: What a call says of its cause, and how a use says the same.
_CAUSED = {
    "skill": "skill_name",
    "agent": "subagent_type",
    "plugin": "CAST(NULL AS VARCHAR)",
    "mcp_server": "mcp_server",
    # The tool's name is mcp__<server>__<tool>.
    "mcp_tool": "substr(tool_name, length(mcp_server) + 8)",
}


def tools(query: Query, filters: Filters) -> Report:
    """One row a tool, the most used first."""
    clause, values = where(filters, "m.username", "m.model")
    rows = query(
        "SELECT tool_name, event_type, count(*), count(CASE WHEN is_error THEN 1 END), count(DISTINCT session_id)"
        f" FROM usage_events m WHERE event_type <> 'slash_command' AND {clause} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
        values,
    )
    totals = {name: sum(row[at] for row in rows) if rows else None for at, name in ((2, "calls"), (3, "errors"))}
    return Report("tools", ["tool_name", "event_type", "calls", "errors", "sessions"], rows, len(rows), totals, [])


def caused(query: Query, filters: Filters, names: Sequence[str]) -> dict[str, Report]:
    """Several reports of what caused calls, from one pass over calls and one over uses: the dearest first.

    A session is one that used it, or that has calls attributed to it; what it was used for before clients said what
    caused a call has uses alone, and what a person began by a command has calls alone.
    """
    calls, values = where(filters, "x.username", "m.model")
    uses, more = where(filters, "m.username", "m.model", behind=len(values))
    nothing = ", ".join(f"CAST(NULL AS BIGINT) AS {name}" for name in MEASURES[1:-1])
    sql = (
        f"WITH every AS MATERIALIZED (SELECT x.session_id, {', '.join(f'x.{name}' for name in _CAUSED)},"
        f" {CALLS} AS calls, {SUMS}, sum(cost_usd) AS cost_usd,"
        " CAST(NULL AS BIGINT) AS uses, CAST(NULL AS BIGINT) AS errors"
        " FROM usage_calls m JOIN usage_contexts x ON x.session_file = m.session_file AND x.context = m.context"
        f" WHERE m.counted AND ({' OR '.join(f'x.{name} IS NOT NULL' for name in _CAUSED)}) AND {calls}"
        " GROUP BY 1, 2, 3, 4, 5, 6"
        f" UNION ALL SELECT session_id, {', '.join(_CAUSED.values())}, {nothing},"
        " CAST(NULL AS DOUBLE PRECISION), count(*), count(CASE WHEN is_error THEN 1 END) FROM usage_events m"
        f" WHERE event_type IN ('skill', 'subagent', 'mcp_call') AND {uses} GROUP BY 1, 2, 3, 4, 5, 6) "
    )
    rows = query(sql + " UNION ALL ".join(map(_of_cause, names)), [*values, *more])
    unknown = unknown_models(query, filters.user)
    return {name: _report(name, [row[1:] for row in rows if row[0] == name], unknown) for name in names}


def of_causes(name: str) -> Callable[[Query, Filters], Report]:
    """A report of one kind of cause."""
    return lambda query, filters: caused(query, filters, [name])[name]


def uses_by_day(query: Query, filters: Filters) -> list[tuple[date, int, int]]:
    """Tool calls of each day, and how many of them failed."""
    clause, values = where(filters, "m.username", "m.model")
    return query(
        f"SELECT {DAY}, count(*), count(CASE WHEN is_error THEN 1 END) FROM usage_events m"
        f" WHERE event_type <> 'slash_command' AND {clause} GROUP BY 1 ORDER BY 1",
        values,
    )


def _of_cause(name: str) -> str:
    """A query for the rows of one report and their totals: its name, whether it is the totals, two keys, measures."""
    keys = [*CAUSES[name].keys.values()]
    shown = [*keys, "CAST(NULL AS VARCHAR)"][:2]
    there = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    uses = ", ".join(EXACT["BIGINT"].format(column) for column in _USES)
    return (
        f"SELECT '{name}', grouping({keys[0]}), {', '.join(shown)}, {ADDED}, {uses} FROM every"
        f" WHERE {there} GROUP BY GROUPING SETS ((), ({', '.join(keys)}))"
    )


def _report(name: str, rows: list[tuple[Any, ...]], unknown: list[str]) -> Report:
    cause = CAUSES[name]
    used = _USES if cause.is_used else ()
    columns = [*cause.keys, *used, *MEASURES]
    totals: dict[str, Any] = {}
    found = []
    for is_totals, *values in rows:
        *counts, cost = values[2 : 2 + len(MEASURES)]
        measures = [*(count or 0 for count in counts), cost]
        uses = [value or 0 for value in values[2 + len(MEASURES) :]]
        if is_totals:
            totals = dict(zip((*used, *MEASURES), (*uses[: len(used)], *measures), strict=True))
        else:
            found.append((*values[: len(cause.keys)], *uses[: len(used)], *measures))
    at = len(cause.keys)
    found.sort(key=lambda row: (-(row[-1] or 0), *((-row[at],) if used else ()), row[:at]))
    return Report(name, columns, found, len(found), totals, unknown)
