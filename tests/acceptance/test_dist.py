"""The built distribution: it installs into an empty environment, and runs without the repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from tests.support import ROOT
from tests.support.corpus import FILES

BUILT_FROM = ("Makefile", "README.md", "LICENSE", "pyproject.toml", "requirements.txt")


def run(*words: str | Path, cwd: Path) -> str:
    """What a command prints, which must succeed; it knows nothing of the repository."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "WATCHER_"))}
    done = subprocess.run([*map(str, words)], cwd=cwd, env=kept, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built(folder: Path) -> Path:
    """The wheel, made by `make dist` from a copy of the sources with the environment of this test."""
    folder.mkdir()
    for name in BUILT_FROM:
        shutil.copy2(ROOT / name, folder)
    for name in ("watcher", "processors"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".venv").symlink_to(sys.prefix)
    run("make", "--assume-old=.venv/.runs", "dist", cwd=folder)
    assert [path.name.partition("-")[0] for path in (folder / "dist").glob("*.tar.gz")] == ["session_watcher"]
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def test_the_wheel_runs_in_an_empty_environment(tmp_path: Path) -> None:
    """Every file that is no code is in it; it runs elsewhere, with a new plug-in beside it."""
    wheel = built(tmp_path / "source")
    wanted = {
        str(path.relative_to(ROOT))
        for name in ("watcher", "processors")
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted <= set(ZipFile(wheel).namelist())

    environment, work = tmp_path / "environment", tmp_path / "elsewhere"
    (work / "sessions" / "ann").mkdir(parents=True)
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=work)
    pip = (sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "install", "--quiet")
    # Only requirements that the lock file pins: the program lacks nothing that it does not name.
    run(*pip, "--no-compile", "--require-hashes", "-r", ROOT / "requirements.txt", cwd=work)
    run(*pip, "--no-compile", "--no-deps", wheel, cwd=work)
    program = environment / "bin" / "session-watcher"
    assert run(program, "--version", cwd=work).split()[-1] == "0.1.0"

    run(program, "processors", "new", "tool_calls", cwd=work)
    run(*pip, "--no-deps", "--no-build-isolation", work / "tool_calls", cwd=work)
    (work / "sessions" / "ann" / "one.jsonl").write_bytes(max(FILES.values(), key=len))
    told = run(program, "once", "--quiet", "--json", "--sessions", "sessions", "--state", "state", cwd=work)
    taken = {one["processor"]: one["items_extracted"] for one in json.loads(told)["processors"]}
    assert taken.keys() == {"errors", "tool_calls", "usage", "verification"} and taken["tool_calls"] > 0
    count = "import duckdb; print(duckdb.connect('state/watcher.duckdb').sql('FROM tool_calls_by_tool').fetchall())"
    rows = run(environment / "bin" / "python", "-c", count, cwd=work)
    assert rows.strip() != "[]"
