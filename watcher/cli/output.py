"""What people see: tables that fit the terminal, plain text where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from watcher.sessions.status import unread

#: These columns are not folded where a terminal is narrow.
_IN_ONE_PIECE = ("processor", "last", "began", "waiting")
_NUMBERS = frozenset(
    {"scanned", "processed", "skipped", "left", "failed", "items", "ok", "quarantined", "gone", "bad lines", "data",
     "waiting", "taken", "size", "took", "sessions"}
)  # fmt: skip
_COLOURS = {"ok": "green", "degraded": "yellow", "unhealthy": "red", "failed": "yellow", "quarantined": "red"}


def runs(details: Sequence[dict[str, Any]]) -> None:
    """What a run of each processor did."""
    console = Console()
    table = columns("processor", "scanned", "processed", "skipped", "left", "failed", "items")
    for entry in details:
        table.add_row(
            entry["processor"],
            *(number(entry[name]) for name in ("scanned", "processed", "skipped", "capped")),
            Text(number(entry["errors"]), style="red" if entry["errors"] else ""),
            number(entry["items_extracted"]),
        )
    print_table(console, table)
    for entry in details:
        for failure in entry["errors_detail"][:20]:
            # What concerns no session, such as a setting that is missing, names its processor itself.
            whose = f"{entry['processor']}: {failure['session']}: " if failure["session"] else ""
            console.print(plain(f"{whose}{failure['error']}", "red"), soft_wrap=True)
            traceback(failure.get("traceback", ""))


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
    for one in found.get("refused", []):
        console.print(plain(f"  {one['processor']}: {one['error']}", "red"), soft_wrap=True)
        traceback(one.get("traceback", ""))
    if not found["processors"]:
        console.print("Nothing was processed yet.")
        return
    live = {entry["processor"]: entry for entry in (service or {}).get("processors", [])}
    table = columns("processor", "ok", "failed", "quarantined", "gone", "items", "bad lines", "data", "waiting", "last")
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
            when(entry["last_processed_at"]),
        )
    print_table(console, table)
    asked = found["models"]
    if asked["model"] or asked["calls"]:
        limit = f" of {number(asked['max_tokens_a_day'])}" if asked["max_tokens_a_day"] else ""
        told = f"{number(asked['calls'])} calls, {number(asked['tokens'])}{limit} tokens, ${asked['cost_usd']:.2f}"
        console.print(plain(f"Models today: {told} ({asked['model'] or 'none is set now'})"))
    if found["knowledge"] is not None and (told := _known(found["knowledge"])):
        console.print(told)
    for trouble in found["troubled"]:
        what = trouble["error"] or unread(trouble["bad_lines"])
        console.print(
            plain(f"{trouble['processor']}: {trouble['session']}: {trouble['status']}: {what}"), soft_wrap=True
        )


def settings(rows: Sequence[dict[str, Any]], unused: Sequence[str] = ()) -> None:
    """Every setting, with where it came from and what it does."""
    console = Console()
    table = columns("setting", "value", "from", "what it does")
    for row in rows:
        style = "" if row["source"] == "default" else "bold"
        value = plain(row["value"], style)
        if row["running"] is not None:
            value.append_text(plain(f" (the service runs with {row['running']})", "yellow"))
        table.add_row(Text(f"{row['table']}.{row['key']}", style=style), value, row["source"], plain(row["help"]))
    print_table(console, table)
    for told in unused:
        console.print(plain(f"warning: {told}", "yellow"), soft_wrap=True)
    console.print("The settings are good.")


def sessions(found: dict[str, Any]) -> None:
    """Sessions with what became of them."""
    console = Console()
    if not found["sessions"]:
        console.print("No session fits." if found["total"] == 0 else f"{found['total']:,} sessions fit.")
        return
    table = columns("session", "processor", "status", "last", "items", "taken", "size", "what is wrong")
    for one in found["sessions"]:
        wrong = one["error"] or (unread(one["bad_lines"]) if one["bad_lines"] else "")
        table.add_row(
            plain(one["session"]),
            one["processor"],
            Text(one["status"], style=_COLOURS.get(one["status"], "")),
            when(one["processed_at"]),
            number(one["items"]),
            number(one["processed_bytes"]),
            "-" if one["file_size"] is None else number(one["file_size"]),
            plain(wrong),
        )
    print_table(console, table)
    if len(found["sessions"]) < found["total"]:
        console.print(f"{len(found['sessions'])} of {found['total']:,}; --limit shows more.")


def session(found: dict[str, Any]) -> None:
    """Everything that is known of one session."""
    console = Console()
    console.print(plain(found["session"], "bold"), soft_wrap=True)
    file = found["file"]
    where = (
        "its file is not there"
        if file is None
        else f"{number(file['size'])} bytes, changed {when(file['modified_at'])}"
    )
    console.print(plain(f"of {found['user']}; {where}"))
    for one in found["processors"]:
        console.print()
        status = one.get("status", "unknown")
        line = Text(f"{one['processor']}: ", style="bold")
        line.append(status, style=_COLOURS.get(status, ""))
        console.print(line)
        console.print(plain(f"  {one['meaning']}"), soft_wrap=True)
        if "processed_bytes" in one:
            taken = f"  {number(one['processed_bytes'])} bytes taken, {number(one['items_extracted'])} items"
            console.print(
                plain(f"{taken}, last {when(one['processed_at'])}, version {one['processor_version'] or '-'}")
            )


def answers(found: Sequence[dict[str, Any]]) -> None:
    """What became of an order."""
    console = Console()
    for one in found:
        style = "green" if one["done"] else "yellow"
        console.print(plain(f"{one['session']}: {one['processor']}: {one['message']}", style), soft_wrap=True)
    if not found:
        console.print("No session fits.")


def jobs(found: Sequence[dict[str, Any]]) -> None:
    """Every job, its last run and its next."""
    table = columns("job", "last run", "trigger", "outcome", "took", "next run")
    for one in found:
        last = one["last"]
        table.add_row(
            one["name"],
            when(last["started_at"]) if last else "-",
            last["trigger"] if last else "-",
            _outcome(last["outcome"]) if last else Text("-"),
            _took(last) if last else "-",
            when(one["next_run_at"]),
        )
    print_table(Console(), table)


def job_runs(found: Sequence[dict[str, Any]]) -> None:
    """The latest runs of jobs."""
    console = Console()
    if not found:
        console.print("Nothing was run yet.")
        return
    table = columns("began", "job", "trigger", "outcome", "took", "what it did")
    for one in found:
        did = one["error"] or ", ".join(f"{name} {value}" for name, value in one["stats"].items() if _tells(value))
        table.add_row(
            when(one["started_at"]), one["name"], one["trigger"], _outcome(one["outcome"]), _took(one), plain(did)
        )
    print_table(console, table)


def stats(name: str, found: dict[str, Any]) -> None:
    """What a job's run did."""
    console = Console()
    console.print(Text(f"{name} is done.", style="bold"))
    for key, value in found.items():
        if isinstance(value, list):
            for one in value:
                told = (
                    ": ".join(str(part) for part in one.values() if _tells(part)) if isinstance(one, dict) else str(one)
                )
                console.print(plain(f"  {key}: {told}"), soft_wrap=True)
        else:
            console.print(plain(f"  {key.replace('_', ' ')}: {value}"), soft_wrap=True)


