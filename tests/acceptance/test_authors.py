"""Authors of plug-ins: the list, the scaffold and the dry run, as they meet them on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT, stranger
from tests.support.corpus import FILES

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A command of ours in a folder of its own, with the plug-ins of ``path``."""

    def call(*words: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
        found = [str(path)] if path else []
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*found, str(ROOT)]), "COLUMNS": "200"}
        command = [sys.executable, "-m", "watcher", *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)

    return call


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What a command printed with --json."""
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def transcript(folder: Path) -> Path:
    """A planted one."""
    file = folder / "one.jsonl"
    file.write_bytes(max(FILES.values(), key=len))
    return file


def registered(folder: Path, name: str, project: Path) -> Path:
    """What installing a project puts where Python finds it."""
    info = folder / f"{name}-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    points = (project / "pyproject.toml").read_text().partition('"session_watcher.processors"]\n')[2].partition("\n")[0]
    (info / "entry_points.txt").write_text(f"[session_watcher.processors]\n{points.replace(chr(34), '')}\n")
    (folder / name).symlink_to(project / name)
    return folder


def test_the_list_says_what_is_there_and_what_is_broken(run: Run, tmp_path: Path) -> None:
    """Version, origin and tables of those that can be used; the place and the traceback of one that cannot."""
    plug = stranger.install(tmp_path / "plug", stranger.COUNTS)
    found = {one["processor"]: one for one in answer(run("processors", "list", "--json", path=plug))["processors"]}
    assert found["stranger"] == {
        "processor": "stranger",
        "version": 1,
        "distribution": "stranger 1.0",
        "tables": ["strange"],
        "enabled": True,
        "error": None,
        "traceback": None,
    }
    assert found["usage"]["distribution"].startswith("session-watcher ") or found["usage"]["distribution"]
    code = plug / "stranger" / "__init__.py"
    code.write_text("def deep():\n    raise RuntimeError('boom')\n\ndeep()\n")
    shown = run("processors", "list", path=plug)
    assert shown.returncode == 0
    assert "RuntimeError: boom (stranger/__init__.py:2)" in shown.stdout and "in deep" in shown.stdout
    code.write_text("class Stranger:\n    name = 'stranger'\n")
    assert "it lacks version, settings, schema, extract" in run("processors", "list", path=plug).stdout


def test_a_dry_run_gives_the_rows_and_stores_nothing(run: Run, tmp_path: Path) -> None:
    """The rows as they would be stored, for a program and for people; no state folder comes into being."""
    plug, file = stranger.install(tmp_path / "plug", stranger.COUNTS), tmp_path / "one.jsonl"
    file.write_bytes(b"{}\n" * 6)
    found = answer(run("processors", "try", "stranger", str(file), "--json", path=plug))
    assert found["tables"] == {"strange": [{"session_file": "one.jsonl", "lines": 6}]}
    assert (found["items"], found["bytes"]) == (1, file.stat().st_size)
    assert "strange: 1 rows" in run("processors", "try", "stranger", str(file), path=plug).stdout
    assert {path.name for path in tmp_path.iterdir()} == {"plug", "one.jsonl"}


def test_a_dry_run_goes_on_where_a_processor_left_some(run: Run, tmp_path: Path) -> None:
    """One that takes a line at a time is asked until all is taken, with what it carries."""
    body = (
        "n = work.carry.get('n', 0) + 1\n"
        "return Extraction({'strange': [{'lines': n}]}, items=1, consumed=work.lines.ends[0], carry={'n': n})"
    )
    plug, file = stranger.install(tmp_path / "plug", body), tmp_path / "one.jsonl"
    file.write_bytes(b"{}\n" * 5)
    found = answer(run("processors", "try", "stranger", str(file), "--json", path=plug))
    assert found["tables"]["strange"] == [{"session_file": "one.jsonl", "lines": 5}]
    assert (found["items"], found["bytes"], found["carry"]) == (5, 15, {"n": 5})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('odd')", "ValueError: odd (__init__.py:"),
        ("return Extraction({'strange': [{'lines': 'many'}]})", "a row of strange does not fit"),
        ("return Extraction({'other': [{}]})", "'other', which is not in the schema"),
        ("os._exit(3)", "exit code 3"),
        ("return 5", "extract returned int"),
    ],
)
def test_a_dry_run_says_what_is_wrong(run: Run, tmp_path: Path, body: str, words: str) -> None:
    """One sentence, as the state row would hold it."""
    plug = stranger.install(tmp_path / "plug", body)
    done = run("processors", "try", "stranger", str(transcript(tmp_path)), path=plug)
    assert done.returncode == 2 and not done.stdout
    assert words in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("new", "Bad-Name"), "is no name for a processor"),
        (("new", "class"), "is no name for a processor"),
        (("new", "usage"), "is installed already"),
        (("new", "json"), "the name of something else"),
        (("new", "mine", "--folder", "."), "is there already"),
        (("try", "nobody", "x.jsonl"), "no processor is named 'nobody'"),
        (("try", "usage", "nowhere.jsonl"), "there is no such file"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(run: Run, words: tuple[str, ...], said: str) -> None:
    """And nothing is written."""
    done = run("processors", *words)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_the_scaffold_works_as_it_is(run: Run, tmp_path: Path) -> None:
    """What is written is registered, gives rows, and passes its own tests, the contract's among them."""
    written = answer(run("processors", "new", "tool_calls", "--json"))
    project = tmp_path / "tool_calls"
    assert {str(path.relative_to(project)) for path in project.rglob("*.*")} == set(written["files"])
    assert len((project / "README.md").read_text().splitlines()) <= 10
    plug = registered(tmp_path / "plug", "tool_calls", project)
    file = transcript(tmp_path)
    found = answer(run("processors", "try", "tool_calls", str(file), "--json", path=plug))
    assert found["tables"]["tool_calls_calls"] and found["items"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(plug), str(ROOT)])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout
    # A table that no migration makes is told with the migration that would.
    migration = project / "tool_calls" / "migrations" / "001_calls.sql"
    migration.write_text("SELECT 1;\n")
    done = subprocess.run([*command, "-k", "schema"], cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "CREATE TABLE tool_calls_calls (" in done.stdout
    assert "PRIMARY KEY (session_file, tool_use_id)" in done.stdout
