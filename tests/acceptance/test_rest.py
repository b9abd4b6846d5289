"""A service at rest: what lies in the database's memory alone goes into its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.listener import until
from tests.support.processes import call
from tests.support.served import served
from watcher import daemon
from watcher.store import duck


def test_a_service_puts_its_database_to_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing was committed for a while, and again after the next commit, or a sweep that found nothing."""
    monkeypatch.setattr(daemon, "REST", 0.2)
    monkeypatch.setattr(daemon, "APART", 3600.0)  # no job of its own brings the log in
    monkeypatch.setattr(duck, "LONG_LOG", 0)
    with served(tmp_path) as service:
        log = service.state / "watcher.duckdb.wal"
        for number in (1, 2):
            (service.sessions / f"{number}.jsonl").write_bytes(call(f"m{number}"))
            service.until_calls(number)
            until(lambda: not log.exists() or log.stat().st_size == 0, "the log to be brought into the file")
        monkeypatch.setattr(daemon, "REST", 3600.0)
        service.live.core.jobs.run("session-processor:usage", "asked")  # which is written down
        until(lambda: log.exists() and log.stat().st_size > 0, "the job's run to be in the log")
        monkeypatch.setattr(daemon, "REST", 0.2)
        until(lambda: not log.exists() or log.stat().st_size == 0, "the same after a sweep")
