"""``usage``: the reports of the usage processor."""

from __future__ import annotations

from datetime import date
from typing import Any

from processors.usage import reports
from watcher.cli.reach import ask
from watcher.errors import SettingsError
from watcher.settings.tables import Settings

#: So many rows the service gives at once.
_PAGE = 10_000


def usage(
    settings: Settings, report: str, since: str | None, until: str | None, user: str | None, model: str | None
) -> dict[str, Any]:
    """A report as the API gives it: its columns, rows and totals.

    Raises:
        SettingsError: there is no such report or day, or nothing was processed yet.
    """
    if report not in reports.REPORTS:
        raise SettingsError(f"there is no report {report!r}; there are {', '.join(reports.REPORTS)}")
    filters = reports.Filters(_day("--since", since), _day("--until", until), user, model)

    def page(offset: int) -> Any:
        return ask(
            settings,
            f"/api/usage/{report}",
            lambda query: _reported(query, report, filters),
            since=since,
            until=until,
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


def _day(option: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{option} {text}: a day such as 2026-01-31 is accepted") from None
