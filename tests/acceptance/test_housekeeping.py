"""Housekeeping: what is old goes by its own time, nothing else does, and copies are kept, and not too many."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from processors.contract import Once, Schema, Table
from tests.support.databases import database_in
from tests.support.harness import Subject
from tests.support.transcript_lines import Talk, line, tool, usage
from watcher.errors import ExportRefused
from watcher.jobs import housekeeping
from watcher.store.commits import PassStore

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def at(ago: timedelta) -> str:
    return (NOW - ago).isoformat().replace("+00:00", "Z")


def used(talk: Talk, label: str, ago: timedelta, failed: bool = False) -> bytes:
    """A call with a tool use, and the result of it."""
    block = tool(f"toolu_{label}", "Bash", command="ls")
    return line(talk.assistant(at(ago), label, block, usage(3, 5))) + line(
        talk.gave(at(ago - timedelta(seconds=1)), f"toolu_{label}", "Exit code 1" if failed else "ok", failed)
    )


@pytest.fixture
def subject(tmp_path: Path) -> Iterator[Subject]:
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    given = {"housekeeping.backups": 0, "processors.verification.enabled": False}
    made = Subject(tmp_path / "sessions", tmp_path / "state", given)
    yield made
    made.close()


def ids(subject: Subject, sql: str) -> set[str]:
    return {row[0].removeprefix("toolu_") for row in subject.open().query(sql)}


USES = "SELECT tool_use_id FROM usage_events"
FAILURES = "SELECT tool_use_id FROM error_results WHERE counted"
#: Everything that is not to change when events go.
KEPT = (
    "SELECT message_id, request_id, occurred_at, output_tokens, cost_usd FROM usage_messages ORDER BY ALL",
    "SELECT session_file, first_at, last_at, active_seconds, human_turns FROM usage_files ORDER BY ALL",
    "SELECT * FROM usage_daily ORDER BY ALL",
    "SELECT * FROM session_processor_state ORDER BY processor_name, session_file",
)


@pytest.mark.parametrize("export", [True, False], ids=["export", "no export"])
def test_events_go_by_their_own_time_and_nothing_else_goes(subject: Subject, tmp_path: Path, export: bool) -> None:
    """Not by the file's age: in one file the old ones go, over many months, and the young stay; calls all stay."""
    talk = Talk("s-1", "/home/ann/shop")
    ages = {"y1": 1, "y9": 9, "o11": 11, "o40": 40, "o75": 75, "o400": 400, "o401": 401}
    content = b"".join(
        used(talk, name, days * DAY, failed=name in ("y9", "o40", "o400")) for name, days in ages.items()
    )
    (subject.root / "ann" / "a.jsonl").write_bytes(content)
    fork = used(Talk("s-2", "/home/ann/shop"), "o40", 5 * DAY, True) + used(Talk("s-2", "/x"), "y2", 2 * DAY)
    (subject.root / "ann" / "fork.jsonl").write_bytes(fork)
    subject.catch_up()
    assert ids(subject, USES) == {*ages, "y2"} and ids(subject, FAILURES) == {"y9", "o40", "o400"}
    kept = [subject.open().query(sql) for sql in KEPT]
    assert subject.open().keep_house()["events_dropped"] == 0  # 0s keeps all
    subject.close()
    subject.overrides |= {"housekeeping.keep_events": "10d", **({"housekeeping.export": "gone"} if export else {})}
    os.chdir(tmp_path)
    done = subject.open().keep_house()
    assert ids(subject, USES) == {"y1", "y9", "y2"}
    # A thing is as old as its first telling, and goes with all of its tellings.
    assert ids(subject, FAILURES) == {"y9"}
    assert [subject.open().query(sql) for sql in KEPT] == kept
    assert subject.open().query("SELECT count(*) FROM usage_uses WHERE use_id = 'toolu_o40'") == [(0,)]
    assert done["events_dropped"] >= 5 + 2
    if export:  # what was dropped is in the files, beside what was not
        assert exported(tmp_path / "gone", "usage_events") == {*ages, "y2"}
        assert exported(tmp_path / "gone", "errors") == {"y9", "o40", "o400"}
    else:
        assert not (tmp_path / "gone").exists()
    assert subject.open().keep_house()["events_dropped"] == 0
    # The files are still there, and are not taken again for it.
    assert all(detail.processed == 0 for detail in subject.catch_up())
    assert ids(subject, USES) == {"y1", "y9", "y2"}


def exported(folder: Path, table: str) -> set[str]:
    """The tool uses in the files of a table."""
    with duckdb.connect() as reader:
        rows = reader.execute(f"SELECT tool_use_id FROM read_parquet('{folder / table}/*/*.parquet')").fetchall()
    return {str(row[0]).removeprefix("toolu_") for row in rows}


def test_an_export_that_cannot_be_written_drops_nothing(subject: Subject, tmp_path: Path) -> None:
    """It is told, and what was to be written away is still there."""
    (subject.root / "ann" / "a.jsonl").write_bytes(used(Talk("s-1", "/x"), "old", 40 * DAY))
    subject.catch_up()
    subject.close()
    (tmp_path / "blocked").write_text("a file stands in the folder's place")
    subject.overrides |= {"housekeeping.keep_events": "10d", "housekeeping.export": str(tmp_path / "blocked")}
    with pytest.raises(ExportRefused, match="blocked"):
        subject.open().keep_house()
    assert ids(subject, USES) == {"old"}


