"""SQL from files: named queries, and scripts with placeholders for settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

#: Runs a statement with parameters; returns all rows.
Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_SETTING = re.compile(r"\{(\w+)\}")


def queries(package: str, file: str) -> dict[str, str]:
    """The queries of a file by name; each follows a line ``-- name: …``."""
    parts = _NAME.split(files(package).joinpath(file).read_text(encoding="utf-8"))
    return {name: text.strip().rstrip(";") for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def fill(script: str, settings: Mapping[str, object]) -> str:
    """A script with each ``{setting}`` replaced by its value as an SQL literal; a tuple of rows becomes a relation.

    Raises:
        KeyError: the script names an unknown setting.
    """
    return _SETTING.sub(lambda match: _literal(settings[match[1]]), script)


def quoted(identifier: str) -> str:
    """A quoted SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def text(value: object) -> str:
    """A quoted SQL text literal."""
    return "'" + str(value).replace("'", "''") + "'"


def _literal(value: object) -> str:
    """A setting as SQL; the rows of a relation hold texts, whole numbers and None."""
    if not isinstance(value, tuple):
        return text(value)
    rows = (", ".join(_in_row(one) for one in row) for row in value)
    return f"(VALUES {', '.join(f'({row})' for row in rows)})"


def _in_row(value: object) -> str:
    return "NULL" if value is None else str(value) if isinstance(value, int) else text(value)


def plain(value: object) -> object:
    """A database value ready for JSON; timestamps become ISO 8601 text in UTC."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def named(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """A row as a dict by column name, ready for JSON."""
    return {name: plain(value) for name, value in zip(names, row, strict=True)}


QUERIES = queries("watcher.store", "queries.sql")
