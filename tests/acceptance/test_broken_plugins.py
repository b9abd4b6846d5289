"""A plug-in that cannot be used is named wherever people look, with the place; the others go on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support import ROOT, stranger
from tests.support.processes import Place, call, wait_for

HOW = pytest.mark.parametrize("how", stranger.BROKEN)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """One session, and room for a plug-in."""
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    (tmp_path / "sessions" / "ann" / "s.jsonl").write_bytes(call("m1"))
    place = Place(tmp_path / "sessions", tmp_path / "state")
    place.environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "plugin"), str(ROOT)])
    place.environment["COLUMNS"] = "400"
    return place


def broken(place: Place, how: str) -> tuple[list[str], str]:
    """Install it; what must be said of it in its sentence, and among the lines of its traceback."""
    stranger.install_broken(place.sessions.parent / "plugin", how)
    _, _, words, traced = stranger.BROKEN[how]
    return ["stranger", *words], traced


def must_say(text: str, words: list[str]) -> None:
    """One line has all of the words."""
    assert any(all(word in line for word in words) for line in text.splitlines()), text


@HOW
def test_once_names_it_and_ends_with_1(place: Place, how: str) -> None:
    """So does status afterwards; the sessions are taken by the others."""
    words, traced = broken(place, how)
    done = place.run("once", "--quiet", "--json")
    told = json.loads(done.stdout)
    by_name = {entry["processor"]: entry for entry in told["processors"]}
    assert (done.returncode, told["ok"]) == (1, False)
    assert (by_name["usage"]["errors"], by_name["usage"]["processed"]) == (0, 1)
    (failure,) = by_name["stranger"]["errors_detail"]
    must_say(failure["error"], words)
    assert traced in failure["traceback"]
    shown = place.run("status")
    must_say(shown.stdout, words)
    assert traced in shown.stdout


def test_once_fails_for_it_where_it_is_asked_for(place: Place) -> None:
    """In plain words; a run of another processor alone is no failure."""
    words, traced = broken(place, "tables")
    shown = place.run("once", "--quiet", "--processor", "stranger")
    assert shown.returncode == 1
    must_say(shown.stdout, words)
    assert traced in shown.stdout
    assert place.run("once", "--quiet", "--processor", "usage").returncode == 0


@HOW
def test_status_names_it_without_a_service(place: Place, how: str) -> None:
    """Before anything was processed."""
    words, traced = broken(place, how)
    (refused,) = place.json("status")["refused"]
    must_say(f"{refused['processor']}: {refused['error']}", words)
    assert traced in refused["traceback"]


@HOW
def test_doctor_names_it(place: Place, how: str) -> None:
    """With nothing but the installed plug-in: its tables are tried in a scratch database."""
    words, traced = broken(place, how)
    shown = place.run("doctor")
    must_say(shown.stdout, ["mend", *words])
    assert traced in shown.stdout and "stranger is enabled" not in shown.stdout
    assert "migrated" not in shown.stderr and not place.state.exists()


@pytest.mark.parametrize("how", ["import", "tables"])
def test_the_service_names_it(place: Place, how: str) -> None:
    """In the log as an error, in health, in status and for once; the others work."""
    words, traced = broken(place, how)
    service = place.start()
    try:
        wait_for(lambda: place.json("status")["processors"][-1]["ok"] == 1, "the session to be taken")
        (finding,) = [one for one in place.health()["findings"] if one["name"] == "processor_refused"]
        must_say(finding["message"], words)
        assert finding["details"]["processor"] == "stranger" and traced in finding["details"]["traceback"]
        shown = place.run("status").stdout
        must_say(shown, words)
        assert traced in shown
        done = place.run("once", "--quiet")
        assert done.returncode == 1
        must_say(done.stdout, words)
    finally:
        service.stop()
    events = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    (refused,) = [one for one in events if one["event"] == "processor_refused"]
    assert refused["level"] == "error" and traced in refused["traceback"]
    must_say(f"{refused['processor']}: {refused['reason']}", words)


def test_a_working_one_is_not_named(place: Place) -> None:
    """Nothing is refused, before and after its tables are there."""
    stranger.install(place.sessions.parent / "plugin", stranger.COUNTS)
    assert place.json("status")["refused"] == []
    assert place.run("once", "--quiet").returncode == 0
    assert place.json("status")["refused"] == []
    assert "stranger is enabled, version 1" in place.run("doctor").stdout


def test_settings_of_one_that_is_gone_are_a_warning(place: Place) -> None:
    """In the log, in settings check, in doctor and in health; nothing ends because of them."""
    (place.sessions.parent / "settings.toml").write_text("[processors.gone]\nquiet = '5s'\n")
    words = ["settings.toml", "[processors.gone]", "no such processor is installed"]
    done = place.run("settings", "check")
    assert done.returncode == 0 and "The settings are good." in done.stdout
    must_say(done.stdout, words)
    done = place.run("settings", "--json")
    assert json.loads(done.stdout)
    must_say(done.stderr, words)
    must_say(place.run("doctor").stdout, ["mend", *words])
    done = place.run("once", "--quiet")
    assert done.returncode == 0
    must_say(done.stderr, ["warning", *words])
    service = place.start()
    try:
        assert place.said("settings_unused", "[processors.gone]")
    finally:
        service.stop()
    must_say(service.log.read_text(), ["settings_unused", *words])


@pytest.mark.parametrize(
    ("file", "variable", "said"),
    [
        ("[processors.usgae]\nquiet = '5s'\n", "", "processors.usgae is not a setting; did you mean processors.usage"),
        ("[processors.usage]\nquite = '5s'\n", "", "did you mean processors.usage.quiet"),
        ("[processors]\ngone = 5\n", "", "processors.gone is not a setting"),
        ("", "WATCHER_PROCESSORS__ERROR__QUIET", "did you mean processors.errors.quiet"),
    ],
)
def test_what_is_misspelt_is_refused(place: Place, file: str, variable: str, said: str) -> None:
    """A name that is close to an installed one's, and an unknown key of a known one."""
    (place.sessions.parent / "settings.toml").write_text(file)
    if variable:
        place.environment[variable] = "5s"
    done = place.run("settings", "check")
    assert done.returncode == 2 and said in done.stderr, done.stderr


def test_variables_of_one_that_is_gone_are_a_warning(place: Place) -> None:
    """As in the file: the variable is named."""
    place.environment["WATCHER_PROCESSORS__GONE__QUIET"] = "5s"
    done = place.run("settings", "check")
    assert done.returncode == 0
    must_say(done.stdout, ["WATCHER_PROCESSORS__GONE__QUIET", "no such processor is installed"])
