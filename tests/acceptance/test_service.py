"""The service as a process: it follows, answers, refuses a second one, and ends in order."""

from __future__ import annotations

import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import Place, call, lines, wait_for
from tests.support.stranger import COUNTS, install


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "sessions" / "alice").mkdir(parents=True)
    return Place(tmp_path / "sessions", tmp_path / "state")


@pytest.fixture
def service(place: Place) -> Iterator[Place]:
    (place.sessions / "alice" / "a.jsonl").write_bytes(lines(["m1", "m2"]))
    running = place.start()
    yield place
    if running.process.poll() is None:
        assert running.stop() == 0


def calls(place: Place) -> int:
    """API calls counted so far, by the command that people use."""
    rows = place.json("usage", "users")["rows"]
    return sum(row[2] for row in rows)


def test_an_appended_line_is_in_usage_a_moment_after_quiet(service: Place) -> None:
    """Start-up takes what is there; an append, a new file in a new folder and a rename follow by themselves."""
    wait_for(lambda: calls(service) == 2, "what was there at the start")
    with (service.sessions / "alice" / "a.jsonl").open("ab") as file:
        file.write(call("m3"))
    wait_for(lambda: calls(service) == 3, "the appended line", patience=10)
    folder = service.sessions / "bob" / "new"
    folder.mkdir(parents=True)
    (folder / "b.jsonl").write_bytes(call("m4"))
    wait_for(lambda: calls(service) == 4, "a file in a new folder", patience=10)
    # A processor that had not taken it under its first name would never know that it is gone.
    wait_for(lambda: {entry["ok"] for entry in service.json("status")["processors"]} == {2}, "it in all processors")
    (folder / "b.jsonl").rename(folder / "c.jsonl")
    wait_for(
        lambda: {entry["gone"] for entry in service.json("status")["processors"]} == {1}, "the rename", patience=20
    )
    assert calls(service) == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(place: Place, number: int) -> None:
    """Exit code 0, nothing half done, and the next start goes on."""
    running = place.start()
    (place.sessions / "alice" / "a.jsonl").write_bytes(lines([f"m{n}" for n in range(50)]))
    assert running.stop(number) == 0
    assert place.run("once").returncode == 0
    assert calls(place) == 50


def test_a_processor_that_hangs_does_not_hold_up_the_end(place: Place, tmp_path: Path) -> None:
    """Its pass is rolled back, in time and in order; what it had is taken at the next start."""
    here = tmp_path / "plugin"
    body = f"open({str(tmp_path / 'begun')!r}, 'w').close()\ntime.sleep(600)\n{COUNTS}"
    place.environment |= {
        "PYTHONPATH": str(install(here, body)),
        "WATCHER_PROCESSORS__STRANGER__QUIET": "100ms",
        "WATCHER_PROCESSORS__STRANGER__DEADLINE": "1h",
    }
    (place.sessions / "alice" / "a.jsonl").write_bytes(lines(["m1", "m2"]))
    running = place.start()
    wait_for((tmp_path / "begun").exists, "it to hang", running.log)
    wait_for(lambda: calls(place) == 2, "the others to be done", running.log)
    assert running.stop() == 0
    assert '"in_time": true' in running.log.read_text()
    install(here, COUNTS)
    assert place.run("once").returncode == 0
    assert {one["status"] for one in place.json("sessions", "list", "--processor", "stranger")["sessions"]} == {"ok"}


def test_a_second_signal_ends_it_at_once(place: Place) -> None:
    """Whoever cannot wait need not."""
    place.environment["WATCHER_SERVICE__STOP_TIMEOUT"] = "50s"
    running = place.start()
    # Stopped for a moment, so that both signals are there before it looks at the first.
    running.process.send_signal(signal.SIGSTOP)
    running.process.send_signal(signal.SIGTERM)
    running.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    running.process.send_signal(signal.SIGCONT)
    assert running.process.wait(20) in (128 + signal.SIGTERM, 128 + signal.SIGINT)
    assert time.monotonic() - began < 10


def test_a_second_service_is_refused_and_the_first_unharmed(service: Place) -> None:
    """One sentence, exit code 2."""
    second = service.run("run")
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1 and "is in use by process" in second.stderr
    with (service.sessions / "alice" / "a.jsonl").open("ab") as file:
        file.write(call("m3"))
    wait_for(lambda: calls(service) == 3, "the first service to go on")


def test_commands_give_the_same_whether_it_runs_or_not(place: Place) -> None:
    """The user need not know who has the database."""
    (place.sessions / "alice" / "a.jsonl").write_bytes(lines(["m1", "m2"]) + b"not json\n")
    running = place.start()
    assert place.json("once")["ok"] is True
    while_running = {
        report: place.json("usage", report) for report in ("daily", "models", "users", "sessions", "tools")
    }
    status = place.json("status")
    assert running.stop() == 0
    assert place.json("once")["ok"] is True
    assert {report: place.json("usage", report) for report in while_running} == while_running
    stopped = place.json("status")
    assert stopped["processors"] == status["processors"] and stopped["troubled"] == status["troubled"]
    assert stopped["troubled"][0]["bad_lines"] == 1
    for report in while_running:
        human = place.run("usage", report)
        assert human.returncode == 0 and "\x1b" not in human.stdout


