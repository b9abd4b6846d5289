"""The oracle: what every table must hold after a history, by the truth table and docs/counting.md.

Written as plainly as can be and without a look at the program: whatever was lost, repeated, killed or reordered,
the program's tables must equal ``Oracle.tables()``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from tests.support.oracle_client import Client
from tests.support.oracle_columns import COLUMNS
from tests.support.oracle_counting import find
from tests.support.oracle_once import counted_calls, counted_errors, counted_events, counted_turns, grouped
from tests.support.oracle_reading import read_lines, taken_bytes
from tests.support.oracle_requests import pull_request_of, pull_request_rows
from tests.support.oracle_rows import Call, Found
from tests.support.oracle_sessions import Row, Sessions, sums
from tests.support.oracle_unknown import KNOWN, Known, unknown_rows

__all__ = ["COLUMNS", "Oracle", "Price", "normal", "read_lines", "session_key"]

#: What a row of a call costs in dollars, None where nobody knows.
Price = Callable[[str | None, Call], float | None]


def session_key(relative_path: bytes) -> str:
    """The session key of a path relative to the root: safe to store, and reversible."""
    key = ""
    for char in relative_path.decode("utf-8", "surrogateescape"):
        if char in "%:" or unicodedata.category(char) in ("Cc", "Cs"):
            key += "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
        else:
            key += char
    return key


def is_journal(key: str) -> bool:
    """Whether a file is a workflow's journal, which is no session."""
    *folders, name = key.split("/")
    below = folders[folders.index("subagents") + 1 :] if "subagents" in folders else []
    return name == "journal.jsonl" and "workflows" in below


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
    ``known`` are the names that are no news, by kind; ``projects`` is what patterns of repositories and remotes are
    called.
    """

    def __init__(
        self,
        root_layout: Literal["users", "projects"] = "users",
        timezone: str = "UTC",
        owner: str = "",
        price: Price | None = None,
        known: Known | None = None,
        projects: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.root_layout = root_layout
        self.timezone = ZoneInfo(timezone)
        self.owner = owner
        self.price: Price = price or (lambda model, call: None)
        self.known = KNOWN if known is None else known
        self.projects = projects
        self.sessions: dict[str, _Session] = {}

    def content(self, key: str, data: bytes, settled: bool = False) -> None:
        """The file is there and holds this; ``settled``: it has not changed for long enough to take a torn tail."""
        if is_journal(key):
            return
        records, bad_lines = read_lines(data, settled, self.known["type"])
        found = find(key, self._username(key), records, self.known)
        self.sessions[key] = _Session(found, "ok", bad_lines, taken_bytes(data, settled))

    def gone(self, key: str) -> None:
        """The file is no longer there: its rows stay."""
        if not is_journal(key):
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
        files = [session.found for session in self.sessions.values()]
        sessions = Sessions(files, self.projects)
        links = pull_request_rows(files)
        calls = counted_calls(files, sessions, self.price)
        for call in calls:
            call["pull_request"] = pull_request_of(call, links)
        events, turns, errors = counted_events(files), counted_turns(files), counted_errors(files)
        client = Client(sessions, calls)
        rows: dict[str, list[Row]] = {
            "usage_messages": calls,
            "usage_events": events,
            "usage_turns": turns,
            "usage_sessions": sessions.rows(calls, events, turns),
            "usage_daily": _summed(calls, "day", lambda call: self._day(call["occurred_at"])),
            "usage_by_model": _summed(calls, "model", lambda call: call["model"]),
            "usage_by_user": _summed(calls, "username", lambda call: call["username"]),
            "usage_by_tool": _by_tool(events),
            "usage_pull_requests": links,
            "usage_client_totals": client.totals(),
            "usage_reconciled": client.reconciled(),
            "unknown_records": unknown_rows(sessions.files),
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

    def _errors_daily(self, errors: list[Row]) -> list[Row]:
        rows = []
        for same in grouped(
            errors, lambda row: (self._day(row["occurred_at"]), row["username"], row["tool"], row["kind"])
        ):
            rows.append({**same[0], "day": self._day(same[0]["occurred_at"]), "errors": len(same)})
        return rows


def _summed(calls: list[Row], column: str, by: Callable[[Row], Any]) -> list[Row]:
    return [{column: by(same[0]), "sessions": _count_sessions(same), **sums(same)} for same in grouped(calls, by)]


def _by_tool(events: list[Row]) -> list[Row]:
    tools = [event for event in events if event["event_type"] != "slash_command"]
    return [
        {
            "tool_name": same[0]["tool_name"],
            "event_type": same[0]["event_type"],
            "calls": len(same),
            "errors": sum(event["is_error"] is True for event in same),
            "sessions": _count_sessions(same),
        }
        for same in grouped(tools, lambda event: (event["tool_name"], event["event_type"]))
    ]


def _count_sessions(rows: list[Row]) -> int:
    return len({row["session_id"] for row in rows if row["session_id"] is not None})
