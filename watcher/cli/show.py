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


def runs(details: Sequence[dict[str, Any]]) -> None:
    """What a run of each processor did."""
    console = Console()
    table = _table("processor", "scanned", "processed", "skipped", "left", "failed", "items")
    for entry in details:
        table.add_row(
            entry["processor"],
            *(number(entry[name]) for name in ("scanned", "processed", "skipped", "capped")),
            Text(number(entry["errors"]), style="red" if entry["errors"] else ""),
            number(entry["items_extracted"]),
        )
    console.print(table)
    for entry in details:
        for failure in entry["errors_detail"][:20]:
            console.print(plain(f"{entry['processor']}: {failure['session']}: {failure['error']}", "red"))


def status(found: dict[str, Any]) -> None:
    """How every processor stands."""
    console = Console()
    service = found["service"]
    if service is None:
        console.print(Text("The service is not running.", style="bold"))
    else:
        line = Text("The service is ")
        line.append(service["status"], style=f"bold {_COLOURS.get(service['status'], '')}")
        line.append_text(plain(f"; up {_span(service['uptime_seconds'])}, watching {service['sessions']}"))
        console.print(line)
        for finding in service["findings"]:
            style = "red" if finding["level"] == "unhealthy" else "yellow" if finding["level"] == "warning" else ""
            console.print(plain(f"  {finding['level']}: {finding['message']}", style))
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
            number(entry["ok"]),
            *(
                Text(number(entry[status]), style=_COLOURS[status] if entry[status] else "")
                for status in ("failed", "quarantined")
            ),
            number(entry["gone"]),
            number(entry["items"]),
            Text(number(entry["bad_lines"]), style="yellow" if entry["bad_lines"] else ""),
            _size(entry["bytes"]),
            "-" if waiting is None else number(waiting),
            _when(entry["last_processed_at"]),
        )
    console.print(table)
    for trouble in found["troubled"]:
        what = trouble["error"] or f"{trouble['bad_lines']} lines could not be read"
        console.print(
            plain(f"{trouble['processor']}: {trouble['session']}: {trouble['status']}: {what}"), soft_wrap=True
        )


def settings(rows: Sequence[SettingRow]) -> None:
    """Every setting, with where it came from."""
    console = Console()
    table = _table("setting", "value", "from")
    for row in rows:
        style = "" if row.source == "default" else "bold"
        table.add_row(Text(f"{row.table}.{row.key}", style=style), Text(row.value, style=style), row.source)
    console.print(table)
    console.print("The settings are good.")


def plain(text: str, style: str = "") -> Text:
    """Text from a transcript: neither markup nor a word to the terminal."""
    return Text("".join(letter if letter.isprintable() else "\ufffd" for letter in text), style=style)


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


def number(value: int) -> str:
    """With commas."""
    return f"{value:,}"


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _span(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
