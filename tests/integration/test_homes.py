"""Homes in danger: named while nobody has taken what is about to be deleted, and no longer."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.finding import one
from tests.support.harness import settings_for
from tests.support.processes import call
from watcher.app import COLLECTOR, HEALTH_CHECK, Application
from watcher.daemon import LiveService
from watcher.health.expiring import TOLD, findings_of
from watcher.health.findings import Finding, of_links
from watcher.homes.retention import retention_beside
from watcher.settings import load
from watcher.transcripts.expiry import DAY, Home

NOW = 1_772_366_400.0
ANN = Home("/home/ann", "ann", NOW, NOW, 30.0)
HOMES = {"transcripts_expire", "visit_overdue", "more_homes", "retention_unknown", "link_not_followed"}


def named(found: list[Finding]) -> list[tuple[str, str]]:
    """What is said of homes, and of which."""
    return [(one.name, str(one.details.get("home", ""))) for one in found if one.name in HOMES]


@pytest.mark.parametrize("own", [True, False])
def test_of_homes_that_are_visited_there_is_nothing_to_say(own: bool) -> None:
    """Nor of none."""
    assert findings_of([], NOW, own) == [] == findings_of([ANN, replace(ANN, path="/home/bob")], NOW, own)


@pytest.mark.parametrize("own", [True, False])
def test_files_about_to_be_deleted_are_named(own: bool) -> None:
    """Whose and where, how many, how old the oldest is, the period, and what to do; one finding a home."""
    bob = Home("/home/bob", "bob", NOW, NOW, 90.0, files=1, oldest_ns=round((NOW - 88.4 * DAY) * 1e9))
    ann = replace(ANN, files=3, oldest_ns=round((NOW - 28 * DAY) * 1e9))
    found = findings_of([ann, bob, replace(ANN, path="/home/zoe")], NOW, own)
    assert named(found) == [("transcripts_expire", "/home/bob"), ("transcripts_expire", "/home/ann")]
    for finding, words in zip(found, ("1 transcript was", "3 transcripts were"), strict=True):
        said = one([finding], "transcripts_expire")
        assert said.level == "warning" and words in said.message and "cleanupPeriodDays" in said.message
    assert "(ann)" in found[1].message and "28 days" in found[1].message and "after 30" in found[1].message
    assert found[0].details == {
        "home": "/home/bob", "user": "bob", "files": 1, "oldest_days": 88.4, "period_days": 90.0,
    }  # fmt: skip
    assert ("session-collector" in found[0].message) != own


@pytest.mark.parametrize("own", [True, False])
def test_homes_that_nobody_visits_are_named(own: bool) -> None:
    """When half of the period has gone by since the last time that all of it was looked at, or it never was."""
    never = replace(ANN, path="/home/bob", user="bob", visited_at=None, days=None)
    assert findings_of([ANN, never], NOW + 14.9 * DAY, own) == []
    found = findings_of([ANN, never], NOW + 15.1 * DAY, own)
    assert named(found) == [("visit_overdue", "/home/bob"), ("visit_overdue", "/home/ann")]
    assert [finding.level for finding in found] == ["warning", "warning"]
    assert "looked at never" in found[0].message and "looked at 15 days ago" in found[1].message
    for finding in found:
        assert "30 days" in one([finding], "visit_overdue").message


def test_settings_that_cannot_be_used_are_named() -> None:
    """With what is assumed meanwhile; worth knowing."""
    doubt = "/home/ann/.claude/settings.json: it is not JSON"
    said = one(findings_of([replace(ANN, doubt=doubt)], NOW, False), "retention_unknown")
    assert said.level == "info" and doubt in said.message and "30 days" in said.message


def test_so_many_homes_are_named_one_by_one() -> None:
    """And how many more there are, of each kind."""
    many = [replace(ANN, path=f"/home/u{n}", visited_at=NOW + n) for n in range(TOLD + 5)]
    found = findings_of(many, NOW + 20 * DAY, False)
    assert [finding.name for finding in found] == ["visit_overdue"] * TOLD + ["more_homes"]
    assert found[0].details["home"] == "/home/u0" and one(found, "more_homes").details["homes"] == 5
    many = [replace(home, files=1, oldest_ns=n) for n, home in enumerate(many)]
    assert named(findings_of(many, NOW, False))[-1] == ("more_homes", "transcripts that expire")


def test_links_that_are_not_followed_are_named() -> None:
    """The first with the reason, and how many there are."""
    assert of_links({}, 0) == []
    said = one(of_links({"bob": "it leads back"}, 1), "link_not_followed")
    assert said.level == "warning" and "The folder bob is a link and is not followed: it leads back." in said.message
    said = one(of_links({"zoe": "z", "bob": "b"}, 502), "link_not_followed")
    assert "502 folders" in said.message and "bob: b" in said.message and said.details["count"] == 502


class Place:
    """Homes that are collected from, or somebody's own folder, and a core that is opened anew at will."""

    def __init__(self, base: Path) -> None:
        self.base, self.own = base, base / "home" / "ann" / ".claude" / "projects"
        self.sessions = base / "sessions"
        self.sessions.mkdir()
        self.given: dict[str, Any] = {"collector.sources": [f"{base}/home/*/.claude/projects/**/*.jsonl"]}
        self.core: Application | None = None

    def write(self, name: str, age: float, user: str = "ann") -> Path:
        path = self.base / "home" / user / ".claude" / "projects" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(call(name))
        self.age(path, age)
        return path

    def age(self, path: Path, days: float) -> None:
        os.utime(path, (time.time() - days * DAY,) * 2)

    def open(self, root: Path | None = None) -> Application:
        self.close()
        self.core = Application(
            settings_for(root or self.sessions, self.base / "state", **self.given), "test", live=False
        )
        self.core.start()
        return self.core

    def close(self) -> None:
        core, self.core = self.core, None
        assert core is None or core.stop()

    def aged(self, days: float) -> None:
        """As if all that is noted had been noted so many days earlier."""
        assert self.core is not None
        self.core.query(
            f"UPDATE homes_visited SET visited_at = visited_at - INTERVAL '{days} days',"
            f" known_since = known_since - INTERVAL '{days} days'"
        )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.close()


