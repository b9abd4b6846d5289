"""What the faces show of failed tool calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]


def of_session(query: Query, key: str) -> dict[str, tuple[str, str]]:
    """The failed tool calls of one session file: by their identity, the kind of failure and what was said."""
    rows = query("SELECT tool_use_id, kind, message FROM errors WHERE session_file = $1", [key])
    return {use: (kind, message) for use, kind, message in rows}
