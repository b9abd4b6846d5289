"""What people see of processors: the installed ones, and the rows of a dry run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from watcher.cli.output import columns, number, plain, print_table, traceback

#: More rows of a table than this only --json shows.
MOST_ROWS = 40


def processors(found: Sequence[dict[str, Any]]) -> None:
    """Every installed processor; below, what is wrong with some."""
    console = Console()
    table = columns("processor", "version", "from", "enabled", "tables")
    for one in found:
        state = Text("broken", style="red") if one["error"] else Text("yes" if one["enabled"] else "no")
        version = "-" if one["version"] is None else str(one["version"])
        table.add_row(one["processor"], version, plain(one["distribution"]), state, ", ".join(one["tables"]))
    print_table(console, table)
    for one in found:
        if one["error"]:
            console.print(plain(f"{one['processor']}: {one['error']}", "red"), soft_wrap=True)
            traceback(one["traceback"])


def tried(found: dict[str, Any]) -> None:
    """The rows of one transcript, a table after the other."""
    console = Console()
    for name, rows in found["tables"].items():
        console.print(Text(f"{name}: {number(len(rows))} rows", style="bold"))
        if not rows:
            continue
        table = columns(*rows[0])
        for row in rows[:MOST_ROWS]:
            table.add_row(*(plain("-" if value is None else str(value)) for value in row.values()))
        print_table(console, table)
        if len(rows) > MOST_ROWS:
            console.print(f"{number(len(rows) - MOST_ROWS)} more; --json shows all.")
    told = f"{number(found['items'])} items, {number(found['bad_lines'])} bad lines, {number(found['bytes'])} bytes"
    console.print(plain(f"{found['processor']} version {found['version']}: {told}; nothing was stored."))
