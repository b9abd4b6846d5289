"""What people see of a processor, whatever its tables are."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

from processors.contract import Schema
from tests.support.oracle import normal

#: Table or view to rows.
Rows = dict[str, list[tuple[Any, ...]]]
Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]


def shown(query: Query, schema: Schema) -> Rows:
    """Its views, or its tables where it has none."""
    views = files(schema.package).joinpath("views.sql")
    names = re.findall(r"VIEW (\w+)", views.read_text(encoding="utf-8")) if views.is_file() else list(schema.tables)
    found: Rows = {}
    for name in names:
        columns = [
            column
            for (column,) in query(
                "SELECT column_name FROM information_schema.columns WHERE table_name = $1 ORDER BY 1", [name]
            )
            # A table may have columns that fill themselves, which say when a row came, and not what it tells. Of a
            # position only the order means something, which is seen in what is made of it.
            if not column.endswith("position") and (name not in schema.tables or column in schema.tables[name].columns)
        ]
        found[name] = normal(query(f"SELECT {', '.join(columns)} FROM {name}", []))
    return found
