"""The tables of `usage`: their columns, keys, and what counts once over all sessions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import get_args, get_type_hints

import msgspec

from processors.contract import ColumnType, Export, Once, Schema, Table
from processors.usage import rows
from processors.usage.backfill import BACKFILL

_TYPES: dict[type, ColumnType] = {str: "text", int: "integer", float: "real", bool: "boolean", datetime: "timestamp"}


def _columns(row: type[msgspec.Struct]) -> Mapping[str, ColumnType]:
    """The columns that a row's fields make, and the session's."""
    columns: dict[str, ColumnType] = {"session_file": "text"}
    for name, kind in get_type_hints(row).items():
        columns[name] = next(_TYPES[one] for one in (kind, *get_args(kind)) if one in _TYPES)
    return columns


SCHEMA = Schema(
    package="processors.usage",
    backfill=BACKFILL,
    exports={
        "usage_messages": Export("occurred_at"),
        "usage_events": Export("occurred_at", key=("tool_use_id",)),
        "usage_turns": Export("occurred_at"),
        "usage_sessions": Export("first_at"),
    },
    tables={
        "usage_contexts": Table(_columns(rows.Context), key=("session_file", "context")),
        "usage_calls": Table(
            _columns(rows.Call),
            once=Once(
                by=("message_id", "iteration"),
                best=("tokens DESC", "precedence", "seen_at ASC NULLS LAST", "session_file", "position"),
                merged={"occurred_at": "min(first_at)"},
            ),
        ),
        "usage_uses": Table(
            _columns(rows.Use),
            once=Once(
                by=("use_id",),
                best=("is_result", "seen_at ASC NULLS LAST", "is_copy", "session_file", "position"),
                merged={
                    "occurred_at": "min(seen_at) FILTER (WHERE NOT is_result)",
                    "is_error": "bool_or(own_error)",
                    "finished_at": "min(result_at)",
                    "denial": "max(own_denial{collate})",
                    "decided_by": "max(own_decider{collate})",
                    "search_count": "max(own_searches)",
                    "lines_added": "max(own_added)",
                    "lines_removed": "max(own_removed)",
                },
            ),
            expires="occurred_at",
        ),
        "usage_said": Table(
            _columns(rows.TurnRow), once=Once(by=("turn_id",), best=("is_copy", "session_file", "position"))
        ),
        "usage_statements": Table(_columns(rows.CostStatement)),
        "usage_links": Table(_columns(rows.Link)),
        "usage_listed": Table(_columns(rows.Listed), key=("session_file", "kind", "name")),
        "usage_unknown": Table(_columns(rows.Unknown)),
        "usage_files": Table(_columns(rows.File), key=("session_file",)),
    },
)
