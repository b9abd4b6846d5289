"""The lag: a processor that is behind the tree is named, one that keeps up is not, and neither is who was put aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.databases import database_in
from tests.support.harness import settings_for
from watcher.app import Application
from watcher.health.findings import Finding, verdict
from watcher.health.lag import of_files
from watcher.plugins import discover
from watcher.settings import OPERATORS, load
from watcher.store.duck import DuckDatabase
from watcher.transcripts.sessions import TREE, Listing

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVERY = 600.0
#: The sweep twice, and four times that.
GRACE, NEVER = 2 * EVERY, 8 * EVERY


class Tables:
    """State rows, and files, each with an age in seconds."""

    def __init__(self, database: DuckDatabase) -> None:
        self.database, self.connection = database, database.connect()
        self.files: dict[str, list[int]] = {}

    def file(self, key: str, changed: float, ctime: float | None = None) -> None:
        ns = [round((NOW.timestamp() - age) * 1e9) for age in (changed, changed if ctime is None else ctime)]
        self.files[key] = [1, 10, *ns]

    def state(self, key: str, taken: float | None, status: str = "ok", processor: str = "usage") -> None:
        at = None if taken is None else NOW - timedelta(seconds=taken)
        self.connection.execute(
            "INSERT INTO session_processor_state (processor_name, session_file, username, processed_at, status,"
            " items_extracted, processed_bytes, bad_lines, attempts) VALUES ($1, $2, 'ann', $3, $4, 0, 0, 0, 0)",
            [processor, key, at, status],
        )

    def look(self, **every: float) -> list[Finding]:
        files = [dict(zip(TREE, (key, *signature), strict=True)) for key, signature in self.files.items()]
        listing = Listing(msgspec.json.Encoder().encode_lines(files), len(files), 1, [])
        return of_files(self.database, listing, every or {"usage": EVERY}, NOW.timestamp())


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Tables]:
    database = database_in(tmp_path)
    yield Tables(database)
    database.close()


def names(found: Sequence[Finding]) -> list[str]:
    return [finding.name for finding in found]


def test_no_files_is_well(tables: Tables) -> None:
    """Nor is anything behind what is gone."""
    assert tables.look() == []
    tables.state("ann/gone.jsonl", 90_000.0, "gone")
    assert tables.look() == []


def test_a_processor_that_is_behind_is_named_with_how_far(tables: Tables) -> None:
    """The newest file is more than grace ahead of the newest pass; it says what to do."""
    tables.state("ann/a.jsonl", 90_000.0)
    tables.file("ann/a.jsonl", GRACE + 100)
    (found,) = tables.look()
    assert (found.level, found.name) == ("warning", "lag") and verdict([found]) == "degraded"
    assert found.details == {"processor": "usage", "lag_seconds": 90_000 - GRACE - 100}
    assert "jobs run session-processor:usage" in found.message and "status" in found.message


@pytest.mark.parametrize(
    ("changed", "taken", "why"),
    [
        (GRACE + 100, GRACE + 90, "it was taken after it had changed"),
        (GRACE + 100, 2 * GRACE, "it is within grace of the newest pass"),
        (GRACE - 100, 90_000.0, "it has not waited for longer than grace yet"),
        (-90_000.0, 10.0, "its clock is ahead"),
    ],
)
def test_a_processor_that_keeps_up_is_not(tables: Tables, changed: float, taken: float, why: str) -> None:
    """Neither one that had no time yet nor one whose files' clock is wrong is called behind."""
    tables.state("ann/a.jsonl", taken)
    tables.file("ann/a.jsonl", changed, ctime=max(changed, 20.0))
    assert tables.look() == [], why


def test_a_clock_that_was_wrong_hides_nothing_and_accuses_nobody(tables: Tables) -> None:
    """Neither files nor passes of a time that has not come: nothing is told of them, and all of the others."""
    tables.file("ann/future.jsonl", -90_000.0)
    tables.state("ann/ahead.jsonl", -90_000.0)
    tables.file("ann/ahead.jsonl", GRACE + 200)
    assert tables.look() == []
    tables.state("ann/a.jsonl", 90_000.0)
    tables.file("ann/a.jsonl", GRACE + 100)
    assert names(tables.look()) == ["lag"]
    # One that is only called younger than it is waits as long as it is there.
    tables.state("ann/b.jsonl", 10.0)
    tables.file("ann/future.jsonl", -90_000.0, ctime=NEVER - 100)
    assert tables.look() == []
    tables.file("ann/future.jsonl", -90_000.0, ctime=NEVER + 100)
    assert names(tables.look()) == ["never_taken"]


