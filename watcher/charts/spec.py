"""Vega-Lite chart specifications, rendered by `watcher.charts.render`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

Row = Mapping[str, Any]

#: Distinguishable by lightness too, and visible on white and on dark ground.
PALETTE = ("#2f7ed8", "#d9730d", "#2f9e63", "#9a6dd7", "#cf4f8b", "#7d8794")
#: The label of everything without a colour of its own.
OTHERS = "others"
#: Font size and chart width in pixels, before the page scales it, which on a phone is hardly less.
FONT, WIDTH, HEIGHT = 13, 350, 235
#: Space between two entries of a legend.
_GAP = 24
_WHOLE = ("sessions", "calls", "tool calls", "tokens")
#: From this number of days on, labels are months and years.
_MONTHS = timedelta(150)
#: Labels of a time axis, by the largest unit that a moment begins.
_CLOCK = {
    "year": "%Y", "month": "%b %-d", "date": "%b %-d", "hours": "%H:%M", "minutes": "%H:%M", "seconds": "%H:%M:%S",
}  # fmt: skip
#: Labels of a time axis do not touch one another, in a reader's wider letters either, nor the other axis's lowest one.
_APART = {"labelSeparation": 18, "labelOverlap": "greedy", "labelPadding": 7}
#: Text from transcripts is cut to this many characters in a chart.
_LONGEST = 28


def over_time(
    rows: Sequence[Row], *, unit: str, span: tuple[date, date], kinds: Sequence[str] = (), ink: str
) -> dict[str, Any]:
    """Bars of rows ``{"day", "value"}``, and ``"kind"`` where there are kinds, which are stacked.

    ``unit`` names the vertical axis, ``span`` is the first and last day shown (at least a week), ``ink`` the
    colour of axes and text.
    """
    first, last = min(span[0], span[1] - timedelta(6)), span[1] + timedelta(1)
    long = last - first > _MONTHS
    day = "%b %Y" if long else "%b %-d"
    encoding: dict[str, Any] = {
        "x": {
            "field": "day",
            "type": "temporal",
            "timeUnit": "utcyearmonthdate",
            "title": None,
            "axis": {"format": day, "labelFlush": False, "labelBound": True, "grid": False, "tickCount": 5, **_APART},
            "scale": {"type": "utc", "domain": [first.isoformat(), last.isoformat()]},
        },
        "y": _measure(unit),
    }
    if kinds:
        rank = {kind: number for number, kind in enumerate(kinds)}
        rows = [{**row, "rank": rank[row["kind"]]} for row in rows]
        encoding |= {"color": _colours(kinds), "order": {"field": "rank", "type": "quantitative"}}
    # Each day is visible, however many there are.
    mark = {"type": "bar", "color": PALETTE[0], "clip": True} | ({"width": 2.2} if long else {})
    return _fitted(_chart(rows, mark, encoding, (WIDTH, HEIGHT), ink), kinds)


def over_moments(rows: Sequence[Row], *, unit: str, kinds: Sequence[str] = (), ink: str) -> dict[str, Any]:
    """Points of rows ``{"at", "value"}`` over time, and ``"kind"`` where there are kinds, with a line through each."""
    time = {
        "field": "at",
        "type": "temporal",
        "title": "time (UTC)",
        "scale": {"type": "utc"},
        "axis": {"format": _CLOCK, "labelFlush": False, "labelBound": True, "grid": False, "tickCount": 5, **_APART},
    }
    encoding = {"x": time, "y": _measure(unit)} | ({"color": _colours(kinds)} if kinds else {})
    colour = {} if kinds else {"color": PALETTE[0]}
    mark = {"type": "line", **colour, "point": {"size": 14, **colour}, "strokeWidth": 1.3}
    return _fitted(_chart(rows, mark, encoding, (WIDTH, HEIGHT), ink), kinds)


def by_name(rows: Sequence[Row], *, unit: str, in_order: bool, ink: str) -> dict[str, Any]:
    """A bar for each of the rows ``{"name", "value"}``, in their order; ``in_order``: that of time, left to right."""
    shown = [{"name": short(row["name"]), "value": row["value"], "place": place} for place, row in enumerate(rows)]
    names: dict[str, Any] = {"field": "place", "type": "ordinal", "title": None}
    # Two names may be equal when cut: bars are told apart by position.
    names["axis"] = {"labelExpr": f"{json.dumps([row['name'] for row in shown])}[datum.value]", "labelLimit": 220}
    mark, step = {"type": "bar", "color": PALETTE[0]}, {"step": 18}
    if in_order:
        names["axis"]["labelAngle"] = -60
        return _chart(shown, mark, {"x": names, "y": _measure(unit)}, (step, 300), ink)
    return _chart(shown, mark, {"y": names, "x": _measure(unit)}, (WIDTH, step), ink)


def few_kinds(totals: Mapping[str, float], most: int = len(PALETTE) - 1) -> list[str]:
    """Return the largest kinds, and `OTHERS` for the rest where there are more than colours."""
    largest = sorted(totals, key=lambda name: (-totals[name], name))
    return largest if len(largest) <= most else [*largest[:most], OTHERS]


def short(text: object) -> str:
    """Cut text from transcripts."""
    plain = str("-" if text is None else text)
    return plain[: _LONGEST - 1] + "…" if len(plain) > _LONGEST else plain


def _fitted(chart: dict[str, Any], kinds: Sequence[str]) -> dict[str, Any]:
    """Fit axes and legend into the common width, so that all text has one size; a long legend adds height."""
    lines = -(-len(kinds) // _columns(kinds)) if kinds else 0
    height = HEIGHT + round(max(0, lines - 2) * FONT * 1.2)
    return {**chart, "height": height, "autosize": {"type": "fit", "contains": "padding"}}


def _measure(unit: str) -> dict[str, Any]:
    # Counts have no halves, and half a dollar is not 500m.
    small = "''" if unit in _WHOLE else "format(datum.value, '.2~f')"
    label = f"datum.value % 1 && datum.value < 1 ? {small} : format(datum.value, '~s')"
    return {
        "field": "value",
        "type": "quantitative",
        "title": unit,
        "axis": {"labelExpr": label, "tickCount": 5, "titlePadding": 9}
        | ({"tickMinStep": 1} if unit in _WHOLE else {}),
    }


def _colours(kinds: Sequence[str]) -> dict[str, Any]:
    scale = {"domain": list(kinds), "range": list(PALETTE[: len(kinds)])}
    legend = {"columns": _columns(kinds)}
    return {"field": "kind", "type": "nominal", "title": None, "scale": scale, "legend": legend}


def _columns(kinds: Sequence[str]) -> int:
    """Return the number of legend columns: all, two or one, as space allows."""
    # A letter is half as wide as it is high, and beside a word stand its colour and the gap to the next.
    widths = [len(kind) * FONT / 2 + 22 + _GAP for kind in kinds]
    room = WIDTH - 60 + _GAP
    return len(kinds) if sum(widths) <= room else 2 if 2 * max(widths) <= room else 1


def _chart(
    rows: Sequence[Row], mark: Mapping[str, Any], encoding: Mapping[str, Any], size: tuple[Any, Any], ink: str
) -> dict[str, Any]:
    text = {"labelColor": ink, "labelFontSize": FONT}
    faint = {f"{part}Opacity": 0.4 for part in ("domain", "tick")}
    lines = {f"{part}Color": ink for part in ("title", "tick", "domain", "grid")}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": size[0],
        "height": size[1],
        "background": None,
        "padding": 4,
        "data": {"values": list(rows)},
        "mark": mark,
        "encoding": encoding,
        "config": {
            "font": "system-ui, sans-serif",
            "view": {"stroke": None},
            "axis": {**text, **lines, **faint, "gridOpacity": 0.13, "titleFontSize": FONT, "titleFontWeight": "normal"},
            "legend": {**text, "orient": "top", "symbolType": "square", "labelLimit": 260, "columnPadding": _GAP},
            "title": {"color": ink, "fontSize": FONT + 2},
        },
    }
