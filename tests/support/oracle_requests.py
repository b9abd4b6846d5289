"""The oracle's pull requests: which calls of a session each of its links has."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.support.oracle_rows import Found, Link
from tests.support.oracle_sessions import Row

#: Branches that belong to no pull request.
SHARED = ("main", "master", "trunk", "HEAD", "", None)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_NEVER = datetime.max.replace(tzinfo=UTC)


def pull_request_rows(files: list[Found]) -> list[Row]:
    """The rows of ``usage_pull_requests``."""
    links: dict[tuple[str | None, str], Link] = {}
    for link in sorted((one for found in files for one in found.links), key=_order):
        links.setdefault((link.session_id, link.pull_request), link)
    rows = []
    for link in links.values():
        earlier = [one for one in links.values() if one.session_id == link.session_id and _order(one) < _order(link)]
        later = [
            one
            for one in links.values()
            if one.session_id == link.session_id and one.git_branch == link.git_branch and _order(one) > _order(link)
        ]
        from_at: datetime | None
        until_at: datetime | None
        if link.git_branch in SHARED:
            from_at, until_at = max((one.at for one in earlier), default=None), link.at
        else:
            own = any(one.git_branch == link.git_branch for one in earlier)
            from_at, until_at = link.at if own else None, min((one.at for one in later), default=None)
        rows.append({**vars(link), "from_at": from_at, "until_at": until_at})
    return rows


def _order(link: Link) -> tuple[datetime, str, int]:
    return (link.at, link.session_file, link.record)


def pull_request_of(call: Row, rows: list[Row]) -> str | None:
    """The pull request that has a call."""
    for row in rows:
        if row["session_id"] != call["session_id"] or row["git_branch"] != call["git_branch"]:
            continue
        at = call["occurred_at"]
        if at is None:
            if row["from_at"] is None and row["until_at"] is None:
                return str(row["pull_request"])
        elif (row["from_at"] or _LONG_AGO) <= at < (row["until_at"] or _NEVER):
            return str(row["pull_request"])
    return None
