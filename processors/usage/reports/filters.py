"""What a report is narrowed to, as conditions in SQL, and what there is to choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

ZONE = "AT TIME ZONE (SELECT timezone FROM usage_zone)"
#: The day that usage_daily has, by the same zone: its view holds the setting.
DAY = f"CAST(m.occurred_at {ZONE} AS DATE)"
#: The day that a session file ended on.
LAST_DAY = f"CAST(f.last_at {ZONE} AS DATE)"


@dataclass(frozen=True, slots=True)
class Filters:
    """What a report is narrowed to; days are whole and both included."""

    since: date | None = None
    until: date | None = None
    user: str | None = None
    model: str | None = None


def where(
    filters: Filters, user: str, model: str | None, at: str = "m.occurred_at", day: str = DAY, behind: int = 0
) -> tuple[str, list[Any]]:
    """A condition with its parameters, which stand behind so many others.

    ``user``, ``model``, ``at`` and ``day`` are what the filters are compared with; without one it is not asked.
    """
    clauses, values = ["TRUE"], []
    for clause, value in (
        # In no zone does a day begin or end more than a day away from where it does in UTC. That is said first,
        # since the database passes over what lies elsewhere without looking at each row.
        (f"{at} >=", _instant(filters.since, -1)),
        (f"{at} <", _instant(filters.until, 2)),
        (f"{day} >=", filters.since),
        (f"{day} <=", filters.until),
        (f"{user} =" if user else "", filters.user),
        (f"{model} =" if model else "", filters.model),
    ):
        if value is not None and clause:
            values.append(value)
            clauses.append(f"{clause} ${behind + len(values)}")
    return " AND ".join(clauses), values


def where_files(filters: Filters) -> tuple[str, list[Any]]:
    """The same for session files ``f``: those that ended in that time, and that a model took part in."""
    clause, values = where(filters, "f.username", None, "f.last_at", LAST_DAY)
    if filters.model is not None:
        values.append(filters.model)
        clause += (
            f" AND f.session_file IN (SELECT session_file FROM usage_calls WHERE counted AND model = ${len(values)})"
        )
    return clause, values


def today(query: Query, now: datetime) -> date:
    """The day that a moment belongs to, in the zone of the reports."""
    ((day,),) = query("SELECT CAST(CAST($1 AS TIMESTAMPTZ) AT TIME ZONE timezone AS DATE) FROM usage_zone", [now])
    return day  # type: ignore[no-any-return]


def last_day(query: Query, user: str | None = None) -> date | None:
    """The latest day that has any call, of one user or of all."""
    clause, values = where(Filters(user=user), "username", None)
    ((day,),) = query(f"SELECT CAST(max(occurred_at) {ZONE} AS DATE) FROM usage_added WHERE {clause}", values)
    return day  # type: ignore[no-any-return]


def choices(query: Query) -> tuple[list[str], list[str]]:
    """The users and the models that reports can be narrowed to."""
    users = query("SELECT DISTINCT username FROM usage_contexts ORDER BY 1", [])
    models = query("SELECT DISTINCT model FROM usage_calls WHERE counted AND model IS NOT NULL ORDER BY 1", [])
    return [name for (name,) in users], [name for (name,) in models]


def unknown_models(query: Query, user: str | None = None) -> list[str]:
    """Models without a price (of one user's): what they cost is missing in every report."""
    whose = "" if user is None else "AND session_file IN (SELECT session_file FROM usage_contexts WHERE username = $1)"
    rows = query(
        f"SELECT DISTINCT model FROM usage_calls WHERE counted AND cost_usd IS NULL AND model IS NOT NULL {whose}"
        " ORDER BY 1",
        [] if user is None else [user],
    )
    return [model for (model,) in rows]


def _instant(day: date | None, more: int) -> datetime | None:
    """The beginning in UTC of the day so many days later; None where there is no such day."""
    if day is None:
        return None
    try:
        return datetime.combine(day, time.min, UTC) + timedelta(more)
    except OverflowError:
        return None
