"""Looks through transcripts for what this version does not know, without tables: as `usage` would take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import xxhash

from processors.contract import Lines, Session, Work
from processors.usage.extract import extract
from processors.usage.prices import PriceList
from processors.usage.reports.formats import entry
from processors.usage.rows import Call, Unknown

#: So many names are told apart; a folder that holds something else than transcripts may have any number.
MOST_NAMES = 10_000

Key = tuple[str, str, str]


@dataclass(slots=True)
class _Seen:
    first_at: datetime | None
    last_at: datetime | None

    def widen(self, first_at: datetime | None, last_at: datetime | None) -> None:
        """Take in when it was seen besides."""
        if first_at is not None and (self.first_at is None or first_at < self.first_at):
            self.first_at = first_at
        if last_at is not None and (self.last_at is None or last_at > self.last_at):
            self.last_at = last_at


@dataclass(slots=True)
class _Found(_Seen):
    #: Hashes of session ids.
    sessions: set[int] = field(default_factory=set)
    #: When it was seen last, as far as anybody can tell.
    seen_at: datetime | None = None


class Scan:
    """What is not known in some session files, which are given one after the other."""

    def __init__(self, settings: Any) -> None:
        """``settings``: those of `usage`, for the prices and the zone of days."""
        self._settings = settings
        self._prices = PriceList(settings.prices, settings.price_factors)
        self._found: dict[Key, _Found] = {}
        #: Lines that could not be read.
        self.bad_lines = 0
        #: Names that were not kept, since there are too many.
        self.left_out = 0

    def take(self, session: Session, pieces: Iterable[tuple[int, Lines]]) -> None:
        """Look through a session file: its lines, in pieces, each with its offset."""
        here = _File()
        carry: Mapping[str, Any] = {}
        try:
            for start, lines in pieces:
                made = extract(Work(session, lines, start, carry, self._settings), self._prices.of, 0)
                carry = made.carry
                self.bad_lines += made.bad_lines
                here.take(made.rows)
        finally:  # what was seen of a file counts, whatever its rest is
            self._keep(here)

    def unknown(self, since: date | None = None) -> dict[str, Any]:
        """What is not known, the latest first, as the API gives it; ``since`` as there."""
        zone, earliest = ZoneInfo(self._settings.timezone), datetime.min.replace(tzinfo=UTC)
        rows = sorted(self._found.items())
        rows.sort(key=lambda row: row[1].seen_at or earliest, reverse=True)
        kept = [
            entry(*key, len(one.sessions), one.first_at, one.last_at)
            for key, one in rows
            if since is None or (one.seen_at is not None and one.seen_at.astimezone(zone).date() >= since)
        ]
        return {"formats": kept, "total": len(kept)}

    def _keep(self, here: _File) -> None:
        session = xxhash.xxh3_64_intdigest(here.session_id.encode())
        for key, seen in here.everything():
            found = self._found.get(key)
            if found is None:
                if len(self._found) >= MOST_NAMES:
                    self.left_out += 1
                    continue
                found = self._found[key] = _Found(None, None)
            found.widen(seen.first_at, seen.last_at)
            found.sessions.add(session)
            at = seen.last_at if seen.last_at is not None else here.last_at
            if at is not None and (found.seen_at is None or at > found.seen_at):
                found.seen_at = at


class _File:
    """What is not known in one session file."""

    def __init__(self) -> None:
        self.session_id = ""
        self.last_at: datetime | None = None
        self._names: dict[Key, _Seen] = {}
        #: By the hash of a message id: the hash of its request id, and its earliest time.
        self._requests: dict[int, tuple[int, datetime | None]] = {}
        #: Message ids that have several.
        self._several: dict[str, int] = {}

    def take(self, rows: Mapping[str, Sequence[Any]]) -> None:
        """Take in what a piece of the file gave."""
        for file in rows.get("usage_files", ()):
            self.session_id, self.last_at = file.session_id, file.last_at
        found: Sequence[Unknown] = rows.get("usage_unknown", ())
        for one in found:
            self._note((one.kind, one.name, one.version), one.first_at, one.last_at)
        contexts = {one.context: one for one in rows.get("usage_contexts", ())}
        calls: Sequence[Call] = rows.get("usage_calls", ())
        for call in calls:
            if call.cost_usd is None and call.model is not None:
                version = contexts[call.context].version or ""
                self._note(("model", call.model, version), call.first_at, call.first_at)
            if call.iteration < 0 and call.precedence < 2 and call.request_id:
                self._compare(call)

    def everything(self) -> Iterable[tuple[Key, _Seen]]:
        """All that was found."""
        yield from self._names.items()
        for name, number in self._several.items():
            at = self._requests[number][1]
            yield ("several_requests", name, ""), _Seen(at, at)

    def _note(self, key: Key, first_at: datetime | None, last_at: datetime | None) -> None:
        self._names.setdefault(key, _Seen(None, None)).widen(first_at, last_at)

    def _compare(self, call: Call) -> None:
        message, request = (xxhash.xxh3_64_intdigest(text.encode()) for text in (call.message_id, call.request_id))
        first, at = self._requests.get(message, (request, call.first_at))
        if first != request:
            self._several[call.message_id] = message
        earliest = min((one for one in (at, call.first_at) if one is not None), default=None)
        self._requests[message] = (first, earliest)
