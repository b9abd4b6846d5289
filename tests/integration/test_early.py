"""Children that are started before the database is open: put to work, or put away."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.support.harness import settings_for
from tests.support.processes import call
from watcher.app import Application
from watcher.errors import DatabaseTrouble
from watcher.store.open import FILE


def children() -> set[int]:
    """The child processes that are up."""
    return {
        process.pid
        for process in psutil.Process().children()
        if process.status() != psutil.STATUS_ZOMBIE and "watcher.sandbox.main" in process.cmdline()
    }


def test_they_are_those_that_do_the_work(tmp_path: Path) -> None:
    session = tmp_path / "sessions" / "ann" / "a.jsonl"
    session.parent.mkdir(parents=True)
    session.write_bytes(call("m1"))
    core = Application(settings_for(tmp_path / "sessions", tmp_path / "state"), "test", live=False, early=True)
    try:
        early = children()
        assert len(early) >= len(core.pipelines) > 1
        core.start()
        (details,) = core.run_now(["usage"], 60.0, lambda: False)
        assert details.processed == 1 and children() == early
    finally:
        assert core.stop()
    assert not children()


def test_none_is_left_where_nothing_comes_of_it(tmp_path: Path) -> None:
    (tmp_path / "sessions").mkdir()
    (tmp_path / "state" / FILE).mkdir(parents=True)  # no database can be opened there
    with pytest.raises(DatabaseTrouble):
        Application(settings_for(tmp_path / "sessions", tmp_path / "state"), "test", live=False, early=True)
    assert not children()


def test_nobody_asked_for_any(tmp_path: Path) -> None:
    (tmp_path / "sessions").mkdir()
    core = Application(settings_for(tmp_path / "sessions", tmp_path / "state"), "test", live=False)
    assert not children()
    assert core.stop()
