"""``usage``: the reports of the usage processor."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from processors.usage import reports
from processors.usage.reports import reconcile
from watcher.cli.backend import ask
from watcher.errors import SettingsError
from watcher.settings.tables import Settings

#: Every report by its name.
REPORTS = (*reports.REPORTS, reconcile.NAME)
#: So many rows the service gives at once.
_PAGE = 10_000
#: Days by their names, with how many days ago they were.
_AGO = {"today": 0, "yesterday": 1}


def usage(
    settings: Settings,
    report: str,
    since: str | None,
    until: str | None,
    user: str | None,
    model: str | None,
    by: str | None = None,
) -> dict[str, Any]:
    """A report as the API gives it: its columns, rows and totals.

    Raises:
        SettingsError: there is no such report or day, or nothing was processed yet.
    """
    if report not in REPORTS:
        raise SettingsError(f"there is no report {report!r}; there are {', '.join(REPORTS)}")
    if by is not None and report != reconcile.NAME:
        raise SettingsError(f"--by {by}: only usage {reconcile.NAME} takes it")
    if by is not None and by not in reconcile.BY:
        raise SettingsError(f"--by {by}: {', '.join(reconcile.BY)} are accepted")
    days = (day_of(settings, "--since", since), day_of(settings, "--until", until))
    filters = reports.Filters(*days, user, model)
    more = {"by": by or next(iter(reconcile.BY))} if report == reconcile.NAME else {}

    def page(offset: int) -> Any:
        return ask(
            settings,
            f"/api/usage/{report}",
            lambda query: _reported(query, report, filters, **more),
            since=_told(filters.since),
            until=_told(filters.until),
            user=user,
            model=model,
            **more,
            limit=_PAGE,
            offset=offset,
        )

    found: dict[str, Any] = page(0)
    rows = found["rows"]
    while len(rows) < found["total_rows"] and (following := page(len(rows))["rows"]):
        rows += following
    return found


def _reported(query: Any, report: str, filters: reports.Filters, by: str = "") -> dict[str, Any]:
    there = query("SELECT count(*) FROM information_schema.tables WHERE table_name = $1", ["usage_messages"])
    if there == [(0,)]:
        raise SettingsError("the processor usage has not run yet; see [processors.usage] enabled, and use run or once")
    if by:
        return reconcile.as_answer(reconcile.part(query, by, filters))
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
