"""Backfill: recomputes columns that follow from stored ones when their basis (settings, a library) has changed.

Prices are an example. Rows of gone sessions are included; sessions that a sweep will reprocess anyway are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from processors.contract import Backfill, Backfills, Processor
from watcher.errors import BackfillFailed
from watcher.logs import Log
from watcher.pipeline.committer import Committer
from watcher.sandbox.process import Child
from watcher.sandbox.protocol import Failed, Fill, Filled, Reply
from watcher.store.database import Connection, Database

log = Log()

#: Sessions per transaction.
SESSIONS = 100
#: The stale sessions ({stale}) that no sweep reprocesses.
_STAY = """
SELECT stale.session_file FROM ({stale}) AS stale
JOIN session_processor_state s ON s.session_file = stale.session_file AND s.processor_name = $2
WHERE s.status = 'gone' OR s.processor_version IS NULL OR s.processor_version >= $3
ORDER BY stale.session_file LIMIT $4
"""


def run(
    processor: Processor,
    settings: Any,
    child: Child,
    committer: Committer,
    database: Database,
    stop: Callable[[], bool],
) -> int:
    """Recompute stale columns; returns the number of rows.

    Raises:
        BackfillFailed: the processor failed, with its reason.
        Stopped: ``stop`` returned True.
    """
    backfill = processor.schema.backfill
    if backfill is None or not isinstance(processor, Backfills):
        return 0
    basis, made = processor.basis(settings), 0
    connection = database.connect()
    try:
        sql = _STAY.format(stale=backfill.stale)
        while found := connection.execute(sql, [basis, processor.name, processor.version, SESSIONS]):
            keys = [key for (key,) in found]
            rows = connection.execute(backfill.given, [keys, basis])
            lines = _ask(child, rows, processor.name, stop)
            committer.call(lambda writer, keys=keys, lines=lines: _store(writer, backfill, keys, basis, lines))  # type: ignore[misc]
            made += len(rows)
    finally:
        connection.close()
        child.close()
    if made:
        log.info("rows_backfilled", processor=processor.name, rows=made)
    return made


def _ask(child: Child, rows: list[tuple[Any, ...]], name: str, stop: Callable[[], bool]) -> bytes:
    if not rows:
        return b""
    reply: Reply | Filled
    ((_, reply),) = child.run([Fill([list(row) for row in rows])], stop)
    if isinstance(reply, Filled):
        return reply.lines
    raise BackfillFailed(name, reply.error if isinstance(reply, Failed) else f"it answered with {type(reply).__name__}")


def _store(connection: Connection, backfill: Backfill, keys: list[str], basis: int, lines: bytes) -> None:
    with connection.rows(backfill.columns, lines) as source:
        for statement in backfill.store:
            connection.execute(statement.replace("{values}", source), [keys, basis])
