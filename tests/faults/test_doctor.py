"""The doctor, where the kernel itself is short of something, or a folder lies with another machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults.elsewhere import KIND, served
from tests.faults.kernel import lowered
from tests.support.harness import Subject
from tests.support.processes import call
from watcher.cli.doctor import examine
from watcher.settings.follow import Sources
from watcher.watch.inotify import MAX_WATCHES

pytestmark = pytest.mark.faults


def looked_at(folder: Path, **given: Any) -> tuple[str, dict[str, tuple[str, str]]]:
    """The verdict, and the level and message of each check."""
    paths = {"paths.sessions": folder / "sessions", "paths.state": folder / "state"}
    report = examine(Sources(None, {}, {"health.min_free_disk": "1KB", **paths, **given}))
    return report["status"], {one["name"]: (one["level"], one["message"]) for one in report["checks"]}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A sessions folder, a state folder, and what is served as either."""
    for name in ("sessions", "state", "behind"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_sessions_on_another_machine_are_polled_and_that_is_no_fault(folders: Path) -> None:
    """The kind of file system is named, and how often it is looked at; the clocks agree."""
    assert looked_at(folders)[1]["file system"][0] == "ok"
    with served(folders / "behind", folders / "sessions"):
        status, checks = looked_at(folders)
    level, message = checks["file system"]
    assert (status, level, checks["clock"][0]) == ("ok", "info", "ok")
    assert KIND in message and "polled every 5s" in message


@pytest.mark.parametrize("ahead", [3600, -3600])
def test_clocks_that_differ_are_named(folders: Path, ahead: int) -> None:
    """By how much, and what to do; nothing is left in the folder."""
    with served(folders / "behind", folders / "sessions", ahead):
        status, checks = looked_at(folders)
    level, message = checks["clock"]
    assert (status, level) == ("degraded", "warning")
    assert f"{ahead:+d} s" in message and "NTP" in message
    assert list((folders / "behind").iterdir()) == []


def test_a_database_that_would_lie_on_another_machine_is_named(folders: Path) -> None:
    """Locks may not hold there; where the database is PostgreSQL, nothing lies there that would mind."""
    with served(folders / "behind", folders / "state"):
        status, checks = looked_at(folders)
        assert (status, checks["state"][0]) == ("degraded", "warning")
        assert KIND in checks["state"][1] and "set paths.state" in checks["state"][1]
        elsewhere = looked_at(folders, **{"database.url": "postgresql:///nothing-is-there"})[1]
        assert elsewhere["state"][0] == "ok"


@pytest.mark.parametrize("ahead", [0, 3600, -3600])
def test_sessions_on_another_machine_are_taken_whatever_its_clock_says(folders: Path, ahead: int) -> None:
    """Each complete line once, and what is added behind our back."""
    with served(folders / "behind", folders / "sessions", ahead):
        subject = Subject(folders / "sessions", folders / "state")
        try:
            (folders / "behind" / "ann").mkdir()
            session = folders / "behind" / "ann" / "a.jsonl"
            for number in range(3):
                with session.open("ab") as file:
                    file.write(call(f"m{number}"))
                subject.catch_up(list(subject.open().pipelines))
                assert subject.open().query("SELECT count(*) FROM usage_messages") == [(number + 1,)]
            assert subject.open().jobs.run("health-check", "asked")["findings"] == []
        finally:
            subject.close()


def test_too_few_watches_are_named_with_the_setting(tmp_path: Path) -> None:
    """How many directories there are, how many watches, and what to set; not while there are enough."""
    for n in range(30):
        (tmp_path / "sessions" / str(n)).mkdir(parents=True)
    sources = Sources(None, {}, {"paths.sessions": tmp_path / "sessions", "paths.state": tmp_path / "state",
                                 "health.min_free_disk": "1KB"})  # fmt: skip
    with lowered(MAX_WATCHES, 32):
        report = examine(sources)
    (one,) = [check for check in report["checks"] if check["name"] == "watch limit"]
    assert (report["status"], one["level"]) == ("degraded", "warning")
    assert "31 directories" in one["message"] and f"sysctl {MAX_WATCHES}=" in one["message"]
    (one,) = [check for check in examine(sources)["checks"] if check["name"] == "watch limit"]
    assert one["level"] == "ok"
