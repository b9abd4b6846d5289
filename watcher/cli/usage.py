"""``usage``: the reports of the usage processor."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from processors.usage import reports
from watcher.cli.reach import ask
from watcher.errors import SettingsError
from watcher.settings.tables import Settings

#: So many rows the service gives at once.
_PAGE = 10_000
#: Days by their names, with how many days ago they were.
_AGO = {"today": 0, "yesterday": 1}


def usage(
    settings: Settings, report: str, since: str | None, until: str | None, user: str | None, model: str | None
) -> dict[str, Any]:
    """A report as the API gives it: its columns, rows and totals.

    Raises:
        SettingsError: there is no such report or day, or nothing was processed yet.
    """
    if report not in reports.REPORTS:
        raise SettingsError(f"there is no report {report!r}; there are {', '.join(reports.REPORTS)}")
    days = (day_of(settings, "--since", since), day_of(settings, "--until", until))
    filters = reports.Filters(*days, user, model)

    def page(offset: int) -> Any:
        return ask(
            settings,
            f"/api/usage/{report}",
            lambda query: _reported(query, report, filters),
            since=_told(filters.since),
            until=_told(filters.until),
            user=user,
            model=model,
            limit=_PAGE,
            offset=offset,
        )

    found: dict[str, Any] = page(0)
    rows = found["rows"]
    while len(rows) < found["total_rows"] and (more := page(len(rows))["rows"]):
        rows += more
    return found


def _reported(query: Any, report: str, filters: reports.Filters) -> dict[str, Any]:
    there = query("SELECT count(*) FROM information_schema.tables WHERE table_name = $1", ["usage_messages"])
    if there == [(0,)]:
        raise SettingsError("the processor usage has not run yet; see [processors.usage] enabled, and use run or once")
    return reports.as_json(reports.REPORTS[report](query, filters))


def _told(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def day_of(settings: Settings, option: str, text: str | None) -> date | None:
    """The day that an option names, in the zone of the reports.

    Raises:
        SettingsError: it is none.
    """
    if text is None:
        return None
    if text in _AGO:
        zone = ZoneInfo(asdict(settings.processor("usage"))["timezone"])
        return datetime.now(zone).date() - timedelta(_AGO[text])
    try:
        return date.fromisoformat(text)
    except ValueError:
        accepted = f"a day such as 2026-01-31, {' or '.join(_AGO)} is accepted"
        raise SettingsError(f"{option} {text}: {accepted}") from None
