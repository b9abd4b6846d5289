"""The live service: other settings are in force at once, or are said to wait for the next start."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from watcher.app import COLLECTOR, CORPORATE_MEMORY, HEALTH_CHECK, HOUSEKEEPING, job_of
from watcher.daemon import FIXED, LiveService
from watcher.settings import Loaded, load, rows
from watcher.settings.follow import SettingsFile, Sources


class Live:
    """A service, and the settings that it is given."""

    def __init__(self, folder: Path) -> None:
        (folder / "sessions").mkdir()
        self.given: dict[str, Any] = {
            "paths.sessions": folder / "sessions", "paths.state": folder / "state", "health.min_free_disk": "1KB",
            "http.port": 0,
        }  # fmt: skip
        self.service = LiveService(self.loaded())

    def loaded(self, **other: Any) -> Loaded:
        """The settings, with these changes; names with ``__`` for dots."""
        return load(None, {}, {**self.given, **{name.replace("__", "."): value for name, value in other.items()}})

    def turn(self, job: str) -> float | None:
        """How many seconds there are until a job's next run."""
        at = self.service.schedule.next_run(job)
        return None if at is None else (at - datetime.now(UTC)).total_seconds()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    made = Live(tmp_path)
    made.service.start()
    yield made
    assert made.service.stop()


def test_how_a_processor_works_changes_at_once(live: Live) -> None:
    """Debounce, limits, retries and concurrency, down to what its children are told; the others go on as they did."""
    other = live.service.core.pipelines["errors"]
    workers = other.workers
    live.service.take(
        live.loaded(
            processors__usage__quiet="3s", processors__usage__max_wait="33s", processors__usage__concurrency=2,
            processors__usage__deadline="77s", processors__usage__memory_limit="77MB",
            processors__usage__timezone="Europe/Berlin",
        )
    )  # fmt: skip
    pipeline = live.service.core.pipelines["usage"]
    cadence, children = pipeline.plan.cadence, [worker._child.settings for worker in pipeline.workers]
    assert (cadence.quiet, cadence.max_wait, cadence.workers) == (3.0, 33.0, 2)
    assert [(child.deadline, child.memory_limit) for child in children] == [(77.0, 77_000_000)] * 2
    assert {child.settings["timezone"] for child in children} == {"Europe/Berlin"}
    assert live.service.core.pipelines["errors"] is other and other.workers == workers
    live.service.take(
        live.loaded(
            queue__max_pending=7, queue__settle="7s", retry__first="1s", retry__longest="8s", retry__max_attempts=3
        )
    )
    for pipeline in live.service.core.pipelines.values():
        cadence, retry = pipeline.plan.cadence, pipeline.plan.retry
        assert (cadence.max_pending, cadence.settle) == (7, 7.0)
        assert (retry.first, retry.longest, retry.max_attempts) == (1.0, 8.0, 3)
        assert {worker._child.settings.settle for worker in pipeline.workers} == {7.0}


def test_when_jobs_run_changes_at_once(live: Live) -> None:
    """Each job's own interval; what is enabled comes soon, what is no more does not run."""
    assert live.turn(COLLECTOR) is None and live.turn(CORPORATE_MEMORY) is None
    faster: dict[str, Any] = {
        "processors__usage__sweep_every": "100s", "health__every": "100s", "housekeeping__every": "100s",
        "collector__enabled": True, "corporate_memory__enabled": True, "corporate_memory__every": "1h",
        "corporate_memory__sources": [], "collector__sources": [],
    }  # fmt: skip
    jobs = (job_of("usage"), HEALTH_CHECK, HOUSEKEEPING)
    live.service.take(live.loaded(**faster))
    for job in jobs:
        assert 90 < (live.turn(job) or 0) <= 100, job
    assert live.turn(COLLECTOR) is not None and live.turn(CORPORATE_MEMORY) is not None
    live.service.take(live.loaded(health__every="200s", processors__usage__enabled=False))
    assert 190 < (live.turn(HEALTH_CHECK) or 0) <= 200
    for gone in (COLLECTOR, CORPORATE_MEMORY, job_of("usage")):
        assert live.turn(gone) is None, gone


def test_sweeps_fall_on_the_same_moments(live: Live) -> None:
    """Whenever each got its interval: sweeps that begin together share a look at the tree."""
    faster: dict[str, str] = {}
    for name in live.service.core.pipelines:
        faster[f"processors__{name}__sweep_every"] = "100s"
        live.service.take(live.loaded(**faster))
        time.sleep(0.01)
    turns = [live.service.schedule.next_run(job_of(name)) for name in live.service.core.pipelines]
    assert len(turns) == 3 and len({*turns}) == 1 and turns[0] is not None


def test_what_waits_for_the_next_start_is_named(live: Live) -> None:
    """Every key of the tables that cannot be taken up, and none of the others; the earlier values stay in force."""
    names = [(row.table, row.key) for row in rows(live.service.loaded)]
    fixed = {f"{table}.{key}" for table, key in names if table in FIXED}
    assert fixed > {"paths.sessions", "database.url", "observer.kind", "http.port", "log.level", "node.name"}
    before = live.service.core.settings
    changed = live.loaded(
        paths__sessions="/elsewhere", node__name="n", observer__kind="polling", http__port=1, log__level="debug",
        service__time_budget="7s",
    )  # fmt: skip
    live.service.take(changed)
    waiting = {"paths.sessions", "node.name", "observer.kind", "http.port", "log.level"}
    assert {*live.service.waiting_settings} == waiting
    (finding,) = [one for one in live.service.findings() if one.name == "settings_wait"]
    assert {*finding.details["settings"]} == waiting
    after = live.service.core.settings
    assert all(getattr(after, table) == getattr(before, table) for table in FIXED)
    assert float(after.service.time_budget) == 7.0
    live.service.take(live.loaded())
    assert live.service.waiting_settings == []
    assert live.service.core.settings.model_dump() == before.model_dump()


def test_what_is_named_by_health_changes_at_once(live: Live) -> None:
    """The room that is to be free."""
    assert not [one for one in live.service.findings() if one.name == "low_disk"]
    live.service.take(live.loaded(health__min_free_disk="900000TB"))
    assert [one.level for one in live.service.findings() if one.name == "low_disk"] == ["warning"]


def test_settings_that_cannot_be_taken_up_are_said_once(live: Live, tmp_path: Path, monkeypatch: Any) -> None:
    """One line when it begins, however often it is tried, and anew when it begins again; why, all the while."""
    file = SettingsFile(Sources(tmp_path / "settings.toml", {}, {}))
    service, core = live.service, live.service.core
    take, tries = core.take, iter([OSError(24, "Too many open files"), OSError(12, "No memory"), None, OSError(5, "x")])

    def taking(settings: Any) -> None:
        if (trouble := next(tries)) is not None:
            raise trouble
        take(settings)

    monkeypatch.setattr(core, "take", taking)
    told = []
    with structlog.testing.capture_logs() as logs:
        for _ in range(4):
            service._apply(live.loaded(), file)
            told.append(file.trouble)
    reasons = [trouble and trouble.partition("] ")[2] for trouble in told]
    assert reasons == ["Too many open files", "No memory", None, "x"]
    lines = [(one["log_level"], one["reason"].partition("] ")[2]) for one in logs if one["log_level"] != "debug"]
    assert lines == [("error", "Too many open files"), ("error", "x")]
