"""Health findings about the bundled processors' tables; the service itself names no processor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from processors.usage.reports import formats
from watcher.daemon import LiveService
from watcher.health.findings import Finding
from watcher.store.sql import Query

#: The most names and versions listed in a message, and the most characters of each.
_NAMES, _VERSIONS, _LETTERS = 3, 3, 60
#: The most names listed in the details.
_IN_DETAILS = 100


def tell(service: LiveService) -> None:
    """Add them to a service's health report."""
    service.facts["usage"] = of_formats


def of_formats(query: Query, now: float) -> list[Finding]:
    """Return a finding on unknown formats: what may not be counted, and what to do."""
    news = formats.news(query, datetime.fromtimestamp(now, UTC))
    if news is None:
        return []
    titles = [f"{formats.KINDS[kind].title} {name[:_LETTERS]!r}" for kind, name in news.names]
    writers = ", ".join(version[:_LETTERS] for version in news.versions[:_VERSIONS])
    if more := len(news.versions) - _VERSIONS:
        writers += f" and {more} more versions" if more > 0 else ""
    whose = f" (Claude Code {writers})" if writers else ""
    if not news.costs:
        lost = "No tokens are missing, but turns, commands or who asked may be"
    else:
        lost = "Tokens and cost of it may be missing in reports"
    if not news.recent:
        lost += f"; none was written in the last {formats.RECENT.days} days"
    message = (
        f"Transcripts{whose} hold what this version does not know: {_listed(titles)}. {lost}. "
        "Update Session Watcher; session-watcher formats lists all of it."
    )
    names = [{"kind": kind, "name": name} for kind, name in news.names[:_IN_DETAILS]]
    details = {"names": names, "count": len(news.names), "versions": news.versions[:_IN_DETAILS]}
    return [Finding("warning" if news.costs and news.recent else "info", "unknown_formats", message, details)]


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:_NAMES])
    if more := len(names) - len(shown):
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))
