"""Restore and upgrade as the guide has them: its commands are run as they stand, on a state folder that was at work."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support import ROOT
from tests.support.processes import Place, Running, call, lines, wait_for
from watcher.store import migrations

GUIDE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
#: In the place of systemd's: it ends the service as that would, and the test starts it again.
SYSTEMCTL = """#!/bin/sh
echo "$1" >> "$TOLD"
[ "$1" = stop ] || exit 0
kill -TERM "$SERVICE"
while [ -e "/proc/$SERVICE" ] && ! grep -q '^State:.Z' "/proc/$SERVICE/status"; do sleep 0.05; done
"""


def commands(name: str) -> str:
    """The block of the guide that is marked so."""
    (block,) = re.findall(rf"<!-- {name} -->\n```sh\n(.*?)```", GUIDE, re.DOTALL)
    return str(block)


def follow(script: str, place: Place, running: Running, tmp_path: Path) -> list[str]:
    """Run a block, with the state folder of the test for that of the guide; what systemd was told."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "bin" / "systemctl").write_text(SYSTEMCTL)
    (tmp_path / "bin" / "systemctl").chmod(0o755)
    here = script.replace("/var/lib/session-watcher", str(place.state))
    assert "/var/" not in here and "/opt/" not in here and "/etc/" not in here
    told = tmp_path / "told"
    surroundings = {
        **place.surroundings(), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "SERVICE": str(running.process.pid), "TOLD": str(told),
    }  # fmt: skip
    done = subprocess.run(["bash", "-eu", "-c", here], env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert running.process.wait(20) == 0
    return told.read_text().split()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    return Place(tmp_path / "sessions", tmp_path / "state")


def calls(place: Place) -> int:
    """API calls counted so far."""
    return sum(row[2] for row in place.json("usage", "users")["rows"])


def test_the_guides_restore_brings_everything_back(place: Place, tmp_path: Path) -> None:
    """A copy made while it ran is put in force; what transcripts hold beyond it is taken again."""
    (place.sessions / "ann" / "a.jsonl").write_bytes(lines(["m1", "m2"]))
    (place.sessions / "ann" / "deleted.jsonl").write_bytes(lines(["m3"]))
    running = place.start()
    wait_for(lambda: calls(place) == 3, "the sessions", running.log)
    place.json("tokens", "create", "before", "--role", "reader")
    copy = place.state / "backups" / place.json("jobs", "run", "housekeeping")["stats"]["backup"]
    (place.sessions / "ann" / "deleted.jsonl").unlink()
    with (place.sessions / "ann" / "a.jsonl").open("ab") as file:
        file.write(call("m4"))
    (place.sessions / "ann" / "b.jsonl").write_bytes(call("m5"))
    wait_for(lambda: calls(place) == 5, "what came after the copy", running.log)
    place.json("tokens", "create", "after", "--role", "reader")
    # The mistake that is to be undone: rows of a transcript that is no longer there are erased.
    wait_for(lambda: place.json("sessions", "forget", "deleted.jsonl")["answers"], "the erasure", running.log)
    wait_for(lambda: calls(place) == 4, "it to be erased", running.log)
    script = re.sub(r"(?m)^COPY=.*$", f"COPY='{copy}'", commands("restore"))
    assert follow(script, place, running, tmp_path) == ["stop", "start"]
    aside = {path.name for path in (place.state / "set-aside").iterdir()}
    assert "watcher.duckdb" in aside and not (place.state / "watcher.duckdb.wal").exists()
    again = place.start()
    try:
        wait_for(lambda: calls(place) == 5, "all calls, the erased one included", again.log)
        assert {one["name"] for one in place.json("tokens", "list")["tokens"]} == {"before"}
        assert place.health()["status"] == "ok"
        assert place.json("once")["ok"] and calls(place) == 5, "nothing is counted twice"
    finally:
        assert again.stop() == 0


def test_without_any_copy_it_is_filled_from_the_transcripts(place: Place, tmp_path: Path) -> None:
    """The same commands without the two that bring the copy in."""
    (place.sessions / "ann" / "a.jsonl").write_bytes(lines(["m1", "m2"]))
    running = place.start()
    wait_for(lambda: calls(place) == 2, "the session", running.log)
    script = "".join(line for line in commands("restore").splitlines(True) if not line.startswith(("cp ", "chown ")))
    follow(script, place, running, tmp_path)
    again = place.start()
    try:
        wait_for(lambda: calls(place) == 2, "the session, made anew", again.log)
    finally:
        assert again.stop() == 0


def as_the_first_version_left_it(place: Place) -> None:
    """Make the database anew by the first migrations alone, with every row that fits into their tables."""
    path = place.state / "watcher.duckdb"
    newer = path.rename(place.state / "newer.duckdb")
    first: list[tuple[str, Path]] = [
        ("watcher", ROOT / "watcher" / "store" / "migrations" / "001_state.sql"),
        *((made.parents[1].name, made) for made in sorted((ROOT / "processors").glob("*/migrations/001_*.sql"))),
    ]
    with duckdb.connect(str(path)) as old:
        old.execute("SET TimeZone = 'UTC'")
        old.execute(migrations._RECORDS)
        for owner, script in first:
            old.execute(script.read_text(encoding="utf-8"))
            old.execute("INSERT INTO schema_migrations VALUES (?, 1, ?, now())", [owner, script.stem[4:]])
        old.execute(f"ATTACH '{newer}' AS newer (READ_ONLY)")
        tables = [
            row[0]
            for row in old.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'watcher'").fetchall()
        ]
        for table in tables:
            if not table.startswith("schema_"):
                columns = ", ".join(
                    name
                    for (name,) in old.execute(
                        "SELECT column_name FROM duckdb_columns() WHERE database_name = 'watcher' AND table_name = ?",
                        [table],
                    ).fetchall()
                )
                old.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM newer.{table}")
    newer.unlink()


def test_a_database_of_the_first_version_is_brought_up_to_date(place: Place, tmp_path: Path) -> None:
    """Its rows stay and count, nothing is read again, what came meanwhile is added, and a copy is left behind."""
    (place.sessions / "ann" / "a.jsonl").write_bytes(lines(["m1", "m2"]))
    (place.sessions / "ann" / "deleted.jsonl").write_bytes(lines(["m3"]))
    assert place.run("once").returncode == 0
    (place.sessions / "ann" / "deleted.jsonl").unlink()
    as_the_first_version_left_it(place)
    tables = "SELECT session_file, processor_name, file_hash, items_extracted FROM session_processor_state ORDER BY ALL"
    with duckdb.connect(str(place.state / "watcher.duckdb")) as database:
        before = database.execute(tables).fetchall()
        assert (
            len(before) == 6 and not database.execute("FROM duckdb_tables() WHERE table_name = 'job_runs'").fetchall()
        )
    running = place.start()
    try:
        wait_for(
            lambda: [one["gone"] for one in place.json("status")["processors"]] == [1, 1, 1], "the sweep", running.log
        )
        assert calls(place) == 3
        done: list[dict[str, Any]] = [one["since_start"] for one in place.health()["processors"]]
        assert [one["processed"] for one in done] == [0, 0, 0], "nothing is read again"
        with (place.sessions / "ann" / "a.jsonl").open("ab") as file:
            file.write(call("m4"))
        wait_for(lambda: calls(place) == 4, "the append", running.log)
        assert place.json("tokens", "create", "new", "--role", "reader")["token"]
        assert place.json("jobs", "run", "health-check")["stats"]["status"] == "ok"
    finally:
        assert running.stop() == 0
    (copy,) = (place.state / "backups").glob("before-watcher-002-*.duckdb")
    with duckdb.connect(str(copy), read_only=True) as database:
        assert database.execute(tables).fetchall() == before
    with duckdb.connect(str(place.state / "watcher.duckdb"), read_only=True) as database:
        numbers = database.execute("SELECT number FROM schema_migrations WHERE owner = 'watcher' ORDER BY 1").fetchall()
    there = sorted((ROOT / "watcher" / "store" / "migrations").glob("*.sql"))
    assert [number for (number,) in numbers] == [int(path.name[:3]) for path in there]


def test_the_guides_upgrade_says_what_to_replace() -> None:
    """It ends the service before it changes what runs, and starts it after everything is in its place."""
    steps = [line for line in commands("upgrade").splitlines() if line]
    assert steps[0] == "session-watcher backup" and steps[1] == "systemctl stop session-watcher"
    assert steps[-1] == "systemctl start session-watcher"
    named = re.findall(r"deploy/[\w./-]+", GUIDE)
    assert named
    for path in named:
        assert (ROOT / path.rstrip(".")).exists(), path
