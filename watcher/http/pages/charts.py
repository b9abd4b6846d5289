"""The pages' charts. Labels are the pages' own; names from transcripts are only ever data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import accumulate
from typing import Any

from fastapi import Request
from markupsafe import Markup

from processors.usage.reports.timeline import Moment
from watcher.charts import spec
from watcher.errors import ChartTrouble
from watcher.http.pages.layout import REFRESHING, Frame

Days = tuple[date, date]
#: The colour of the surrounding text, light or dark.
_INK = "currentColor"
#: Kinds of tokens and their labels.
TOKENS = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_creation_tokens": "cache write",
    "cache_read_tokens": "cache read",
}
_NO_MODEL = "no model"


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of a page."""

    title: str
    #: Its content in a sentence, for screen readers.
    telling: str
    #: A specification from `watcher.charts.spec`.
    chart: Mapping[str, Any]
    #: The rendered picture.
    svg: Markup | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """The charts of a page, or the reason why there are none."""

    charts: Sequence[Chart] = ()
    missing: str = ""


def drawn(frame: Frame, request: Request, wanted: Sequence[Chart]) -> Drawn:
    """Render the charts; the script that refreshes a page does not replace them."""
    if REFRESHING in request.headers:
        return Drawn()
    try:
        pictures = frame.easel.draw([one.chart for one in wanted])
    except ChartTrouble as trouble:
        return Drawn(missing=str(trouble))
    # The library escapes its output, and the page's policy lets nothing in it run either.
    return Drawn([replace(one, svg=Markup(svg.decode())) for one, svg in zip(wanted, pictures, strict=True)])


def tokens(days: Sequence[Mapping[str, Any]], span: Days) -> Chart:
    """Tokens by kind, one bar a day."""
    rows = [
        {"day": day["day"].isoformat(), "value": day[column], "kind": kind}
        for day in days
        if day["day"] is not None
        for column, kind in TOKENS.items()
    ]
    chart = spec.over_time(rows, unit="tokens", span=span, kinds=list(TOKENS.values()), ink=_INK)
    return Chart("Tokens by kind", "Tokens of each day, by kind.", chart)


def cost(found: Sequence[tuple[date | None, str | None, float | None]], span: Days) -> Chart:
    """Cost by model, one bar a day."""
    dated = [(day, spec.short(model or _NO_MODEL), dollars or 0.0) for day, model, dollars in found if day]
    totals: dict[str, float] = defaultdict(float)
    for _, model, dollars in dated:
        totals[model] += dollars
    kinds = spec.few_kinds(totals)
    by_day: dict[tuple[date, str], float] = defaultdict(float)
    for day, model, dollars in dated:
        by_day[day, model if model in kinds else spec.OTHERS] += dollars
    rows = [{"day": day.isoformat(), "value": dollars, "kind": kind} for (day, kind), dollars in by_day.items()]
    chart = spec.over_time(rows, unit="cost in dollars", span=span, kinds=kinds, ink=_INK)
    return Chart("Cost by model", "Cost of each day in dollars, by model.", chart)


def sessions(days: Sequence[Mapping[str, Any]], span: Days) -> Chart:
    """Sessions, one bar a day."""
    chart = spec.over_time(_values(days, "sessions"), unit="sessions", span=span, ink=_INK)
    return Chart("Sessions", "Sessions with calls on each day.", chart)


def active(found: Sequence[tuple[date | None, float]], span: Days) -> Chart:
    """Active time, one bar a day."""
    rows = [{"day": day.isoformat(), "value": seconds / 3600} for day, seconds in found if day]
    chart = spec.over_time(rows, unit="active hours", span=span, ink=_INK)
    return Chart("Active time", "Hours at work in sessions, on the day that each was last written.", chart)


def uses(found: Sequence[tuple[date | None, int, int]], span: Days) -> Chart:
    """Tool calls with failed ones apart, one bar a day."""
    kinds = ("ok", "failed")
    rows = [
        {"day": day.isoformat(), "value": value, "kind": kind}
        for day, calls, failed in found
        if day
        for kind, value in zip(kinds, (calls - failed, failed), strict=True)
    ]
    chart = spec.over_time(rows, unit="tool calls", span=span, kinds=kinds, ink=_INK)
    return Chart("Tool calls", "Tool calls of each day, and how many of them failed.", chart)


def failures(found: Sequence[tuple[date | None, int, int]], span: Days) -> Chart:
    """Share of tool calls that failed, one bar a day."""
    rows = [{"day": day.isoformat(), "value": 100 * failed / calls} for day, calls, failed in found if day and calls]
    chart = spec.over_time(rows, unit="% of tool calls failed", span=span, ink=_INK)
    return Chart("Error rate", "How many of each day's tool calls failed, in percent.", chart)


def cost_and_tokens(days: Sequence[Mapping[str, Any]], span: Days) -> list[Chart]:
    """Cost and tokens of the last days."""
    if not days:
        return []
    rows = [row for row in _values(days, "cost_usd") if row["value"] is not None]
    chart = spec.over_time(rows, unit="cost in dollars", span=span, ink=_INK)
    return [Chart("Cost", "Cost of each of the last days in dollars.", chart), tokens(days, span)]


def course(moments: Sequence[Moment]) -> list[Chart]:
    """Context size and cumulative cost of a session's calls."""
    calls = [(one.at, one) for one in moments if one.kind == "call" and one.at is not None]
    if len(calls) < 2:
        return []
    kinds = ("read by the model", "written by it")
    sizes = [
        {"at": at.isoformat(), "value": value, "kind": kind}
        for at, one in calls
        for kind, value in zip(kinds, (one.tokens_in, one.tokens_out), strict=True)
    ]
    paid = [
        (one.at, one.cost_usd or 0.0) for one in moments if one.kind in ("call", "iteration") and one.at is not None
    ]
    costs = accumulate(cost for _, cost in paid)
    spent = [{"at": at.isoformat(), "value": cost, "kind": "cost"} for (at, _), cost in zip(paid, costs, strict=True)]
    size_chart = spec.over_moments(sizes, unit="tokens a call", kinds=kinds, ink=_INK)
    cost_chart = spec.over_moments(spent, unit="cost in dollars", ink=_INK)
    return [
        Chart("Tokens of each call", "Tokens that each call read and wrote, over time.", size_chart),
        Chart("Cost so far", "What all calls up to a time cost together, in dollars.", cost_chart),
    ]


def _values(days: Sequence[Mapping[str, Any]], column: str) -> list[dict[str, Any]]:
    return [{"day": day["day"].isoformat(), "value": day[column]} for day in days if day["day"] is not None]
