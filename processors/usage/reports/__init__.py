"""The reports that the faces show: what counts, added up and filtered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from processors.usage.reports.calls import CUTS, of_calls, pull_requests, spent
from processors.usage.reports.filters import Filters, Query, choices, last_day, today, unknown_models
from processors.usage.reports.sessions import active_by_day, people, sessions
from processors.usage.reports.table import MEASURES, Report, as_json
from processors.usage.reports.uses import CAUSES, caused, of_causes, tools, uses_by_day

__all__ = [
    "MEASURES",
    "REPORTS",
    "Filters",
    "Query",
    "Report",
    "active_by_day",
    "as_json",
    "choices",
    "daily",
    "last_day",
    "part",
    "people",
    "sessions",
    "several",
    "today",
    "unknown_models",
    "uses_by_day",
]

daily = of_calls("daily")

REPORTS: dict[str, Callable[[Query, Filters], Report]] = {
    "daily": daily,
    "monthly": of_calls("monthly"),
    "sessions": sessions,
    "models": of_calls("models"),
    "users": of_calls("users"),
    "asked_by": of_calls("asked_by"),
    "projects": of_calls("projects"),
    "branches": of_calls("branches"),
    "pull_requests": pull_requests,
    "efforts": of_calls("efforts"),
    "tools": tools,
    "skills": of_causes("skills"),
    "subagents": of_causes("subagents"),
    "plugins": of_causes("plugins"),
    "mcp_servers": of_causes("mcp_servers"),
    "mcp_tools": of_causes("mcp_tools"),
}


def part(query: Query, name: str, filters: Filters, limit: int, offset: int) -> Report:
    """So many rows of a report, passing over those before; its totals are those of all."""
    if name == "sessions":  # of which there may be very many
        return sessions(query, filters, limit, offset)
    found = REPORTS[name](query, filters)
    return replace(found, rows=found.rows[offset : offset + limit])


def several(query: Query, filters: Filters, names: Sequence[str]) -> dict[str, Report]:
    """Several reports by their names, from as few passes as there can be; ``daily_models`` is one of them, too."""
    found = {name: REPORTS[name](query, filters) for name in names if name not in CUTS and name not in CAUSES}
    if cuts := [name for name in names if name in CUTS]:
        found |= spent(query, filters, cuts)
    if causes := [name for name in names if name in CAUSES]:
        found |= caused(query, filters, causes)
    return found
