"""What reads much of the database is answered a few at a time, and holds nobody else up."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from processors.usage import reports
from processors.usage.reports import Filters, Query, Report
from tests.support.listener import until
from tests.support.served import served
from watcher.http.auth import READING_AT_ONCE

#: More than the threads that answer requests.
MANY = 50


def test_many_reports_at_once_wait_for_their_turn_and_all_else_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many people ask, the database is read for so many of them; who waits is answered in the end."""
    real, go, lock = reports.REPORTS["daily"], threading.Event(), threading.Lock()
    reading: list[int] = [0, 0]  # now, and the most there were

    def slow(query: Query, filters: Filters) -> Report:
        with lock:
            reading[0] += 1
            reading[1] = max(reading)
        assert go.wait(60)
        found = real(query, filters)
        with lock:
            reading[0] -= 1
        return found

    monkeypatch.setitem(reports.REPORTS, "daily", slow)
    with served(tmp_path) as service, ThreadPoolExecutor(MANY) as people:
        asked: list[Any] = [people.submit(service.ask, "GET", "/api/usage/daily") for _ in range(MANY)]
        try:
            until(lambda: reading[0] == READING_AT_ONCE, "the first to be read for")
            for _ in range(3):
                assert service.ask("GET", "/api/health").status == service.ask("GET", "/metrics").status == 200
        finally:
            go.set()
        assert {one.result().status for one in asked} == {200}
    assert reading == [0, READING_AT_ONCE]
