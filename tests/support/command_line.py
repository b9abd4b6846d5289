"""Every command of the command line, and how one is run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from watcher import logs
from watcher.cli.app import app, main


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


Run = Callable[..., Said]


def commands(command: Any = None, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command and group with the words that call it."""
    command = command if command is not None else typer.main.get_command(app)
    yield name, command
    if hasattr(command, "list_commands"):
        context = typer.Context(command)
        for word in command.list_commands(context):
            yield from commands(command.get_command(context, word), f"{name} {word}".strip())


ALL = dict(commands())

LEAVES = {name: command for name, command in ALL.items() if not hasattr(command, "list_commands")}


def in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """What runs a command in a folder of its own, on a state folder of its own, where it takes one."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("WATCHER_", "SCHEDULER_", "FORCE_COLOR")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "500")
    monkeypatch.setenv("WATCHER_PATHS__STATE", str(tmp_path / "state"))
    # A command has its process, and what that logs, to itself; here both are ours.
    monkeypatch.setattr(os, "_exit", sys.exit)
    monkeypatch.setattr(logs, "configure", lambda *_: None)

    def command(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["session-watcher", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        code = ended.value.code
        return Said(code if isinstance(code, int) else 0 if code is None else 1, out, err)

    return command
