"""``usage --plot``: a report as a picture."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from watcher.charts import spec
from watcher.charts.render import Easel, Kind
from watcher.errors import SettingsError

#: So many bars can be told apart; the rest of a longer report is left out, and said so.
MOST = 60
_INK = "#1a202c"
_KINDS: dict[str, Kind] = {".png": "png", ".svg": "svg", ".pdf": "pdf"}

_BY = {
    "daily": "day", "monthly": "month", "sessions": "session", "models": "model", "users": "user",
    "projects": "project", "branches": "branch", "tools": "tool", "skills": "skill", "subagents": "subagent",
    "mcp_servers": "MCP server", "mcp_tools": "MCP tool", "plugins": "plugin", "efforts": "effort",
    "asked_by": "who asked", "pull_requests": "pull request",
}  # fmt: skip


def plot(found: dict[str, Any], target: Path) -> None:
    """Draw a report: cost where it has one, calls elsewhere, a bar a row.

    Raises:
        SettingsError: the file's kind, or the report, is none that can be drawn.
        ChartTrouble: it cannot be drawn.
    """
    if target.suffix not in _KINDS:
        raise SettingsError(f"--plot {target}: a name that ends in {', '.join(_KINDS)} is accepted")
    if found["report"] not in _BY:
        raise SettingsError(f"--plot: {found['report']} is not drawn; {', '.join(_BY)} are")
    columns, rows = found["columns"], found["rows"]
    measure = "cost_usd" if "cost_usd" in columns else "calls"
    value = columns.index(measure)
    in_time = found["report"] in ("daily", "monthly")
    shown = rows[-MOST:] if in_time else rows[:MOST]
    chart = spec.by_name(
        [{"name": _name(columns, row), "value": float(row[value] or 0)} for row in shown],
        unit="cost in dollars" if measure == "cost_usd" else measure,
        in_order=in_time,
        ink=_INK,
    )
    left_out = f" ({len(shown)} of {len(rows)} rows)" if len(shown) < len(rows) else ""
    chart["title"] = f"Usage by {_BY[found['report']]}{left_out}"
    chart["background"] = "white"
    with closing(Easel()) as easel:
        (picture,) = easel.draw([chart], _KINDS[target.suffix])
    target.write_bytes(picture)


def _name(columns: list[str], row: list[Any]) -> Any:
    """A branch is one of a project, a tool one of a server; a session is known by its title, where it has one."""
    told = dict(zip(columns, row, strict=True))
    for inner, outer in (("git_branch", "project"), ("mcp_tool", "mcp_server")):
        if inner in told:
            return f"{told[inner]} ({told[outer]})"
    return told.get("title") or row[0]
