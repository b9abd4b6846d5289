"""Collecting, as an operator does it: by the clock, by command, by the API, with the service running and stopped."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.operated import Operated, in_force
from tests.support.processes import call, lines, wait_for

#: How large a file may be and still take no room: it has no content but its size.
HUGE = 1 << 40


class Collected(Operated):
    """A place with homes from which sessions are collected."""

    def collecting(self, **changes: Any) -> dict[str, Any]:
        """The collector's table, with these changes."""
        return {"sources": [f"{self.homes}/*/.claude/projects/**/*.jsonl"], **changes}

    @property
    def homes(self) -> Path:
        return self.sessions.parent / "home"

    def home(self, user: str, name: str, content: bytes) -> Path:
        """A session in somebody's home."""
        path = self.homes / user / ".claude" / "projects" / "-p" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def runs(self) -> list[dict[str, Any]]:
        """The collector's runs, the latest first."""
        found: list[dict[str, Any]] = self._recorded()["runs"]
        return [run for run in found if run["name"] == "session-collector"]

    def audited(self) -> list[int]:
        """What became of each order to collect, the latest first."""
        found = self._recorded()["audit"]
        return [entry["status"] for entry in found if entry["action"] == "run_session_collector"]

    def counted(self) -> int:
        """API calls that the running service has counted."""
        return sum(row[2] for row in self.ask("/api/usage/users").get("rows", []))

    def _recorded(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("/api/admin/scheduler-runs") or self.json("jobs", "runs")
        return found


@pytest.fixture
def place(tmp_path: Path) -> Collected:
    (tmp_path / "sessions").mkdir()
    made = Collected(tmp_path / "sessions", tmp_path / "state")
    made.write(collector=made.collecting())
    made.home("ann", "a.jsonl", lines(["m1", "m2"]))
    return made


def test_a_session_in_a_home_is_counted_while_nothing_runs(place: Collected) -> None:
    """Told first, then copied, then taken; each run is recorded, and what was refused is named."""
    os.mkfifo(place.home("bob", "b.jsonl", lines(["m3"])).with_name("pipe.jsonl"))
    told = place.json("collect", "--dry-run")
    assert told["ok"] and told["details"]["files_copied"] == 2 and not list(place.sessions.iterdir())
    done = place.run("collect")
    assert done.returncode == 0 and "files copied: 2" in done.stdout and "pipe.jsonl: it is a pipe" in done.stdout
    assert (place.sessions / "bob/-p/b.jsonl").read_bytes() == lines(["m3"])
    assert [run["stats"]["dry_run"] for run in place.runs()] == [False, True]
    assert place.run("once", "-q").returncode == 0 and place.calls() == 3
    again = place.run("jobs", "run", "session-collector")
    assert again.returncode == 0 and "files skipped: 2" in again.stdout


def test_the_same_through_the_service(place: Collected) -> None:
    """It collects for whoever asks, and notes who asked; the observer hears of the copies; verbose is in its log."""
    running = place.start()
    try:
        assert place.json("collect", "--dry-run")["details"]["files_copied"] == 1
        found = place.json("collect", "--verbose")
        assert found["ok"] and found["details"]["files_copied"] == 1 and "a.jsonl" in running.log.read_text()
        wait_for(lambda: place.counted() == 2, "it to be counted", running.log)
        with place.home("ann", "a.jsonl", lines(["m1", "m2"])).open("ab") as file:
            file.write(call("m3"))
        assert place.run("jobs", "run", "session-collector").returncode == 0
        wait_for(lambda: place.counted() == 3, "what was appended", running.log)
        assert place.audited() == [200, 200]
        assert running.stop() == 0
    finally:
        running.kill()


def test_one_run_at_a_time_and_a_stop_ends_it(place: Collected) -> None:
    """A second one is refused with 409 while the first compares two files without end; SIGTERM does not wait for it."""
    copy = place.sessions / "ann/-p/huge.json"
    copy.parent.mkdir(parents=True)
    for path in (copy, place.home("ann", "huge.json", b"")):
        path.touch()
        os.truncate(path, HUGE)
    sources = [f"{place.homes}/*/.claude/projects/**/*.json"]
    running = place.start()
    try:
        place.write(collector={"sources": sources, "largest": "9TB", "deadline": "1h", "enabled": True, "every": "1s"})
        wait_for(lambda: [run for run in place.runs() if run["outcome"] == "running"], "the run to begin", running.log)
        for words in (["collect"], ["jobs", "run", "session-collector"]):
            refused = place.run(*words)
            assert refused.returncode == 2 and "session-collector is under way" in refused.stderr
        assert place.audited() == [409] and [run["outcome"] for run in place.runs()] == ["running"]
        assert running.stop() == 0, running.log.read_text()[-3000:]
    finally:
        running.kill()


def test_a_failure_is_a_sentence_everywhere(place: Collected) -> None:
    """500 and exit 2 with the words of the record; health names it until a run has gone well."""
    running = place.start()
    try:
        place.write(collector=place.collecting(), health={"min_free_disk": "1000TB"})
        wait_for(lambda: in_force(place, "health", "min_free_disk") == '"1000TB"', "the change", running.log)
        failed = place.run("collect")
        assert failed.returncode == 2 and "make room" in failed.stderr and "500" in failed.stderr
        assert place.audited() == [500] and place.runs()[0]["outcome"] == "failed"
        assert "make room" in place.runs()[0]["error"] and place.said("job_failed", "session-collector")
        place.write(collector=place.collecting())
        wait_for(lambda: in_force(place, "health", "min_free_disk") == '"1KB"', "the change back", running.log)
        assert place.run("collect").returncode == 0 and not place.said("job_failed")
        # What one home is refused for is no failure, and is named too.
        (place.homes / "bob").symlink_to(place.homes / "ann")
        assert place.run("collect").returncode == 0
        assert place.said("not_collected", "home/bob: it is a link")
        assert running.stop() == 0
    finally:
        running.kill()
    place.sessions.rename(place.sessions.parent / "away")
    gone = place.run("collect")
    assert gone.returncode == 2 and f"{place.sessions}: No such file" in gone.stderr
    assert not place.sessions.exists()


def test_the_clock_collects_when_it_is_told_to(place: Collected) -> None:
    """Enabled, hastened and stopped again while the service runs."""
    running = place.start()
    try:
        place.write(collector=place.collecting(enabled=True, every="1s"))
        wait_for(lambda: place.counted() == 2, "the first run", running.log)
        place.home("bob", "b.jsonl", lines(["m3"]))
        wait_for(lambda: place.counted() == 3, "a later run", running.log)
        assert {run["trigger"] for run in place.runs()} == {"clock"} and place.runs()[0]["outcome"] in ("ok", "running")
        place.write(collector=place.collecting())
        wait_for(lambda: due(place) is None, "it to leave the schedule", running.log)
        assert running.stop() == 0
    finally:
        running.kill()


def due(place: Collected) -> Any:
    """When the clock collects next."""
    (job,) = [job for job in place.ask("/api/jobs")["jobs"] if job["name"] == "session-collector"]
    return job["next_run_at"]


def test_the_operators_variable_wins(place: Collected) -> None:
    """SCHEDULER_SESSION_COLLECTOR_INTERVAL is the cadence, in seconds, whatever the file says."""
    place.write(collector=place.collecting(enabled=True, every="1h"))
    place.environment["SCHEDULER_SESSION_COLLECTOR_INTERVAL"] = "1"
    shown = {(row["table"], row["key"]): row for row in place.json("settings")}
    assert shown["collector", "every"]["value"] == '"1s"' and shown["collector", "every"]["source"] == "environment"
    place.write(collector=place.collecting(every="1h"))
    running = place.start()
    try:
        place.write(collector=place.collecting(enabled=True, every="1h"))
        wait_for(lambda: len([run for run in place.runs() if run["outcome"] == "ok"]) >= 2, "two runs", running.log)
        assert running.stop() == 0
    finally:
        running.kill()
    place.environment["SCHEDULER_SESSION_COLLECTOR_INTERVAL"] = "0"
    assert "SCHEDULER_SESSION_COLLECTOR_INTERVAL" in place.run("collect").stderr


def test_once_collects_first_where_that_is_enabled(place: Collected) -> None:
    """With the service running and without; a home that cannot be looked at makes it exit 1, and the rest is taken."""
    place.write(collector=place.collecting(enabled=True, every="1h"))
    found = place.json("once", "-q")
    assert found["ok"] and found["collector"]["files_copied"] == 1 and place.calls() == 2
    place.write(
        collector=place.collecting(enabled=True, every="1h", sources=[f"{place.homes}/*/*/*/*/*.jsonl", "/no/*/x"])
    )
    place.home("bob", "b.jsonl", lines(["m3"]))
    running = place.start()
    try:
        done = place.run("once", "-q")
        assert done.returncode == 1 and "/no: No such file" in done.stdout
        assert running.stop() == 0
    finally:
        running.kill()
    place.write(collector=place.collecting())
    place.home("zoe", "z.jsonl", lines(["m4"]))
    assert "collector" not in place.json("once", "-q") and not (place.sessions / "zoe").exists()


def test_what_is_about_to_be_lost_is_named_with_the_service_and_without(place: Collected) -> None:
    """By health and doctor, by the period of the home's settings, until it is copied; no restart forgets it."""
    path = place.home("ann", "old.jsonl", lines(["m3"]))
    os.link(path, path.with_name("second"))
    os.utime(path, (time.time() - 80 * 86_400,) * 2)
    (place.homes / "ann" / ".claude" / "settings.json").write_text('{"cleanupPeriodDays": 85}')
    assert place.run("collect").returncode == 0
    assert warned(place) == ["transcripts_expire"] and place.run("doctor").returncode == 1
    running = place.start()
    try:
        assert place.said("transcripts_expire", "after 85") and warned(place) == ["transcripts_expire"]
        path.with_name("second").unlink()
        (place.homes / "ann" / ".claude" / "settings.json").write_text('{"cleanupPeriodDays": []}')
        done = place.json("collect")
        assert done["ok"] and [one["path"] for one in done["details"]["warnings"]] == [
            str(place.homes / "ann" / ".claude" / "settings.json")
        ]
        assert (
            not place.said("transcripts_expire")
            and place.said("retention_unknown", "settings.json")
            and not warned(place)
        )
        assert running.stop() == 0
    finally:
        running.kill()
    assert warned(place) == [] and place.run("doctor").returncode == 0


def warned(place: Collected) -> list[str]:
    """What the doctor warns of."""
    return [one["name"] for one in place.json("doctor")["checks"] if one["level"] == "warning"]
