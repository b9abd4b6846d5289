"""Shared by all commands: options, loading the settings, printing JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from watcher import logs
from watcher.settings.follow import SettingsFile, Sources
from watcher.settings.load import Loaded
from watcher.settings.tables import Settings

SettingsPath = Annotated[
    Path | None,
    typer.Option("--settings", help="Settings file (default: settings.toml in the working directory, if it exists)."),
]
Sessions = Annotated[Path | None, typer.Option("--sessions", help="Sessions folder (overrides paths.sessions).")]
State = Annotated[Path | None, typer.Option("--state", help="State folder (overrides paths.state).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Processor = Annotated[str, typer.Option("--processor", help="Only this processor.")]


#: Groups of commands, each in the module of its name.
GROUPS = {
    "sessions": "List, retry, reprocess or forget sessions.",
    "knowledge": "Review knowledge and give it to agents.",
    "jobs": "List scheduled jobs and their runs; run one now.",
    "processors": "List plug-ins, write a new one, try one on a transcript.",
    "tokens": "Create, list and revoke access tokens.",
}


def group(name: str) -> typer.Typer:
    """A group of commands."""
    return typer.Typer(name=name, help=GROUPS[name], no_args_is_help=True, rich_markup_mode=None)


def examples(*lines: str) -> str:
    """The examples below a command's help, one line each; a comment may follow a #."""
    # The \b keeps the lines as they are.
    return "\n".join(["\b", "Examples:", *(f"  session-watcher {line}" for line in lines)])


def sources(settings: Path | None, sessions: Path | None, state: Path | None) -> Sources:
    """Where a command's settings come from."""
    overrides: dict[str, Any] = {}
    if sessions is not None:
        overrides["paths.sessions"] = sessions
    if state is not None:
        overrides["paths.state"] = state
    return Sources(settings, overrides=overrides)


def load(settings: Path | None, state: Path | None = None, sessions: Path | None = None) -> Loaded:
    """A command's settings, with where each is from; from here on only what is wrong is logged."""
    loaded = sources(settings, sessions, state).load()
    log = loaded.settings.log
    logs.configure(log.format, "warning" if log.level == "info" else log.level)
    return loaded


def in_force(settings: Path | None, state: Path | None = None, sessions: Path | None = None) -> Settings:
    """A command's settings."""
    return load(settings, state, sessions).settings


def followed(settings: Path | None, state: Path | None, sessions: Path | None) -> tuple[Loaded, SettingsFile]:
    """The settings of a service, and the file from which they go on."""
    file = SettingsFile(sources(settings, sessions, state))
    loaded = file.load()
    logs.configure(loaded.settings.log.format, loaded.settings.log.level)
    logs.begin()
    return loaded, file


def print_json(value: object) -> None:
    """Print a value for a program."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))
