"""The registry: strangers enter as ours do, and one that cannot be used is refused while the others go on."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from processors.usage import Usage
from tests.support.harness import settings_for
from watcher.app import Application
from watcher.plugins import NoSuchProcessor, RefusedProcessor, discover, load

GOOD = """\
from dataclasses import dataclass
from processors.contract import Extraction, Once, ProcessorSettings, Schema, Table

@dataclass(frozen=True, kw_only=True)
class Own(ProcessorSettings):
    volume: int = 3

class Found:
    name = "@NAME"
    version = 1
    settings = Own
    schema = Schema(
        package="@PACKAGE",
        tables={"odd": Table(columns={"session_file": "text", "lines": "integer"}, key=("session_file",))},
    )
    def extract(self, work):
        return Extraction()
"""
_numbers = itertools.count()
Install = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts distributions where this process finds them, for one test; returns the package's name."""
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)

    def put(code: str, name: str = "odd", migration: str = "SELECT 1") -> str:
        package = f"stranger_{next(_numbers)}"
        (tmp_path / package / "migrations").mkdir(parents=True)
        (tmp_path / package / "__init__.py").write_text(code.replace("@NAME", name).replace("@PACKAGE", package))
        (tmp_path / package / "migrations" / "001_first.sql").write_text(migration)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[session_watcher.processors]\n{name} = {package}:Found\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        discover.cache_clear()
        return package

    yield put
    for module in set(sys.modules) - before:
        if module.startswith("stranger_"):
            del sys.modules[module]
    discover.cache_clear()


def refusal(name: str = "odd") -> str:
    """Why it is refused, in a sentence; the others are there, and settings can be read."""
    found = discover()
    assert all(not isinstance(found[ours], RefusedProcessor) for ours in ("usage", "errors"))
    one = found[name]
    assert isinstance(one, RefusedProcessor) and one.name == name, f"{one} is not refused"
    loaded = settings_for(Path(), Path())
    assert loaded.processor("usage").enabled
    return one.reason


def test_third_party_processors_use_the_same_entry_points(install: Install) -> None:
    """Ours and a stranger's are found by their entry points, each with its settings table."""
    package = install(GOOD)
    found = discover()
    assert {"usage", "errors", "odd"} <= set(found)
    assert not any(isinstance(one, RefusedProcessor) for one in found.values())
    assert type(load("odd")).__module__ == package and isinstance(load("usage"), Usage)
    settings = settings_for(Path(), Path(), **{"processors.odd.volume": 5})
    assert vars(settings.processor("odd"))["volume"] == 5


def test_one_is_loaded_without_any_other(install: Install) -> None:
    """A child process imports its own processor alone; an unknown name is told."""
    install("open('imported', 'x')\nraise RuntimeError('not me')")
    assert isinstance(load("usage"), Usage)
    assert not Path("imported").exists()
    with pytest.raises(NoSuchProcessor):
        load("nobody")


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("version = 1", "version = 0", "version"),
        ("version = 1", "version = True", "version"),
        ("version = 1", "version = '1'", "version"),
        ("version = 1", "", "version"),
        ('name = "@NAME"', 'name = "other"', "name"),
        ('name = "@NAME"', "name = None", "name"),
        ("settings = Own", "settings = dict", "settings"),
        ("settings = Own", "settings = Own()", "settings"),
        ("schema = Schema(", "schema = dict(", "schema"),
        ("def extract", "def extracts", "extract"),
        ('"session_file": "text", ', "", "session"),
        ('key=("session_file",)', 'key=("lines",)', "session"),
        ('key=("session_file",)', 'once=Once(by=("lines",), best=("lines",))', "counted"),
        ("class Found:", "Found = 5\nclass Other:", "lacks"),
        ("class Found:", "class Lost:", "Found"),
        ("def extract", "def __init__(self):\n        raise OSError('no room')\n    def extract", "no room"),
    ],
)
def test_what_breaks_the_contract_is_refused(install: Install, old: str, new: str, word: str) -> None:
    """A bad version, name, settings or schema, or no extract: refused with a word on what is wrong."""
    assert old in GOOD
    install(GOOD.replace(old, new))
    assert word in refusal()


@pytest.mark.parametrize("name", ["Odd", "9odd", "odd-one", "odd.one", "öde"])
def test_a_bad_name_is_refused(install: Install, name: str) -> None:
    """A name is of lower-case letters, digits and _, since it is a settings table, too."""
    install(GOOD, name=name)
    assert "lower-case" in refusal(name)


@pytest.mark.parametrize(
    "code",
    [
        "raise RuntimeError('boom')",
        "import not_there_at_all_boom",
        "boom = = 1",
        "import sys\nsys.exit('boom')",
    ],
)
def test_one_that_cannot_be_imported_is_refused(install: Install, code: str) -> None:
    """Whatever its import raises, also an exit: it is named, and the others go on."""
    install(code)
    assert refusal()


def test_two_of_one_name_are_both_refused(install: Install) -> None:
    """Nobody can know which one is meant; a third one changes nothing."""
    install(GOOD)
    for _ in range(2):
        install(GOOD)
        assert "two processors" in refusal()


def test_one_that_takes_the_name_of_ours_does_not_replace_it(install: Install) -> None:
    """A stranger that calls itself usage is not run in its place."""
    install(GOOD, name="usage")
    assert isinstance(discover()["usage"], RefusedProcessor) and not isinstance(discover()["errors"], RefusedProcessor)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("volume: int = 3", "volume: int"),
        ("volume: int = 3", "volume: int = 3\n    def __post_init__(self):\n        raise ValueError('volume: never')"),
        ("volume: int = 3", "volume: range = range(3)"),
        ("volume: int = 3", "volume: 'Nowhere' = 3"),
    ],
)
def test_settings_that_cannot_be_made_are_refused(install: Install, old: str, new: str) -> None:
    """A settings class without a default, or that cannot be read at all, is its processor's trouble alone."""
    install(GOOD.replace(old, new))
    assert refusal()


def test_any_allowed_name_can_have_settings(install: Install) -> None:
    """A name that the contract allows does no harm to anyone's settings."""
    install(GOOD, name="model_dump")
    assert settings_for(Path(), Path()).processor("usage").enabled


def test_the_settings_of_a_refused_one_do_no_harm(install: Install, tmp_path: Path) -> None:
    """Its table may stand in the file from better days: the others start all the same."""
    install("raise RuntimeError('boom')")
    (tmp_path / "settings.toml").write_text("[processors.odd]\nquiet = '5s'\n")
    assert "boom" in refusal()


def test_one_whose_tables_cannot_be_made_is_refused(install: Install, tmp_path: Path) -> None:
    """A stranger's migration that fails leaves it out, named by health; the others' pipelines are there."""
    install(GOOD, migration="CREATE TABLE odd (session_file VARCHAR, lines BIGINT); SELECT nothing_of_the_kind;")
    core = Application(settings_for(tmp_path, tmp_path / "state"), "test", live=False)
    try:
        assert set(core.pipelines) == {"usage", "errors", "verification"}
        assert any("odd" in finding.message for finding in core.health.findings())
    finally:
        core.stop()
