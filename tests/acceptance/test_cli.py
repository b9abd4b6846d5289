"""Commands: each explains itself, and a mistake is one sentence on stderr and an exit code of 2."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.support.command_line import ALL, LEAVES, Run, Said
from tests.support.processes import Place, call
from tests.support.stranger import install
from watcher.settings import load, rows
from watcher.store.duck import DuckDatabase
from watcher.store.lock import Holder, StateLock
from watcher.store.migrations import migrate

#: They print no data of ours: a service, a protocol, a screen, and a file that is JSON anyway.
NO_DATA = {"run", "mcp", "demo", "knowledge export"}
#: One makes a tree, a state folder and settings of its own; the other a folder with a plug-in.
WITHOUT_SETTINGS = {"demo", "processors new"}


def sentence(said: Said) -> str:
    """The one sentence with which a command says that it could not."""
    assert said.code == 2, said
    assert said.out == "", "data is not mixed with excuses"
    assert re.fullmatch(r"session-watcher: \S.*\n", said.err), said.err
    return said.err


def test_the_commands_are_there() -> None:
    """Those that every other promise stands on."""
    assert {"run", "once", "status", "usage", "settings"} <= set(ALL)


def test_every_command_and_option_has_help() -> None:
    """A line on each, written for people."""
    for name, command in ALL.items():
        assert command.help and command.help.strip().endswith((".", "?", ":")), name
        for parameter in command.params:
            assert (parameter.help or "").strip(), f"{name}: {parameter.name}"


def test_every_command_takes_settings_and_data_comes_as_json() -> None:
    """--settings everywhere, --json where data is printed."""
    for name, command in LEAVES.items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--settings" in options or name in WITHOUT_SETTINGS, name
        assert name in NO_DATA or "--json" in options, name


@pytest.mark.parametrize("name", ALL)
def test_help_can_be_read(run: Run, name: str) -> None:
    """--help ends well and names every option and command below."""
    said = run(*name.split(), "--help")
    assert said.code == 0 and said.err == ""
    for parameter in ALL[name].params:
        assert parameter.param_type_name != "option" or parameter.opts[0] in said.out, parameter.name
    below = [
        inner.removeprefix(name).split()[0] for inner in ALL if inner.startswith(f"{name} ".lstrip()) and inner != name
    ]
    assert all(word in said.out for word in below)


def examples_of(said: Said) -> list[list[str]]:
    """The words of each example that a command's help gives, without the program's name."""
    below = said.out.partition("Examples:\n")[2]
    return [shlex.split(line, comments=True)[1:] for line in below.splitlines() if line.split()]


@pytest.mark.parametrize("name", LEAVES)
def test_help_shows_how_it_is_called(run: Run, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples, a line each on however narrow a terminal; each is of this command, and its words are understood."""
    monkeypatch.setenv("COLUMNS", "40")
    examples = examples_of(run(*name.split(), "--help"))
    assert examples
    length = len(name.split())
    for words in examples:
        assert words[:length] == name.split()
        LEAVES[name].make_context(name, words[length:])  # raises where an option or a word has no place


#: Examples of these stand for what a place of one's own has not: a terminal, another machine, an item to decide on.
NEEDS_MORE = ("run", "mcp", "demo", "import-legacy", "sessions retry", "sessions forget", "sessions reprocess",
              "knowledge approve", "knowledge mandate", "knowledge reject", "knowledge revoke", "knowledge edit",
              "knowledge resolve")  # fmt: skip


