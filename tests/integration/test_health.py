"""Health: what is not as it should be is named, with what to do, and is in the operator's book."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest

from tests.support.finding import one
from tests.support.listener import until
from tests.support.pipeline_house import House
from watcher.daemon import LiveService
from watcher.errors import JobFailed
from watcher.health import findings
from watcher.health.findings import Finding, Level
from watcher.homes.stats import VisitTally
from watcher.pipeline.pipeline import Pipeline
from watcher.plugins import RefusedProcessor
from watcher.settings import load

ROOT = Path(findings.__file__).parents[1]
LEVELS: tuple[Level, ...] = ("info", "warning", "unhealthy")


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    made = House(tmp_path, monkeypatch)
    yield made
    made.end()
    made.database.close()


def names(found: list[Finding]) -> list[str]:
    return [finding.name for finding in found]


def test_the_verdict_is_the_worst_of_the_findings() -> None:
    """Nothing and infos: ok; a warning: degraded; anything unhealthy: unhealthy, in any order."""
    assert findings.verdict([]) == "ok"
    for levels in (combination for n in (1, 2, 3) for combination in product(LEVELS, repeat=n)):
        worst = max(levels, key=LEVELS.index)
        expected = {"info": "ok", "warning": "degraded", "unhealthy": "unhealthy"}[worst]
        assert findings.verdict(Finding(level, "x", "y") for level in levels) == expected
    report = findings.report([Finding("warning", "x", "y", {"n": 1})], uptime=3)
    assert report["status"] == "degraded" and report["uptime"] == 3
    assert report["findings"] == [{"level": "warning", "name": "x", "message": "y", "details": {"n": 1}}]


def look(pipeline: Pipeline, later: float = 0.0) -> list[Finding]:
    """What health says of a pipeline, some time from now."""
    return findings.of_pipeline(pipeline, time.monotonic() + later)


def test_of_a_pipeline_that_works_there_is_nothing_to_say(house: House) -> None:
    """Neither idle nor after work."""
    pipeline = house.pipeline()
    house.write("a", "{}\n")
    assert pipeline.run_now(20).processed == 1
    assert look(pipeline) == []


def test_dead_threads_are_named(house: House) -> None:
    """A committer or worker whose thread has ended in a service that runs; restart it."""
    pipeline = house.pipeline(workers=2)
    pipeline.workers[0].stop()
    assert pipeline.workers[0].join(20)
    found = one(look(pipeline), "worker_dead")
    assert found.level == "unhealthy" and "stranger" in found.message
    pipeline.workers[1].stop()
    assert pipeline.workers[1].join(20) and pipeline.committer.close(20)
    assert names(look(pipeline)) == ["committer_dead", "worker_dead", "worker_dead"]
    assert one(look(pipeline), "committer_dead").level == "unhealthy"


def test_a_worker_is_late_after_its_deadline_and_not_before(house: House) -> None:
    """It is given its deadline and a minute more; a worker that waits for work is not late."""
    house.tell(house.write("a", "{}\n"), house.waits)
    pipeline = house.pipeline()
    pipeline.queue.offer("ann/a.jsonl", time.monotonic())
    until(lambda: house.calls(), "it to be read")
    deadline = float(pipeline.plan.settings.deadline)
    assert look(pipeline, deadline + findings.LATE - 20) == []
    found = one(look(pipeline, deadline + findings.LATE + 20), "worker_late")
    assert found.level == "warning" and "stranger" in found.message


def test_trouble_outside_is_named_while_it_lasts(house: House) -> None:
    """A processor that waits for a rate limit or the like says for what."""
    house.tell(key := house.write("a", "{}\n"), 'raise Transient("the provider is down", retry_after=0.3)')
    pipeline = house.pipeline()
    pipeline.queue.offer(key, time.monotonic())
    until(lambda: names(look(pipeline)) == ["processor_waits"], "the trouble to be named")
    (found,) = look(pipeline)
    assert found.level == "warning" and "the provider is down" in found.message and "stranger" in found.message
    (house.orders / "a").unlink()
    pipeline._pace.paused_until = 0.0  # half a minute has passed
    pipeline.queue.offer(house.write("b", "{}\n"), time.monotonic())
    until(lambda: house.rows().get("ann/b.jsonl") == 1 and not look(pipeline), "it to pass")


def test_commits_that_fail_are_named_until_they_succeed(house: House) -> None:
    """As trouble with the database: unhealthy, and gone by itself."""
    house.connection.execute("ALTER TABLE strange RENAME TO aside")
    pipeline = house.pipeline(start=False)
    pipeline.committer.trouble = "No space left on device"
    pipeline.start()
    found = one(look(pipeline), "database")
    assert found.level == "unhealthy" and "No space left on device" in found.message and "kept" in found.message
    house.connection.execute("ALTER TABLE aside RENAME TO strange")
    house.write("a", "{}\n")
    assert pipeline.run_now(20).processed == 1
    assert look(pipeline) == []


def test_owed_sweeps_full_queues_and_closed_folders_are_named(house: House) -> None:
    """With how many wait and were forgotten, and which folder it is."""
    pipeline = house.pipeline(start=False, max_pending=4)
    pipeline.committer.start()
    for worker in pipeline.workers:
        worker.start()
    pipeline.queue.owe("events were lost")
    assert one(look(pipeline), "sweep_owed").level == "info"
    assert findings.verdict([one(look(pipeline), "sweep_owed")]) == "ok"
    house.tell(house.write("s0", "{}\n"), house.waits)
    for n in range(7):
        pipeline.queue.offer(house.write(f"s{n}", "{}\n"), time.monotonic())
    until(lambda: house.calls(), "the first to be read")
    for n in range(7):
        pipeline.queue.offer(f"ann/s{n}.jsonl", time.monotonic())
    crowded = one(look(pipeline), "queue_crowded")
    assert crowded.level == "warning" and crowded.details["processor"] == "stranger"
    assert crowded.details["waiting"] == len(pipeline.queue) and crowded.details["forgotten"] > 0
    assert {"concurrency", "max_pending"} <= set(re.findall(r"\w+", crowded.message))
    house.gate.touch()

    def through() -> bool:
        pipeline.settle_debt()
        return pipeline.queue.idle() and not pipeline.queue.owed

    until(through, "all to be taken")
    assert names(look(pipeline)) == []


def test_folders_that_cannot_be_read_are_named(house: House) -> None:
    """How many, the first of them, and why; until they can be read."""
    pipeline = house.pipeline()
    closed = ["/data/ann: Permission denied", "/data/bob: Permission denied"]
    sweep = pipeline.sweep("test")
    pipeline.last_sweep = replace(sweep, unreadable=closed)
    said = one(look(pipeline), "unreadable")
    assert said.level == "warning" and closed[0] in said.message and "2 folders" in said.message
    pipeline.sweep("test")
    assert look(pipeline) == []


def test_sessions_put_aside_are_named_by_processor() -> None:
    """Failed ones are tried again by themselves, and no finding."""
    found = findings.of_sessions(
        [("errors", "quarantined", 2, 0, 0, 0, None), ("usage", "failed", 5), ("usage", "ok", 9)]
    )
    said = one(found, "quarantined")
    assert said.level == "warning" and said.details == {"processor": "errors", "sessions": 2}
    assert "sessions list --status quarantined" in said.message and "sessions retry" in said.message


def test_passes_of_a_time_that_has_not_come_are_named() -> None:
    """With whose they are and how far off; seconds of difference are nothing."""
    now = 1_772_366_400.0
    past, soon, far = (datetime.fromtimestamp(now + ahead, UTC) for ahead in (-9.0, findings.SKEW, 86_400.0))
    assert findings.of_clock([("usage", "gone", 1, 0, 0, 0, None), ("usage", "ok", 9, 0, 0, 0, soon)], now) == []
    tallies = [
        ("errors", "ok", 9, 0, 0, 0, far),
        ("errors", "failed", 1, 0, 0, 0, past),
        ("usage", "ok", 9, 0, 0, 0, past),
    ]
    said = one(findings.of_clock(tallies, now), "dated_ahead")
    assert said.level == "warning" and said.details == {"processor": "errors", "ahead_seconds": 86_400}
    assert "NTP" in said.message and "sessions retry" in said.message


def test_disk_and_damage_are_named(tmp_path: Path) -> None:
    """Less room than asked for; a state folder that cannot be looked at; a log that was set aside, until it is gone."""
    assert findings.of_disk(tmp_path, 0) == [] == findings.of_damage(tmp_path)
    assert one(findings.of_disk(tmp_path, 1 << 62), "low_disk").level == "warning"
    lost = one(findings.of_disk(tmp_path / "nowhere", 0), "state_folder")
    assert lost.level == "unhealthy" and "nowhere" in lost.message
    aside = tmp_path / "watcher.duckdb.wal.damaged-20260301T120000"
    aside.touch()
    said = one(findings.of_damage(tmp_path), "wal_set_aside")
    assert said.level == "warning" and aside.name in said.message
    assert one(findings.of_damage(tmp_path, ["Look at the disk."]), "wal_damaged").message == "Look at the disk."
    aside.unlink()
    assert findings.of_damage(tmp_path) == []


def test_jobs_that_hang_or_failed_are_named() -> None:
    """And a job log that cannot be written; a job that runs for a while is not hanging."""
    assert findings.of_jobs({"housekeeping": findings.HANGS - 1}, {}, None) == []
    found = findings.of_jobs({"housekeeping": findings.HANGS + 1}, {"health-check": "ValueError: no"}, "disk full")
    assert "housekeeping" in one(found, "job_hangs").message
    failed = one(found, "job_failed")
    assert failed.level == "warning" and "health-check" in failed.message and "ValueError: no" in failed.message
    assert one(found, "database").level == "unhealthy" and "disk full" in one(found, "database").message


def test_what_was_not_collected_is_named() -> None:
    """A home or file that could not be looked at is a warning, refused files alone an info; the first is told."""
    assert findings.of_collector(VisitTally(users_processed=3, files_copied=9)) == []
    details = [{"user": "bob", "path": "/home/bob/p/x.jsonl", "reason": "it is a pipe, not a file"}]
    for tally, level, words in (
        (VisitTally(errors=1, details=details), "warning", "1 home or file"),
        (VisitTally(users_refused=2, files_refused=1, details=details), "warning", "1 file was refused"),
        (VisitTally(files_refused=3, details=details), "info", "3 files were refused"),
    ):
        finding = one(findings.of_collector(tally), "not_collected")
        assert finding.level == level and words in finding.message
        assert "/home/bob/p/x.jsonl: it is a pipe" in finding.message


def test_settings_that_are_refused_or_wait_are_named() -> None:
    """The first is a warning, the second only worth knowing."""
    assert findings.of_settings(None, []) == []
    found = findings.of_settings("settings.toml: is not TOML", ["http.port", "paths.state"])
    assert one(found, "settings_refused").level == "warning"
    assert "settings.toml: is not TOML" in one(found, "settings_refused").message
    waits = one(found, "settings_wait")
    assert waits.level == "info" and waits.details == {"settings": ["http.port", "paths.state"]}


def test_the_service_puts_it_all_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An observer that hears not all, a failed job, a refused processor, a database in trouble: each with a remedy."""
    (tmp_path / "sessions").mkdir()
    given = {"paths.sessions": tmp_path / "sessions", "paths.state": tmp_path / "state", "health.min_free_disk": "1KB"}
    service = LiveService(load(None, {}, given))
    try:
        for state, level in (("ok", None), ("starting", None), ("deaf", "unhealthy"), ("partial", "warning")):
            told = replace(service.observer.health(), state=state, reason="why it is so")  # type: ignore[arg-type]
            monkeypatch.setattr(service.observer, "health", lambda told=told: told)
            found = [f for f in service.findings() if f.name.startswith("observer_")]
            assert [(f.name, f.level, f.message) for f in found] == (
                [(f"observer_{state}", level, "why it is so")] if level else []
            )
        with pytest.raises(JobFailed):
            service.core.jobs.run("housekeeping", "asked", lambda: dict[str, dict[str, int]]()["nothing"])
        (tmp_path / "state" / "watcher.duckdb.wal.damaged-1").touch()
        service.core.refused.append(RefusedProcessor("stranger", "its tables cannot be made: no"))
        service.core.database.connect().execute("ALTER TABLE session_processor_state RENAME TO aside")
        found = service.findings()
        assert service.health()["status"] == "unhealthy"
        assert "observer_partial" in names(found)
        for name in ("job_failed", "wal_set_aside", "database", "processor_refused"):
            one(found, name)
    finally:
        service.core.stop()