def test_the_collectors_homes_are_known_over_restarts(place: Place) -> None:
    """What is about to be deleted, and since when nobody came; a visit that copies it ends both."""
    path, ann = place.write("-p/s.jsonl", 28.0), str(place.base / "home" / "ann")
    os.link(path, path.with_suffix(".second"))
    place.open().jobs.run(COLLECTOR, "asked")
    assert named(place.open().health.findings()) == [("transcripts_expire", ann)]
    place.aged(16)
    assert named(place.open().health.findings()) == [("transcripts_expire", ann), ("visit_overdue", ann)]
    path.with_suffix(".second").unlink()
    place.open().jobs.run(COLLECTOR, "asked")
    assert named(place.open().health.findings()) == []


def test_a_dry_run_and_a_failed_one_are_no_visit(place: Place) -> None:
    """Though the record says that they ran."""
    place.write("-p/s.jsonl", 1.0)
    core = place.open()
    core.jobs.run(COLLECTOR, "asked")
    place.aged(16)
    core.jobs.run(COLLECTOR, "asked", lambda: core.collect(dry_run=True))
    place.given["health.min_free_disk"] = "1000TB"
    place.write("-p/t.jsonl", 1.0)
    with pytest.raises(Exception, match="make room"):
        place.open().jobs.run(COLLECTOR, "asked")
    assert place.core is not None and named(place.core.health.findings()) == [
        ("visit_overdue", str(place.base / "home" / "ann"))
    ]


def test_homes_that_are_gone_or_no_longer_meant_are_not_named(place: Place) -> None:
    """The first from the next run on, the second at once; others stay."""
    for user in ("ann", "bob"):
        place.write("-p/s.jsonl", 1.0, user)
    core = place.open()
    core.jobs.run(COLLECTOR, "asked")
    place.aged(16)
    assert len(named(core.health.findings())) == 2
    place.given["collector.sources"] = [f"{place.base}/home/b*/.claude/projects/**/*.jsonl"]
    assert named(place.open().health.findings()) == [("visit_overdue", str(place.base / "home" / "bob"))]
    (place.base / "home" / "bob").rename(place.base / "away")
    core = place.open()
    core.jobs.run(COLLECTOR, "asked")
    assert core.query("SELECT count(*) FROM homes_visited") == [(0,)]


