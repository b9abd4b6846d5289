"""What clients say beside what is counted: the report is the sums over the view, on both databases alike."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from processors.usage.reports import Filters, Query, reconcile
from tests.support.corpus import plant
from tests.support.harness import Subject
from tests.support.planted_statements import plant_statements

#: In which it is another day than in UTC when the last statements are made.
ZONE = "Asia/Tokyo"
FILTERS = (
    Filters(),
    Filters(since=date(2026, 3, 2)),
    Filters(until=date(2026, 3, 3)),
    Filters(user="kim"),
    Filters(model="claude-haiku-4-5-20251001"),
    Filters(date(2026, 3, 1), date(2026, 3, 4), "lou", "claude-sonnet-4-5-20250929"),
    Filters(user="nobody"),
)
VIEW = ("session_id", "username", "stated_at", "model", "reason", *reconcile.MEASURES)
PARTS = ((2, 0), (3, 2), (10_000, 0), (5, 10_000))
KEYS = {"sessions": "session_id", "users": "username", "days": "day", "models": "model"}


@pytest.fixture(params=["duckdb", "postgres"])
def query(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A database with everything that was planted."""
    (tmp_path / "sessions").mkdir()
    plant(tmp_path / "sessions")
    plant_statements(tmp_path / "sessions")
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    more = {"database.url": url} if url else {}
    subject = Subject(tmp_path / "sessions", tmp_path / "state", {"processors.usage.timezone": ZONE, **more})
    try:
        subject.catch_up()
        yield subject.open().query
    finally:
        subject.close()


def test_the_report_is_the_sum_over_the_view(query: Query) -> None:
    """Rows, totals, what is apart, and parts of it, by every filter."""
    rows = [dict(zip(VIEW, row, strict=True)) for row in query(f"SELECT {', '.join(VIEW)} FROM usage_reconciled", [])]
    for row in rows:
        row["day"] = None if row["stated_at"] is None else row["stated_at"].astimezone(ZoneInfo(ZONE)).date()
    assert {row["reason"] for row in rows} == {None, "no statement", "parent unknown"}
    assert any((row["unexplained_cost_usd"] or 0) < 0 for row in rows)
    utc = {row["stated_at"].astimezone(UTC).date() for row in rows if row["stated_at"]}
    assert utc != {row["day"] for row in rows if row["day"]}, "the zone makes a difference"
    for filters in FILTERS:
        stated = [row for row in rows if row["reason"] != "no statement" and holds(filters, row)]
        for by, key in KEYS.items():
            found = reconcile.part(query, by, filters)
            shown = [dict(zip(found.report.columns, row, strict=True)) for row in found.report.rows]
            kept = [row for row in stated if by == "sessions" or row["reason"] is None]
            groups = defaultdict(list)
            for row in kept:
                groups[row[key]].append(row)
            assert {row[key]: sums([row]) for row in shown} == {name: sums(of) for name, of in groups.items()}, filters
            assert len(shown) == len(groups) == found.report.total_rows
            known = [row for row in stated if row["reason"] is None]
            assert sums([found.report.totals]) == sums(known)
            assert found.report.totals["sessions"] == len({row["session_id"] for row in known})
            if by != "sessions":
                assert {row[key]: row["sessions"] for row in shown} == {
                    name: len({row["session_id"] for row in of}) for name, of in groups.items()
                }
            assert apart(found) == expected_apart(query, filters, rows, stated)
            assert in_order(by, shown)
            for limit, offset in PARTS:
                part = asdict(reconcile.part(query, by, filters, limit, offset))
                whole = asdict(found)
                assert part["report"].pop("rows") == whole["report"].pop("rows")[offset : offset + limit]
                assert rounded(part) == rounded(whole)


def test_a_sessions_line_is_its_row(query: Query) -> None:
    """By its own file alone; without a statement there is nothing but the reason."""
    lines = {
        row[1]: dict(zip(reconcile.part(query, "sessions", Filters()).report.columns, row, strict=True))
        for row in reconcile.part(query, "sessions", Filters()).report.rows
    }
    files = query("SELECT session_file, parent_session FROM usage_files", [])
    assert any(parent for _, parent in files) and set(lines) <= {file for file, _ in files}
    for file, parent in files:
        found = reconcile.of_session(query, file)
        if file in lines:
            assert found is not None
            assert rounded(found) == rounded({name: lines[file][name] for name in found}), file
        else:
            assert found is None if parent else found in (None, {"reason": reconcile.NO_STATEMENT}), file
    assert reconcile.of_session(query, "nobody/none.jsonl") is None


def holds(filters: Filters, row: dict[str, Any]) -> bool:
    """Whether a row of the view is meant."""
    day = row["day"]
    return (
        (filters.since is None or (day is not None and day >= filters.since))
        and (filters.until is None or (day is not None and day <= filters.until))
        and filters.user in (None, row["username"])
        and filters.model in (None, row["model"])
    )


def sums(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Each measure of rows, added up; NULL where none has it."""
    rows = list(rows)
    added: dict[str, Any] = {}
    for name in reconcile.MEASURES:
        values = [row[name] for row in rows if row[name] is not None]
        empty = None if rows else 0
        added[name] = round(math.fsum(values), 9) if values else empty
    return added


def apart(found: reconcile.Reconciliation) -> dict[str, tuple[int, float]]:
    """Sessions and cost by reason."""
    return {one.reason: (one.sessions, round(one.cost_usd, 9)) for one in found.apart}


def expected_apart(
    query: Query, filters: Filters, rows: list[dict[str, Any]], stated: list[dict[str, Any]]
) -> dict[str, tuple[int, float]]:
    """The same from the view, and without a statement from the calls themselves where it is about days."""
    by: dict[str, list[tuple[Any, Any]]] = defaultdict(list)
    for row in stated:
        if row["reason"] is not None:
            cost = row["counted_cost_usd"] + row["not_yet_stated_cost_usd"]
            by[row["reason"]].append((row["session_id"], cost))
    silent = {row["session_id"]: row["username"] for row in rows if row["reason"] == "no statement"}
    for session_id, model, at, cost in query(
        "SELECT session_id, model, occurred_at, cost_usd FROM usage_messages WHERE NOT is_copy", []
    ):
        day = None if at is None else (at.astimezone(UTC) + timedelta(hours=9)).date()
        if session_id in silent and holds(filters, {"day": day, "username": silent[session_id], "model": model}):
            by["no statement"].append((session_id, cost or 0))
    if filters == Filters():
        told = [row for row in rows if row["reason"] == "no statement"]
        cost = math.fsum(row["not_yet_stated_cost_usd"] for row in told)
        assert round(math.fsum(one for _, one in by["no statement"]), 9) == round(cost, 9)
    return {
        reason: (len({session_id for session_id, _ in of}), round(math.fsum(cost for _, cost in of), 9))
        for reason, of in by.items()
        if of
    }


def in_order(by: str, shown: list[dict[str, Any]]) -> bool:
    """Days in theirs, those without one last; all else with the largest rest first, and unknown ones last."""
    if by == "days":
        days = [row["day"] or date.max for row in shown]
        return days == sorted(days)
    rests = [-1 if row["unexplained_cost_usd"] is None else abs(row["unexplained_cost_usd"]) for row in shown]
    return rests == sorted(rests, reverse=True)


def rounded(value: Any) -> Any:
    """Dollars to where their sum does not depend on its order, times in one zone."""
    if isinstance(value, float):
        return round(value, 9)
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, (list, tuple)) else value
