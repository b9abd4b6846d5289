"""``sessions``: what became of each, why not more, and what is to be done with it."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from watcher.cli import output
from watcher.cli.backend import ask, order
from watcher.cli.options import AsJson, Processor, Sessions, SettingsPath, State, examples, group, in_force, print_json
from watcher.cli.status import enabled
from watcher.errors import SettingsError
from watcher.plugins import RefusedProcessor, discover
from watcher.sessions import commands
from watcher.sessions import status as session_status
from watcher.settings.tables import Settings
from watcher.store.state import Version
from watcher.transcripts.sessions import Tree, key_of

app = group("sessions")

Name = Annotated[
    list[str] | None,
    typer.Argument(help="Session keys, paths below the sessions folder, or unambiguous parts of them."),
]
Older = Annotated[bool, typer.Option("--older", help="All sessions processed by an earlier version of the processor.")]
All = Annotated[str, typer.Option("--status", help="All sessions with this status: failed or quarantined.")]


@app.command(
    "list",
    epilog=examples(
        "sessions list", "sessions list --status quarantined", "sessions list shop --user ann --processor usage"
    ),
)
def list_(
    text: Annotated[str, typer.Argument(help="Only sessions whose key contains this text.")] = "",
    processor: Processor = "",
    status: Annotated[str, typer.Option(help="Only this status: ok, failed, quarantined or gone.")] = "",
    user: Annotated[str, typer.Option(help="Only this user.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of sessions, latest first.")] = 50,
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """List the known sessions, latest first."""
    if status and status not in session_status.STATUSES:
        raise SettingsError(f"--status {status}: {', '.join(session_status.STATUSES)} are accepted")
    part = _text(text)
    found = ask(
        in_force(settings, state),
        "/api/sessions",
        lambda query: session_status.listing(query, session_status.SessionFilter(processor, status, user, part, limit)),
        processor=processor,
        status=status,
        user=user,
        text=part,
        limit=limit,
    )
    print_json(found) if as_json else output.sessions(found)


@app.command(
    "show",
    epilog=examples(
        "sessions show 99677899  # any part of its name that only one session has",
        "sessions show ann/shop/99677899.jsonl --json",
    ),
)
def show_(
    session: Annotated[str, typer.Argument(help="Session key, path, or an unambiguous part of either.")],
    settings: SettingsPath = None,
    state: State = None,
    sessions: Sessions = None,
    as_json: AsJson = False,
) -> None:
    """Show one session. Prints status, offset and failure per processor."""
    chosen = in_force(settings, state, sessions)
    text = _text(session)
    found = ask(chosen, "/api/sessions/one", lambda query: _one(query, chosen, text), session=text)
    print_json(found) if as_json else output.session(found)


@app.command(epilog=examples("sessions retry 99677899", "sessions retry --status quarantined --processor usage"))
def retry(
    session: Name = None,
    status: All = "",
    processor: Processor = "",
    settings: SettingsPath = None,
    state: State = None,
    sessions: Sessions = None,
    as_json: AsJson = False,
) -> None:
    """Retry failed or quarantined sessions now."""
    _order("retry", session, status, processor, settings, state, sessions, as_json)


@app.command(
    epilog=examples(
        "sessions reprocess 99677899 --processor usage",
        "sessions reprocess --status failed",
        "sessions reprocess --processor verification --older  # with a model, which is asked again",
    )
)
def reprocess(
    session: Name = None,
    status: All = "",
    older: Older = False,
    processor: Processor = "",
    settings: SettingsPath = None,
    state: State = None,
    sessions: Sessions = None,
    as_json: AsJson = False,
) -> None:
    """Recompute rows from the files. After a change of prices, for example."""
    _order("reprocess", session, status, processor, settings, state, sessions, as_json, older)


@app.command(epilog=examples("sessions forget ann/shop/99677899.jsonl"))
def forget(
    session: Name = None,
    processor: Processor = "",
    settings: SettingsPath = None,
    state: State = None,
    sessions: Sessions = None,
    as_json: AsJson = False,
) -> None:
    """Erase sessions whose files are gone."""
    _order("forget", session, "", processor, settings, state, sessions, as_json)


def _text(session: str) -> str:
    """What a person calls a session; a name that is no text is meant as it stands in keys."""
    try:
        session.encode()
    except UnicodeEncodeError:
        return key_of(os.fsencode(session))
    return session


def _one(query: Any, settings: Settings, text: str) -> dict[str, Any]:
    tree = tree_of(settings)
    versions = {
        name: Version.of(processor.version, settings.processor(name).asks_model)
        for name, processor in discover().items()
        if not isinstance(processor, RefusedProcessor) and name in enabled(settings)
    }
    return session_status.session(query, tree, versions, session_status.find(query, tree, text))


def tree_of(settings: Settings) -> Tree:
    """The sessions folder of these settings."""
    return Tree(settings.paths.sessions.resolve(), settings.paths.layout, settings.node.name)


def _order(
    which: commands.Order,
    names: list[str] | None,
    status: str,
    processor: str,
    path: Path | None,
    state: Path | None,
    sessions: Path | None,
    as_json: bool,
    older: bool = False,
) -> None:
    if status not in ("", "failed", "quarantined"):
        raise SettingsError(f"--status {status}: failed and quarantined are accepted")
    texts = [_text(name) for name in names or []]
    found = order(
        in_force(path, state, sessions),
        f"sessions {which}",
        f"/api/sessions/{which}",
        lambda core: {
            "answers": [asdict(one) for one in core.sessions.order_alone(which, texts, status, processor, older)]
        },
        session=texts,
        status=status,
        processor=processor,
        **({"older": True} if older else {}),
    )
    print_json(found) if as_json else output.answers(found["answers"])
    if not any(answer["done"] for answer in found["answers"]):
        raise typer.Exit(1)
