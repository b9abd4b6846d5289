"""Homes in danger: whose transcripts Claude Code is about to delete before anybody has taken them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from watcher.health.findings import Finding
from watcher.homes.listing import is_meant
from watcher.homes.retention import KEY, retention_beside
from watcher.pipeline.pipeline import Pipeline
from watcher.settings.tables import Settings
from watcher.store.database import Database, read_beside
from watcher.store.home_visits import homes_of
from watcher.store.job_log import JobLog
from watcher.store.sql import QUERIES
from watcher.transcripts.expiry import DAY, Home, expiring_before, is_overdue
from watcher.transcripts.sessions import TREE, Listing, Tree, key_of

#: So many homes are named one by one.
TOLD = 20


def known(query: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]], tree: Tree, settings: Settings) -> list[Home]:
    """The homes that were visited, and are still meant by the settings."""
    homes = homes_of(query, settings.node.name)
    if is_own(tree):
        return [home for home in homes if home.path == _path(tree)]
    return [home for home in homes if is_meant(home.path, settings.collector.sources)]


def is_own(tree: Tree) -> bool:
    """Whether it is a person's own folder, where Claude Code itself deletes, and not one of copies."""
    return tree.layout == "projects"


def own_home(
    database: Database,
    tree: Tree,
    settings: Settings,
    listing: Listing,
    processors: Sequence[str],
    visited_at: float | None,
    now: float,
) -> Home:
    """A person's own folder as it is: what not all of these processors have taken, and how long it is kept."""
    kept = retention_beside(settings.paths.sessions.absolute())
    parameters = [expiring_before(kept.days, now), list(processors), len(processors)]
    ((files, oldest),) = read_beside(database, "tree", TREE, listing.lines, QUERIES["expiring"], parameters)
    doubt = "; ".join(f"{key_of(os.fsencode(path))}: {reason}" for path, reason in kept.doubts)
    return Home(_path(tree), tree.username(""), now, visited_at, kept.days, doubt or None, files, oldest)


def note_own(
    job_log: JobLog,
    database: Database,
    tree: Tree,
    settings: Settings,
    listing: Listing,
    pipelines: Mapping[str, Pipeline],
    now: float,
) -> None:
    """Note what is known of a person's own folder; a visit of it is a sweep that saw all, by every processor."""
    sweeps = [one.whole_sweep_at for one in pipelines.values() if one.unconfigured is None]  # which cannot sweep
    swept = [at for at in sweeps if at is not None]
    visited_at = min(swept) if swept and len(swept) == len(sweeps) else None
    home = own_home(database, tree, settings, listing, list(pipelines), visited_at, now)
    job_log.note_visits(settings.node.name, [home], lambda _: False)


def _path(tree: Tree) -> str:
    return key_of(os.fsencode(tree.root))


def findings_of(homes: Sequence[Home], now: float, own: bool) -> list[Finding]:
    """Transcripts that Claude Code is about to delete and nobody has taken; ``now`` is since the epoch.

    ``own``: they are processed where they lie, in a person's own folder; else the collector copies them.
    """
    expiring = sorted((home for home in homes if home.files), key=lambda home: home.oldest_ns or 0)
    found = []
    for home in expiring[:TOLD]:
        age = (now - (home.oldest_ns or 0) / 1e9) / DAY
        one = home.files == 1
        message = (
            f"{home.path} ({home.user}): {home.files} {'transcript was' if one else 'transcripts were'} not "
            f"{'taken by all processors' if own else 'copied'}, {'unchanged' if one else 'the oldest unchanged'} for "
            f"{age:.0f} days; Claude Code deletes {'it' if one else 'them'} after {home.period:g}. "
        )
        message += (
            "See sessions list --status failed and --status quarantined, and run session-watcher once"
            if own
            else "See jobs runs session-collector for the reasons"
        )
        message += f"; or set {KEY} to more days in that person's Claude Code settings."
        details = {"home": home.path, "user": home.user, "files": home.files, "oldest_days": round(age, 1)}
        found.append(Finding("warning", "transcripts_expire", message, {**details, "period_days": home.period}))
    late = sorted((home for home in homes if is_overdue(home, now)), key=lambda home: home.visited_at or 0.0)
    for home in late[:TOLD]:
        last = "never" if home.visited_at is None else f"{(now - home.visited_at) / DAY:.0f} days ago"
        message = (
            f"{home.path} ({home.user}): all of it was last looked at {last}, and Claude Code deletes transcripts "
            f"after {home.period:g} days. "
        )
        message += (
            "Let the service run, or run session-watcher once."
            if own
            else "Run session-watcher collect, and set [collector] enabled; jobs runs session-collector has what "
            "hinders it. Leave the home out of [collector] sources if nothing is to come from there."
        )
        details = {"home": home.path, "user": home.user, "visited_at": home.visited_at, "period_days": home.period}
        found.append(Finding("warning", "visit_overdue", message, details))
    for many, name in ((expiring, "transcripts that expire"), (late, "overdue visits")):
        if (more := len(many) - TOLD) > 0:
            message = f"There are {name} in {more} more homes; see the table homes_visited."
            found.append(Finding("warning", "more_homes", message, {"home": name, "homes": more}))
    for home in [home for home in homes if home.doubt][:TOLD]:
        message = (
            f"After how many days Claude Code deletes the transcripts of {home.user} is not known for certain: "
            f"{home.doubt}. {home.period:g} days are assumed; mend that file."
        )
        found.append(Finding("info", "retention_unknown", message, {"home": home.path, "user": home.user}))
    return found
