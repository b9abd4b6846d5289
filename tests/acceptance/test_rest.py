"""A service at rest: what lies in the database's memory alone goes into its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def test_who_holds_the_database_goes_on_when_it_was_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files, orders, jobs, what people write and what they read, each after the file was opened anew at rest."""
    monkeypatch.setattr(daemon, "REST", 0.1)
    monkeypatch.setattr(duck, "MANY", 0)
    with served(tmp_path) as service:
        database = service.live.core.database
        assert isinstance(database, duck.DuckDatabase)
        session = service.sessions / "a.jsonl"
        written = 0

        def append() -> None:
            nonlocal written
            written += 1
            with session.open("ab") as file:
                file.write(call(f"m{written}"))
            service.until_calls(written)

        def ask(path: str, **given: Any) -> None:
            answer = service.ask("POST", path, **given)
            assert answer.status == 200, answer.json

        item = {"title": "Days begin at midnight", "content": "Days begin at midnight, UTC.", "domain": "operations"}
        acts: list[Callable[[], None]] = [
            append,
            lambda: ask("/api/knowledge/items", **item),
            lambda: ask("/api/sessions/reprocess", session="a.jsonl"),
            append,
        ]
        for act in acts:
            before = database._opening
            act()
            until(lambda before=before: database._opening > before, "the file to be opened anew")  # type: ignore[misc]
        ask("/api/admin/run-session-processor", processor="usage")
        ask("/api/admin/backup")
        assert service.calls() == written == 2
        assert service.ask("GET", "/api/knowledge/items").json["total"] == 1
        assert service.live.health()["status"] == "ok"
