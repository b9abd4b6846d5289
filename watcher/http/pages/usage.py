"""Usage: charts over time, tables by whatever tokens are spent on, and both as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from processors.usage import reports
from processors.usage.reports import Filters, Report, reconcile
from processors.usage.reports.reconcile import Reconciliation
from watcher.http.pages import charts, downloads
from watcher.http.pages.charts import Chart
from watcher.http.pages.forms import day
from watcher.http.pages.layout import Frame, Visitor

#: Without a choice, so many days are shown.
DAYS = 30
#: So many rows of each table are shown; all of them are in its files.
MOST = 15
OFF = "The processor usage is not enabled ([processors.usage] enabled)."
#: What a click leads to: its name, how many days ago it begins, and how many it ends.
_RANGES = (
    ("today", 0, 0),
    ("yesterday", 1, 1),
    ("7 days", 6, None),
    ("30 days", DAYS - 1, None),
    ("90 days", 89, None),
    ("a year", 364, None),
)


@dataclass(frozen=True, slots=True)
class Part:
    """A table of the page."""

    report: str
    title: str
    #: The columns that name a row, with their headings.
    keys: dict[str, str]
    #: What it tells of: calls to models, uses of tools, or what is used and causes calls.
    of: Literal["calls", "uses", "causes"]
    #: What is said when there is nothing.
    empty: str = "Nothing in that time."


PARTS = (
    Part("models", "Models", {"model": "model"}, "calls"),
    Part("efforts", "Efforts", {"effort": "effort"}, "calls"),
    Part("users", "Users", {"username": "user"}, "calls"),
    Part("asked_by", "Asked by", {"asked_by": "who"}, "calls"),
    Part("projects", "Projects", {"project": "project"}, "calls"),
    Part("branches", "Branches", {"project": "project", "git_branch": "branch"}, "calls"),
    Part(
        "pull_requests",
        "Pull requests",
        {"pull_request": "pull request"},
        "calls",
        "No call of that time belongs to a pull request.",
    ),
    Part("tools", "Tools", {"tool_name": "tool", "event_type": "kind"}, "uses", "No tool was used in that time."),
    Part("skills", "Skills", {"skill_name": "skill"}, "causes", "No skill was used in that time."),
    Part("plugins", "Plugins", {"plugin": "plugin"}, "calls", "No plugin caused a call in that time."),
    Part("subagents", "Subagents", {"subagent_type": "subagent"}, "causes", "No subagent was sent out in that time."),
    Part("mcp_servers", "MCP servers", {"mcp_server": "server"}, "causes", "No MCP server was called in that time."),
    Part(
        "mcp_tools",
        "MCP tools",
        {"mcp_server": "server", "mcp_tool": "tool"},
        "causes",
        "No tool of an MCP server was called in that time.",
    ),
)
#: The reports that are given as files.
_REPORTS: dict[str, Callable[[reports.Query, Filters], Report]] = {
    **reports.REPORTS,
    reconcile.NAME: lambda query, filters: reconcile.part(query, "sessions", filters).report,
}
_FILES: dict[str, tuple[str, Callable[..., bytes]]] = {
    "csv": ("text/csv; charset=utf-8", downloads.as_csv),
    "parquet": ("application/vnd.apache.parquet", downloads.as_parquet),
}


def router(frame: Frame) -> APIRouter:
    """The page for one service."""
    routes = APIRouter()
    core = frame.core

    @routes.get("/usage", dependencies=frame.in_turn)
    def _usage(request: Request) -> Response:
        visitor = frame.visitor(request)
        if "usage" not in core.pipelines:
            raise HTTPException(404, OFF)
        today = reports.today(core.query, datetime.now(UTC))
        filters = _filters(request, visitor, today)
        parts = [part for part in PARTS if part.report != "users" or visitor.only is None]
        found = reports.several(core.query, filters, ["daily", "daily_models", *(part.report for part in parts)])
        daily = found["daily"]
        users, models = reports.choices(core.query)
        return frame.show(
            request,
            "usage.html",
            visitor,
            filters=filters,
            chosen=_words(filters),
            ranges=[(title, _words(one)) for title, one in _ranges(today, filters)],
            everything=_words(Filters(None, None, filters.user, filters.model)),
            users=_with(users, filters.user) if visitor.only is None else [],
            models=_with(models, filters.model),
            totals=daily.totals,
            people=reports.people(core.query, filters),
            unknown=daily.unknown_models,
            drawn=charts.drawn(frame, request, _charts(core.query, filters, found, today)) if daily.rows else None,
            tables=[_table(part, found[part.report]) for part in parts],
            stated=_stated(reconcile.part(core.query, "sessions", filters, MOST)) if daily.rows else None,
            last=None if daily.rows else reports.last_day(core.query, filters.user),
            zone=core.query("SELECT timezone FROM usage_zone")[0][0],
        )

    @routes.get("/usage/{name}", dependencies=frame.in_turn)
    def _file(request: Request, name: str) -> Response:
        visitor = frame.visitor(request)
        report, _, kind = name.rpartition(".")
        if report not in _REPORTS or kind not in _FILES:
            raise HTTPException(404, f"There is no such file; there are {', '.join(_REPORTS)}, as csv or parquet.")
        if "usage" not in core.pipelines:
            raise HTTPException(404, OFF)
        filters = _filters(request, visitor, reports.today(core.query, datetime.now(UTC)))
        found = _REPORTS[report](core.query, filters)
        media, write = _FILES[kind]
        return Response(
            write(found.columns, found.rows),
            media_type=media,
            headers={"Content-Disposition": f'attachment; filename="usage-{report}.{kind}"'},
        )

    return routes


def _charts(query: Any, filters: Filters, found: Mapping[str, Report], today: date) -> list[Chart]:
    daily = found["daily"]
    days = [dict(zip(daily.columns, row, strict=True)) for row in daily.rows]
    known = [day["day"] for day in days if day["day"] is not None]
    earliest, latest = min(known, default=today), max([today, *known])
    # What was asked for, as far as it has anything to do with what there is.
    first = max(filters.since or earliest, earliest - timedelta(366))
    last = min(filters.until or (latest if filters.since else max(known, default=today)), latest)
    span = (first, max(first, last))
    uses = reports.uses_by_day(query, filters)
    return [
        charts.tokens(days, span),
        charts.cost([(row[0], row[1], row[-1]) for row in found["daily_models"].rows], span),
        charts.sessions(days, span),
        charts.active(reports.active_by_day(query, filters), span),
        charts.uses(uses, span),
        charts.failures(uses, span),
    ]


def _table(part: Part, report: Report) -> dict[str, Any]:
    """What is shown of a report."""
    measure = report.columns.index("calls" if part.of == "uses" else "cost_usd")
    return {
        "part": part,
        "rows": [dict(zip(report.columns, row, strict=True)) for row in report.rows[:MOST]],
        "left": max(0, len(report.rows) - MOST),
        "largest": max((row[measure] or 0 for row in report.rows), default=0),
    }


def _stated(found: Reconciliation) -> dict[str, Any]:
    """What is shown of what clients state: sums, the sessions that are explained least, and what is in no sum."""
    report = found.report
    return {
        "totals": report.totals,
        "rows": [dict(zip(report.columns, row, strict=True)) for row in report.rows],
        "left": report.total_rows - len(report.rows),
        "apart": [(one, *reconcile.REASONS[one.reason]) for one in found.apart],
    }


def _filters(request: Request, visitor: Visitor, today: date) -> Filters:
    """What the address narrows the reports to; nothing about days means the last ones, and empty days mean all.

    Raises:
        HTTPException: 400, a day is none, or 403, it is about somebody else.
    """
    given = request.query_params
    since, until = (day(name, given.get(name, "")) for name in ("since", "until"))
    if since is None and "since" not in given and "until" not in given:
        since = today - timedelta(DAYS - 1)
    user = given.get("user", "") or None
    if visitor.only is not None:
        if user not in (None, visitor.only):
            raise HTTPException(403, "Your token sees only what is your own.")
        user = visitor.only
    return Filters(since, until, user, given.get("model", "") or None)


def _ranges(today: date, filters: Filters) -> Iterator[tuple[str, Filters]]:
    for title, first, last in _RANGES:
        until = None if last is None else today - timedelta(last)
        yield title, Filters(today - timedelta(first), until, filters.user, filters.model)


def _words(filters: Filters) -> str:
    """The filters as the query of an address, the days always said."""
    given = {
        "since": filters.since.isoformat() if filters.since else "",
        "until": filters.until.isoformat() if filters.until else "",
        "user": filters.user,
        "model": filters.model,
    }
    return urlencode({name: value for name, value in given.items() if value or name == "since"})


def _with(names: list[str], chosen: str | None) -> list[str]:
    """The choices, and what was chosen even when there is none of it."""
    return names if chosen is None or chosen in names else [*names, chosen]
