"""Template filters: figures and times formatted for people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

#: Placeholder for unknown values.
NOTHING = "–"


def number(value: float | None) -> str:
    """Format a number with thousands separators."""
    return NOTHING if value is None else f"{value:,.0f}"


def dollars(value: float | None) -> str:
    """Format dollars with cents; an amount below one cent is not shown as zero."""
    if value is None:
        return NOTHING
    if 0 < abs(value) < 0.005:
        return "< $0.01" if value > 0 else "> -$0.01"
    return f"-${-value:,.2f}" if value < 0 else f"${value:,.2f}"


def size(value: int | None) -> str:
    """Format bytes in a suitable unit."""
    if value is None:
        return NOTHING
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if value >= unit:
            return f"{value / unit:,.1f} {name}"
    return f"{value:,} bytes"


def percent(part: float | None, whole: float | None) -> str:
    """Format a share as a percentage."""
    return NOTHING if not whole else f"{100 * (part or 0) / whole:.1f} %"


def span(seconds: float | None) -> str:
    """Format a duration in at most two units."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 60:
        return f"{minutes:.0f} min"
    if hours < 48:
        return f"{int(hours)} h {int(minutes) % 60} min"
    return f"{hours / 24:.0f} days"


def ago(moment: datetime, now: datetime) -> str:
    """Format a relative time in words, as the pages' script does."""
    seconds = (now - moment).total_seconds()
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if abs(seconds) >= unit:
            return f"{abs(seconds) / unit:.0f} {name} ago" if seconds > 0 else f"in {abs(seconds) / unit:.0f} {name}"
    if abs(seconds) < 5:
        return "now"
    return f"{seconds:.0f} s ago" if seconds > 0 else f"in {-seconds:.0f} s"


def moment(value: datetime | str | float | None, now: datetime) -> Markup:
    """Format a UTC time, with its day unless that is today, and its distance from now."""
    if value is None:
        return Markup(NOTHING)
    at = _utc(value)
    whole = f"{at:%Y-%m-%d %H:%M:%S}"
    told = whole if at.date() != now.date() else whole.partition(" ")[2]
    return Markup(
        '<time datetime="{}" title="{} UTC"><span class="at">{} UTC</span> <span class="ago">{}</span></time>'
    ).format(f"{at:%Y-%m-%dT%H:%M:%SZ}", whole, told, ago(at, now))


def clock(value: datetime | None) -> str:
    """Format the time of day in UTC."""
    return NOTHING if value is None else f"{value.astimezone(UTC):%H:%M:%S}"


def plural(count: int, one: str, many: str = "") -> str:
    """Format a count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def bar(part: float | None, whole: float | None) -> Markup:
    """Render a share as a bar; the figure stands beside it."""
    width = 0.0 if not whole else max(0.0, min(100.0, 100 * (part or 0) / whole))
    return Markup(
        '<svg class="bar" width="60" height="8" aria-hidden="true"><rect class="all" width="100%" height="8" rx="2"/>'
        '<rect class="part" width="{:.1f}%" height="8" rx="2"/></svg>'
    ).format(width)


def _utc(value: datetime | str | float) -> datetime:
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)


FILTERS: dict[str, Callable[..., Any]] = {
    "number": number,
    "dollars": dollars,
    "size": size,
    "percent": percent,
    "span": span,
    "moment": moment,
    "clock": clock,
    "plural": plural,
    "bar": bar,
}
