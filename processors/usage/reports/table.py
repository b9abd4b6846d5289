"""A report as a table, and how its measures are added up: every report adds up the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

#: What calls add up to, in the order of every report's columns.
MEASURES = (
    "sessions",
    "calls",
    "input_tokens",
    "output_tokens",
    "cache_creation_tokens",
    "cache_creation_1h_tokens",
    "cache_read_tokens",
    "web_search_requests",
    "cost_usd",
)
#: Calls among rows of ``usage_calls`` or ``usage_messages``: a call's further iterations are rows, and no calls.
CALLS = "count(CASE WHEN iteration = -1 THEN 1 END)"
#: How a column is added up, by its type. To a billionth (of a dollar, a second): sums of fractions differ in their last
#: digits with the order in which they are made.
EXACT = {
    "BIGINT": "CAST(sum({}) AS BIGINT)",
    "DOUBLE PRECISION": "CAST(CAST(sum({}) AS DECIMAL(38, 9)) AS DOUBLE PRECISION)",
}
COST = EXACT["DOUBLE PRECISION"].format("cost_usd")
#: The sums of the columns between calls and cost.
SUMS = ", ".join(f"{EXACT['BIGINT'].format(name)} AS {name}" for name in MEASURES[2:-1])
#: All measures of rows that were made of calls already and say how many in ``calls``.
ADDED = f"count(DISTINCT session_id), CAST(COALESCE(sum(calls), 0) AS BIGINT), {SUMS}, {COST}"


@dataclass(frozen=True, slots=True)
class Report:
    """A table with its totals."""

    name: str
    columns: list[str]
    rows: list[tuple[Any, ...]]
    #: How many rows there are of it: all of them may be more than are above.
    total_rows: int
    totals: dict[str, Any]
    #: Models without a price, whose cost is missing above.
    unknown_models: list[str]


def as_json(report: Report) -> dict[str, Any]:
    """A report as the API gives it."""
    return {
        "report": report.name,
        "columns": report.columns,
        "rows": [[_plain(value) for value in row] for row in report.rows],
        "totals": {name: _plain(value) for name, value in report.totals.items()},
        "total_rows": report.total_rows,
        "unknown_models": report.unknown_models,
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (date, datetime)) else value
