"""``tokens``: access tokens and their roles."""

from __future__ import annotations

from typing import Annotated

import typer

from watcher.cli import output
from watcher.cli.backend import ask, order
from watcher.cli.options import AsJson, SettingsPath, State, examples, group, in_force, print_json
from watcher.store import tokens

app = group("tokens")


@app.command("list", epilog=examples("tokens list"))
def list_(settings: SettingsPath = None, state: State = None, as_json: AsJson = False) -> None:
    """List every token, without its text."""
    found = ask(in_force(settings, state), "/api/admin/tokens", lambda query: {"tokens": tokens.listing(query)})
    print_json(found) if as_json else output.tokens(found["tokens"])


@app.command(
    epilog=examples("tokens create prometheus --role reader", "tokens create anns-laptop --role user --user ann")
)
def create(
    name: Annotated[str, typer.Argument(help="Name in lists and in the audit log.")],
    role: Annotated[
        str, typer.Option(help="admin (everything), reader (read everything), user (only their own data).")
    ],
    user: Annotated[str | None, typer.Option(help="User name, for the role user.")] = None,
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Create a token. Its text is shown once."""
    found = order(
        in_force(settings, state),
        "tokens create",
        "/api/admin/tokens",
        lambda core: tokens.make(core.query, name, role, user),
        name=name,
        role=role,
        username=user,
    )
    print_json(found) if as_json else print(found["token"])


@app.command(epilog=examples("tokens revoke prometheus"))
def revoke(
    which: Annotated[str, typer.Argument(help="Name of the token, or its id from tokens list.")],
    settings: SettingsPath = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a token: it is refused from now on."""
    found = order(
        in_force(settings, state),
        "tokens revoke",
        "/api/admin/tokens/revoke",
        lambda core: tokens.revoke(core.query, which),
        which=which,
    )
    print_json(found) if as_json else print(f"{found['name']} is revoked.")
