"""The log of a real run, line by line: for machines, and for people."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.processes import Place, call, wait_for

LEVELS = {"debug", "info", "warning", "error", "critical"}


def run(tmp_path: Path, log_format: str) -> list[str]:
    """Every line of a service that had work, trouble with a session and one with a job, and an unknown caller."""
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    (tmp_path / "sessions" / "ann" / "a.jsonl").write_bytes(call("m1"))
    place = Place(tmp_path / "sessions", tmp_path / "state")
    place.environment |= {
        "WATCHER_LOG__FORMAT": log_format,
        "WATCHER_LOG__LEVEL": "debug",
        "WATCHER_RETRY__FIRST": "50ms",
        "WATCHER_RETRY__MAX_ATTEMPTS": "2",
        "WATCHER_PROCESSORS__USAGE__MEMORY_LIMIT": "1KB",
        "FORCE_COLOR": "",
    }
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "backups").write_text("not a folder: housekeeping fails, with a traceback")
    running = place.start()
    try:
        wait_for(lambda: place.said("quarantined"), "a session to be put aside", running.log)
        assert place.run("jobs", "run", "housekeeping").returncode == 2
        assert running.stop() == 0
    finally:
        running.kill()
    return running.log.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("log_format", ["json", "auto"])
def test_every_line_is_json_where_nobody_looks(tmp_path: Path, log_format: str) -> None:
    """With an instant, a level and an event; a traceback is part of its line."""
    lines = run(tmp_path, log_format)
    told = [json.loads(line) for line in lines]
    assert len(told) > 10
    for one in told:
        assert one["level"] in LEVELS and one["event"], one
        assert datetime.fromisoformat(one["timestamp"]).utcoffset() is not None
        assert "\x1b" not in json.dumps(one, ensure_ascii=False)
    events = [one["event"] for one in told]
    for event in ("listening", "running", "swept", "session_failed", "job_failed", "stopping", "stopped"):
        assert event in events, event
    (failed,) = [one for one in told if one["event"] == "job_failed"]
    assert "Traceback" in failed["exception"] and failed["job"] == "housekeeping"


def test_a_line_for_people_has_no_colours_where_there_is_no_terminal(tmp_path: Path) -> None:
    """So that a journal or a file can be searched; a line begins with the time, the level and the event."""
    lines = run(tmp_path, "console")
    assert not any("\x1b" in line for line in lines)
    started = [line for line in lines if re.match(r"\d\d:\d\d:\d\d \[\w+ *\] \S", line)]
    # What does not begin so is the traceback of the job that failed, as Python prints it.
    rest = [line for line in lines if line not in started]
    assert len(started) > 10 and {re.match(r"\d\d:\d\d:\d\d \[(\w+)", line)[1] for line in started} <= LEVELS  # type: ignore[index]
    assert rest[0].startswith("Traceback") and len(rest) < 60 and all(line[:1] in " TNF" for line in rest)
    for event in ("listening", "running", "session_failed", "job_failed", "stopped"):
        assert any(event in line for line in started), event