def test_each_home_has_its_finding_in_the_health_check(place: Place) -> None:
    """A service tells what is new and what has passed by name and by home."""
    for user in ("ann", "bob"):
        path = place.write("-p/s.jsonl", 29.0, user)
        os.link(path, path.with_suffix(".second"))
    given = {
        "paths.sessions": place.sessions, "paths.state": place.base / "state", "health.min_free_disk": "1KB",
        **place.given,
    }  # fmt: skip
    service = LiveService(load(None, {}, given))
    try:
        service.core.jobs.run(COLLECTOR, "asked")
        found = service.core.jobs.run(HEALTH_CHECK, "asked")["findings"]
        assert len([one for one in found if one["name"] == "transcripts_expire"]) == 2
    finally:
        service.core.stop()


def test_a_persons_own_folder_is_taken_when_every_processor_has_taken_it(place: Place) -> None:
    """By its own settings; what comes near its end is named until then, and the younger is not."""
    for name, age in (("-p/old.jsonl", 28.0), ("-p/older.jsonl", 29.0), ("-p/young.jsonl", 20.0)):
        place.write(name, age)
    core = place.open(place.own)
    core.jobs.run(HEALTH_CHECK, "asked")
    said = one(core.health.findings(), "transcripts_expire")
    assert said.details == {
        "home": str(place.own), "user": place.own.owner(), "files": 2, "oldest_days": 29.0, "period_days": 30.0,
    }  # fmt: skip
    core.run_now(["usage"], 60.0, lambda: False)
    assert one(core.health.findings(), "transcripts_expire").details["files"] == 2
    core.run_now(list(core.pipelines), 60.0, lambda: False)
    assert named(core.health.findings()) == []
    settings = place.own.parent / "settings.json"
    settings.write_text(json.dumps({"cleanupPeriodDays": 22}))
    place.write("-p/young.jsonl", 20.0)
    core.jobs.run(HEALTH_CHECK, "asked")
    assert one(core.health.findings(), "transcripts_expire").details["period_days"] == 22.0
    settings.write_text("{")
    core.jobs.run(HEALTH_CHECK, "asked")
    assert named(core.health.findings()) == [("retention_unknown", str(place.own))]


def test_a_persons_own_folder_is_visited_when_every_processor_swept_all_of_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by some of them, and not by a sweep that could not look into a folder; known over restarts."""
    place.write("-p/s.jsonl", 1.0)
    core = place.open(place.own)
    core.run_now(list(core.pipelines), 60.0, lambda: False)
    place.aged(16)
    core = place.open(place.own)
    assert named(core.health.findings()) == [("visit_overdue", str(place.own))]
    core.run_now(["usage"], 60.0, lambda: False)
    assert named(core.health.findings()) == [("visit_overdue", str(place.own))]
    whole = core.look._look
    monkeypatch.setattr(core.look, "_look", lambda: replace(whole(), unreadable=["-p: Permission denied"]))
    core.run_now(list(core.pipelines), 60.0, lambda: False)
    assert ("visit_overdue", str(place.own)) in named(core.health.findings())
    monkeypatch.undo()
    core.run_now(list(core.pipelines), 60.0, lambda: False)
    assert named(core.health.findings()) == []


def test_in_a_folder_of_copies_nothing_expires(place: Place) -> None:
    """Claude Code deletes nothing there, however old and untaken."""
    path = place.sessions / "ann" / "s.jsonl"
    path.parent.mkdir()
    path.write_bytes(call("m1"))
    place.age(path, 500.0)
    (place.sessions / "bob").symlink_to(place.base)
    core = place.open()
    core.jobs.run(HEALTH_CHECK, "asked")
    assert named(core.health.findings()) == [("link_not_followed", "")]


def test_settings_beside_a_folder_that_is_not_there_are_the_default(tmp_path: Path) -> None:
    """And the folder above that cannot be opened is named; nothing is raised."""
    assert retention_beside(tmp_path / "projects", tmp_path / "none").doubts == ()
    found = retention_beside(tmp_path / "nowhere" / "projects", tmp_path / "none")
    assert found.days == 30.0 and found.doubts == ((str(tmp_path / "nowhere"), "No such file or directory"),)
