"""What people see: tables that fit the terminal, plain text where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from watcher.settings import SettingRow

_COLOURS = {"ok": "green", "degraded": "yellow", "unhealthy": "red", "failed": "yellow", "quarantined": "red"}
#: From this width on everything is shown, and exactly.
_WIDE = 130
_WIDE_ONLY = frozenset(
    {"cache_creation_1h_tokens", "web_search_requests", "event_type", "tool_calls", "human_turns", "session_id"}
)  # fmt: skip
_SHORT = {
    "username": "user",
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_creation_tokens": "cache write",
    "cache_creation_1h_tokens": "of it 1 h",
    "cache_read_tokens": "cache read",
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
}
_MEASURES = frozenset(
    {"sessions", "calls", "errors", "input_tokens", "output_tokens", "cache_creation_tokens", "tool_calls",
     "cache_creation_1h_tokens", "cache_read_tokens", "web_search_requests", "cost_usd", "active_seconds",
     "human_turns", "assistant_messages", "tool_errors"}
)  # fmt: skip


def runs(details: Sequence[dict[str, Any]]) -> None:
    """What a run of each processor did."""
    console = Console()
    table = _table("processor", "scanned", "processed", "skipped", "left", "failed", "items")
    for entry in details:
        table.add_row(
            entry["processor"],
            *(_number(entry[name]) for name in ("scanned", "processed", "skipped", "capped")),
            Text(_number(entry["errors"]), style="red" if entry["errors"] else ""),
            _number(entry["items_extracted"]),
        )
    console.print(table)
    for entry in details:
        for failure in entry["errors_detail"][:20]:
            console.print(Text(f"{entry['processor']}: {failure['session']}: {failure['error']}", style="red"))


def status(found: dict[str, Any]) -> None:
    """How every processor stands."""
    console = Console()
    service = found["service"]
    if service is None:
        console.print(Text("The service is not running.", style="bold"))
    else:
        line = Text("The service is ")
        line.append(service["status"], style=f"bold {_COLOURS.get(service['status'], '')}")
        line.append(f"; up {_span(service['uptime_seconds'])}, watching {service['sessions']}")
        console.print(line)
        for finding in service["findings"]:
            style = "red" if finding["level"] == "unhealthy" else "yellow" if finding["level"] == "warning" else ""
            console.print(Text(f"  {finding['level']}: {finding['message']}", style=style))
    if not found["processors"]:
        console.print("Nothing was processed yet.")
        return
    live = {entry["processor"]: entry for entry in (service or {}).get("processors", [])}
    table = _table("processor", "ok", "failed", "put aside", "gone", "items", "bad lines", "data", "waiting", "last")
    for entry in found["processors"]:
        name = entry["processor"]
        waiting = live[name]["waiting"] + live[name]["running"] if name in live else None
        table.add_row(
            name,
            _number(entry["ok"]),
            *(
                Text(_number(entry[status]), style=_COLOURS[status] if entry[status] else "")
                for status in ("failed", "quarantined")
            ),
            _number(entry["gone"]),
            _number(entry["items"]),
            Text(_number(entry["bad_lines"]), style="yellow" if entry["bad_lines"] else ""),
            _size(entry["bytes"]),
            "-" if waiting is None else _number(waiting),
            _when(entry["last_processed_at"]),
        )
    console.print(table)
    for trouble in found["troubled"]:
        what = trouble["error"] or f"{trouble['bad_lines']} lines could not be read"
        console.print(
            Text(f"{trouble['processor']}: {trouble['session']}: {trouble['status']}: {what}"), soft_wrap=True
        )


def report(found: dict[str, Any]) -> None:
    """A report of usage, with its totals; what does not fit the terminal's width is left out, least first."""
    console = Console()
    columns: list[str] = found["columns"]
    shown = [name for name in columns if console.width >= _WIDE or name not in _WIDE_ONLY]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in shown:
        number = name in _MEASURES
        table.add_column(
            _SHORT.get(name, name.replace("_", " ")),
            justify="right" if number else "left",
            no_wrap=number or name in ("day", "month", "last_at"),
            overflow="ellipsis" if name in ("session_id", "project") else "fold",
        )
    exact = console.width >= _WIDE
    for row in found["rows"]:
        values = dict(zip(columns, row, strict=True))
        table.add_row(*(_cell(name, values[name], exact) for name in shown))
    if found.get("totals") and found["rows"]:
        table.add_section()
        table.add_row(
            *(
                "all" if at == 0 else _cell(name, found["totals"][name], exact) if name in found["totals"] else ""
                for at, name in enumerate(shown)
            ),
            style="bold",
        )
    console.print(table if found["rows"] else "Nothing was used in that time.")
    for model in found.get("unknown_models", []):
        console.print(Text(f"No price is known for {model}; set it under [processors.usage] prices.", style="yellow"))


def settings(rows: Sequence[SettingRow]) -> None:
    """Every setting, with where it came from."""
    console = Console()
    table = _table("setting", "value", "from")
    for row in rows:
        style = "" if row.source == "default" else "bold"
        table.add_row(Text(f"{row.table}.{row.key}", style=style), Text(row.value, style=style), row.source)
    console.print(table)
    console.print("The settings are good.")


def _table(*columns: str) -> Table:
    """A table whose first column is text and whose others are numbers, unless they are named here."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for at, column in enumerate(columns):
        left = at == 0 or column in ("last", "value", "from")
        table.add_column(column, justify="left" if left else "right", overflow="fold")
    return table


def _when(moment: str | None) -> str:
    """A time of today, or a day."""
    if moment is None:
        return "-"
    local = datetime.fromisoformat(moment).astimezone()
    return local.strftime("%H:%M:%S" if local.date() == datetime.now().astimezone().date() else "%Y-%m-%d")


def _cell(name: str, value: object, exact: bool) -> str:
    if value is None:
        return "-"
    if name == "cost_usd" and isinstance(value, (int, float)):
        return f"${value:,.2f}"
    if name == "active_seconds" and isinstance(value, (int, float)):
        return f"{value / 3600:.1f} h" if value >= 3600 else f"{value / 60:.0f} min"
    if name == "last_at":
        return str(value)[:16].replace("T", " ")
    if isinstance(value, int) and not isinstance(value, bool):
        return _number(value) if exact or value < 100_000 else _short(value)
    return str(value)


def _short(value: int) -> str:
    return f"{value / 1e9:.2f}G" if value >= 1e9 else f"{value / 1e6:.1f}M" if value >= 1e6 else f"{value / 1e3:.0f}K"


def _number(value: int) -> str:
    return f"{value:,}"


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _span(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
