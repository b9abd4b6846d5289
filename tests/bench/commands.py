"""Commands, as people wait for them: beside a script that imports the same and opens the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb

from tests.bench.generate import small_sessions
from tests.bench.measures import Measure, Size, scratch, took, yardstick
from tests.support.processes import Place

#: Commands that read.
READING = (("status",), ("usage",), ("usage", "sessions"), ("sessions", "list"), ("jobs", "list"))


def commands(size: Size) -> Iterator[Measure]:
    """Reading commands on a stopped service and on a running one."""
    with scratch(size) as folder:
        small_sessions(folder / "sessions", 1000)
        ours = Place(folder / "sessions", folder / "state")
        assert ours.run("once").returncode == 0
        environment = ours.surroundings()
        turns = 5 * size.turns
        bare = min(took(yardstick("open", ours.sessions, ours.state), environment) for _ in range(turns))
        stopped = {words: min(took(ours.command(*words), environment) for _ in range(turns)) for words in READING}
        running = ours.start()
        try:
            through = {words: min(took(ours.command(*words), environment) for _ in range(turns)) for words in READING}
        finally:
            assert running.stop() == 0
        for words in READING:
            yield Measure(f"{' '.join(words)}, stopped", stopped[words], bare, "s", 1.5)
        for words in READING:
            yield Measure(f"{' '.join(words)}, running, beside stopped", through[words], stopped[words], "s", 1.0)


def many_rows(size: Size) -> Iterator[Measure]:
    """``status`` and ``sessions list`` with 100,000 state rows, beside 1,000."""
    listing = (("status",), ("sessions", "list"), ("sessions", "list", "99"))
    seconds: dict[int, dict[tuple[str, ...], float]] = {}
    for rows in (1000, 50 * size.sessions):
        with scratch(size) as folder:
            (folder / "sessions").mkdir()
            ours = Place(folder / "sessions", folder / "state")
            assert ours.run("once").returncode == 0
            fill(ours.state, rows)
            environment = ours.surroundings()
            seconds[rows] = {
                words: min(took(ours.command(*words), environment) for _ in range(5 * size.turns)) for words in listing
            }
    few, many = seconds.values()
    for words in listing:
        yield Measure(f"{' '.join(words)}, {50 * size.sessions:,} state rows", many[words], few[words], "s", 2.0)


def fill(state: Path, rows: int) -> None:
    """Put so many state rows into a database, now and then one with trouble."""
    with duckdb.connect(str(state / "watcher.duckdb")) as database:
        database.execute(
            "INSERT INTO session_processor_state (processor_name, session_file, username, processed_at,"
            " items_extracted, processed_bytes, file_size, bad_lines, status, attempts, last_error)"
            " SELECT 'usage', 'user' || (n % 100) || '/session-' || n || '.jsonl', 'user' || (n % 100),"
            " TIMESTAMPTZ '2026-03-01 00:00:00+00' + n * INTERVAL 1 SECOND, n % 50, 1000 * n, 1000 * n,"
            " CASE WHEN n % 1000 = 7 THEN 1 ELSE 0 END, CASE WHEN n % 500 = 3 THEN 'failed' ELSE 'ok' END,"
            f" 0, CASE WHEN n % 500 = 3 THEN 'no good' END FROM range({rows}) AS t(n)"
        )
