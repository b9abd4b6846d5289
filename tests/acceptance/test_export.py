"""The Parquet export: what any tool reads from the folder is what the tables say."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from processors.errors import Errors
from processors.usage import Usage
from processors.verification import Verification
from tests.support.corpus import plant
from tests.support.harness import Subject
from tests.support.processes import Place, call, wait_for
from watcher.errors import JobFailed
from watcher.plugins import RefusedProcessor, discover

EXPORTS = {**Usage.schema.exports, **Errors.schema.exports}


def subject(root: Path, keep_events: str = "0s") -> Subject:
    """The program with an export folder beside its state."""
    made = Subject(root / "sessions", root / "state")
    (root / "sessions").mkdir(exist_ok=True)
    made.overrides = {"housekeeping.export": str(root / "export"), "housekeeping.keep_events": keep_events}
    return made


def read(root: Path, sql: str) -> list[tuple[Any, ...]]:
    """A query over the folder, by a DuckDB that knows nothing of the program; ``{name}`` is a table's files."""
    globs = {
        name: f"read_parquet('{root / 'export' / name}/*/*.parquet', hive_partitioning = true)" for name in EXPORTS
    }
    with duckdb.connect() as reader:
        reader.execute("SET TimeZone = 'UTC'")
        return reader.execute(sql.format(**globs)).fetchall()


def must_equal(root: Path, made: Subject, names: Sequence[str] = tuple(EXPORTS)) -> None:
    """Row for row, whatever the order, and each row under its own day."""
    for name in names:
        columns = ", ".join(made.open().database.tables()[name])
        table = made.open().query(f"SELECT {columns} FROM {name}")
        files = read(root, f"SELECT {columns} FROM {{{name}}}")
        assert sorted(files, key=repr) == sorted(table, key=repr), name
        at = EXPORTS[name].at
        assert read(root, f"SELECT count(*) FROM {{{name}}} WHERE day IS DISTINCT FROM CAST({at} AS DATE)") == [(0,)]


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Every day's file with what changes when it is replaced."""
    found = sorted((root / "export").rglob("*"))
    assert all(path.is_dir() or path.name == "rows.parquet" for path in found), "something was left behind"
    return {
        str(path.relative_to(root / "export")): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in found
        if path.is_file()
    }


def keep_house(made: Subject) -> dict[str, Any]:
    """Housekeeping, as by the clock."""
    return made.open().jobs.run("housekeeping", "asked")


def test_totals_equal_the_tables(tmp_path: Path) -> None:
    """On the planted corpus, with its forks, repeats and lines without a time; twice changes nothing at all."""
    made = subject(tmp_path)
    plant(made.root)
    try:
        made.catch_up()
        done = keep_house(made)
        must_equal(tmp_path, made)
        assert {path.name for path in (tmp_path / "export").iterdir()} == set(EXPORTS)
        before = files(tmp_path)
        assert done["days_exported"] == len(before) > len(EXPORTS)
        sums = "sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cost_usd), count(*)"
        assert read(tmp_path, f"SELECT {sums} FROM {{usage_messages}}") == made.open().query(
            f"SELECT {sums} FROM usage_messages"
        )
        counted = "count(*) FILTER (WHERE iteration = -1), sum(input_tokens)"
        by_day = counted + " FROM {} WHERE occurred_at IS NOT NULL GROUP BY 1 ORDER BY 1"
        assert read(tmp_path, f"SELECT day, {by_day.format('{usage_messages}')}") == made.open().query(
            "SELECT day, calls, input_tokens FROM usage_daily WHERE day IS NOT NULL ORDER BY 1"
        )
        assert keep_house(made)["days_exported"] == 0 and files(tmp_path) == before
    finally:
        made.close()


def test_words_stay_in_the_database() -> None:
    """What people said, some of it for themselves alone, is in no file that any tool reads."""
    assert not Verification.schema.exports
    ours = [one for one in discover().values() if not isinstance(one, RefusedProcessor)]
    assert {name for one in ours for name in one.schema.exports} == set(EXPORTS)


def test_late_rows_rewrite_their_day_alone(tmp_path: Path) -> None:
    """A line of another day leaves the others' files as they are; a session that is erased takes its rows along."""
    made = subject(tmp_path)
    path = made.root / "ann" / "a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(call(f"m{day}", at=f"2026-03-0{day}T10:00:00Z") for day in range(1, 5)))
    try:
        made.catch_up()
        keep_house(made)
        before = files(tmp_path)
        with path.open("ab") as file:
            file.write(call("late", at="2026-03-02T23:59:59.999Z"))
        made.catch_up()
        assert keep_house(made)["days_exported"] == 2
        after = files(tmp_path)
        changed = {name for name in after if after[name] != before.get(name)}
        # The session began on the first, and has more in it now.
        assert changed == {"usage_messages/day=2026-03-02/rows.parquet", "usage_sessions/day=2026-03-01/rows.parquet"}
        must_equal(tmp_path, made, ["usage_messages"])
        path.unlink()
        made.catch_up()
        for name in ("errors", "usage"):
            assert all(answer.done for answer in made.open().sessions.order("forget", ["ann/a.jsonl"], "", name))
        keep_house(made)
        assert files(tmp_path) == {}, "days without a row have no file"
    finally:
        made.close()


