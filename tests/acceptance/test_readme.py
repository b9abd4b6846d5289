"""What the README says is so: its processor runs, its commands exist and work."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import duckdb
import pytest

from tests.support import ROOT
from tests.support.knowledge_talk import AGENT, CORRECTION, talk
from tests.support.processes import Place, lines

README = ROOT / "README.md"


def blocks(language: str) -> list[str]:
    """The README's code blocks in one language."""
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with one session in it."""
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    first = lines(["m1"]).replace(b'"type": "assistant"', b'"gitBranch": "main", "type": "assistant"')
    second = lines(["m2"]).replace(b'"type": "assistant"', b'"gitBranch": "fix", "type": "assistant"')
    (tmp_path / "sessions" / "ann" / "s.jsonl").write_bytes(first + second)
    (tmp_path / "sessions" / "ann" / "talk.jsonl").write_bytes(talk(AGENT, CORRECTION))
    (tmp_path / "project").mkdir()
    return Place(tmp_path / "sessions", tmp_path / "state")


def test_the_readmes_processor_runs(place: Place, tmp_path: Path) -> None:
    """Taken from the README as it stands and installed as a stranger's would be, it fills its table beside ours."""
    (code,), (migration,), (project,) = blocks("python"), blocks("sql"), blocks("toml")
    body = [line for line in code.splitlines() if line.strip()]
    assert len(body) <= 15, "it is a processor in fifteen lines"
    plugin = tmp_path / "plugin"
    (plugin / "branches" / "migrations").mkdir(parents=True)
    (plugin / "branches" / "__init__.py").write_text(code)
    (plugin / "branches" / "migrations" / "001_branches.sql").write_text(migration)
    declared = tomllib.loads(project)["project"]
    info = plugin / f"{declared['name']}-{declared['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {declared['name']}\nVersion: {declared['version']}\n")
    ((group, points),) = declared["entry-points"].items()
    (info / "entry_points.txt").write_text(f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()))
    place.environment["PYTHONPATH"] = str(plugin)
    done = place.run("once", "--json")
    assert done.returncode == 0, done.stderr
    with duckdb.connect(str(place.state / "watcher.duckdb"), read_only=True) as database:
        found = database.execute("SELECT session_file, branch FROM branches ORDER BY branch").fetchall()
        assert found == [("ann/s.jsonl", "fix"), ("ann/s.jsonl", "main")]
        assert database.execute("SELECT count(*) FROM usage_messages").fetchone() == (2,)
    assert "processors.branches.quiet" in place.run("settings", "check").stdout


def test_the_readmes_commands_work(place: Place) -> None:
    """Each of its commands ends well on a state folder that holds something."""
    assert place.run("once").returncode == 0
    given = [line.partition("#")[0] for block in blocks("sh") for line in block.splitlines()]
    commands = [shlex.split(line)[1:] for line in given if line.startswith("session-watcher ")]
    assert len(commands) >= 10
    ((item),) = place.json("knowledge", "list")["items"]
    stands_for = {"NAME": "s.jsonl", "ITEM": item["item_id"], "PROJECT": "project"}
    for words in commands:
        done = place.run(*(stands_for.get(word, word) for word in words))
        # There is nothing to try again here, and it says so.
        assert done.returncode == (1 if words[:2] == ["sessions", "retry"] else 0), (words, done.stderr)
        assert done.stdout.strip(), words


def test_the_readmes_targets_exist() -> None:
    """Every `make` target it names is one."""
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^make ([a-z-]+)", "\n".join(blocks("sh")), re.MULTILINE))
    assert {"run", "test", "test-faults", "bench"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_tables_it_names_are_there(place: Place) -> None:
    """Every table that the README promises can be read with SQL."""
    assert place.run("once").returncode == 0
    (sentence,) = re.findall(r"The tables are plain SQL.*", README.read_text(encoding="utf-8"))
    names = re.findall(r"`((?:usage|errors)\w*)`", sentence)
    assert len(names) == 12
    with duckdb.connect(str(place.state / "watcher.duckdb"), read_only=True) as database:
        for name in names:
            database.execute(f"SELECT * FROM {name}").fetchall()
