"""Erases what one session has brought into the knowledge base."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from watcher.knowledge.close import close_contradictions
from watcher.knowledge.intake import standing_of
from watcher.knowledge.writer import QUERIES
from watcher.store.database import Connection

#: Every table that tells of an item, and the columns that name it.
_OF_ITEM = {
    "knowledge_relations": ("item_a", "item_b"),
    "knowledge_contradictions": ("item_a", "item_b"),
    "knowledge_votes": ("item_id",),
    "knowledge_history": ("item_id",),
    "knowledge_items": ("item_id",),
}


@dataclass(frozen=True, slots=True)
class Erased:
    """How much went."""

    evidence: int
    items: int


def erase(connection: Connection, session: str, now: datetime) -> Erased:
    """Erase a session's candidates and evidence, and the items that nothing else proves and nobody ever approved.

    What also stands in another file stays, as that file's. Inside a transaction.
    """
    sources = [str(evidence) for (evidence,) in connection.execute(QUERIES["sources_of"], [session])]
    items = {
        str(item)
        for (item,) in connection.execute(
            "SELECT DISTINCT item_id FROM verification_evidence WHERE evidence_id = ANY($1)", [sources]
        )
    }
    gone = 0
    for evidence in sources:
        elsewhere = connection.execute(QUERIES["other_source"], [evidence, session])
        if elsewhere:
            connection.execute(QUERIES["move_evidence"], [evidence, *elsewhere[0]])
        else:
            connection.execute(QUERIES["erase_evidence"], [evidence])
            gone += 1
    connection.execute(QUERIES["erase_source"], [session])
    connection.execute(QUERIES["erase_inbox"], [session])
    connection.execute(QUERIES["erase_noted"], [session])
    unproven = [str(item) for (item,) in connection.execute(QUERIES["unproven"], [sorted(items)])]
    for item in unproven:
        close_contradictions(connection, item, now, "forget", f"{item} was forgotten")
        for table, columns in _OF_ITEM.items():
            connection.execute(f"DELETE FROM {table} WHERE {' OR '.join(f'{c} = $1' for c in columns)}", [item])
    left = items - set(unproven)
    for item, standing in standing_of(connection, left, now).items():
        connection.execute(QUERIES["restand"], [item, *standing])
    return Erased(gone, len(unproven))