def test_the_api_asks_for_its_token(service: Place) -> None:
    """Only /api/health is open, and it tells no details; a wrong token is 401, another host's name 400."""
    url = service._url()
    assert url is not None
    with urllib.request.urlopen(f"{url}/api/health", timeout=10) as answer:
        assert answer.status == 200 and set(json.load(answer)) == {"status"}
    for headers, code in (({}, 401), ({"Authorization": "Bearer wrong"}, 401), ({"Host": "evil.example"}, 400)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(f"{url}/api/status", headers=headers), timeout=10)
        assert refused.value.code == code
    token = service.state / "token"
    assert token.stat().st_mode & 0o777 == 0o600
    log = (service.state.parent / "service.log").read_text()
    assert log.count("token_refused") == 1 and "127.0.0.1" in log and "wrong" not in log


def test_a_weak_token_in_the_state_folder_ends_the_start(place: Place) -> None:
    """One sentence with the file and what is accepted, exit code 2, and nothing is left locked."""
    place.state.mkdir()
    (place.state / "token").write_text("sesame\n")
    for words in (("run",), ("run",)):
        refused = place.run(*words)
        assert refused.returncode == 2, refused.stderr
        assert f"{place.state / 'token'}: the token is weak: accepted is 32 ASCII" in refused.stderr
        assert "Traceback" not in refused.stderr and "sesame" not in refused.stderr
    (place.state / "token").unlink()
    assert place.start().stop() == 0


def test_a_model_without_a_price_is_named(service: Place) -> None:
    """Its cost is missing, which no one must take for nothing: health and every report say so."""
    with (service.sessions / "alice" / "a.jsonl").open("ab") as file:
        file.write(call("m9").replace(b"claude-opus-4-6", b"model-of-tomorrow"))
    wait_for(lambda: calls(service) == 3, "the call to be counted")
    assert service.json("usage", "daily")["unknown_models"] == ["model-of-tomorrow"]
    findings = {finding["name"]: finding["message"] for finding in service.json("status")["service"]["findings"]}
    assert "model-of-tomorrow" in findings["unknown_models"] and "prices" in findings["unknown_models"]
    assert "model-of-tomorrow" in service.run("usage").stdout


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_once_says_what_failed_and_exits_1(place: Place, running: bool) -> None:
    """A session that cannot be taken is no silent success: it is named, with the reason."""
    place.environment["WATCHER_PROCESSORS__USAGE__MEMORY_LIMIT"] = "1KB"
    # The service leaves it alone by itself, so that it is the command that fails.
    place.environment |= {"WATCHER_PROCESSORS__USAGE__QUIET": "1h", "WATCHER_PROCESSORS__USAGE__MAX_WAIT": "2h"}
    service = place.start() if running else None
    # More than lies free in the child when its limit is set.
    (place.sessions / "alice" / "a.jsonl").write_bytes(lines([f"m{number}" for number in range(5000)]))
    done = place.run("once", "--processor", "usage")
    assert service is None or service.stop() == 0
    assert done.returncode == 1, done.stderr
    assert "usage: alice/a.jsonl: " in done.stdout
    del place.environment["WATCHER_PROCESSORS__USAGE__MEMORY_LIMIT"]
    status = place.json("status")
    assert [(t["processor"], t["session"], t["status"]) for t in status["troubled"]] == [
        ("usage", "alice/a.jsonl", "failed")
    ]


@pytest.mark.parametrize(
    ("environment", "words", "said"),
    [
        ({"WATCHER_PROCESSORS__USAGE__QUIET": "soon"}, ("once",), "a duration such as"),
        ({"WATCHER_PATHS__SESIONS": "x"}, ("once",), "did you mean paths.sessions?"),
        ({}, ("usage", "weekly"), "there is no report"),
        ({}, ("usage", "daily", "--since", "tomorrow"), "a day such as"),
        ({}, ("once", "--processor", "nobody"), "no enabled processor"),
        ({}, ("once", "--settings", "nowhere.toml"), "no such file"),
        ({"WATCHER_HTTP__HOST": "0.0.0.0"}, ("run",), "set http.token"),
        ({"WATCHER_HTTP__HOST": "::"}, ("run",), "set http.token"),
        ({"WATCHER_HTTP__TOKEN": "sesame"}, ("run",), "WATCHER_HTTP__TOKEN: http.token = (not shown): accepted is 32"),
        ({"WATCHER_HTTP__ANSWERS_STAND": "1m"}, ("run",), "http.answers_stand is not a setting"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(
    place: Place, environment: dict[str, str], words: tuple[str, ...], said: str
) -> None:
    """What, where, and what is accepted."""
    place.environment.update(environment)
    done = place.run(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr and done.stderr.strip().count("\n") == 0
