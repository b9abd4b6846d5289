"""Reports of some days hold just those days, wherever they begin."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from processors.usage import reports
from processors.usage.reports import Filters
from tests.support.corpus import plant
from tests.support.harness import Subject
from tests.support.processes import call

OF_CALLS = ("daily", "daily_models", "monthly", "models", "users", "projects", "branches", "efforts")


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("UTC", date(2026, 2, 27)),
        ("Pacific/Kiritimati", date(2026, 2, 27)),  # fourteen hours ahead
        ("Etc/GMT+12", date(2026, 2, 27)),
        ("America/Havana", date(2026, 3, 6)),  # there a day begins at one o'clock
        ("America/Havana", date(2026, 10, 30)),  # and another one has two midnights
    ],
)
def test_days_from_and_to_are_whole_and_no_others(tmp_path: Path, zone: str, first: date) -> None:
    """A call every half hour for four days: each is on its day in the zone of the reports, and on no other."""
    begin = datetime.combine(first, datetime.min.time(), UTC)
    moments = [begin + timedelta(minutes=30 * number) for number in range(2 * 24 * 4)]
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    lines = [call(f"m{number}", at=f"{at:%Y-%m-%dT%H:%M:%SZ}") for number, at in enumerate(moments)]
    (tmp_path / "sessions" / "ann" / "a.jsonl").write_bytes(b"".join(lines))
    subject = Subject(tmp_path / "sessions", tmp_path / "state", {"processors.usage.timezone": zone})
    try:
        subject.catch_up()
        query = subject.open().query
        of_day: dict[date, int] = {}
        for at in moments:
            day = at.astimezone(ZoneInfo(zone)).date()
            of_day[day] = of_day.get(day, 0) + 1
        days = sorted(of_day)
        for since, until in [span for day in days for span in ((day, day), (day, None), (None, day))]:
            within = [day for day in days if (since or date.min) <= day <= (until or date.max)]
            found = reports.daily(query, Filters(since, until))
            assert [(row[0], row[2]) for row in found.rows] == [(day, of_day[day]) for day in within]
            assert found.totals["calls"] == sum(of_day[day] for day in within)
        assert reports.last_day(query) == days[-1]
        assert reports.daily(query, Filters(date.min, date.max)).totals["calls"] == len(moments)
    finally:
        subject.close()


def test_reports_made_together_are_those_made_alone(tmp_path: Path) -> None:
    """Whatever else is made in the same pass, and whatever they are narrowed to."""
    (tmp_path / "sessions").mkdir()
    plant(tmp_path / "sessions")
    subject = Subject(tmp_path / "sessions", tmp_path / "state")
    try:
        subject.catch_up()
        query = subject.open().query
        for chosen in (Filters(), Filters(since=date(2026, 1, 1)), Filters(user="alice"), Filters(user="nobody")):
            found = reports.several(query, chosen, OF_CALLS)
            assert all(reports.REPORTS[name](query, chosen) == found[name] for name in OF_CALLS if "_" not in name)
            by_model = [(day, calls) for day, _, _, calls, *_ in found["daily_models"].rows]
            for day, _, calls, *_ in found["daily"].rows:
                assert sum(some for other, some in by_model if other == day) == calls
    finally:
        subject.close()
