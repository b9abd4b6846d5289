"""Copies of the database: made while it is written, restored by the book, and the tables are those of that moment."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.processes import Place, call, lines, wait_for
from tests.support.transcript_lines import Talk, line, tool, usage

TABLES = ("usage_messages", "usage_events", "usage_sessions", "usage_daily", "error_results", "session_processor_state",
          "api_tokens")  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    return Place(tmp_path / "sessions", tmp_path / "state")


def tables(path: Path) -> dict[str, list[Any]]:
    """Every table and view that people read, in a database nobody has open."""
    with duckdb.connect(str(path), read_only=True) as database:
        database.execute("SET TimeZone = 'UTC'")
        return {name: database.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall() for name in TABLES}


def write(place: Place, name: str, count: int) -> None:
    """A session with calls, tool uses and a failure."""
    talk = Talk(name, "/home/ann/shop")
    content = lines([f"{name}-{n}" for n in range(count)])
    block = tool(f"toolu_{name}", "Bash", command="ls")
    content += line(talk.assistant("2026-03-02T10:00:00Z", name, block, usage(3, 5)))
    content += line(talk.gave("2026-03-02T10:00:01Z", f"toolu_{name}", "Exit code 1", True))
    (place.sessions / "ann" / f"{name}.jsonl").write_bytes(content)


def calls(place: Place) -> int:
    return int(place.ask("/api/usage/users").get("totals", {}).get("calls") or 0)


def test_a_copy_made_while_it_runs_restores_that_moment(place: Place, tmp_path: Path) -> None:
    """By the book: stop, put it in its place, remove the log, start; the first sweep takes what the copy has not."""
    service = place.start()
    try:
        write(place, "early", 30)
        wait_for(lambda: calls(place) == 31, "the first session", service.log)
        assert place.run("tokens", "create", "ci", "--role", "reader").returncode == 0
        copy = Path(place.json("backup")["backup"])
        assert copy.parent == place.state / "backups" and copy.stat().st_size > 0
        write(place, "late", 20)
        wait_for(lambda: calls(place) == 52, "the second session", service.log)
        to = place.run("backup", str(tmp_path))  # into a folder that is named
        assert to.returncode == 0 and Path(to.stdout.rpartition(" (")[0]).parent == tmp_path
        assert service.stop() == 0
    finally:
        service.kill()
    whole = tables(place.state / "watcher.duckdb")
    assert tables(Path(to.stdout.rpartition(" (")[0])) == whole
    early = tables(copy)
    assert {row[3] for row in early["usage_messages"]} == {"ann/early.jsonl"} and len(early["api_tokens"]) == 1
    # A copy that is made while nothing runs is the same as the file.
    stopped = Path(place.json("backup", str(tmp_path / "stopped.duckdb"))["backup"])
    assert stopped == tmp_path / "stopped.duckdb" and tables(stopped) == whole
    # To restore.
    shutil.copyfile(copy, place.state / "watcher.duckdb")
    (place.state / "watcher.duckdb.wal").unlink(missing_ok=True)
    assert tables(place.state / "watcher.duckdb") == early
    service = place.start()
    try:
        wait_for(lambda: calls(place) == 52, "what the copy has not", service.log)
        # It goes on like any other: appends, rewritten rows, a new copy.
        write(place, "early", 35)
        wait_for(lambda: calls(place) == 57, "a session that it had", service.log)
        (place.sessions / "ann" / "late.jsonl").write_bytes(call("only"))
        wait_for(lambda: calls(place) == 37, "a session that was rewritten", service.log)
        assert place.run("backup").returncode == 0
        assert service.stop() == 0
    finally:
        service.kill()


def test_a_copy_that_cannot_be_made_is_one_sentence(place: Place, tmp_path: Path) -> None:
    """Nothing to copy, or no such folder; and nothing is left half made."""
    nothing = place.run("backup")
    assert nothing.returncode == 2 and "there is no database" in nothing.stderr and not place.state.exists()
    assert place.run("once").returncode == 0
    done = place.run("backup", str(tmp_path / "no" / "such" / "x.duckdb"))
    assert done.returncode == 2 and "no such folder" in done.stderr and done.stderr.count("\n") == 1
    assert not (place.state / "backups").exists() or not list((place.state / "backups").iterdir())
