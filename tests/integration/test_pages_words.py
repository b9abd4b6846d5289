"""Figures, times and files as the pages hand them out."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from watcher.http.pages import downloads, filters

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (filters.number(1234567), "1,234,567"),
        (filters.number(0), "0"),
        (filters.number(None), "–"),
        (filters.dollars(1234.5), "$1,234.50"),
        (filters.dollars(0.001), "< $0.01"),
        (filters.dollars(0.0), "$0.00"),
        (filters.dollars(None), "–"),
        (filters.dollars(-1234.5), "-$1,234.50"),
        (filters.dollars(-0.001), "> -$0.01"),
        (filters.size(999), "999 bytes"),
        (filters.size(2_500_000), "2.5 MB"),
        (filters.percent(1, 3), "33.3 %"),
        (filters.percent(0, 0), "–"),
        (filters.percent(None, 5), "0.0 %"),
        (filters.span(0.25), "0.2 s"),
        (filters.span(59), "59 s"),
        (filters.span(3599), "60 min"),
        (filters.span(3661), "1 h 1 min"),
        (filters.span(86400 * 5), "5 days"),
        (filters.plural(1, "line"), "1 line"),
        (filters.plural(1000, "line"), "1,000 lines"),
        (filters.ago(NOW - timedelta(seconds=3), NOW), "now"),
        (filters.ago(NOW - timedelta(seconds=42), NOW), "42 s ago"),
        (filters.ago(NOW - timedelta(hours=30), NOW), "1 d ago"),
        (filters.ago(NOW + timedelta(minutes=9), NOW), "in 9 min"),
    ],
)
def test_figures_are_written_for_people(told: str, expected: str) -> None:
    """With separators and units; what is not known is no nought."""
    assert told == expected


def test_a_time_is_in_utc_with_its_day_unless_that_is_today() -> None:
    """Whatever form it comes in."""
    told = filters.moment("2026-03-01T13:30:00+02:00", NOW)
    assert ">11:30:00 UTC<" in told and "30 min ago" in told and 'datetime="2026-03-01T11:30:00Z"' in told
    assert ">2026-02-28 23:59:59 UTC<" in filters.moment(datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC), NOW)
    assert ">12:00:00 UTC<" in filters.moment(NOW.timestamp(), NOW)
    assert filters.moment(None, NOW) == "–"


ROWS: list[tuple[Any, ...]] = [
    (date(2026, 3, 1), "=1+1", None, 12345678901234, 0.1, NOW),
    (None, 'a "b", c\nd', "zoë\u202e", 0, None, None),
    (date(1970, 1, 1), "-x", "@y", 1, 2.5, datetime(2030, 1, 1, tzinfo=UTC)),
]
COLUMNS = ["day", "tool_name", "project", "calls", "cost_usd", "last_at"]


def test_csv_holds_every_figure_and_nothing_that_a_spreadsheet_would_run() -> None:
    """A formula is text with a ' before it; everything else is as it was."""
    first, *rows = list(csv.reader(io.StringIO(downloads.as_csv(COLUMNS, ROWS).decode(), newline="")))
    assert first == COLUMNS
    assert rows[0] == ["2026-03-01", "'=1+1", "", "12345678901234", "0.1", NOW.isoformat()]
    assert rows[1] == ["", 'a "b", c\nd', "zoë\u202e", "0", "", ""]
    assert rows[2][1:3] == ["'-x", "'@y"]


def test_parquet_holds_the_same_exactly_and_typed(tmp_path: Path) -> None:
    """Also when there is no row, or a column without a value."""
    path = tmp_path / "report.parquet"
    for rows in (ROWS, ROWS[:1], []):
        path.write_bytes(downloads.as_parquet(COLUMNS, rows))
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            assert connection.execute(f"SELECT * FROM read_parquet('{path}')").fetchall() == rows
            types = connection.execute(f"DESCRIBE SELECT * FROM read_parquet('{path}')").fetchall()
        told = [kind for _, kind, *_ in types]
        assert told == ["DATE", "VARCHAR", "VARCHAR", "BIGINT", "DOUBLE", "TIMESTAMP WITH TIME ZONE"]
