"""A report of usage on the terminal: as much of it as fits, exact where there is room."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from csv import writer as csv_writer
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from processors.usage.reports import reconcile
from watcher.cli.output import number, plain, safe

#: What is left out where the terminal is too narrow, the first first.
_LEAST = (
    "repository", "forked_from", "parent_session", "cache_creation_1h_tokens", "web_search_requests", "event_type",
    "subagent_calls", "other_turns", "asked_by", "session_id", "title", "human_turns", "tool_calls", "project",
    "subagent_cost_usd", "cache_creation_tokens", "cache_read_tokens", "primary_model", "input_tokens",
    "active_seconds", "tool_errors", "errors", "output_tokens", "sessions", "uses", "last_at", "assistant_messages",
)  # fmt: skip
#: The same of what is reconciled, whose columns are many: tokens before costs, and never what names a row.
_LEAST_RECONCILED = (
    "session_file",
    *(f"{side}_{kind}_tokens" for kind in ("cache_creation", "cache_read", "input", "output")
      for side in reconcile.SIDES),
    "stated_at", "username", "sessions", "not_yet_stated_cost_usd", "reason",
)  # fmt: skip
#: Longer text is folded or cut, rather than that a column is left out for it.
_LONGEST = 28
_LONGEST_RECONCILED = {"session_id": 13, "reason": 8}
_GAP = 2
_KINDS = {"input_tokens": "input", "output_tokens": "output", "cache_creation_tokens": "cache write",
          "cache_read_tokens": "cache read", "cost_usd": "cost"}  # fmt: skip
_SIDES = {"counted": "counted", "client": "client", "not_yet_stated": "not yet", "unexplained": "unexplained"}
_HEADINGS = {
    "username": "user",
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_creation_tokens": "cache\nwrite",
    "cache_creation_1h_tokens": "of it\n1 h",
    "cache_read_tokens": "cache\nread",
    "web_search_requests": "searches",
    "cost_usd": "cost",
    "tool_name": "tool",
    "event_type": "kind",
    "last_at": "last",
    "active_seconds": "active",
    "human_turns": "turns",
    "assistant_messages": "calls",
    "tool_calls": "tools",
    "tool_errors": "errors",
    "primary_model": "model",
    "session_id": "session",
    "session_file": "file",
    "stated_at": "stated",
    **{f"{side}_{kind}": f"{of}\n{what}" for side, of in _SIDES.items() for kind, what in _KINDS.items()},
    "parent_session": "subagent of",
    "forked_from": "forked from",
    "other_turns": "other\nturns",
    "subagent_calls": "subagents'\ncalls",
    "subagent_cost_usd": "subagents'\ncost",
    "skill_name": "skill",
    "subagent_type": "subagent",
    "mcp_server": "server",
    "mcp_tool": "tool",
}
#: Columns whose longer text is cut; that of all others is folded.
_CUT = ("session_id", "session_file", "project", "title", "repository")
#: What is said where there is no row.
_NOTHING = {reconcile.NAME: "No client has stated anything in that time."}
_MEASURES = frozenset(
    {"sessions", "calls", "errors", "input_tokens", "output_tokens", "cache_creation_tokens", "tool_calls",
     "cache_creation_1h_tokens", "cache_read_tokens", "web_search_requests", "cost_usd", "active_seconds",
     "human_turns", "assistant_messages", "tool_errors", "uses", "other_turns", "subagent_calls", "subagent_cost_usd",
     *reconcile.MEASURES}
)  # fmt: skip


def csv(found: dict[str, Any]) -> None:
    """Print a report as CSV, with a line of names first; what is unknown is empty."""
    writer = csv_writer(sys.stdout, lineterminator="\n")
    writer.writerow(found["columns"])
    writer.writerows(found["rows"])


def report(found: dict[str, Any]) -> None:
    """Print a report with its totals; into a pipe goes all of it."""
    console = Console()
    if not found["rows"]:
        console.print(_NOTHING.get(found["report"], "Nothing was used in that time."))
        _tell_apart(console, found)
        return
    columns: list[str] = found["columns"]
    rows = [dict(zip(columns, row, strict=True)) for row in found["rows"]]
    if totals := found.get("totals"):
        rows.append({**dict.fromkeys(columns, ""), columns[0]: "all", **totals})
    if console.is_terminal:
        _draw(console, columns, rows, bool(totals), found["report"] == reconcile.NAME)
    else:
        _write(columns, rows)
    _tell_apart(console, found)
    for model in found.get("unknown_models", []):
        console.print(plain(f"No price is known for {model}; set it under [processors.usage] prices.", "yellow"))


def _tell_apart(console: Console, found: dict[str, Any]) -> None:
    """What is in no sum, and why."""
    for one in found.get("apart", []):
        single, several = reconcile.REASONS[one["reason"]]
        what = f"{number(one['sessions'])} {single if one['sessions'] == 1 else several}"
        told = f"{what}, in no sum: {_dollars(one['cost_usd'])} counted there."
        console.print(told, soft_wrap=True, highlight=False)


def _write(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Everything, line by line, aligned by spaces: nothing has to fit, so nothing has to be laid out."""
    cells = [[safe(_cell(name, row[name], exact=True)) for name in columns] for row in rows]
    headings = [_heading(name).replace("\n", " ") for name in columns]
    widths = [max(map(cell_len, column)) for column in zip(headings, *cells, strict=True)]
    for row in (headings, *cells):
        padded = []
        for name, width, cell in zip(columns, widths, row, strict=True):
            space = " " * (width - cell_len(cell))
            padded.append(space + cell if name in _MEASURES else cell + space)
        print((" " * _GAP).join(padded).rstrip())