STRANGE = Schema(
    package="tests.unit",
    tables={
        "things": Table(
            columns={"session_file": "text", "thing": "text", "weight": "integer", "told_at": "timestamp",
                     "counted": "boolean"},
            once=Once(by=("thing",), best=("weight DESC", "session_file")),
            expires="told_at",
        ),
        "plain": Table(
            columns={"session_file": "text", "told_at": "timestamp"}, key=("session_file",), expires="told_at"
        ),
    },
)  # fmt: skip


def test_a_thing_is_as_old_as_the_row_that_counts(tmp_path: Path) -> None:
    """A stranger's table whose young rows count beside old ones that do not: what is old goes all the same."""
    database = database_in(tmp_path)
    connection = database.connect()
    connection.execute("CREATE TABLE things (session_file VARCHAR, thing VARCHAR, weight BIGINT, told_at TIMESTAMPTZ,"
                       " counted BOOLEAN)")  # fmt: skip
    connection.execute("CREATE TABLE plain (session_file VARCHAR PRIMARY KEY, told_at TIMESTAMPTZ)")
    for thing, days, counted in (
        ("a", 900, False),
        ("a", 1, True),
        ("b", 500, True),
        ("b", 2, False),
        ("c", 300, True),
    ):
        sql = "INSERT INTO things VALUES ('s', $1, 1, $2, $3)"
        connection.execute(sql, [thing, NOW - days * DAY, counted])
    connection.execute("INSERT INTO plain VALUES ('old', $1), ('young', $2)", [NOW - 99 * DAY, NOW])

    class Pipeline:
        """As much of one as housekeeping uses: a name, a committer and passes."""

        name = "stranger"
        passes = PassStore(database, "stranger", STRANGE)
        committer: Any

    class Committer:
        def call(self, work: Any, timeout: float = 60.0) -> Any:
            with connection.transaction():
                return work(connection)

    Pipeline.committer = Committer()
    assert housekeeping.drop_events(Pipeline(), NOW - 10 * DAY, None) == 4  # type: ignore[arg-type]
    assert connection.execute("SELECT thing, counted FROM things ORDER BY ALL") == [("a", False), ("a", True)]
    assert connection.execute("SELECT session_file FROM plain") == [("young",)]
    database.close()


def copies(subject: Subject) -> list[str]:
    return sorted(path.name for path in (subject.state / "backups").iterdir())


def test_so_many_copies_are_kept_the_newest(subject: Subject) -> None:
    """Older ones of ours go, those that migrations left too; what somebody else put there is not ours to remove."""
    folder = subject.state / "backups"
    folder.mkdir(parents=True)
    for n in range(5):
        for path in (
            folder / f"backup-2026010{n}T000000.duckdb",
            folder / f"before-usage-00{n}-20260101T000000.duckdb",
        ):
            path.write_bytes(b"x")
            os.utime(path, (1e9 + n, 1e9 + n))
    (folder / "my own copy.duckdb").write_bytes(b"x")
    os.utime(folder / "my own copy.duckdb", (1e8, 1e8))
    subject.overrides |= {"housekeeping.backups": 3}
    done = subject.open().keep_house()
    assert done["backups_removed"] == 8
    assert copies(subject) == sorted(
        [
            done["backup"],
            "backup-20260104T000000.duckdb",
            "before-usage-004-20260101T000000.duckdb",
            "my own copy.duckdb",
        ]
    )
    subject.close()
    subject.overrides |= {"housekeeping.backups": 0}
    assert subject.open().keep_house()["backup"] is None and len(copies(subject)) == 4


def test_copies_made_at_once_are_each_whole(subject: Subject) -> None:
    """Asked for by several at the same moment, while rows are written: each is a database of its own that opens."""
    (subject.root / "ann" / "a.jsonl").write_bytes(used(Talk("s-1", "/x"), "a", DAY))
    subject.catch_up()
    core = subject.open()
    made: list[Path | Exception | None] = []

    def copy() -> None:
        try:
            made.append(housekeeping.back_up(core.database, core.backups))
        except duckdb.Error as error:
            made.append(error)

    threads = [threading.Thread(target=copy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    paths = [path for path in made if isinstance(path, Path)]
    assert len({*paths}) == 4, made
    for path in paths:
        with duckdb.connect(str(path), read_only=True) as other:
            assert other.execute("SELECT count(*) FROM usage_events").fetchone() == (1,)
    assert not [path for path in core.backups.iterdir() if path.suffix != ".duckdb"]


def test_runs_and_audit_go_by_their_age(subject: Subject) -> None:
    """``keep_runs`` and ``keep_audit``, each on its own; a job's last run stays."""
    core = subject.open()
    for n, days in enumerate((1, 20, 40, 400)):
        core.query(
            "INSERT INTO job_runs (run_id, name, trigger, started_at, outcome) VALUES ($1, 'j', 'clock', $2, 'ok')",
            [f"r{days}", NOW - days * DAY],
        )
        core.query(
            "INSERT INTO audit_log (entry_id, asked_at, action, actor, status, duration_ms)"
            " VALUES ($1, $2, 'a', 'b', $3, 1)",
            [f"e{days}", NOW - days * DAY, 200 + n],
        )
    core.keep_house()
    assert {row[0] for row in core.query("SELECT run_id FROM job_runs WHERE name = 'j'")} == {"r1", "r20"}
    assert {row[0] for row in core.query("SELECT entry_id FROM audit_log")} == {"e1", "e20", "e40"}
