"""Following the settings file: taken up once it rests, refused and said so, and never half of it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from watcher.settings.follow import REST, SettingsFile, Sources


class Followed:
    """A file that is looked at once a second, on a clock of ours."""

    def __init__(self, path: Path, text: str | None, environ: dict[str, str] | None = None, **overrides: Any) -> None:
        self.path, self.now = path, 100.0
        if text is not None:
            path.write_text(text)
        self.file = SettingsFile(Sources(path, environ or {}, overrides))
        self.port = self.file.load().settings.http.port

    def look(self, times: int = 4) -> bool:
        """Whether anything was taken up."""
        taken = False
        for _ in range(times):
            self.now += 1.0
            if (loaded := self.file.step(self.now)) is not None:
                self.port, taken = loaded.settings.http.port, True
                self.file.taken_up()
        return taken


def port(number: int) -> str:
    return f"[http]\nport = {number}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def test_a_change_is_taken_up_once(path: Path) -> None:
    """Within two looks of its rest, and not again; a file that is not changed is not read again."""
    followed = Followed(path, port(1001))
    assert not followed.look() and followed.port == 1001
    path.write_text(port(1002))
    assert followed.look(1 + int(REST)) and followed.port == 1002
    assert not followed.look()


def test_a_file_that_is_still_being_written_is_left_alone(path: Path) -> None:
    """Whatever stands in it meanwhile, though it be good in itself: it is read when it rests."""
    followed = Followed(path, port(1001))
    for number in range(1002, 1012):
        path.write_text(port(number) + "#" * number)
        assert not followed.look(1)
    assert followed.look() and followed.port == 1011


def turn_into_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


BROKEN: dict[str, Callable[[Path], object]] = {
    "it is empty": lambda path: path.write_text(""),
    "it has gone": lambda path: path.unlink(),
    "is not TOML": lambda path: path.write_text("[http"),
    "did you mean http.port": lambda path: path.write_text("[http]\nprot = 1"),
    "http.port = 99999": lambda path: path.write_text(port(99999)),
    "is a folder": turn_into_a_folder,
    "utf-8": lambda path: path.write_bytes(b"[http]\n# \xff"),
}


@pytest.mark.parametrize("said", BROKEN)
def test_what_cannot_be_is_refused_and_said_until_it_is_mended(path: Path, said: str) -> None:
    """The old settings stay; it is said once and stays said; a good file ends it, the old one put back too."""
    for mended in (1001, 1003):
        followed = Followed(path, port(1001))
        BROKEN[said](path)
        assert not followed.look() and followed.port == 1001
        assert said in str(followed.file.trouble) and str(path) in str(followed.file.trouble)
        assert not followed.look() and said in str(followed.file.trouble)
        if path.is_dir():
            path.rmdir()
        path.write_text(port(mended))
        assert followed.look() and followed.port == mended and followed.file.trouble is None


def test_a_file_that_comes_later_is_taken_up(path: Path) -> None:
    """Where none was named and none was there, one that appears under the usual name counts; none is no trouble."""
    os.chdir(path.parent)
    file = SettingsFile(Sources(None, {}, {}))
    assert file.load().settings.http.port == 8750
    assert file.step(1.0) is None and file.trouble is None
    path.write_text(port(1001))
    assert file.step(2.0) is None
    loaded = file.step(2.0 + REST)
    assert loaded is not None and loaded.settings.http.port == 1001


def test_what_wins_over_the_file_still_wins_when_it_changes(path: Path) -> None:
    """The environment and the command line are what they were at the start."""
    followed = Followed(path, port(1001), {"WATCHER_HTTP__PORT": "2001"})
    path.write_text(port(1002) + "[node]\nname = 'n'\n")
    assert followed.look() and followed.port == 2001


def test_a_link_that_is_turned_is_a_change(path: Path) -> None:
    """As configuration is often rolled out: the link under the name comes to lead to another file."""
    one, two = path.with_name("1"), path.with_name("2")
    one.write_text(port(1001))
    two.write_text(port(1002))
    path.symlink_to(one)
    followed = Followed(path, None)
    path.with_name("new").symlink_to(two)
    os.replace(path.with_name("new"), path)
    assert followed.look() and followed.port == 1002


def test_what_could_not_be_taken_up_is_tried_again(path: Path) -> None:
    """And is trouble until it can be."""
    followed = Followed(path, port(1001))
    path.write_text(port(1002))
    assert followed.look()
    followed.file.put_off("they could not be taken up: no disk")
    assert followed.file.trouble is not None
    followed.port = 0
    assert followed.look() and followed.port == 1002 and followed.file.trouble is None


def test_at_the_end_what_stands_in_the_file_is_in_force_or_refused(path: Path) -> None:
    """Random changes of every kind, at random paces: never anything but the last good settings that rested."""
    for seed in range(8):
        rng = random.Random(seed)
        followed, good = Followed(path, port(1000)), 1000
        for step in range(25):
            kind = rng.choice(["good", "good", *BROKEN])
            if path.is_dir():
                path.rmdir()
            path.write_text(port(1001 + step))
            if kind != "good":
                BROKEN[kind](path)
            rested = rng.random() < 0.5
            followed.look(4 if rested else 1)
            if rested:
                good = 1001 + step if kind == "good" else good
                assert (followed.port, followed.file.trouble is None) == (good, kind == "good"), f"seed {seed} {step}"
            assert followed.port <= 1001 + step
            good = followed.port
        if path.is_dir():
            path.rmdir()
