"""What people see: tables that fit the terminal, plain text where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from watcher.settings import SettingRow

_COLOURS = {"ok": "green", "degraded": "yellow", "unhealthy": "red", "failed": "yellow", "quarantined": "red"}
_NUMBERS = ("tokens", "sessions", "calls", "errors", "turns", "messages", "requests", "seconds", "cost_usd")


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
    table = _table("processor", "ok", "failed", "quarantined", "gone", "items", "bad lines", "data", "waiting", "last")
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
            (entry["last_processed_at"] or "-")[:19].replace("T", " "),
        )
    console.print(table)
    for trouble in found["troubled"]:
        what = trouble["error"] or f"{trouble['bad_lines']} lines could not be read"
        console.print(
            Text(f"{trouble['processor']}: {trouble['session']}: {trouble['status']}: {what}"), soft_wrap=True
        )


def report(found: dict[str, Any]) -> None:
    """A report of usage, with its totals."""
    console = Console()
    columns: list[str] = found["columns"]
    table = _table(*columns)
    for row in found["rows"]:
        table.add_row(*(_cell(name, value) for name, value in zip(columns, row, strict=True)))
    if found.get("totals"):
        table.add_section()
        table.add_row(*(_cell(name, found["totals"].get(name)) for name in columns), style="bold")
    console.print(table)
    for model in found.get("unknown_models", []):
        console.print(Text(f"No price is known for {model}; set it under [processors.usage.prices].", style="yellow"))


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
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        right = column.endswith(_NUMBERS) or column in (
            "scanned", "processed", "skipped", "left", "failed", "items", "ok", "quarantined", "gone",
            "bad lines", "data", "waiting",
        )  # fmt: skip
        table.add_column(column.replace("_", " "), justify="right" if right else "left", overflow="fold")
    return table


def _cell(name: str, value: object) -> str:
    if value is None:
        return "-"
    if name == "cost_usd" and isinstance(value, (int, float)):
        return f"${value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return _number(value)
    if isinstance(value, float):
        return f"{value:,.0f}"
    return str(value)


def _number(value: int) -> str:
    return f"{value:,}"


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _span(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