def tokens(found: Sequence[dict[str, Any]]) -> None:
    """Every token that was made."""
    console = Console()
    if not found:
        console.print("None was made; the one in the state folder is always in force.")
        return
    table = columns("name", "identity", "role", "user", "made", "revoked")
    for one in found:
        table.add_row(
            plain(one["name"]),
            one["token_id"],
            one["role"],
            plain(one["username"] or "-"),
            when(one["created_at"]),
            when(one["revoked_at"]),
        )
    print_table(console, table)


def checks(found: dict[str, Any]) -> None:
    """What the doctor found."""
    console = Console()
    marks = {"ok": ("ok", "green"), "info": ("note", ""), "warning": ("mend", "yellow"), "unhealthy": ("BROKEN", "red")}
    for check in found["checks"]:
        mark, style = marks[check["level"]]
        line = Text(f"{mark:7}", style=style)
        line.append_text(plain(f"{check['name']}: {check['message']}"))
        console.print(line, soft_wrap=True)
        traceback(check.get("traceback", ""))
    console.print(Text(f"All in all: {found['status']}.", style="bold"))


def traceback(text: str) -> None:
    """The lines of a traceback, indented; nothing where there is none."""
    for line in text.splitlines():
        Console().print(plain(f"    {line}"), soft_wrap=True)


def plain(text: str, style: str = "") -> Text:
    """Text from a transcript: neither markup nor a word to the terminal."""
    return Text(safe(text), style=style)


def safe(text: str) -> str:
    """Text without what a terminal would take for an order."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def columns(*names: str) -> Table:
    """A table whose numbers stand right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for at, column in enumerate(names):
        left = at == 0 or column not in _NUMBERS
        table.add_column(column, justify="left" if left else "right", overflow="fold", no_wrap=column in _IN_ONE_PIECE)
    return table


def print_table(console: Console, table: Table) -> None:
    """A table as wide as the terminal; into a pipe goes all of it."""
    if not console.is_terminal:
        console.width = 100_000
    console.print(table)


def _known(counts: dict[str, Any]) -> str:
    """What waits for a reviewer, and what agents are given; nothing where there is nothing."""
    served = counts["items"]["approved"] + counts["items"]["mandatory"]
    told = [
        f"{number(count)} {what}"
        for count, what in (
            (counts["items"]["pending"], "to be reviewed (knowledge list)"),
            (counts["contradictions"], "contradictions (knowledge contradictions)"),
            (counts["inbox"], "in the inbox"),
            (served, "served to agents"),
        )
        if count
    ]
    return f"Knowledge: {', '.join(told)}." if told else ""


def _outcome(outcome: str) -> Text:
    return Text(outcome, style={"ok": "green", "failed": "red", "running": ""}.get(outcome, "yellow"))


def _took(run: dict[str, Any]) -> str:
    if run["finished_at"] is None:
        return "-"
    seconds = (datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["started_at"])).total_seconds()
    return f"{seconds:.1f} s" if seconds < 60 else _span(seconds)


def _tells(value: object) -> bool:
    return value not in (None, "", 0, [], {}) and not isinstance(value, (list, dict))


def when(moment: str | None) -> str:
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