@pytest.mark.parametrize("status", ["failed", "quarantined"])
def test_what_was_put_aside_makes_no_lag(tables: Tables, status: str) -> None:
    """It is named elsewhere; the others are still compared."""
    tables.state("ann/bad.jsonl", None, status)
    tables.file("ann/bad.jsonl", GRACE + 50)
    tables.state("ann/a.jsonl", 90_000.0)
    tables.file("ann/a.jsonl", 95_000.0)
    assert tables.look() == []
    tables.file("ann/a.jsonl", GRACE + 100)
    assert names(tables.look()) == ["lag"]


def test_a_processor_that_never_took_anything_is_behind_since_the_newest_change(tables: Tables) -> None:
    """A finite figure, and what was never taken is named too once it waits for four times as long."""
    tables.file("ann/a.jsonl", GRACE + 100)
    (found,) = tables.look()
    assert found.details == {"processor": "usage", "lag_seconds": GRACE + 100}
    tables.file("ann/a.jsonl", NEVER + 4800 + 100)
    tables.file("ann/b.jsonl", NEVER + 4800 + 100)
    never = [found for found in tables.look() if found.name == "never_taken"]
    assert [found.details for found in never] == [{"processor": "usage", "files": 2}]


def test_a_file_that_was_never_taken_is_worth_knowing_after_four_times_grace(tables: Tables) -> None:
    """As info, which degrades nothing; not before, and not if anything is known of it."""
    tables.state("ann/a.jsonl", 10.0)
    tables.file("ann/a.jsonl", 20.0)
    for age, expected in ((4 * GRACE - 10, []), (4 * GRACE + 10, ["never_taken"])):
        tables.file("bob/forgotten.jsonl", age)
        assert names(tables.look()) == expected, age
    (found,) = tables.look()
    assert found.level == "info" and verdict([found]) == "ok"
    assert "bob/forgotten.jsonl" in found.message and "jobs run session-processor:usage" in found.message
    # A file that was moved in has an old time of change, and came just now.
    tables.file("bob/forgotten.jsonl", 9 * GRACE, ctime=100.0)
    assert tables.look() == []
    tables.file("bob/forgotten.jsonl", 9 * GRACE)
    tables.state("bob/forgotten.jsonl", None, "quarantined")
    assert tables.look() == []


def test_each_processor_has_its_own_grace(tables: Tables) -> None:
    """Twice its own sweep interval: the same tree is late for one and in time for another."""
    for processor in ("usage", "errors"):
        tables.state("ann/a.jsonl", 90_000.0, processor=processor)
    tables.file("ann/a.jsonl", 1500.0)
    found = tables.look(usage=600.0, errors=900.0)
    assert [(one.name, one.details["processor"]) for one in found] == [("lag", "usage")]
    found = tables.look(usage=600.0, errors=700.0)
    assert [(one.name, one.details["processor"]) for one in found] == [("lag", "usage"), ("lag", "errors")]


@pytest.mark.parametrize("processor", ["usage", "verification"])
def test_the_operators_variable_is_the_grace_too(tmp_path: Path, processor: str) -> None:
    """Twice its seconds for the processor that it is about; for the others what they have of their own."""
    variables = {key[1]: name for name, key in OPERATORS.items() if key[0] == "processors"}
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    path = tmp_path / "sessions" / "ann" / "a.jsonl"
    path.write_text("{}\n")
    given = {"paths.sessions": tmp_path / "sessions", "paths.state": tmp_path / "state", "health.min_free_disk": "1KB"}
    core = Application(load(None, {variables[processor]: "100"}, given).settings, "test", live=False)
    try:
        for age, behind in ((190, []), (210, [processor])):
            at = path.stat().st_ctime + age
            every = {name: float(core.settings.processor(name).sweep_every) for name in core.pipelines}
            found = of_files(core.database, core.look(), every, at)
            assert [one.details["processor"] for one in found if one.name == "lag"] == behind
    finally:
        core.stop()


def test_the_service_compares_its_own_tree(tmp_path: Path) -> None:
    """What is behind is among its findings from the check on, until a check finds it taken."""
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    (tmp_path / "sessions" / "ann" / "a.jsonl").write_text("{}\n")
    fast: dict[str, Any] = {f"processors.{name}.sweep_every": "1ms" for name in discover()}
    core = Application(settings_for(tmp_path / "sessions", tmp_path / "state", **fast), "test", live=False)
    try:
        checked = core.jobs.run("health-check", "asked")
        assert checked["status"] == "degraded"
        assert {"lag", "never_taken"} <= {one["name"] for one in checked["findings"]}
        core.start()
        core.run_now(list(core.pipelines), 20, lambda: False)
        assert "never_taken" in names(core.health.findings())
        assert not {"lag", "never_taken"} & {one["name"] for one in core.jobs.run("health-check", "asked")["findings"]}
        assert not {"lag", "never_taken"} & set(names(core.health.findings()))
    finally:
        core.stop()
