"""What this version does not know of the transcripts' format, and what may not be counted for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from processors.known import (
    ATTACHMENT_TYPES,
    ITERATION_TYPES,
    ORIGINS,
    RECORD_TYPES,
    SYSTEM_SUBTYPES,
    USAGE_FIELDS,
)
from processors.usage.reports.filters import Query


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thing that may be unknown."""

    #: What people call one.
    title: str
    #: What may not be counted.
    means: str
    #: Whether tokens or cost may be missing.
    costs: bool = False
    #: The names that this version knows; None where there is no list of them.
    known: frozenset[str] | None = None


#: The kinds by their names in the tables, those that may cost tokens first.
KINDS = {
    "iteration": Kind(
        "iteration type",
        "a part of an API call: its tokens and cost are missing where the call's own figures do not include them",
        True,
        ITERATION_TYPES,
    ),
    "usage_field": Kind(
        "usage field",
        "a figure beside a call's tokens: what it adds to tokens or cost is missing (a sample of calls is checked)",
        True,
        USAGE_FIELDS,
    ),
    "type": Kind(
        "record type", "calls, tokens, tool uses and turns in such records are not counted", True, RECORD_TYPES
    ),
    "model": Kind("model", "no price is known: its calls and tokens are counted, their cost is missing", True),
    "several_requests": Kind(
        "message id",
        "several requests have one message id and count as one call; tokens are missing if they are different calls",
        True,
    ),
    "subtype": Kind(
        "system subtype", "no tokens are missing; slash commands in it may not be counted", known=SYSTEM_SUBTYPES
    ),
    "attachment": Kind(
        "attachment type", "no tokens are missing; what a person says in it is not counted", known=ATTACHMENT_TYPES
    ),
    "origin": Kind(
        "prompt origin", "no tokens are missing; its turns count as asked by unknown", known=frozenset(ORIGINS)
    ),
}
#: The kinds of which there is a list of known names.
LISTED = tuple(name for name, kind in KINDS.items() if kind.known is not None)
#: How long ago a name may have been written that is still news.
RECENT = timedelta(days=30)
#: So many names and client versions are looked at for news.
_MOST_NEWS = 1000


def _texts(names: Iterable[str]) -> str:
    return ", ".join("'" + name.replace("'", "''") + "'" for name in sorted(names))


# Rows of sessions that are gone stay, by the rules of their time: a name that is known by now is no news.
_UNKNOWN_NOW = " AND ".join(
    f"NOT (kind = '{name}' AND name IN ({_texts(kind.known)}))" for name, kind in KINDS.items() if kind.known
)
_DAY = "CAST(max(seen_at) AT TIME ZONE (SELECT timezone FROM usage_zone) AS DATE)"


@dataclass(frozen=True, slots=True)
class News:
    """The unknown names of the format, those that may cost tokens first, and of each sort the latest first."""

    #: Kind and name of each.
    names: list[tuple[str, str]]
    #: The client versions that wrote them, as far as they are known.
    versions: list[str]
    #: Whether tokens or cost may be missing.
    costs: bool
    #: Whether one of those that matter most was written lately.
    recent: bool


def entry(
    kind: str, name: str, version: str, sessions: int, first_at: datetime | None, last_at: datetime | None
) -> dict[str, Any]:
    """One name as every face gives it."""
    return {
        "kind": kind,
        "name": name,
        "version": version,
        "sessions": sessions,
        "first_at": None if first_at is None else first_at.isoformat(),
        "last_at": None if last_at is None else last_at.isoformat(),
        "means": KINDS[kind].means,
    }


def unknown(
    query: Query, since: date | None = None, user: str | None = None, limit: int = 1000, offset: int = 0
) -> dict[str, Any]:
    """What is not known, the latest first, as the API gives it; of one user's sessions or of all.

    ``since``: only names that were written on that day or later.
    """
    values: list[Any] = []
    where, having = _UNKNOWN_NOW, ""
    if user is not None:
        values.append(user)
        where += f" AND username = ${len(values)}"
    if since is not None:
        values.append(since)
        having = f"HAVING {_DAY} >= ${len(values)}"
    found = (
        "SELECT kind, name, version, count(DISTINCT session_id) AS sessions, min(first_at) AS first_at,"
        " CASE WHEN kind = 'several_requests' THEN min(last_at) ELSE max(last_at) END AS last_at,"
        f" max(seen_at) AS seen_at FROM usage_unknown_seen WHERE {where} GROUP BY kind, name, version {having}"
    )
    # The number of all of them stands in a row of its own, which is there whatever part is asked for.
    (total, *_), *rows = query(
        f"WITH found AS MATERIALIZED ({found})"
        " SELECT * FROM (SELECT count(*) AS total, NULL AS kind, NULL AS name, NULL AS version, NULL AS sessions,"
        " CAST(NULL AS TIMESTAMPTZ) AS first_at, CAST(NULL AS TIMESTAMPTZ) AS last_at,"
        " CAST(NULL AS TIMESTAMPTZ) AS seen_at FROM found"
        " UNION ALL SELECT * FROM (SELECT CAST(NULL AS BIGINT) AS total, * FROM found"
        f" ORDER BY seen_at DESC NULLS LAST, kind, name, version LIMIT {limit:d} OFFSET {offset:d}) AS part) AS whole"
        " ORDER BY total NULLS LAST, seen_at DESC NULLS LAST, kind, name, version",
        values,
    )
    return {"formats": [entry(*row[1:7]) for row in rows], "total": total}


def sessions_by_kind(query: Query) -> dict[str, int]:
    """In how many sessions something of each kind is not known.

    Without message ids of several requests, which are told only by looking at every call.
    """
    rows = query(
        "SELECT kind, count(DISTINCT session_id) FROM usage_unknown_seen"
        f" WHERE kind <> 'several_requests' AND {_UNKNOWN_NOW} GROUP BY kind",
        [],
    )
    return {**{kind: 0 for kind in KINDS if kind != "several_requests"}, **dict(rows)}


def news(query: Query, now: datetime) -> News | None:
    """The names of the format that are not known, for health; None where there are none."""
    costly = _texts(kind for kind in LISTED if KINDS[kind].costs)
    rows = query(
        "SELECT kind, name, version, max(seen_at) AS seen_at FROM usage_unknown_seen"
        f" WHERE kind IN ({_texts(LISTED)}) AND {_UNKNOWN_NOW} GROUP BY kind, name, version"
        f" ORDER BY CASE WHEN kind IN ({costly}) THEN 0 ELSE 1 END, seen_at DESC NULLS LAST, kind, name, version"
        f" LIMIT {_MOST_NEWS}",
        [],
    )
    if not rows:
        return None
    costs = KINDS[rows[0][0]].costs
    return News(
        list(dict.fromkeys((kind, name) for kind, name, *_ in rows)),
        sorted({version for _, _, version, _ in rows if version}, key=_by_number, reverse=True),
        costs,
        any(KINDS[kind].costs == costs and at is not None and at >= now - RECENT for kind, _, _, at in rows),
    )


def _by_number(version: str) -> tuple[list[int], str]:
    """Sorts ``2.1.100`` behind ``2.1.99``."""
    return [int(part) for part in version.split(".")[:4] if part.isascii() and part.isdigit()], version
