"""Downloads of tables."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

_REAL = ("cost_usd", "active_seconds")
_TEXT = {
    "session_id", "username", "project", "git_branch", "model", "primary_model", "tool_name", "event_type",
    "skill_name", "subagent_type", "mcp_server", "session_file", "reason",
}  # fmt: skip
#: Text with such a beginning is a formula to a spreadsheet, whoever wrote it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Return CSV with a header; unknown values are empty. A text that a spreadsheet would evaluate is prefixed by '."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_harmless(value) for value in row])
    return text.getvalue().encode()


def as_parquet(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Return Parquet with typed, exact columns."""
    with tempfile.TemporaryDirectory(prefix="session-watcher-") as folder, duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        types = {name: _type_of(name) for name in columns}
        connection.execute(f"CREATE TABLE report ({', '.join(f'{name} {kind}' for name, kind in types.items())})")
        if rows:
            unnested = ", ".join(f"unnest(CAST(${at} AS {kind}[]))" for at, kind in enumerate(types.values(), start=1))
            values = [[_plain(row[at]) for row in rows] for at in range(len(columns))]
            connection.execute(f"INSERT INTO report SELECT {unnested}", values)
        path = Path(folder) / "report.parquet"
        connection.execute(f"COPY report TO '{path}' (FORMAT parquet)")
        return path.read_bytes()


def _type_of(column: str) -> str:
    if column in ("day", "month"):
        return "DATE"
    if column.endswith("_at"):
        return "TIMESTAMPTZ"
    return "DOUBLE" if column.endswith(_REAL) else "VARCHAR" if column in _TEXT else "BIGINT"


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (date, datetime)) else value


def _harmless(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
