"""The oracle: what every table must hold after a history, by the truth table and docs/counting.md.

Written as plainly as can be and without a look at the program: whatever was lost, repeated, killed or reordered,
the program's tables must equal ``Oracle.tables()``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from tests.oracle_columns import COLUMNS, MEASURES
from tests.oracle_counting import Call, Event, Found, Result, find
from tests.oracle_reading import read_lines, taken_bytes

__all__ = ["COLUMNS", "Oracle", "Price", "normal", "read_lines", "session_key"]

#: What a call of a model costs in dollars, None where nobody knows.
Price = Callable[[str | None, Call], float | None]

_Thing = TypeVar("_Thing")

_NEVER = datetime.max.replace(tzinfo=UTC)
_IDLE = timedelta(minutes=10)


def session_key(relative_path: bytes) -> str:
    """The session key of a path relative to the root: safe to store, and reversible."""
    key = ""
    for char in relative_path.decode("utf-8", "surrogateescape"):
        if char in "%:" or unicodedata.category(char) in ("Cc", "Cs"):
            key += "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
        else:
            key += char
    return key


def normal(rows: Iterable[Iterable[Any]]) -> list[tuple[Any, ...]]:
    """Rows as they are compared: instants in UTC, floats to six digits, whole decimals as integers, in one order."""
    return sorted((tuple(_plain(value) for value in row) for row in rows), key=repr)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else round(float(value), 6)
    return round(value, 6) if isinstance(value, float) else value


@dataclass
class _Session:
    found: Found
    status: Literal["ok", "gone"]
    bad_lines: int
    processed_bytes: int


class Oracle:
    """What is known of each session, and the tables that follow from all of them.

    ``owner`` is whose sessions stand at the root itself (layout ``users``), or all of them (layout ``projects``).
    Prices should come out exact to six digits in any order of addition, or rounding shows as a difference.
    """

    def __init__(
        self,
        root_layout: Literal["users", "projects"] = "users",
        timezone: str = "UTC",
        owner: str = "",
        price: Price | None = None,
    ) -> None:
        self.root_layout = root_layout
        self.timezone = ZoneInfo(timezone)
        self.owner = owner
        self.price: Price = price or (lambda model, call: None)
        self.sessions: dict[str, _Session] = {}

    def content(self, key: str, data: bytes, settled: bool = False) -> None:
        """The file is there and holds this; ``settled``: it has not changed for long enough to take a torn tail."""
        records, bad_lines = read_lines(data, settled)
        found = find(key, self._username(key), records)
        self.sessions[key] = _Session(found, "ok", bad_lines, taken_bytes(data, settled))

    def gone(self, key: str) -> None:
        """The file is no longer there: its rows stay."""
        self.sessions[key].status = "gone"

    def renamed(self, old: str, new: str, data: bytes, settled: bool = False) -> None:
        """The file has another name: made anew under the new key."""
        self.gone(old)
        self.content(new, data, settled)

    def forget(self, key: str) -> None:
        """An operator had the session erased."""
        del self.sessions[key]

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """The expected rows of every table and view in ``COLUMNS``."""
        found = [session.found for session in self.sessions.values()]
        results = [result for session in found for result in session.results]
        calls = self._calls([call for session in found for call in session.calls])
        events = _events([event for session in found for event in session.events], results)
        errors = _errors(results)
        rows: dict[str, list[dict[str, Any]]] = {
            "usage_messages": calls,
            "usage_events": events,
            "usage_sessions": [_session_row(one, calls, events) for one in found if one.records],
            "usage_daily": _summed(calls, "day", lambda call: self._day(call["occurred_at"])),
            "usage_by_model": _summed(calls, "model", lambda call: call["model"]),
            "usage_by_user": _summed(calls, "username", lambda call: call["username"]),
            "usage_by_tool": _by_tool(events),
            "errors": errors,
            "errors_daily": self._errors_daily(errors),
            "states": [
                {
                    "session_file": key,
                    "status": session.status,
                    "bad_lines": session.bad_lines,
                    "processed_bytes": session.processed_bytes,
                }
                for key, session in self.sessions.items()
            ],
        }
        return {
            table: normal(tuple(row[column] for column in COLUMNS[table]) for row in rows[table]) for table in COLUMNS
        }

    def _username(self, key: str) -> str:
        first, slash, _ = key.partition("/")
        return first if slash and self.root_layout == "users" else self.owner

    def _day(self, moment: datetime | None) -> date | None:
        return None if moment is None else moment.astimezone(self.timezone).date()

    def _calls(self, lines: list[Call]) -> list[dict[str, Any]]:
        """Each key once: the line with the most tokens, dated by the earliest line."""
        rows = []
        for same in _grouped(lines, lambda call: (call.message_id, call.request_id)):
            best = min(same, key=lambda call: (-call.tokens, call.at or _NEVER, call.session_file, call.place))
            row = dict(vars(best))
            row["tokens"] = best.tokens
            row["occurred_at"] = min((call.at for call in same if call.at), default=None)
            row["cost_usd"] = self.price(best.model, best)
            rows.append(row)
        return rows

    def _errors_daily(self, errors: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows = []
        for same in _grouped(
            errors, lambda row: (self._day(row["occurred_at"]), row["username"], row["tool"], row["kind"])
        ):
            rows.append({**same[0], "day": self._day(same[0]["occurred_at"]), "errors": len(same)})
        return rows


def _grouped(things: Iterable[_Thing], by: Callable[[_Thing], Any]) -> list[list[_Thing]]:
    groups: dict[Any, list[_Thing]] = {}
    for thing in things:
        groups.setdefault(by(thing), []).append(thing)
    return list(groups.values())


def _first(thing: Event | Result) -> tuple[datetime, str, int]:
    return (thing.at or _NEVER, thing.session_file, thing.place)


def _events(events: list[Event], results: list[Result]) -> list[dict[str, Any]]:
    """Each id once, its earliest occurrence; with what all its results say."""
    rows = []
    results_of = {same[0].tool_use_id: same for same in _grouped(results, lambda result: result.tool_use_id)}
    for same in _grouped(events, lambda event: event.tool_use_id):
        best = min(same, key=_first)
        row = dict(vars(best), occurred_at=best.at, is_error=None, duration_ms=None)
        own = results_of.get(best.tool_use_id)
        if own and best.event_type != "slash_command":
            row["is_error"] = any(result.is_error for result in own)
            times = [result.at for result in own if result.at]
            if times and best.at:
                row["duration_ms"] = max(0, (min(times) - best.at) // timedelta(milliseconds=1))
        rows.append(row)
    return rows


def _errors(results: list[Result]) -> list[dict[str, Any]]:
    """Each failed tool call once, its earliest result that says so."""
    failed = _grouped((result for result in results if result.is_error), lambda result: result.tool_use_id)
    firsts = [min(same, key=_first) for same in failed]
    return [dict(vars(result), occurred_at=result.at) for result in firsts]


def _sums(calls: list[dict[str, Any]]) -> dict[str, Any]:
    sums: dict[str, Any] = {"calls": len(calls)}
    for measure in MEASURES[1:-1]:
        sums[measure] = sum(call[measure] for call in calls)
    costs = [call["cost_usd"] for call in calls if call["cost_usd"] is not None]
    sums["cost_usd"] = sum(costs) if costs else None
    return sums


def _summed(calls: list[dict[str, Any]], column: str, by: Callable[[dict[str, Any]], Any]) -> list[dict[str, Any]]:
    return [{column: by(same[0]), "sessions": _count_sessions(same), **_sums(same)} for same in _grouped(calls, by)]


def _by_tool(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    tools = [event for event in events if event["event_type"] != "slash_command"]
    return [
        {
            "tool_name": same[0]["tool_name"],
            "event_type": same[0]["event_type"],
            "calls": len(same),
            "errors": sum(event["is_error"] is True for event in same),
            "sessions": _count_sessions(same),
        }
        for same in _grouped(tools, lambda event: (event["tool_name"], event["event_type"]))
    ]


def _count_sessions(rows: list[dict[str, Any]]) -> int:
    return len({row["session_id"] for row in rows if row["session_id"] is not None})


def _session_row(found: Found, calls: list[dict[str, Any]], events: list[dict[str, Any]]) -> dict[str, Any]:
    own_calls = [call for call in calls if call["session_file"] == found.session_file]
    own_uses = [
        event
        for event in events
        if event["session_file"] == found.session_file and event["event_type"] != "slash_command"
    ]
    times = sorted(found.times)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return {
        "session_file": found.session_file,
        "session_id": found.session_id,
        "username": found.username,
        "project": found.project,
        "version": found.version,
        "first_at": times[0] if times else None,
        "last_at": times[-1] if times else None,
        "wall_seconds": (times[-1] - times[0]).total_seconds() if times else None,
        "active_seconds": sum((gap for gap in gaps if gap <= _IDLE), timedelta()).total_seconds(),
        "human_turns": found.human_turns,
        "assistant_messages": len(own_calls),
        "tool_calls": len(own_uses),
        "tool_errors": sum(event["is_error"] is True for event in own_uses),
        **_sums(own_calls),
        "primary_model": _primary_model(own_calls),
    }


def _primary_model(calls: list[dict[str, Any]]) -> str | None:
    named = _grouped((call for call in calls if call["model"] is not None), lambda call: call["model"])
    totals = [(-sum(call["tokens"] for call in same), str(same[0]["model"])) for same in named]
    return min(totals)[1] if totals else None
