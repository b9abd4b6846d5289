"""The oracle's sessions: what a file says of itself, and the row that follows from it and from all that counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from tests.support.oracle_columns import MEASURES
from tests.support.oracle_lenient import a_string
from tests.support.oracle_reading import instant_of
from tests.support.oracle_repository import project_of, repository_of
from tests.support.oracle_rows import Found
from tests.support.oracle_text import clean, stored
from tests.support.oracle_words import folded

IDLE = timedelta(minutes=10)
Row = dict[str, Any]

_TITLES = (("custom-title", "customTitle"), ("ai-title", "aiTitle"), ("summary", "summary"))


def find_session(found: Found) -> None:
    """Put what a file says of its session into ``found``."""
    session_id: str | None = None
    for record in found.records:
        fields = record.fields
        at = instant_of(fields)
        if at is not None:
            found.times.append(at)
            if record.place > found.copied_until:
                found.own_times.append(at)
        if session_id is None:
            session_id = stored(fields.get("sessionId"))
        if found.cwd is None:
            found.cwd = fields.get("cwd")
        found.version = stored(fields.get("version")) or found.version
    stem = found.session_file.rpartition("/")[2].removesuffix(".jsonl")
    found.session_id = session_id if session_id is not None else stem


def title_of(found: Found) -> str | None:
    """What a session is called, or what was said first."""
    for kind, name in _TITLES:
        titles = [a_string(one.fields, name) for one in found.records if one.fields.get("type") == kind]
        named = [folded(clean(title)) for title in titles if title is not None and folded(clean(title))]
        if named:
            return named[-1][:200]
    for turn in found.heard:
        if turn.kind in ("prompt", "queued") and turn.asked_by == "person":
            return folded(turn.words)[:80]
    return None


class Sessions:
    """All session files that hold a record, and what follows for one from the others."""

    def __init__(self, found: Sequence[Found], projects: Sequence[tuple[str, str]]) -> None:
        self.files = sorted((one for one in found if one.records), key=lambda one: one.session_file)
        self.projects = projects
        self.main: dict[str, Found] = {}
        for one in self.files:
            if not one.is_subagents:
                self.main.setdefault(one.session_id, one)

    def of(self, session_id: str | None) -> list[Found]:
        """The files of a session, smallest key first."""
        return [one for one in self.files if one.session_id == session_id]

    def main_of(self, found: Found) -> Found | None:
        """The main file of the session of a file."""
        return self.main.get(found.session_id)

    def asked_by(self, found: Found, place: int) -> str:
        """Who asked for what stands at a place of a file."""
        if not found.is_subagents:
            return found.asked_by[place]
        main = self.main_of(found)
        return main.heard[0].asked_by if main is not None and main.heard else "unknown"

    def place_of(self, found: Found, cwd: str | None) -> tuple[str | None, str | None]:
        """Repository and project of a working folder in a file."""
        main = self.main_of(found) if found.is_subagents else found
        repository = repository_of(cwd, found.username)
        project = project_of(repository, main.remotes if main is not None else (), self.projects)
        return stored(clean(repository) if repository is not None else None), stored(project)

    def place_of_file(self, found: Found) -> tuple[str | None, str | None]:
        """Repository and project of a file: a subagent's are its session's."""
        main = self.main_of(found)
        placed = main if found.is_subagents and main is not None and main.cwd is not None else found
        return self.place_of(placed, placed.cwd)

    def rows(self, calls: list[Row], events: list[Row], turns: list[Row]) -> list[Row]:
        """The rows of ``usage_sessions``."""
        return [self._row(one, calls, events, turns) for one in self.files]

    def _row(self, found: Found, calls: list[Row], events: list[Row], turns: list[Row]) -> Row:
        own = [call for call in calls if call["session_file"] == found.session_file]
        uses = [
            event
            for event in events
            if event["session_file"] == found.session_file and event["event_type"] != "slash_command"
        ]
        said = [turn for turn in turns if turn["session_file"] == found.session_file]
        main = self.main_of(found)
        repository, project = self.place_of_file(found)
        subagents: list[Row] = []
        if main is found:
            files = [one.session_file for one in self.of(found.session_id) if one.is_subagents]
            subagents = [call for call in calls if call["session_file"] in files]
        times, own_times = sorted(found.times), sorted(found.own_times)
        gaps = [later - earlier for earlier, later in pairwise(own_times)]
        measures = sums(own)
        of_subagents = sums(subagents)
        return {
            "session_file": found.session_file,
            "session_id": found.session_id,
            "parent_session": found.session_id if found.is_subagents else None,
            "forked_from": found.forked_from,
            "username": found.username,
            "title": title_of(found),
            "project": project,
            "repository": repository,
            "version": found.version,
            "asked_by": found.heard[0].asked_by if found.heard else None,
            "first_at": times[0] if times else None,
            "last_at": times[-1] if times else None,
            "wall_seconds": (times[-1] - times[0]).total_seconds() if times else None,
            "active_seconds": sum((gap for gap in gaps if gap <= IDLE), timedelta()).total_seconds(),
            "human_turns": len([turn for turn in said if turn["asked_by"] == "person"]),
            "other_turns": len([turn for turn in said if turn["asked_by"] != "person"]),
            "assistant_messages": measures["calls"],
            "tool_calls": len(uses),
            "tool_errors": len([use for use in uses if use["is_error"] is True]),
            **measures,
            "subagent_calls": of_subagents["calls"],
            "subagent_cost_usd": of_subagents["cost_usd"],
            "primary_model": _primary_model(own),
        }


def sums(calls: list[Row]) -> Row:
    """What rows of calls add up to; their iterations are no calls."""
    added: Row = {"calls": len([call for call in calls if call["iteration"] == -1])}
    for measure in MEASURES[1:-1]:
        added[measure] = sum(call[measure] for call in calls)
    costs = [call["cost_usd"] for call in calls if call["cost_usd"] is not None]
    added["cost_usd"] = sum(costs) if costs else None
    return added


def _primary_model(calls: list[Row]) -> str | None:
    totals: dict[str, int] = {}
    for call in calls:
        if call["model"] is not None:
            totals[call["model"]] = totals.get(call["model"], 0) + call["tokens"]
    return min(totals, key=lambda model: (-totals[model], model)) if totals else None
