"""``session-watcher``: the commands and what they have in common."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from watcher import logs
from watcher.errors import WatcherError
from watcher.settings import Loaded, load

app = typer.Typer(
    name="session-watcher",
    help="Follows coding-agent transcripts as they are written, and keeps exact tables of what they hold.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
settings_app = typer.Typer(help="Show and check settings.", no_args_is_help=True)
app.add_typer(settings_app, name="settings")

SettingsPath = Annotated[
    Path | None, typer.Option("--settings", help="The settings file (default: settings.toml here, if there is one).")
]
Sessions = Annotated[Path | None, typer.Option("--sessions", help="The folder of transcripts (paths.sessions).")]
State = Annotated[Path | None, typer.Option("--state", help="The state folder (paths.state).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def run(settings: SettingsPath = None, sessions: Sessions = None, state: State = None) -> None:
    """Run the service in the foreground, until SIGTERM or Ctrl-C."""
    # Loaded when used: the observer, the scheduler and the web server are of no use to the other commands.
    from watcher.cli import run as command

    loaded = _load(settings, sessions, state)
    logs.configure(loaded.settings.log.format, loaded.settings.log.level)
    raise typer.Exit(command.run(loaded.settings))


@app.command()
def once(
    settings: SettingsPath = None,
    sessions: Sessions = None,
    state: State = None,
    processor: Annotated[list[str] | None, typer.Option(help="Only this processor; may be repeated.")] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not say how far it is.")] = False,
) -> None:
    """Take everything that is new, and exit: 0 if all went well, 1 if a session failed."""
    # Loaded when used, like every command's own module: the others start faster.
    from watcher.cli import once as command
    from watcher.cli import show

    loaded = _load(settings, sessions, state)
    logs.configure(
        loaded.settings.log.format, "warning" if loaded.settings.log.level == "info" else loaded.settings.log.level
    )
    details = command.once(loaded.settings, processor or [], quiet)
    if as_json:
        _print_json({"ok": not any(entry["errors"] for entry in details), "processors": details})
    else:
        show.runs(details)
    raise typer.Exit(1 if any(entry["errors"] for entry in details) else 0)


@app.command()
def status(settings: SettingsPath = None, state: State = None, as_json: AsJson = False) -> None:
    """How every processor stands, what failed and why."""
    # Loaded when used, see above.
    from watcher.cli import show
    from watcher.cli import status as command

    found = command.status(_load(settings, None, state).settings)
    if as_json:
        _print_json(found)
    else:
        show.status(found)


@app.command()
def usage(
    report: Annotated[str, typer.Argument(help="daily, monthly, sessions, models, users or tools.")] = "daily",
    settings: SettingsPath = None,
    state: State = None,
    since: Annotated[str | None, typer.Option(help="From this day on, YYYY-MM-DD.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to and with this day, YYYY-MM-DD.")] = None,
    user: Annotated[str | None, typer.Option(help="Only this user.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tokens, cost and tools: by day, month, session, model, user or tool."""
    # Loaded when used, see above.
    from watcher.cli import report as shown
    from watcher.cli import usage as command

    found = command.usage(_load(settings, None, state).settings, report, since, until, user, model)
    if as_json:
        _print_json(found)
    else:
        shown.report(found)


@settings_app.command("check")
def settings_check(
    settings: SettingsPath = None, sessions: Sessions = None, state: State = None, as_json: AsJson = False
) -> None:
    """Check the settings; show each one's value and where it came from."""
    # Loaded when used, see above.
    from watcher.cli import show
    from watcher.settings import rows

    found = rows(_load(settings, sessions, state))
    if as_json:
        _print_json(
            [
                {"table": row.table, "key": row.key, "value": row.value, "default": row.default, "source": row.source}
                for row in found
            ]
        )
    else:
        show.settings(found)


def _load(settings: Path | None, sessions: Path | None, state: Path | None) -> Loaded:
    overrides: dict[str, Any] = {}
    if sessions is not None:
        overrides["paths.sessions"] = sessions.expanduser()
    if state is not None:
        overrides["paths.state"] = state.expanduser()
    return load(settings, overrides=overrides)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def main() -> NoReturn:
    """Run a command; what a person can mend is one sentence on stderr and exit code 2."""
    code = 0
    try:
        app()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0
    except WatcherError as error:
        print(f"session-watcher: {error}", file=sys.stderr)
        code = 2
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"session-watcher: {where}{error.strerror or error}", file=sys.stderr)
        code = 2
    with suppress(BrokenPipeError):  # whoever read the output had enough of it
        sys.stdout.flush()
        sys.stderr.flush()
    # Everything is closed by now, and taking the interpreter apart is a tenth of most commands' time.
    os._exit(code)
