"""What is counted beside what the client says that it spent, and what no line explains."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from processors.usage.reports import as_json, unknown_models
from processors.usage.reports.filters import ZONE, Filters, Query, where
from processors.usage.reports.table import EXACT, Report

#: How the report is called, beside those in `reports.REPORTS`.
NAME = "reconcile"
#: What is compared, each of every kind.
SIDES = ("counted", "client", "not_yet_stated", "unexplained")
KINDS = ("input_tokens", "output_tokens", "cache_creation_tokens", "cache_read_tokens", "cost_usd")
MEASURES = tuple(f"{side}_{kind}" for side in SIDES for kind in KINDS)
#: What it can be added up by, with the columns that name a row.
BY: dict[str, tuple[str, ...]] = {
    "sessions": ("session_id", "session_file", "username", "stated_at", "reason"),
    "users": ("username",),
    "days": ("day",),
    "models": ("model",),
}
NO_STATEMENT = "no statement"
#: Why it is not known what the client spent in a session: what one such session is called, and several.
REASONS = {
    NO_STATEMENT: ("session without a statement", "sessions without a statement"),
    "parent unknown": ("fork whose parent is unknown", "forks whose parent is unknown"),
    "parent not stated": ("fork whose parent made no statement", "forks whose parent made no statement"),
}
_SUMS = ", ".join(
    f"{EXACT['DOUBLE PRECISION' if name.endswith('cost_usd') else 'BIGINT'].format(name)} AS {name}"
    for name in MEASURES
)
_STATED_DAY = f"CAST(f.stated_at {ZONE} AS DATE)"


@dataclass(frozen=True, slots=True)
class Apart:
    """Sessions that are in no sum: what the client spent in them is not known."""

    #: One of `REASONS`.
    reason: str
    sessions: int
    #: What is counted in them.
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The report, with what is in none of its sums."""

    by: str
    report: Report
    apart: list[Apart]


def as_answer(found: Reconciliation) -> dict[str, Any]:
    """A reconciliation as the API gives it."""
    return {**as_json(found.report), "by": found.by, "apart": [asdict(one) for one in found.apart]}


def part(query: Query, by: str, filters: Filters, limit: int | None = None, offset: int = 0) -> Reconciliation:
    """So many rows (None: all), passing over those before; totals, and what is apart, are of all.

    Days are those of the statements. A session is a row where it has a statement, with a reason where the rest is not
    known; users, days and models are added up from sessions whose rest is known. What is explained least comes first.
    """
    keys = BY[by]
    rows = query(*_read(by, filters, limit, offset))
    totals: dict[str, Any] = {"sessions": 0, **{name: 0.0 if name.endswith("usd") else 0 for name in MEASURES}}
    apart = [_without_statement(query, filters)]
    for of_all, _, reason, *sums in rows:
        added = dict(zip(totals, sums, strict=False))
        if of_all and reason is None:
            totals = added
        elif of_all:
            apart.append(Apart(reason, added["sessions"], added["counted_cost_usd"] + added["not_yet_stated_cost_usd"]))
    # A session is one anyway.
    first = 1 if by == "sessions" else 0
    columns = [*keys, *list(totals)[first:]]
    names = len(totals) + 3
    shown = [(*row[names:], *row[3 + first : names]) for row in rows if not row[0]]
    count = rows[0][1] if rows else 0
    report = Report(NAME, columns, shown, count, totals, unknown_models(query, filters.user))
    return Reconciliation(by, report, [one for one in apart if one.sessions])


def of_session(query: Query, key: str) -> dict[str, Any] | None:
    """What a session comes to, its subagents included; None where its file is not the session's own.

    Without a statement there is nothing but the reason.
    """
    found = query(
        "SELECT m.session_id, EXISTS (SELECT 1 FROM usage_statements s WHERE s.session_id = m.session_id)"
        " FROM usage_main_files m WHERE m.session_file = $1",
        [key],
    )
    if not found:
        return None
    ((session_id, stated),) = found
    if not stated:  # as most are: the view would look through all calls for that
        return {"reason": NO_STATEMENT}
    # Asked for by its name, the view looks at nothing else.
    rows = query(
        f"SELECT reason, max(stated_at), {_SUMS} FROM usage_reconciled WHERE session_id = $1 GROUP BY reason",
        [session_id],
    )
    return dict(zip(("reason", "stated_at", *MEASURES), rows[0], strict=True)) if rows else {"reason": NO_STATEMENT}


def _read(by: str, filters: Filters, limit: int | None, offset: int) -> tuple[str, list[Any]]:
    """A query whose rows say whether they are of all sessions, how many rows there are, the reason, sums, and names."""
    keys = BY[by]
    clause, values = where(filters, "f.username", "f.model", "f.stated_at", _STATED_DAY)
    names = ", ".join(key for key in keys if key != "reason")
    order = "day NULLS LAST" if by == "days" else f"abs(unexplained_cost_usd) DESC NULLS LAST, {keys[0]} NULLS LAST"
    page = "" if limit is None else f"OR place > {offset:d} AND place <= {offset + limit:d}"
    # The view is read once, for its rows and for what all of them come to: a row for each reason, NULL for none.
    return (
        f"SELECT of_all, rows_in_all, reason, sessions, {', '.join(MEASURES)}, {', '.join(keys)} FROM ("
        " SELECT *, count(CASE WHEN of_all = 0 THEN 1 END) OVER () AS rows_in_all,"
        f" row_number() OVER (PARTITION BY of_all ORDER BY {order}) AS place FROM ("
        f" SELECT grouping({keys[0]}) AS of_all, {names}, reason, count(DISTINCT session_id) AS sessions, {_SUMS}"
        f" FROM (SELECT f.*, s.session_file, {_STATED_DAY} AS day FROM usage_reconciled f"
        " LEFT JOIN usage_main_files s ON s.session_id = f.session_id"
        f" WHERE f.reason IS DISTINCT FROM '{NO_STATEMENT}' AND {clause}) AS stated"
        f" GROUP BY GROUPING SETS (({names}, reason), (reason))) AS added"
        f" WHERE {'TRUE' if 'reason' in keys else 'of_all = 1 OR reason IS NULL'}) AS placed"
        f" WHERE {'TRUE' if limit is None else 'of_all = 1'} {page} ORDER BY of_all DESC, place"
    ), values


def _without_statement(query: Query, filters: Filters) -> Apart:
    """Sessions whose client has stated nothing, by the days of their calls."""
    # Not from the view: these are most of all sessions, and it has no day of theirs.
    clause, values = where(Filters(filters.since, filters.until, None, filters.model), "", "m.model")
    whose = ""
    if filters.user is not None:
        values.append(filters.user)
        whose = f"JOIN usage_owners o ON o.session_id = x.session_id AND o.username = ${len(values)}"
    ((sessions, cost),) = query(
        f"SELECT count(DISTINCT x.session_id), {EXACT['DOUBLE PRECISION'].format('p.cost_usd')}"
        " FROM (SELECT m.session_file, m.context, sum(m.cost_usd) AS cost_usd FROM usage_calls m"
        f" WHERE m.counted AND m.precedence IN (0, 2) AND {clause} GROUP BY m.session_file, m.context) AS p"
        f" JOIN usage_contexts x ON x.session_file = p.session_file AND x.context = p.context {whose}"
        " WHERE x.session_id IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM usage_statements s WHERE s.session_id = x.session_id)",
        values,
    )
    return Apart(NO_STATEMENT, sessions, cost or 0.0)
