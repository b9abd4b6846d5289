"""``session-watcher``: the commands. Each one's work is in a module of its own, loaded when it is used."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from watcher.cli.options import (
    GROUPS,
    AsJson,
    Sessions,
    SettingsPath,
    State,
    examples,
    followed,
    in_force,
    load,
    print_json,
    sources,
)
from watcher.errors import SettingsError, WatcherError


class Commands(TyperGroup):
    """Loads a group of commands when it is asked for, so that the others start without it."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or the group of that name."""
        if cmd_name in GROUPS:
            return typer.main.get_command(import_module(f"watcher.cli.{cmd_name}").app)
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        """All of them, in the order of the help."""
        return [*super().list_commands(ctx), *GROUPS]


app = typer.Typer(
    name="session-watcher",
    cls=Commands,
    help="Follow coding agents' transcripts as they are written, and keep exact tables of their contents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        # Loaded when used: no other command asks.
        from importlib.metadata import version

        print(f"session-watcher {version('session-watcher')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Declare what stands before a command."""


@app.command(
    epilog=examples(
        "run --sessions ~/.claude/projects --state ./state  # your own transcripts",
        "run --settings /etc/session-watcher/settings.toml",
    )
)
def run(settings: SettingsPath = None, sessions: Sessions = None, state: State = None) -> None:
    """Run the service in the foreground until SIGTERM or Ctrl-C."""
    # Loaded when used: the observer, the scheduler and the web server are of no use to the other commands.
    from watcher.cli import run as command

    loaded, file = followed(settings, state, sessions)
    loaded.warn()
    raise typer.Exit(command.run(loaded, file))


@app.command(
    epilog=examples(
        "once", "once --processor usage --quiet", "once --sessions ~/.claude/projects --state ./state --json"
    )
)
def once(
    settings: SettingsPath = None,
    sessions: Sessions = None,
    state: State = None,
    processor: Annotated[list[str] | None, typer.Option(help="Only this processor; may be repeated.")] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not print progress.")] = False,
) -> None:
    """Process everything new and exit. Exit code 0: success; 1: a session or processor failed."""
    # Loaded when used, like every command's own module: the others start faster.
    from watcher.app import COLLECTOR, CORPORATE_MEMORY
    from watcher.cli import once as command
    from watcher.cli import output

    loaded = load(settings, state, sessions)
    loaded.warn()
    found = command.once(loaded.settings, processor or [], quiet)
    if as_json:
        print_json(found)
    else:
        if "collector" in found:
            output.stats(COLLECTOR, found["collector"])
        if "corporate_memory" in found:
            output.stats(CORPORATE_MEMORY, found["corporate_memory"])
        output.runs(found["processors"])
    raise typer.Exit(0 if found["ok"] else 1)


@app.command(epilog=examples("collect --dry-run  # list what would be copied", "collect --verbose"))
def collect(
    settings: SettingsPath = None,
    sessions: Sessions = None,
    state: State = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would be copied; copy nothing.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every copied file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy new transcripts from people's homes. Exit code 0: success; 1: some could not be copied."""
    # Loaded when used, see above.
    from watcher.app import COLLECTOR
    from watcher.cli import collect as command
    from watcher.cli import output

    found = command.collect(in_force(settings, state, sessions), dry_run, verbose)
    print_json(found) if as_json else output.stats(COLLECTOR, found["details"])
    raise typer.Exit(0 if found["ok"] else 1)


@app.command(epilog=examples("status", "status --json", "status --state /data/state"))
def status(settings: SettingsPath = None, state: State = None, as_json: AsJson = False) -> None:
    """Show processors, failures and their reasons."""
    # Loaded when used, see above.
    from watcher.cli import output
    from watcher.cli import status as command

    found = command.status(in_force(settings, state))
    print_json(found) if as_json else output.status(found)


@app.command(
    epilog=examples(
        "mcp  # claude mcp add session-watcher -- session-watcher mcp",
        "mcp --port 8751",
        "mcp --url https://watcher.example.org --token-file ~/.config/session-watcher/token",
    )
)
def mcp(
    settings: SettingsPath = None,
    state: State = None,
    port: Annotated[int | None, typer.Option(help="Serve over HTTP on this port, under /mcp.")] = None,
    host: Annotated[str, typer.Option(help="With --port: address to listen on.")] = "127.0.0.1",
    url: Annotated[str, typer.Option(help="URL of a remote service; requires --token-file, except with --port.")] = "",
    token_file: Annotated[Path | None, typer.Option(help="File with a token for --url.")] = None,
) -> None:
    """Serve knowledge and reports to agents (MCP). Uses stdio, or HTTP with --port."""
    try:
        # Loaded when used: an extra that most installations do without, and slow to load.
        from watcher.cli import mcp as command
        from watcher.cli.backend import elsewhere
    except ModuleNotFoundError as error:
        raise SettingsError(f"mcp needs the package {error.name}: pip install 'mcp>=2.3,<3'") from None
    chosen = in_force(settings, state)
    if port is not None:
        command.over_http(chosen, host, port, url)
    else:
        command.over_pipes(chosen, elsewhere(url, token_file) if url else None)


@app.command(
    epilog=examples(
        "usage",
        "usage users --since yesterday --until yesterday",
        "usage models --since 2026-03-01 --until 2026-03-31",
        "usage sessions --user ann --json",
        "usage users --csv",
        "usage reconcile  # the client's own figures beside the counted ones",
        "usage reconcile --by days --since 2026-03-01",
        "usage monthly --plot usage.svg",
    )
)
def usage(
    report: Annotated[
        str,
        typer.Argument(
            help="daily, monthly, sessions, models, users, projects, branches, tools, skills, subagents, mcp_servers"
            " or reconcile."
        ),
    ] = "daily",
    settings: SettingsPath = None,
    state: State = None,
    since: Annotated[str | None, typer.Option(help="First day: YYYY-MM-DD, today or yesterday.")] = None,
    until: Annotated[str | None, typer.Option(help="Last day (included): YYYY-MM-DD, today or yesterday.")] = None,
    user: Annotated[str | None, typer.Option(help="Only this user.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    by: Annotated[str | None, typer.Option(help="With reconcile: sessions, users, days or models.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a chart to this file: .png, .svg or .pdf.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: AsJson = False,
) -> None:
    """Report tokens, cost and tools. By day, session, model, user and more, or beside the client's figures."""
    # Loaded when used, see above.
    from watcher.cli import usage as command
    from watcher.cli import usage_table as shown

    found = command.usage(in_force(settings, state), report, since, until, user, model, by)
    if plot is not None:
        # Loaded when used: it is an extra, and slow to load.
        from watcher.cli import plot as drawn

        drawn.plot(found, plot)
    if as_json:
        print_json(found)
    elif as_csv:
        shown.csv(found)
    else:
        shown.report(found)


@app.command(
    epilog=examples(
        "formats",
        "formats --since yesterday",
        "formats ~/.claude/projects  # any folder of transcripts: writes nothing, needs no service",
        "formats --json",
    )
)
def formats(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of transcripts to scan (default: the processed sessions).")
    ] = None,
    settings: SettingsPath = None,
    state: State = None,
    since: Annotated[
        str | None, typer.Option(help="Only names written since this day: YYYY-MM-DD, today or yesterday.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List unknown names of the transcript format. Shows what may not be counted because of each."""
    # Loaded when used, see above.
    from watcher.cli import formats as command
    from watcher.cli import output_formats as shown

    chosen = in_force(settings, state)
    found = command.unknown(chosen, since) if folder is None else command.in_folder(chosen, folder, since)
    print_json(found) if as_json else shown.formats(found)
    raise typer.Exit(1 if found.get("unreadable") else 0)


@app.command(
    epilog=examples("settings", "settings check --settings /etc/session-watcher/settings.toml", "settings --json")
)
def settings(
    what: Annotated[str, typer.Argument(help="check: validate the settings; the list is the same.")] = "",
    settings: SettingsPath = None,
    sessions: Sessions = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Show every setting with its value, source and help."""
    # Loaded when used, see above.
    from watcher.cli import output
    from watcher.cli import settings as command

    loaded = load(settings, state, sessions)
    found = command.shown(what, loaded)
    if as_json:
        loaded.warn()
        print_json(found)
    else:
        output.settings(found, loaded.unused)


@app.command(epilog=examples("doctor", "doctor --json", "doctor --settings /etc/session-watcher/settings.toml"))
def doctor(
    settings: SettingsPath = None, sessions: Sessions = None, state: State = None, as_json: AsJson = False
) -> None:
    """Check the service and its environment. Exit code 0: ok; 1: something needs attention."""
    # Loaded when used, see above.
    from watcher.cli import doctor as command
    from watcher.cli import output

    found = command.examine(sources(settings, sessions, state))
    print_json(found) if as_json else output.checks(found)
    raise typer.Exit(0 if found["status"] == "ok" else 1)


@app.command(epilog=examples("backup", "backup /srv/copies/watcher.duckdb"))
def backup(
    to: Annotated[Path | None, typer.Argument(help="Target (default: backups/ in the state folder).")] = None,
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Back up the database. The service may be running."""
    # Loaded when used, see above.
    from watcher.cli import backup as command

    found = command.back_up(in_force(settings, state), to)
    print_json(found) if as_json else print(f"{found['backup']} ({found['bytes'] / 1e6:.1f} MB)")


@app.command("import-legacy", epilog=examples("import-legacy /srv/old/system.duckdb"))
def import_legacy(
    path: Annotated[Path, typer.Argument(help="DuckDB database of the earlier generation; it is not changed.")],
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Import an earlier generation's state. Sessions that it processed are not paid for twice."""
    # Loaded when used, see above.
    from watcher.cli import import_legacy as command

    found = command.take_in(in_force(settings, state), path)
    if as_json:
        print_json(found)
    else:
        print(f"{found['taken']} of {found['found']} sessions taken in; {found['known']} were known here already.")


@app.command(epilog=examples("demo", "demo --seconds 20 --keep ./sample --picture demo.svg"))
def demo(
    seconds: Annotated[float, typer.Option(min=5, help="Duration; Ctrl-C ends it sooner.")] = 60.0,
    keep: Annotated[Path | None, typer.Option(help="Create this folder and keep it.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Save the last screen as an .svg file.")] = None,
) -> None:
    """Show the service at work on sample sessions. A bad one is quarantined and recovered."""
    # Loaded when used, see above.
    from watcher.cli import demo as command

    raise typer.Exit(command.demo(seconds, keep, picture))


def main() -> NoReturn:
    """Run a command; what a person can mend is one sentence on stderr and exit code 2."""
    code = 0
    try:
        try:
            app()
        finally:
            with suppress(BrokenPipeError):  # whoever read the output had enough of it
                sys.stdout.flush()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0
    except WatcherError as error:
        print(f"session-watcher: {error}", file=sys.stderr)
        code = 2
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"session-watcher: {where}{error.strerror or error}", file=sys.stderr)
        code = 2
    with suppress(OSError):
        sys.stderr.flush()
    # Everything is closed by now, and taking the interpreter apart is a tenth of most commands' time.
    os._exit(code)