def _draw(
    console: Console, columns: Sequence[str], rows: Sequence[dict[str, Any]], totals: bool, reconciled: bool
) -> None:
    """As much as fits the terminal."""
    if reconciled:
        least = [name for name in _LEAST_RECONCILED if name != columns[0]]
        # Most often there is none.
        columns = [name for name in columns if name != "reason" or any(row[name] for row in rows)]
        shown, cells = _fit(columns, rows, console.width, least, _LONGEST_RECONCILED)
    else:
        shown, cells = _fit(columns, rows, console.width, _LEAST, {})
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in shown:
        measure = name in _MEASURES
        table.add_column(
            _heading(name),
            justify="right" if measure else "left",
            vertical="bottom",
            no_wrap=measure or name in ("day", "month", "last_at", "stated_at"),
            overflow="ellipsis" if name in _CUT else "fold",
        )
    for at, row in enumerate(cells):
        last = totals and at == len(cells) - 1
        table.add_row(*(plain(row[name]) for name in shown), style="bold" if last else "")
    console.print(table)


def _fit(
    columns: Sequence[str],
    rows: Sequence[dict[str, Any]],
    width: int,
    least: Sequence[str],
    longest: Mapping[str, int],
) -> tuple[list[str], list[dict[str, str]]]:
    """The columns to show, and every cell: exact if all columns fit so, else in short numbers and with fewer."""
    exact = [{name: _cell(name, row[name], exact=True) for name in columns} for row in rows]
    if _width(columns, exact, {}) <= width:
        return list(columns), exact
    short = [{name: _cell(name, row[name], exact=False) for name in columns} for row in rows]
    shown = list(columns)
    for name in least:
        if _width(shown, short, longest) <= width:
            break
        if name in shown:
            shown.remove(name)
    return shown, short


def _width(columns: Sequence[str], cells: Sequence[dict[str, str]], longest: Mapping[str, int]) -> int:
    widest = [
        max(
            min(longest.get(name, _LONGEST), max(cell_len(row[name]) for row in cells)),
            *map(len, _heading(name).split("\n")),
        )
        for name in columns
    ]
    return sum(widest) + _GAP * (len(columns) - 1)


def _heading(name: str) -> str:
    return _HEADINGS.get(name, name.replace("_", " "))


def _cell(name: str, value: object, exact: bool) -> str:
    if value is None:
        return "-"
    if name.endswith("cost_usd") and isinstance(value, (int, float)):
        return _dollars(value)
    if name == "active_seconds" and isinstance(value, (int, float)):
        return f"{value / 3600:.1f} h" if value >= 3600 else f"{value / 60:.0f} min"
    if name in ("last_at", "stated_at"):
        return str(value)[:16].replace("T", " ")
    if isinstance(value, int) and not isinstance(value, bool):
        return number(value) if exact or abs(value) < 100_000 else _short(value)
    return str(value)


def _dollars(value: float) -> str:
    told = f"${abs(value):,.2f}"
    return f"-{told}" if value < 0 and told != "$0.00" else told


def _short(value: int) -> str:
    size = abs(value)
    return f"{value / 1e9:.2f}G" if size >= 1e9 else f"{value / 1e6:.1f}M" if size >= 1e6 else f"{value / 1e3:.0f}K"
