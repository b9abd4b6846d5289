"""The charts of the pages. Their words are the page's own; names out of transcripts are only ever data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from markupsafe import Markup

from processors.usage.reports import Moment
from watcher import charts
from watcher.errors import SettingsError

Days = tuple[date, date]
#: The colour of the text around, light or dark.
_INK = "currentColor"
#: The kinds of tokens, with what they are called.
TOKENS = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_creation_tokens": "cache write",
    "cache_read_tokens": "cache read",
}
_NO_MODEL = "no model"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart on a page."""

    title: str
    #: What it shows, in a sentence: for those who cannot see it.
    telling: str
    svg: Markup | None
    #: Why it is not there.
    missing: str = ""
    wide: bool = False


def tokens(days: Sequence[Mapping[str, Any]], span: Days) -> Drawn:
    """Tokens by kind, a bar a day."""
    rows = [
        {"day": day["day"].isoformat(), "value": day[column], "kind": kind}
        for day in days
        if day["day"] is not None
        for column, kind in TOKENS.items()
    ]
    chart = charts.over_time(rows, unit="tokens", span=span, kinds=list(TOKENS.values()), ink=_INK)
    return _drawn("Tokens by kind", "Tokens of each day, by kind.", chart)


def cost(found: Sequence[tuple[date | None, str | None, float | None]], span: Days) -> Drawn:
    """Cost by model, a bar a day."""
    dated = [(day, charts.short(model or _NO_MODEL), dollars or 0.0) for day, model, dollars in found if day]
    totals: dict[str, float] = defaultdict(float)
    for _, model, dollars in dated:
        totals[model] += dollars
    kinds = charts.few_kinds(totals)
    by_day: dict[tuple[date, str], float] = defaultdict(float)
    for day, model, dollars in dated:
        by_day[day, model if model in kinds else charts.OTHERS] += dollars
    rows = [{"day": day.isoformat(), "value": dollars, "kind": kind} for (day, kind), dollars in by_day.items()]
    chart = charts.over_time(rows, unit="cost in dollars", span=span, kinds=kinds, ink=_INK)
    return _drawn("Cost by model", "Cost of each day in dollars, by model.", chart)


def sessions(days: Sequence[Mapping[str, Any]], span: Days) -> Drawn:
    """Sessions, a bar a day."""
    chart = charts.over_time(_values(days, "sessions"), unit="sessions", span=span, ink=_INK)
    return _drawn("Sessions", "Sessions with calls on each day.", chart)


def active(found: Sequence[tuple[date | None, float]], span: Days) -> Drawn:
    """Active time, a bar a day."""
    rows = [{"day": day.isoformat(), "value": seconds / 3600} for day, seconds in found if day]
    chart = charts.over_time(rows, unit="active hours", span=span, ink=_INK)
    return _drawn("Active time", "Hours at work in sessions, on the day that each was last written.", chart)


def uses(found: Sequence[tuple[date | None, int, int]], span: Days) -> Drawn:
    """Tool calls, those that failed apart, a bar a day."""
    kinds = ("ok", "failed")
    rows = [
        {"day": day.isoformat(), "value": value, "kind": kind}
        for day, calls, failed in found
        if day
        for kind, value in zip(kinds, (calls - failed, failed), strict=True)
    ]
    chart = charts.over_time(rows, unit="tool calls", span=span, kinds=kinds, ink=_INK)
    return _drawn("Tool calls", "Tool calls of each day, and how many of them failed.", chart)


def failures(found: Sequence[tuple[date | None, int, int]], span: Days) -> Drawn:
    """The share of tool calls that failed, a bar a day."""
    rows = [{"day": day.isoformat(), "value": 100 * failed / calls} for day, calls, failed in found if day and calls]
    chart = charts.over_time(rows, unit="% of tool calls failed", span=span, ink=_INK)
    return _drawn("Error rate", "How many of each day's tool calls failed, in percent.", chart)


def cost_and_tokens(days: Sequence[Mapping[str, Any]], span: Days) -> list[Drawn]:
    """The last days at a glance."""
    if not days:
        return []
    rows = [row for row in _values(days, "cost_usd") if row["value"] is not None]
    chart = charts.over_time(rows, unit="cost in dollars", span=span, ink=_INK)
    return [_drawn("Cost", "Cost of each of the last days in dollars.", chart), tokens(days, span)]


def course(moments: Sequence[Moment]) -> Drawn | None:
    """How a session's calls grew."""
    calls = [one for one in moments if one.kind == "call" and one.at is not None and one.tokens_in is not None]
    if len(calls) < 2:
        return None
    kinds = ("read by the model", "written by it")
    rows = [
        {"at": one.at.isoformat(), "value": value, "kind": kind}
        for one in calls
        if one.at is not None
        for kind, value in zip(kinds, (one.tokens_in, one.tokens_out), strict=True)
    ]
    chart = charts.over_moments(rows, unit="tokens a call", kinds=kinds, ink=_INK)
    return _drawn("Tokens of each call", "Tokens that each call read and wrote, over time.", chart, wide=True)


def _values(days: Sequence[Mapping[str, Any]], column: str) -> list[dict[str, Any]]:
    return [{"day": day["day"].isoformat(), "value": day[column]} for day in days if day["day"] is not None]


def _drawn(title: str, telling: str, chart: Mapping[str, Any], wide: bool = False) -> Drawn:
    try:
        # The library escapes what it writes; the page's policy lets nothing in it run either.
        return Drawn(title, telling, Markup(charts.svg(chart)), wide=wide)
    except SettingsError as error:
        return Drawn(title, telling, None, str(error), wide)
