"""The job log: job runs, the audit of requests, and model calls. Thread-safe."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

from processors.llm.call_log import ModelCall
from watcher.errors import first_line
from watcher.logs import Log
from watcher.store.database import Connection, Database
from watcher.store.home_visits import note_visits
from watcher.store.sql import QUERIES, Query, named
from watcher.transcripts.expiry import Home

log = Log()

_T = TypeVar("_T")

_RUN = ("run_id", "name", "trigger", "started_at", "finished_at", "outcome", "stats", "error")
_ENTRY = (
    "entry_id", "asked_at", "action", "actor", "resource", "params", "status", "duration_ms", "unhandled_error",
)  # fmt: skip

#: Characters of a request's parameters that are kept, as JSON.
LONGEST_PARAMS = 4000


class JobLog:
    """Writer of the job log. A failed write is logged and kept in ``trouble``; it raises nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        #: Why writes fail at present; None if they do not.
        self.trouble: str | None = None

    def begin(self, name: str, trigger: str) -> str:
        """Record the start of a run; returns its id."""
        run = secrets.token_hex(8)
        self._write("begin_run", [run, name, trigger, datetime.now(UTC)])
        return run

    def finish(self, run: str, outcome: str, stats: Mapping[str, Any], error: str | None) -> None:
        """Record the end of a run; ``outcome``: ``ok``, ``failed`` or ``refused``."""
        told = json.dumps(stats, ensure_ascii=False, default=str) if stats else None
        self._write("finish_run", [run, datetime.now(UTC), outcome, told, error[:2000] if error else None])

    def interrupt(self) -> None:
        """Mark runs without an end as interrupted; their process has ended."""
        self._write("interrupt_runs", [])

    def last_runs(self) -> dict[str, datetime]:
        """The last start of each job; empty if it cannot be read."""
        return dict(self._write("last_runs", []) or [])

    def audit(
        self,
        action: str,
        actor: str,
        resource: str | None,
        params: Mapping[str, Any],
        status: int,
        duration_ms: int,
        unhandled_error: str | None = None,
    ) -> None:
        """Record a request and its outcome; ``status``: HTTP status."""
        told = json.dumps(params, ensure_ascii=False, default=str) if params else None
        if told is not None and len(told) > LONGEST_PARAMS:  # truncated JSON would be invalid
            told = json.dumps({"cut": told[:LONGEST_PARAMS]}, ensure_ascii=False)
        entry = [secrets.token_hex(8), datetime.now(UTC), action, actor, resource, told, status, duration_ms]
        self._write("note_audit", [*entry, unhandled_error[:2000] if unhandled_error else None])

    def note_call(self, call: ModelCall) -> bool:
        """Insert or update a model call; whether it was written."""
        values = [
            call.call_id,
            datetime.fromtimestamp(call.at, UTC),
            call.purpose,
            call.processor or None,
            call.session or None,
            call.model,
            call.input_tokens,
            call.output_tokens,
            call.cost_usd,
            call.outcome,
            call.seconds,
            call.error or None,
        ]
        return self._write("note_call", values) is not None

    def calls_since(self, moment: datetime) -> dict[str, str] | None:
        """Outcomes of the recorded calls since a time, by call id; None if they cannot be read."""
        rows = self._write("calls_since", [moment])
        return None if rows is None else dict(rows)

    def note_visits(self, node: str, visits: Sequence[Home], is_kept: Callable[[str], bool]) -> None:
        """Record visits of homes; see `watcher.store.home_visits`."""
        self._attempt("note_visits", lambda connection: note_visits(connection, node, visits, is_kept))

    def drop(self, keep_runs: float, keep_audit: float) -> None:
        """Delete runs and audit entries older than these ages, in seconds."""
        now = datetime.now(UTC)
        self._write("drop_runs", [now - timedelta(seconds=keep_runs)])
        self._write("drop_audit", [now - timedelta(seconds=keep_audit)])

    def close(self) -> None:
        """Close the connection. Idempotent."""
        with self._lock:
            self._disconnect()

    def _write(self, query: str, values: list[Any]) -> list[tuple[Any, ...]] | None:
        return self._attempt(query, lambda connection: connection.execute(QUERIES[query], values))

    def _attempt(self, note: str, work: Callable[[Connection], _T]) -> _T | None:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._database.connect()
                rows = work(self._connection)
            except self._database.Error as error:
                self._disconnect()
                if self.trouble is None:
                    log.error("job_log_not_written", note=note, error=str(error))
                self.trouble = first_line(error)
                return None
            self.trouble = None
            return rows

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Filter of runs and audit entries; empty fields match all. Days are in UTC, both inclusive."""

    #: Job name and outcome of a run.
    name: str = ""
    outcome: str = ""
    #: Of an entry: prefix of the action, part of the action or resource, actor, and lowest status.
    action: str = ""
    text: str = ""
    actor: str = ""
    status: int = 0
    since: date | None = None
    until: date | None = None
    limit: int = 50
    offset: int = 0

    def times(self) -> list[datetime]:
        """Start and end of the period."""
        first, last = self.since or date.min, self.until or date.max
        return [datetime.combine(first, time.min, UTC), datetime.combine(last, time.max, UTC)]


def latest(query: Query, chosen: RunFilter) -> dict[str, Any]:
    """Runs and audit entries, latest first, with their totals; ready for JSON."""
    ((total_runs,),) = query(QUERIES["count_runs"], [chosen.name, chosen.outcome, *chosen.times()])
    ((total_audit,),) = query(QUERIES["count_audit"], [*_entries(chosen)])
    return {
        "runs": runs(query, chosen),
        "audit": audit(query, chosen),
        "total_runs": total_runs,
        "total_audit": total_audit,
    }


def runs(query: Query, chosen: RunFilter) -> list[dict[str, Any]]:
    """Runs, latest first."""
    values = [chosen.name, chosen.outcome, *chosen.times(), chosen.limit, chosen.offset]
    return [_plain(_RUN, row) for row in query(QUERIES["runs"], values)]


def audit(query: Query, chosen: RunFilter) -> list[dict[str, Any]]:
    """Audit entries, latest first."""
    values = [*_entries(chosen), chosen.limit, chosen.offset]
    return [_plain(_ENTRY, row) for row in query(QUERIES["audit"], values)]


def jobs(
    query: Query, names: Sequence[str], next_run: Callable[[str], datetime | None] = lambda _: None
) -> list[dict[str, Any]]:
    """Every job with its last run, and its next run if scheduled; ready for JSON."""
    last = {row[1]: _plain(_RUN, row) for row in query(QUERIES["latest_of_jobs"], [list(names)])}
    told = []
    for name in sorted(names):
        following = next_run(name)
        told.append(
            {
                "name": name,
                "next_run_at": following.isoformat() if following else None,
                "last": last.get(name),
            }
        )
    return told


def _entries(chosen: RunFilter) -> list[Any]:
    return [chosen.action, chosen.actor, *chosen.times(), chosen.text, chosen.status]


def actors(query: Query) -> list[str]:
    """All actors in the audit."""
    return [name for (name,) in query(QUERIES["audit_actors"], [])]


def _plain(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    found = named(names, row)
    for name in ("stats", "params"):
        if name in found:
            found[name] = json.loads(found[name]) if found[name] else {}
    return found
