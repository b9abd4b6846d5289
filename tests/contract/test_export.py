"""The export on both databases: every type of column as it was, and a file only where something has changed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb

from processors.contract import Export
from watcher.store.database import SQL_TYPES, Database
from watcher.store.parquet_export import DayFiles

AT = datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC)
ROWS = [
    ("a", -(2**63), 0.1, True, AT),
    ("\"\\\n'é\u2028", 2**63 - 1, 1e-300, False, AT.replace(day=2)),
    (None, None, None, None, AT),
    ("no day", 1, 2.0, None, None),
]


def test_rows_come_back_as_they_were(database: Database, tmp_path: Path) -> None:
    """Whatever a row holds, NULL in every column included; a second run writes nothing, a change its own day."""
    connection = database.connect()
    typed = ", ".join(f"c_{kind} {sql}" for kind, sql in SQL_TYPES.items())
    connection.execute(f"CREATE TABLE told ({typed})")
    for row in ROWS:
        connection.execute("INSERT INTO told VALUES ($1, $2, $3, $4, $5)", row)
    export = DayFiles(tmp_path / "it's an export", database)
    exports = {"told": Export("c_timestamp")}
    assert export.write(connection, exports) == 3
    assert export.write(connection, exports) == 0

    def read() -> list[tuple[object, ...]]:
        pattern = str(tmp_path / "it's an export" / "told" / "*" / "*.parquet").replace("'", "''")
        with duckdb.connect() as reader:
            reader.execute("SET TimeZone = 'UTC'")
            columns = ", ".join(f"c_{kind}" for kind in SQL_TYPES)
            return reader.execute(f"SELECT {columns} FROM read_parquet('{pattern}')").fetchall()

    def plain(rows: list[tuple[object, ...]]) -> list[str]:
        return sorted(repr([v.timestamp() if isinstance(v, datetime) else v for v in row]) for row in rows)

    assert plain(read()) == plain(list(ROWS))
    connection.execute("UPDATE told SET c_integer = 5 WHERE c_text = 'a'")
    assert export.write(connection, exports) == 1
    connection.execute("DELETE FROM told WHERE c_timestamp IS NULL")
    assert export.write(connection, exports) == 0
    assert plain(read()) == plain([("a", 5, *ROWS[0][2:]), *ROWS[1:3]])
    connection.close()
