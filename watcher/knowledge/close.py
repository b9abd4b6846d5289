"""What ends with an item that counts no more: what it contradicted is settled by that."""

from __future__ import annotations

from datetime import datetime

from watcher.knowledge.judge import CLOSED
from watcher.knowledge.writer import QUERIES, noted, put_many
from watcher.store.database import Connection


def close_contradictions(connection: Connection, item: str, now: datetime, actor: str, why: str) -> None:
    """Close what is open with an item, and enter that into the history of the others. Inside a transaction."""
    pairs = connection.execute(QUERIES["open_with"], [item])
    statuses = connection.execute(
        "SELECT item_id, status FROM knowledge_items WHERE item_id = ANY($1)", [[str(other) for _, other in pairs]]
    )
    for which, _ in pairs:
        connection.execute(QUERIES["resolve"], [which, CLOSED, actor, now, why, None])
    history = [noted(str(other), now, actor, "contradiction_closed", status, status, why) for other, status in statuses]
    put_many(connection, "note", history)