def produced() -> set[str]:
    """Every name that the code gives a finding, read from the code."""
    found: set[str] = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Finding":
                name = node.args[1]
                if isinstance(name, ast.Constant):
                    found.add(str(name.value))
                else:  # the observer's, which are named after its state
                    assert ast.unparse(name) == "f'observer_{observer.state}'", ast.unparse(name)
                    found |= {"observer_deaf", "observer_partial"}
    return found


def test_every_finding_is_in_the_operators_book_and_no_other() -> None:
    """A row for each name that the code can produce, and none that nothing produces; each says what to do."""
    book = (ROOT.parent / "docs" / "operations.md").read_text()
    table = book.partition("### What the findings mean")[2].partition("\n## ")[0]
    rows = [line.strip("| \n").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row[0])]
    assert len(listed) == len(set(listed)) and len(listed) > 15
    assert set(listed) == produced()
    assert all(len(row) == 3 and all(cell.strip() for cell in row) for row in rows)


def test_every_message_in_the_code_is_a_sentence() -> None:
    """It begins with a capital or a name, and ends with a full stop, unless it ends in what somebody else said."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Finding":
                message = node.args[2]
                parts = message.values if isinstance(message, ast.JoinedStr) else [message]
                if isinstance(last := parts[-1], ast.Constant):
                    assert str(last.value).rstrip().endswith("."), f"{path.name}: {ast.unparse(message)}"
