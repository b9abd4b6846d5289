"""What counts once over all session files: calls, tool uses and commands, turns, failed tool calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from tests.support.oracle_rows import Call, Event, Found, Result, Turn
from tests.support.oracle_sessions import Row, Sessions
from tests.support.oracle_words import folded

_Thing = TypeVar("_Thing")
_NEVER = datetime.max.replace(tzinfo=UTC)
#: The edition of docs/counting.md.
RULES_VERSION = 2


def grouped(things: Iterable[_Thing], by: Callable[[_Thing], Any]) -> list[list[_Thing]]:
    """Things that are alike, together."""
    groups: dict[Any, list[_Thing]] = {}
    for thing in things:
        groups.setdefault(by(thing), []).append(thing)
    return list(groups.values())


def counted_calls(
    files: list[Found], sessions: Sessions, price: Callable[[str | None, Call], float | None]
) -> list[Row]:
    """Each call and iteration once: the line that decides, dated by the earliest one."""
    rows = []
    by_key = {found.session_file: found for found in files}
    for same in grouped(
        (call for found in files for call in found.calls), lambda call: (call.message_id, call.iteration)
    ):
        best = min(
            same,
            key=lambda call: (
                -call.tokens,
                call.is_sidechain,
                call.is_copy,
                call.at or _NEVER,
                call.session_file,
                call.place,
            ),
        )
        found = by_key[best.session_file]
        row: Row = dict(vars(best))
        row["tokens"] = best.tokens
        row["occurred_at"] = min((call.at for call in same if call.at), default=None)
        row["repository"], row["project"] = sessions.place_of_file(found)
        row["asked_by"] = sessions.asked_by(found, best.record)
        row["cost_usd"] = price(best.model, best)
        row["rules_version"] = RULES_VERSION
        rows.append(row)
    return rows


def counted_events(files: list[Found]) -> list[Row]:
    """Each use and command once, its earliest occurrence; with what all results of it say."""
    rows = []
    results = [result for found in files for result in found.results]
    results_of = {same[0].tool_use_id: same for same in grouped(results, lambda result: result.tool_use_id)}
    events = [event for found in files for event in found.events]
    for same in grouped(events, lambda event: event.tool_use_id):
        best = min(same, key=lambda event: (event.at or _NEVER, event.is_copy, event.session_file, event.place))
        own = results_of.get(best.tool_use_id, []) if best.event_type != "slash_command" else []
        rows.append({**vars(best), "occurred_at": best.at, **_told(best, own)})
    return rows


def _told(use: Event, results: list[Result]) -> Row:
    told: Row = {"is_error": any(result.is_error for result in results) if results else None, "duration_ms": None}
    times = [result.at for result in results if result.at]
    if times and use.at:
        told["duration_ms"] = max(0, (min(times) - use.at) // timedelta(milliseconds=1))
    for column in ("denial", "decided_by", "search_count", "lines_added", "lines_removed"):
        values = [getattr(result, column) for result in results]
        told[column] = max((value for value in values if value is not None), default=None)
    return told


def counted_turns(files: list[Found]) -> list[Row]:
    """Each turn once, by its words and its time."""
    rows = []
    turns: list[Turn] = [turn for found in files for turn in found.turns]
    for same in grouped(turns, lambda turn: (folded(turn.words), turn.at)):
        best = min(same, key=lambda turn: (turn.is_copy, turn.session_file, turn.record, turn.part))
        rows.append({**vars(best), "occurred_at": best.at, "characters": len(best.words)})
    return rows


def counted_errors(files: list[Found]) -> list[Row]:
    """Each failed tool call once, its earliest result that says so."""
    failed = [result for found in files for result in found.results if result.is_error]
    rows = []
    for same in grouped(failed, lambda result: result.tool_use_id):
        best = min(same, key=lambda result: (result.at or _NEVER, result.session_file, result.place))
        rows.append({**vars(best), "occurred_at": best.at})
    return rows
