"""Unknown names of the transcripts' format on the terminal, with what may not be counted for them."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from processors.usage.reports.formats import KINDS
from watcher.cli.output import columns, number, plain, print_table, when

#: So many files that cannot be read are told one by one.
_UNREADABLE = 20


def formats(found: dict[str, Any]) -> None:
    """What is not known, the latest first; and for a folder, what was read."""
    console = Console()
    rows = found["formats"]
    if rows:
        table = columns("kind", "name", "client", "sessions", "first seen", "last seen")
        for row in rows:
            names = (_title(row["kind"]), plain(row["name"]), plain(row["version"] or "-"))
            table.add_row(*names, number(row["sessions"]), when(row["first_at"]), when(row["last_at"]))
        print_table(console, table)
        console.print()
        means = {row["kind"]: row["means"] for row in rows}
        for kind in sorted(means, key=lambda kind: list(KINDS).index(kind) if kind in KINDS else len(KINDS)):
            console.print(plain(f"{_title(kind)}: {means[kind]}.", "yellow" if _costs(kind) else ""), soft_wrap=True)
        if means.keys() - {"model", "several_requests"}:
            console.print("Update Session Watcher: a later version may know these names.")
        if "model" in means:
            console.print(plain("Set prices of models under [processors.usage] prices, or update Session Watcher."))
    else:
        console.print("Nothing was found that this version does not know.")
    if "folder" in found:
        _read(console, found)


def _read(console: Console, found: dict[str, Any]) -> None:
    """What was read of a folder, and what could not be."""
    size = f"{found['bytes'] / 1e6:,.1f} MB"
    console.print(plain(f"Files read in {found['folder']}: {number(found['files'])} ({size})."), soft_wrap=True)
    if found["bad_lines"]:
        console.print(plain(f"Lines that could not be read: {number(found['bad_lines'])}.", "yellow"))
    if found["left_out"]:
        console.print(plain(f"Names beyond those that are listed: {number(found['left_out'])}.", "yellow"))
    for path in found["unreadable"][:_UNREADABLE]:
        console.print(plain(f"cannot be read: {path}", "red"), soft_wrap=True)
    if (more := len(found["unreadable"]) - _UNREADABLE) > 0:
        console.print(plain(f"… and {number(more)} more that cannot be read", "red"))


def _title(kind: str) -> str:
    known = KINDS.get(kind)
    return kind if known is None else known.title


def _costs(kind: str) -> bool:
    known = KINDS.get(kind)
    return known is not None and known.costs
