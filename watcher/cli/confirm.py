"""Orders by which agents are given new text: where that should be looked at twice, it is shown and asked about."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import typer

from watcher.app import Application
from watcher.cli import output_knowledge
from watcher.cli.backend import TIMEOUT, order
from watcher.errors import SettingsError, Unconfirmed
from watcher.http.client import Value
from watcher.settings.tables import Settings


def order_for_agents(
    settings: Settings,
    sure: bool,
    command: str,
    path: str,
    local: Callable[[Application, bool], Any],
    /,
    **query: Value,
) -> Any:
    """What becomes of an order (see `watcher.cli.backend.order`); ``sure``: whether its text was read already.

    Raises:
        SettingsError: it should be read first, and nobody can be asked.
    """

    def carry_out(confirmed: bool) -> Any:
        return order(
            settings,
            command,
            path,
            lambda core: local(core, confirmed),
            timeout=TIMEOUT,
            confirmed=word(confirmed),
            **query,
        )

    return read_first(carry_out, sure)


def read_first(carry_out: Callable[[bool], Any], sure: bool) -> Any:
    """What comes of it; told whether what agents would be given was read.

    Raises:
        SettingsError: it should be read first, and nobody can be asked.
    """
    try:
        return carry_out(sure)
    except Unconfirmed as error:
        if not sys.stdin.isatty():
            raise SettingsError(f"{error} (--yes)") from None
        for text, warnings in error.unread:
            output_knowledge.to_be_read(text, warnings)
    typer.confirm("Let agents read it?", abort=True, err=True)
    return carry_out(True)


def word(said: bool) -> str:
    """A yes or no, as the API takes it."""
    return "true" if said else "false"