def use(number: int, day: int, is_error: bool) -> bytes:
    """A tool use and its result."""
    at, end = f"2026-03-{day:02}T10:00:00Z", f"2026-03-{day:02}T10:00:05Z"
    asked = {
        "type": "assistant", "uuid": f"u{number}", "sessionId": "s", "timestamp": at, "requestId": f"r{number}",
        "message": {"id": f"m{number}", "model": "claude-opus-4-6", "role": "assistant", "usage": {"input_tokens": 1},
                    "content": [{"type": "tool_use", "id": f"t{number}", "name": "Bash", "input": {}}]},
    }  # fmt: skip
    result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": "no", "is_error": is_error}
    told = {
        "type": "user",
        "uuid": f"v{number}",
        "sessionId": "s",
        "timestamp": end,
        "message": {"role": "user", "content": [result]},
    }
    return json.dumps(asked).encode() + b"\n" + json.dumps(told).encode() + b"\n"


def test_what_is_dropped_stays_in_the_files(tmp_path: Path) -> None:
    """Single uses and failures go from the tables after keep_events, and not from the export, also when more come."""
    made = subject(tmp_path)
    path = made.root / "ann" / "a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(use(day, day, day % 2 == 0) for day in range(1, 11)))
    select = "SELECT tool_use_id, occurred_at, is_error FROM {} ORDER BY 1"
    failed = "SELECT tool_use_id, kind FROM {} ORDER BY 1"
    try:
        made.catch_up()
        all_uses, all_failed = (
            made.open().query(sql.format(of)) for sql, of in ((select, "usage_events"), (failed, "errors"))
        )
        assert len(all_uses) == 10 and len(all_failed) == 5
        made.close()
        made.overrides["housekeeping.keep_events"] = "1d"
        for _ in range(2):  # the second finds nothing to drop, and must lose nothing
            keep_house(made)
            assert made.open().query("SELECT count(*) FROM usage_events") == [(0,)]
            assert read(tmp_path, select.format("{usage_events}")) == all_uses
            assert read(tmp_path, failed.format("{errors}")) == all_failed
        with path.open("ab") as file:
            file.write(use(11, 5, True) + use(12, 6, False))
        made.catch_up()
        keep_house(made)
        more = read(tmp_path, select.format("{usage_events}"))
        assert [row for row in more if row[0] not in ("t11", "t12")] == all_uses and len(more) == 12
        assert len(read(tmp_path, failed.format("{errors}"))) == 6
        must_equal(tmp_path, made, ["usage_messages"])
        made.close()
        made.overrides["housekeeping.keep_events"] = "0s"  # whoever keeps everything again keeps this, too
        keep_house(made)
        assert read(tmp_path, select.format("{usage_events}")) == more
    finally:
        made.close()


def test_a_folder_that_would_be_a_pattern_is_refused(tmp_path: Path) -> None:
    """In one sentence, and nothing is dropped for which there would be no file."""
    made = subject(tmp_path, keep_events="1d")
    (made.root / "a.jsonl").write_bytes(use(1, 1, False))
    made.overrides["housekeeping.export"] = str(tmp_path / "ex[1]port")
    try:
        made.catch_up()
        with pytest.raises(JobFailed, match=r"name a folder without it"):
            keep_house(made)
        assert made.open().query("SELECT count(*) FROM usage_events") == [(1,)]
    finally:
        made.close()


def test_what_cannot_be_exported_harms_nothing_else(tmp_path: Path) -> None:
    """Nothing is dropped that is in no file, a copy is made all the same, and the run says why it failed."""
    made = subject(tmp_path, keep_events="1d")
    (made.root / "a.jsonl").write_bytes(use(1, 1, True))
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "usage_messages").write_text("not a folder")
    try:
        made.catch_up()
        with pytest.raises(JobFailed, match=r"usage: .*the rest is done"):
            keep_house(made)
        assert made.open().query("SELECT count(*) FROM usage_events") == [(1,)]
        # The other processor's are there, and its old rows went.
        assert made.open().query("SELECT count(*) FROM errors") == [(0,)]
        assert len(list((tmp_path / "export" / "errors").glob("day=*/rows.parquet"))) == 1
        assert len(list((tmp_path / "state" / "backups").glob("*.duckdb"))) == 1
    finally:
        made.close()


def test_a_kill_leaves_no_half_file(tmp_path: Path) -> None:
    """Killed at any point of it: whatever day is there is whole, and the next run makes good what is missing."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    place = Place(tmp_path / "sessions", tmp_path / "state")
    place.environment["WATCHER_HOUSEKEEPING__EXPORT"] = str(tmp_path / "export")
    place.environment["WATCHER_HOUSEKEEPING__BACKUPS"] = "0"
    days = [f"2026-{month:02}-{day:02}" for month in (1, 2, 3) for day in range(1, 29)]
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    (tmp_path / "sessions" / "ann" / "a.jsonl").write_bytes(
        b"".join(call(f"{day}-{n}", at=f"{day}T{n:02}:00:00Z") for day in days for n in range(20))
    )
    assert place.run("once").returncode == 0
    folder = tmp_path / "export" / "usage_messages"
    # In its first half: by the time that it is seen and killed, it is some days on.
    for until in sorted(rng.sample(range(1, len(days) // 2), 3)):
        process = subprocess.Popen(
            place.command("jobs", "run", "housekeeping"), env=place.surroundings(), stdout=subprocess.DEVNULL
        )
        wait_for(lambda until=until: len(list(folder.glob("day=*/rows.parquet"))) >= until, "some days")  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        assert process.wait(20) == -signal.SIGKILL, "it was at work"
        there = read(tmp_path, "SELECT day, count(*), count(DISTINCT message_id) FROM {usage_messages} GROUP BY 1")
        print(f"killed with {len(there)} of {len(days)} days")
        assert 0 < len(there) < len(days) and {row[1:] for row in there} == {(20, 20)}
    assert place.run("jobs", "run", "housekeeping").returncode == 0
    assert read(tmp_path, "SELECT count(*), count(DISTINCT day) FROM {usage_messages}") == [(len(days) * 20, len(days))]
    assert set(files(tmp_path)), "and nothing else is there"
