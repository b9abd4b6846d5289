"""The one way by which the knowledge base is changed: one transaction at a time, whoever asks."""

from __future__ import annotations

import itertools
import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from watcher.knowledge.confidence import SQL as CONFIDENCE
from watcher.logs import Log
from watcher.store.database import Connection, Database, read
from watcher.store.sql import queries

log = Log()

T = TypeVar("T")
_entries = itertools.count()
_VALUES, _MARK = re.compile(r"VALUES (\([^)]*\))"), re.compile(r"\$(\d+)")
#: So many rows are written by one statement.
_TOGETHER = 100

#: The columns of an item as it is told, in this order.
ITEM = (
    "item_id", "title", "content", "domain", "entities", "status", "source", "audience", "owner", "base", "floor",
    "verifiers", "valid_from", "valid_until", "superseded_by", "created_at", "updated_at", "confirmed_at",
    "decided_by", "decided_at", "check_owed", "check_error",
)  # fmt: skip

QUERIES = {
    name: text.replace("{ITEM}", ", ".join(ITEM) + f",\n       {CONFIDENCE} AS confidence").replace(
        "{CONFIDENCE}", CONFIDENCE
    )
    for name, text in queries("watcher.knowledge", "queries.sql").items()
}


class Writer:
    """Changes the knowledge base; used from any thread."""

    def __init__(self, database: Database, decided: Callable[[], None] = lambda: None) -> None:
        """``decided`` is told that a person has changed something."""
        self.database, self._decided = database, decided
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        #: Rises with every change, so that whoever keeps a copy knows that it is old.
        self.generation = 0
        #: Whether something that a person decided is in the database's log alone.
        self.owes_checkpoint = False

    def write(self, errand: Callable[[Connection], T], durable: bool = False) -> T:
        """Do something in a transaction of its own; what it returns.

        ``durable``: what a person decided is in the database file before this returns, not in its log alone.

        Raises:
            Exception: whatever it raised, or the database; then nothing is changed.
        """
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self.database.connect()
                with self._connection.transaction():
                    result = errand(self._connection)
            except self.database.Error as error:
                if self.database.blame(error) == "broken" and self._connection is not None:
                    self._connection.close()
                    self._connection = None
                raise
            finally:
                self.generation += 1
        if durable:
            self.owes_checkpoint = True
            self.settle()
            self._decided()
        return result

    def settle(self) -> None:
        """Bring what people decided into the database file, if it is not there; it is committed in any case."""
        if not self.owes_checkpoint:
            return
        try:
            self.database.checkpoint()
        except self.database.Error as error:
            log.error("checkpoint_failed", error=str(error))
        else:
            self.owes_checkpoint = False

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read, on a connection of its own."""
        return read(self.database, sql, parameters)

    def close(self) -> None:
        """Give the connection back. Idempotent."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def put_many(connection: Connection, name: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run a named INSERT of one row for many of them at once: a statement costs much more than a row."""
    for at in range(0, len(rows), _TOGETHER):
        some = rows[at : at + _TOGETHER]
        head, values, tail = _VALUES.split(QUERIES[name], maxsplit=1)
        tuples = ", ".join(_shifted(values, at * len(row)) for at, row in enumerate(some))
        connection.execute(f"{head}VALUES {tuples}{tail}", [value for row in some for value in row])


def _shifted(values: str, by: int) -> str:
    return _MARK.sub(lambda mark: f"${int(mark[1]) + by}", values)


def noted(
    item: str,
    now: datetime,
    actor: str,
    action: str,
    before: str | None,
    after: str | None,
    reason: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> list[Any]:
    """The row of the history that says who did what to an item."""
    told = json.dumps(details, ensure_ascii=False, default=str) if details else None
    # Entries of one moment stay in their order.
    entry = f"{int(now.timestamp() * 1e6):016x}{next(_entries) % 2**24:06x}{secrets.token_hex(3)}"
    return [entry, item, now, actor, action, before, after, reason, told]


def note(connection: Connection, *told: Any) -> None:
    """Enter into the history who did what to an item; see `noted`."""
    connection.execute(QUERIES["note"], noted(*told))
