"""What the faces read is the same on both databases: every report, a session's course, runs and audit."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from processors.errors import reports as errors
from processors.usage import reports
from processors.usage.reports import Filters, formats, timeline
from tests.support.corpus import plant
from tests.support.harness import Subject
from watcher.sessions import status as session_status
from watcher.sessions.status import SessionFilter
from watcher.store import job_log

FILTERS = (
    Filters(),
    Filters(since=date(2026, 1, 1)),
    Filters(until=date(2026, 2, 1)),
    Filters(user="alice"),
    Filters(model="claude-opus-4-6"),
    Filters(date(2025, 1, 1), date(2027, 1, 1), "alice", "claude-opus-4-6"),
    Filters(user="nobody"),
)
#: How many rows of a report, and how many before them are passed over.
PARTS = ((3, 0), (3, 2), (10_000, 0), (5, 10_000))
FORMATS: tuple[tuple[date | None, str | None, int, int], ...] = (
    (None, None, 1000, 0),
    (date(2026, 1, 1), "alice", 1000, 0),
    (date(2999, 1, 1), None, 1000, 0),
    (None, None, 1, 1),
)
OF_CALLS = (
    "daily", "daily_models", "monthly", "models", "users", "projects", "branches", "efforts", "asked_by",
)  # fmt: skip
OF_CAUSES = ("skills", "subagents", "mcp_servers", "mcp_tools", "plugins")
CHOSEN = (
    SessionFilter(limit=1000),
    SessionFilter("usage", "ok", "alice", ".jsonl", 1000),
    SessionFilter(status="gone"),
    SessionFilter(text="%"),
)
NOW = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)


def read(root: Path, state: Path, url: str) -> dict[str, Any]:
    """Everything that the faces ask for, of the planted corpus."""
    subject = Subject(root, state, {"database.url": url} if url else {})
    try:
        subject.catch_up()
        query = subject.open().query
        keys = [one["session"] for one in session_status.whole(query, SessionFilter(limit=1000))["sessions"]]
        found: dict[str, Any] = {
            f"{name} {filters}": asdict(report(query, filters))
            for name, report in reports.REPORTS.items()
            for filters in FILTERS
        }
        found |= {
            f"part of {name} {filters} {limit} {offset}": asdict(reports.part(query, name, filters, limit, offset))
            for name in ("sessions", "daily")
            for filters in FILTERS
            for limit, offset in PARTS
        }
        for filters in FILTERS:
            found[f"by day {filters}"] = [
                sorted(read(query, filters), key=str) for read in (reports.uses_by_day, reports.active_by_day)
            ]
            together = reports.several(query, filters, [*OF_CALLS, *OF_CAUSES, "pull_requests"])
            found[f"together {filters}"] = {name: asdict(report) for name, report in together.items()}
            found[f"people {filters}"] = reports.people(query, filters)
        found["formats"] = [formats.unknown(query, *narrowed) for narrowed in FORMATS]
        found["formats by kind"], found["news"] = formats.sessions_by_kind(query), formats.news(query, NOW)
        found["choices"] = reports.choices(query)
        found["days"] = [reports.today(query, NOW), reports.last_day(query), reports.last_day(query, "alice")]
        found["summaries"] = {key: timeline.summary(query, key) for key in keys}
        found["glances"] = timeline.glances(query, keys)
        found["courses"] = {key: [asdict(one) for one in timeline.timeline(query, key, 500)] for key in keys}
        found["failures"] = {key: errors.of_session(query, key) for key in keys}
        wholes = [session_status.whole(query, chosen) for chosen in CHOSEN]
        found["sessions"] = [(one["total"], sorted(each["session"] for each in one["sessions"])) for one in wholes]
        notes = subject.open().job_log
        notes.audit("sessions_retry", "ann", "a.jsonl", {"session": ["a"]}, 200, 5)
        notes.audit("run_job:x", "bob", None, {}, 409, 5)
        for text, actor, status in (("", "", 0), ("retry", "", 0), ("a.js", "", 0), ("", "bob", 0), ("", "", 400)):
            entries = job_log.audit(query, job_log.RunFilter(text=text, actor=actor, status=status))
            found[f"audit {text} {actor} {status}"] = sorted(one["action"] for one in entries)
        found["actors"] = job_log.actors(query)
        notes.finish(notes.begin("one", "asked"), "failed", {}, "why")
        notes.begin("two", "clock")
        for name, outcome in (("", ""), ("one", ""), ("", "failed"), ("two", "failed")):
            wanted = job_log.RunFilter(name=name, outcome=outcome)
            found[f"runs {name} {outcome}"] = sorted(one["name"] for one in job_log.runs(query, wanted))
        return found
    finally:
        subject.close()


def test_both_databases_give_the_faces_the_same(tmp_path: Path, postgres_url: str) -> None:
    """To the last figure, and what is cut by model, user or project adds up to what is not."""
    (tmp_path / "sessions").mkdir()
    plant(tmp_path / "sessions")
    duck = read(tmp_path / "sessions", tmp_path / "duck", "")
    postgres = read(tmp_path / "sessions", tmp_path / "postgres", postgres_url)
    for name, expected in duck.items():
        assert normal(postgres[name]) == normal(expected), name
    for filters in FILTERS:
        totals = duck[f"daily {filters}"]["totals"]
        for name, report in duck[f"together {filters}"].items():
            assert name == "daily_models" or report == duck[f"{name} {filters}"], "together and alone they are the same"
        for name in OF_CALLS:
            report = duck[f"together {filters}"][name]
            calls = report["columns"].index("calls")
            assert sum(row[calls] for row in report["rows"]) == totals["calls"], (name, filters)
        for name in ("sessions", "daily"):
            whole = duck[f"{name} {filters}"]
            assert whole["total_rows"] == len(whole["rows"])
            for limit, offset in PARTS:
                rows = whole["rows"][offset : offset + limit]
                assert duck[f"part of {name} {filters} {limit} {offset}"] == {**whole, "rows": rows}, filters
    assert len(duck[f"sessions {FILTERS[0]}"]["rows"]) > 5
    assert any(duck["glances"].values()) and all(
        glance == {name: duck["summaries"][key][name] for name in glance} for key, glance in duck["glances"].items()
    )
    assert duck["audit retry  0"] == duck["audit a.js  0"] == ["sessions_retry"]
    assert duck["audit  bob 0"] == duck["audit   400"] == ["run_job:x"] and duck["actors"] == ["ann", "bob"]
    assert duck["runs  failed"] == duck["runs one "] == ["one"] and duck["runs two failed"] == []
    assert duck["runs  "] == ["one", "two"]
    courses = [one for course in duck["courses"].values() for one in course]
    assert sum(one["kind"] == "call" for one in courses) == duck[f"daily {FILTERS[0]}"]["totals"]["calls"]
    tools = duck[f"tools {FILTERS[0]}"]["totals"]
    uses = [one for one in courses if one["kind"] not in ("call", "iteration", "slash_command")]
    assert (len(uses), sum(one["is_error"] is True for one in uses)) == (tools["calls"], tools["errors"])
    for moments in duck["courses"].values():
        times = [one["at"] for one in moments if one["at"] is not None]
        assert times == sorted(times) and all(one["at"] is None for one in moments[len(times) :])


def normal(value: Any) -> Any:
    """Times in one zone, and dollars to where their sum does not depend on its order."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, float):
        return round(value, 9)
    if isinstance(value, dict):
        return {key: normal(inner) for key, inner in value.items()}
    return [normal(inner) for inner in value] if isinstance(value, (list, tuple)) else value
