"""Taking in what an earlier generation left: both of its shapes, again without harm, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from tests.support.databases import database_in
from watcher.errors import LegacyRefused
from watcher.store.legacy import TakenIn, take_in


@pytest.mark.parametrize("shape", ["unnamed", "named", "both"])
def test_both_earlier_shapes_are_taken_in(tmp_path: Path, shape: str) -> None:
    """`session_extraction_state`, the narrow `session_processor_state`, or both; its usage rows say nothing."""
    path = tmp_path / "legacy.duckdb"
    columns = (
        "session_file VARCHAR, username VARCHAR, processed_at TIMESTAMP, items_extracted INTEGER, file_hash VARCHAR"
    )
    rows = "('ann/a.jsonl', 'ann', TIMESTAMP '2026-01-02 03:04:05', 7, NULL), ('ann/b.jsonl', 'ann', NULL, NULL, NULL)"
    with duckdb.connect(str(path)) as other:
        if shape != "named":
            other.execute(f"CREATE TABLE session_extraction_state ({columns})")
            other.execute(f"INSERT INTO session_extraction_state VALUES {rows}")
        if shape != "unnamed":
            other.execute(f"CREATE TABLE session_processor_state (processor_name VARCHAR, {columns})")
            for name in ("verification", "usage"):
                sql = f"INSERT INTO session_processor_state SELECT '{name}', * FROM (VALUES {rows})"
                other.execute(sql)
    kept = path.read_bytes()
    database = database_in(tmp_path)
    assert take_in(path, database) == TakenIn(found=2, taken=2, known=0)
    assert take_in(path, database) == TakenIn(found=2, taken=0, known=2)
    assert path.read_bytes() == kept
    sql = "SELECT processor_name, session_file, items_extracted, processed_at, status FROM session_processor_state"
    moment = datetime(2026, 1, 2, 3, 4, 5).astimezone(UTC)  # it was the machine's local time
    assert sorted(database.connect().execute(sql)) == [
        ("verification", "ann/a.jsonl", 7, moment, "ok"),
        ("verification", "ann/b.jsonl", 0, None, "ok"),
    ]
    database.close()


def test_what_is_known_here_stays_and_the_rest_is_taken(tmp_path: Path) -> None:
    """A session that was looked at here is not set back to what an earlier generation knew of it."""
    path = tmp_path / "legacy.duckdb"
    with duckdb.connect(str(path)) as other:
        other.execute(
            "CREATE TABLE session_extraction_state (session_file VARCHAR, username VARCHAR, items_extracted INT)"
        )
        other.execute("INSERT INTO session_extraction_state VALUES ('a.jsonl', 'ann', 1), ('bob/b.jsonl', NULL, 2)")
    database = database_in(tmp_path)
    connection = database.connect()
    connection.execute(
        "INSERT INTO session_processor_state (processor_name, session_file, username, items_extracted, processed_bytes,"
        " bad_lines, status, attempts) VALUES ('verification', 'ann/a.jsonl', 'ann', 9, 1, 0, 'failed', 3)"
    )
    assert take_in(path, database) == TakenIn(found=2, taken=1, known=1)
    rows = connection.execute("SELECT session_file, username, items_extracted, attempts FROM session_processor_state")
    assert sorted(rows) == [("ann/a.jsonl", "ann", 9, 3), ("bob/b.jsonl", "bob", 2, 0)]
    database.close()


@pytest.mark.parametrize("what", ["nothing", "a folder", "another kind of file", "an empty database", "a current one"])
def test_what_is_no_legacy_database_is_refused(tmp_path: Path, what: str) -> None:
    """One sentence that names it; a database of our own holds nothing of that kind."""
    path = tmp_path / "legacy.duckdb"
    (tmp_path / "own").mkdir()
    if what == "a folder":
        path.mkdir()
    elif what == "another kind of file":
        path.write_bytes(b"SQLite format 3\x00" * 500)
    elif what == "an empty database":
        duckdb.connect(str(path)).close()
    elif what == "a current one":
        database_in(tmp_path / "own").close()
        (tmp_path / "own" / "watcher.duckdb").rename(path)
    database = database_in(tmp_path / "own")
    try:
        if what == "a current one":
            assert take_in(path, database) == TakenIn(0, 0, 0)
            return
        with pytest.raises(LegacyRefused, match=r"legacy\.duckdb"):
            take_in(path, database)
    finally:
        database.close()