def test_the_examples_work(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand, in a place that has the folders, the session and the item which they name."""
    for folder in ("sessions/ann/shop", "src/shop", "srv/copies", "etc/session-watcher", ".claude/projects", "home"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "sessions/ann/shop/99677899.jsonl").write_bytes(call("m1"))
    (tmp_path / "etc/session-watcher/settings.toml").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WATCHER_PATHS__SESSIONS", str(tmp_path / "sessions"))
    monkeypatch.setenv("WATCHER_HEALTH__MIN_FREE_DISK", "1KB")
    monkeypatch.setenv("WATCHER_COLLECTOR__SOURCES", json.dumps([str(tmp_path / "home/*/*.jsonl")]))
    examples = {name: examples_of(run(*name.split(), "--help")) for name in LEAVES if name not in NEEDS_MORE}
    first = ["once", "knowledge add", "knowledge export", "tokens create"]  # what others name is made by these
    for name in sorted(examples, key=lambda name: first.index(name) if name in first else len(first)):
        for words in examples[name]:
            if "https://watcher.example.org" in words:
                continue
            here = [str(tmp_path) + word if word.startswith("/") else os.path.expanduser(word) for word in words]
            if "kv_0123456789ab" in here:
                known = json.loads(run("knowledge", "list", "--json").out)["items"][0]["item_id"]
                here = [known if word == "kv_0123456789ab" else word for word in here]
            said = run(*here)
            assert said.code == 0 and said.out.strip(), (words, said)


def test_it_runs_as_a_module() -> None:
    """``python -m watcher --help`` is the same program."""
    done = subprocess.run([sys.executable, "-m", "watcher", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr
    assert "once" in done.stdout and "Usage:" in done.stdout


@pytest.mark.parametrize(
    "words",
    [["nonsense"], ["status", "--nonsense"], ["usage", "--since"], ["settings", "nonsense"], ["usage", "a", "b"]],
)
def test_a_command_line_that_makes_no_sense_is_told(run: Run, words: list[str]) -> None:
    """Unknown commands and options, missing and surplus words: what is wrong with it, and 2; no traceback."""
    said = run(*words)
    assert said.code == 2 and said.out == "" and re.search(r"^(Error|session-watcher): \S", said.err, re.MULTILINE), (
        said
    )


@pytest.mark.parametrize("words", [["status"], ["usage"], ["settings", "check"], ["once"], ["run"]])
def test_wrong_settings_stop_every_command(run: Run, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing or broken file, an unknown key, a wrong variable: one sentence, and nothing was touched."""
    assert "missing.toml" in sentence(run(*words, "--settings", "missing.toml"))
    Path("broken.toml").write_text("[http")
    assert "broken.toml" in sentence(run(*words, "--settings", "broken.toml"))
    Path("settings.toml").write_text("[http]\nprot = 1\n")
    assert "http.port" in sentence(run(*words))
    Path("settings.toml").unlink()
    monkeypatch.setenv("SCHEDULER_USAGE_PROCESSOR_INTERVAL", "")
    assert "SCHEDULER_USAGE_PROCESSOR_INTERVAL" in sentence(run(*words))
    assert not Path("state").exists()


def test_the_home_of_nobody_is_told(run: Run) -> None:
    """A path that cannot be is a mistake like any other."""
    assert "nobody-of-that-name" in sentence(run("status", "--state", "~nobody-of-that-name/state"))


def test_settings_shows_every_setting_and_its_source(run: Run) -> None:
    """As a table and as JSON; ``settings check`` only says whether they are good."""
    names = [f"{row.table}.{row.key}" for row in rows(load(None, {}))]
    found = json.loads(run("settings", "--json").out)
    assert [f"{row['table']}.{row['key']}" for row in found] == names
    assert [row["key"] for row in found if row["source"] == "environment"] == ["state"]
    said = run("settings")
    assert said.code == 0 and all(name in said.out.split() for name in names)
    said = run("settings", "check")
    assert said.code == 0 and said.out.strip() and not said.err


def test_where_nothing_is_yet_it_is_said(run: Run) -> None:
    """Before the first run ``status`` has nothing to tell, and ``usage`` says what to do; neither makes a database."""
    assert run("status").code == 0
    assert json.loads(run("status", "--json").out)["processors"] == []
    assert "once" in sentence(run("usage"))
    assert not Path("state").exists()


def test_what_cannot_be_asked_is_told(run: Run) -> None:
    """Reports and days that do not exist: named, with what is accepted."""
    said = sentence(run("usage", "weather"))
    assert "weather" in said and "daily" in said and "sessions" in said
    for option in ("--since", "--until"):
        for day in ("tomorrow", "2026-13-01", "2026-02-30", ""):
            said = sentence(run("usage", option, day))
            assert option in said and "2026-01-31" in said


def test_a_tree_that_is_not_there_is_told(run: Run) -> None:
    """``once`` has nothing to look at: what to give it, and nothing was made."""
    said = sentence(run("once", "--sessions", "nowhere"))
    assert "nowhere" in said and "--sessions" in said and not Path("state").exists()


def test_a_processor_that_is_not_there_is_told(tmp_path: Path) -> None:
    """``once`` has nobody to ask: who could be."""
    (tmp_path / "sessions").mkdir()
    done = Place(tmp_path / "sessions", tmp_path / "state").run("once", "--processor", "nobody")
    said = sentence(Said(done.returncode, done.stdout, done.stderr))
    assert "nobody" in said and "usage" in said


def test_output_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A full disk behind stdout: one sentence, and not the code of success."""
    environment = {**os.environ, "WATCHER_PATHS__STATE": str(tmp_path), "PYTHONUNBUFFERED": ""}
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "watcher", "status"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert "No space left" in sentence(Said(done.returncode, "", done.stderr))


def test_a_database_that_is_none_is_told(run: Run) -> None:
    """It is named, and left as it was found."""
    file = Path("state/watcher.duckdb")
    file.parent.mkdir()
    file.write_bytes(b"this is no database\n" * 1000)
    for words in (["status"], ["usage"]):
        assert "watcher.duckdb" in sentence(run(*words))
    assert file.read_bytes() == b"this is no database\n" * 1000


def test_a_state_folder_that_is_none_is_told(run: Run) -> None:
    """A file stands where the folder should be."""
    Path("state").write_text("")
    for words in (["status"], ["usage"]):
        assert "state" in sentence(run(*words))


def test_a_database_without_tables_is_told(run: Run) -> None:
    """One that a first start has made and not filled: there is little to tell, and that is no crash."""
    Path("state").mkdir()
    duckdb.connect("state/watcher.duckdb").close()
    said = run("status")
    assert (said.code, said.err) == (0, "") and said.out.strip()


def test_usage_of_a_processor_that_never_ran_is_told(run: Run) -> None:
    """Where usage is not enabled there are no tables to report from: one sentence."""
    Path("state").mkdir()
    database = DuckDatabase(Path("state/watcher.duckdb"))
    migrate(database, Path("state/backups"))
    database.close()
    assert run("status").code == 0
    assert "usage" in sentence(run("usage"))


def test_a_folder_in_use_is_told(run: Run) -> None:
    """Something without an API holds it: whose process it is; a service that does not answer: where it should."""
    lock = StateLock(Path("state")).acquire(Holder(os.getpid(), "once"))
    for words in (["status"], ["usage"]):
        assert f"process {os.getpid()}" in sentence(run(*words))
    lock.describe(Holder(os.getpid(), "run", "http://127.0.0.1:1"))
    for words in (["status"], ["usage"]):
        assert "http://127.0.0.1:1 does not answer" in sentence(run(*words))
    lock.release()


def test_once_ends_with_1_if_a_session_failed(tmp_path: Path) -> None:
    """What failed is said with its reason, and the rest is done."""
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    (tmp_path / "sessions" / "ann" / "s.jsonl").write_bytes(call("m1"))
    place = Place(tmp_path / "sessions", tmp_path / "state")
    plugin = str(install(tmp_path / "plugin", "raise ValueError('no good')"))
    place.environment["PYTHONUNBUFFERED"] = ""  # what is printed waits in a buffer, as it does for everyone
    place.environment["PYTHONPATH"] = os.pathsep.join(filter(None, [plugin, os.environ.get("PYTHONPATH")]))
    done = place.run("once", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1 and told["ok"] is False
    by_name = {entry["processor"]: entry for entry in told["processors"]}
    assert by_name["stranger"]["errors"] == 1
    assert (by_name["usage"]["errors"], by_name["usage"]["processed"]) == (0, 1)
    assert "no good" in by_name["stranger"]["errors_detail"][0]["error"]
