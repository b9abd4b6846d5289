"""The reports of calls: tokens and cost by day, model, user, project and whatever else stands beside a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from processors.usage.reports.filters import DAY, Filters, Query, unknown_models, where
from processors.usage.reports.projects import labels
from processors.usage.reports.table import ADDED, CALLS, COST, MEASURES, SUMS, Report

#: What calls are added up by, and how it is made of a day's calls of a session to a model.
_KEYS = {
    "day": "day",
    "month": "CAST(date_trunc('month', day) AS DATE)",
    "model": "model",
    "username": "username",
    "project": "project",
    # Where the settings name a project, its repositories are one.
    "repository": "repository",
    "git_branch": "git_branch",
    "effort": "effort",
    "asked_by": "asked_by",
}
#: The reports of calls, each with what it adds up by.
CUTS = {
    "daily": ("day",),
    "monthly": ("month",),
    "models": ("model",),
    "users": ("username",),
    "projects": ("project", "repository"),
    "branches": ("project", "repository", "git_branch"),
    "efforts": ("effort",),
    "asked_by": ("asked_by",),
    "daily_models": ("day", "model"),
}
#: What comes of the context of a call, and of the place of its session.
_OF_CONTEXT = {"git_branch": "x.git_branch", "effort": "x.effort"}
_OF_PLACE = {
    "project": "l.project",
    "repository": "CASE WHEN l.is_named THEN NULL ELSE l.repository END AS repository",
    "asked_by": "COALESCE(l.session_asked_by, x.asked_by) AS asked_by",
}


def spent(query: Query, filters: Filters, names: Sequence[str]) -> dict[str, Report]:
    """Several reports of calls, from one pass over them: days in their order, all else with the dearest first.

    Calls are first added up by session, where there are few of them, and only then by what the reports are about.
    """
    cuts = {name: CUTS[name] for name in names}
    keys = [key for key in _KEYS if any(key in cut for cut in cuts.values())]
    sql, values = _added_up(filters, keys, [(), *cuts.values()])
    rows = query(sql, values)
    unknown = unknown_models(query, filters.user)

    def of(cut: Sequence[str]) -> list[tuple[Any, ...]]:
        """The rows of one cut: in their mask a key is 0 where they are about it, the last one in the lowest bit."""
        wanted = sum((key not in cut) << place for place, key in enumerate(reversed(keys)))
        kept = [1 + keys.index(key) for key in cut]
        found = [(*(row[place] for place in kept), *row[1 + len(keys) :]) for row in rows if row[0] == wanted]
        return _labelled(found) if "project" in cut else found

    (totals,) = of(())
    added = dict(zip(MEASURES, totals, strict=True))
    found = {name: of(cut) for name, cut in cuts.items()}
    return {name: Report(name, [*cuts[name], *MEASURES], cut, len(cut), added, unknown) for name, cut in found.items()}


def of_calls(name: str) -> Callable[[Query, Filters], Report]:
    """A report of calls alone."""
    return lambda query, filters: spent(query, filters, [name])[name]


def pull_requests(query: Query, filters: Filters) -> Report:
    """One row a pull request that sessions made, the dearest first."""
    clause, values = where(filters, "m.username", "m.model")
    totals, *rows = query(
        f"SELECT grouping(pull_request), pull_request, count(DISTINCT session_id), {CALLS}, {SUMS}, {COST}"
        # Few sessions make any: said first, since all calls are looked at by their branch and time otherwise.
        " FROM usage_messages m WHERE session_id IN (SELECT session_id FROM usage_pull_requests)"
        f" AND pull_request IS NOT NULL AND {clause}"
        f" GROUP BY GROUPING SETS ((), (pull_request)) ORDER BY 1 DESC, {COST} DESC NULLS LAST, pull_request",
        values,
    )
    return Report(
        "pull_requests",
        ["pull_request", *MEASURES],
        [row[1:] for row in rows],
        len(rows),
        dict(zip(MEASURES, totals[2:], strict=True)),
        unknown_models(query, filters.user),
    )


def _added_up(filters: Filters, keys: Sequence[str], cuts: Sequence[Sequence[str]]) -> tuple[str, list[Any]]:
    """A query for calls by each of the cuts, whose rows begin with a mask: a bit for each key they are not about."""
    clause, values = where(filters, "", "m.model")
    dated = [key for key in ("day", "month") if key in keys]
    parts = "m.session_file, m.context, m.model" + (f", {DAY} AS day" if dated else "")
    whose = ""
    if filters.user is not None:
        values.append(filters.user)
        whose = f"WHERE x.username = ${len(values)}"
    placed = [key for key in keys if key in _OF_PLACE]
    beside = [_OF_PLACE.get(key) or _OF_CONTEXT[key] for key in keys if key in _OF_PLACE or key in _OF_CONTEXT]
    of_place = "LEFT JOIN usage_places l ON l.session_file = p.session_file" if placed else ""
    made = ", ".join(_KEYS[key] for key in keys)
    sets = ", ".join(f"({', '.join(_KEYS[key] for key in cut)})" for cut in cuts)
    # What goes by time is in its order alone, whatever it cost.
    by_time = "".join(f"WHEN grouping({_KEYS[key]}) = 0 THEN NULL " for key in dated)
    dearest = f"CASE {by_time}ELSE {COST} END" if by_time else COST
    return (
        f"SELECT grouping({made}), {made}, {ADDED}"
        f" FROM (SELECT p.*, {', '.join(['x.session_id', 'x.username', *beside])}"
        f" FROM (SELECT {parts}, {CALLS} AS calls, {SUMS}, sum(cost_usd) AS cost_usd"
        f" FROM usage_calls m WHERE m.counted AND {clause}"
        f" GROUP BY {', '.join(map(str, range(1, 5 if dated else 4)))}) AS p"
        f" JOIN usage_contexts x ON x.session_file = p.session_file AND x.context = p.context {of_place} {whose}) AS a"
        f" GROUP BY GROUPING SETS ({sets}) ORDER BY {dearest} DESC NULLS LAST, {made}"
    ), values


def _labelled(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows that begin with a project and its repository, with what the project is called among all of them."""
    named = labels(row[:2] for row in rows)
    return [(named[row[0], row[1]], *row[1:]) for row in rows]
