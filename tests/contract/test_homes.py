"""What is known of homes, and which files nobody has taken, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watcher.store.database import Connection, Database, read_beside
from watcher.store.home_visits import homes_of, note_visits
from watcher.store.job_log import JobLog
from watcher.store.migrations import migrate
from watcher.store.sql import QUERIES
from watcher.transcripts.expiry import Home
from watcher.transcripts.sessions import TREE

NOW = 1_772_366_400.0
ANN = Home("/home/ann", "ann", NOW, NOW, 30.0)
BOB = Home("/home/bob", "bob", NOW, None, None, "/home/bob/.claude/settings.json: it's a “link”\n", 3, -5)


@pytest.fixture
def connection(database: Database, tmp_path: Path) -> Iterator[Connection]:
    migrate(database, tmp_path / "backups")
    opened = database.connect()
    yield opened
    opened.close()


def test_visits_are_kept_by_machine_and_home(connection: Connection) -> None:
    """The next one changes what it tells of; a home that was not met goes, but where it may be there all the same."""

    def note(node: str, visits: list[Home], kept: str = "") -> list[Home]:
        note_visits(connection, node, visits, lambda path: path == kept)
        return homes_of(connection.execute, node)

    assert note("", [BOB, ANN]) == [ANN, BOB]
    assert note("other", [ANN]) == [ANN] and homes_of(connection.execute, "") == [ANN, BOB]
    later = replace(ANN, known_since=NOW + 60, visited_at=NOW + 60, days=7.0)
    assert note("", [later], kept="/home/bob") == [replace(later, known_since=NOW), BOB]
    assert note("", [replace(later, visited_at=None)]) == [replace(later, known_since=NOW)]
    assert note("", []) == [] and homes_of(connection.execute, "other") == [ANN]


def test_a_note_that_cannot_be_written_is_said_and_stops_nobody(connection: Connection, database: Database) -> None:
    """As with runs: the job log's trouble, until it can write again; what was known stays."""
    job_log = JobLog(database)
    job_log.note_visits("", [ANN], lambda _: False)
    connection.execute("ALTER TABLE homes_visited RENAME TO aside")
    job_log.note_visits("", [BOB], lambda _: False)
    assert job_log.trouble is not None and "homes_visited" in job_log.trouble
    connection.execute("ALTER TABLE aside RENAME TO homes_visited")
    assert homes_of(connection.execute, "") == [ANN]
    job_log.note_visits("", [BOB], lambda _: False)
    assert job_log.trouble is None and homes_of(connection.execute, "") == [BOB]
    job_log.close()


def test_files_are_taken_when_all_processors_took_them_as_they_are(database: Database, connection: Connection) -> None:
    """Not one that failed, is put aside, was changed since, or is missing with one of them; only old ones are told."""
    taken: dict[str, dict[str, Any]] = {
        "all": {},
        "fresh": {"file_ctime_ns": None},  # too fresh to be trusted when it was read
        "failed": {"status": "failed"},
        "aside": {"status": "quarantined"},
        "gone": {"status": "gone"},
        "grown": {"file_size": 9},
        "replaced": {"file_inode": 8},
        "touched": {"file_mtime_ns": 7},
        "changed": {"file_ctime_ns": 6},
        "half": {"processor_name": "third"},
        "young": {"status": "failed"},
    }
    columns = ("processor_name", "session_file", "file_inode", "file_size", "file_mtime_ns", "file_ctime_ns", "status")
    for name, differing in taken.items():
        for processor in ("first", "second"):
            row = dict(zip(columns, (processor, name, 1, 10, 100, 100, "ok"), strict=True))
            row |= differing if processor == "second" else {}
            connection.execute(
                f"INSERT INTO session_processor_state ({', '.join(columns)}, username, items_extracted,"
                " processed_bytes, bad_lines, attempts) VALUES ($1, $2, $3, $4, $5, $6, $7, 'ann', 0, 0, 0, 0)",
                list(row.values()),
            )
    files = {name: [1, 10, 100, 100] for name in taken} | {"never": [1, 10, 50, 50], "young": [1, 10, 200, 200]}
    lines = msgspec.json.Encoder().encode_lines(
        [dict(zip(TREE, (name, *signature), strict=True)) for name, signature in files.items()]
    )

    def expiring(before: int, processors: list[str]) -> tuple[Any, ...]:
        parameters = [before, processors, len(processors)]
        (row,) = read_beside(database, "tree", TREE, lines, QUERIES["expiring"], parameters)
        return row

    assert expiring(150, ["first", "second"]) == (9, 50)
    assert expiring(150, ["first"]) == (1, 50) and expiring(100, ["first", "second"]) == (1, 50)
    assert expiring(50, ["first", "second"]) == (0, None)
    assert expiring(150, []) == (0, None)
