"""Retention: the period is what Claude Code's settings say, and no settings file does harm."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from watcher.homes.retention import DEFAULT_DAYS, LARGEST, LONGEST_DAYS, Retention, managed_retention, retention_of


def period(folder: Path, managed: float | None = None) -> Retention:
    config = os.open(folder, os.O_RDONLY)
    try:
        return retention_of(config, folder.stat().st_uid, managed)
    finally:
        os.close(config)


def put(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


@pytest.mark.parametrize(
    ("user", "local", "managed", "days"),
    [
        (None, None, None, DEFAULT_DAYS),
        ({"model": "opus"}, None, None, DEFAULT_DAYS),
        ({"cleanupPeriodDays": 90}, None, None, 90.0),
        ({"cleanupPeriodDays": 1}, None, None, 1.0),
        ({"cleanupPeriodDays": 7.5}, None, None, 7.5),
        ({"cleanupPeriodDays": None}, None, None, DEFAULT_DAYS),
        ({"cleanupPeriodDays": 99999}, None, None, 99999.0),
        ({"cleanupPeriodDays": 10**40}, None, None, LONGEST_DAYS),
        # The local one holds in one folder alone: the other sessions go by the user's, or by the default.
        ({"cleanupPeriodDays": 90}, {"cleanupPeriodDays": 7}, None, 7.0),
        ({"cleanupPeriodDays": 7}, {"cleanupPeriodDays": 90}, None, 7.0),
        (None, {"cleanupPeriodDays": 90}, None, DEFAULT_DAYS),
        (None, {"cleanupPeriodDays": 7}, None, 7.0),
        # The organisation's wins, whether it is longer or shorter.
        ({"cleanupPeriodDays": 7}, None, 365.0, 365.0),
        ({"cleanupPeriodDays": 365}, {"cleanupPeriodDays": 90}, 20.0, 20.0),
    ],
)  # fmt: skip
def test_the_period_is_what_the_settings_say(
    tmp_path: Path, user: Any, local: Any, managed: float | None, days: float
) -> None:
    """The person's, the local one's where it is shorter, and the organisation's above both."""
    for name, content in (("settings.json", user), ("settings.local.json", local)):
        if content is not None:
            put(tmp_path, name, content)
    assert period(tmp_path, managed) == Retention(days)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON"), (b"{", "not JSON"), (b"\xff\xfe", "not JSON"), (b"[" * 100_000, "not JSON"),
        (b'{"cleanupPeriodDays": NaN}', "not JSON"), (b'{"cleanupPeriodDays": 1' + b"0" * 5000 + b"}", ""),
        (b"[]", "no object"), (b"30", "no object"),
        ({"cleanupPeriodDays": "30"}, "from 1 on"), ({"cleanupPeriodDays": True}, "from 1 on"),
        ({"cleanupPeriodDays": 0}, "from 1 on"), ({"cleanupPeriodDays": -5}, "from 1 on"),
        ({"cleanupPeriodDays": {}}, "from 1 on"), (b'{"cleanupPeriodDays": 1e400}', ""),
        (b" " * (LARGEST + 1), "bytes"),
    ],
)  # fmt: skip
def test_what_is_no_setting_is_the_default_and_is_named(tmp_path: Path, content: Any, words: str) -> None:
    """Broken, of a wrong type, too large: never a crash. What sets nothing beside it holds."""
    put(tmp_path, "settings.json", content)
    found = period(tmp_path)
    assert found.days in (DEFAULT_DAYS, LONGEST_DAYS)
    if found.days == DEFAULT_DAYS:
        ((name, reason),) = found.doubts
        assert name == "settings.json" and words in reason
    put(tmp_path, "settings.local.json", {"cleanupPeriodDays": 9})
    assert period(tmp_path).days == 9.0


def a_link(path: Path) -> None:
    put(path.parent.parent, "elsewhere.json", {"cleanupPeriodDays": 5})
    path.symlink_to(path.parent.parent / "elsewhere.json")


def a_hard_link(path: Path) -> None:
    os.link(put(path.parent.parent, "elsewhere.json", {"cleanupPeriodDays": 5}), path)


def a_huge_one(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


@pytest.mark.parametrize(
    ("make", "words"),
    [(a_link, "a link"), (a_hard_link, "2 names"), (os.mkfifo, "a pipe"), (os.mkdir, "a folder"), (a_huge_one, "byte")],
)
def test_what_is_no_file_of_the_person_is_not_read(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    """As with transcripts: links, pipes and files of other names are refused, and nothing waits for them."""
    folder = tmp_path / ".claude"
    folder.mkdir()
    make(folder / "settings.json")
    found = period(folder)
    assert found.days == DEFAULT_DAYS and words in found.doubts[0][1]


def test_anothers_file_is_not_read(tmp_path: Path) -> None:
    """It says nothing about this person's sessions."""
    put(tmp_path, "settings.json", {"cleanupPeriodDays": 5})
    config = os.open(tmp_path, os.O_RDONLY)
    try:
        found = retention_of(config, os.geteuid() + 1)
    finally:
        os.close(config)
    assert found.days == DEFAULT_DAYS and "uid" in found.doubts[0][1]


def test_an_organisations_settings_come_from_their_folder(tmp_path: Path) -> None:
    """The main file, then those beside it by name, each later one over the earlier; what is broken is passed over."""
    folder = tmp_path / "claude-code"
    assert managed_retention(folder) == (None, ())
    put(folder, "managed-settings.json", {"model": "opus"})
    assert managed_retention(folder) == (None, ())
    put(folder, "managed-settings.json", {"cleanupPeriodDays": 60})
    assert managed_retention(folder) == (60.0, ())
    put(folder, "managed-settings.d/20-late.json", {"cleanupPeriodDays": 20})
    put(folder, "managed-settings.d/10-early.json", {"cleanupPeriodDays": 10})
    put(folder, "managed-settings.d/notes.txt", {"cleanupPeriodDays": 5})
    assert managed_retention(folder) == (20.0, ())
    put(folder, "managed-settings.d/30-broken.json", b"{")
    days, doubts = managed_retention(folder)
    assert days == 20.0 and doubts == ((str(folder / "managed-settings.d/30-broken.json"), "it is not JSON"),)
