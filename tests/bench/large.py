"""A large installation, made in a minute: real files, real tables, rows from the database's own generator."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from processors.usage import Usage, UsageSettings
from tests.support.processes import Place
from watcher.plugins import RefusedProcessor, discover
from watcher.store.sql import queries

#: Lines of a session that leave a row: calls to a model, uses of tools, and the results of these.
CALLS, USES = 22, 14
LINES = CALLS + 2 * USES
#: Days that the sessions are spread over, the last of them today.
DAYS = 365

SQL = queries("tests.bench", "large.sql")


def large(sessions: int, place: Place) -> None:
    """So many sessions below an empty folder, each with `LINES` rows of usage, the last of them now."""
    assert place.run("once").returncode == 0
    now = datetime.now(UTC)
    known = place.state.parent / "sessions.csv"
    with known.open("w") as file:
        file.writelines(_files(place.sessions, sessions))
    versions = {name: found.version for name, found in discover().items() if not isinstance(found, RefusedProcessor)}
    steps: dict[str, list[object]] = {
        "chance": [],
        "sessions": [now, DAYS, sessions, str(known)],
        "states": [LINES, list(versions), list(versions.values())],
        "files": [],
        "said": [],
        "links": [],
        "contexts": [Usage().basis(UsageSettings())],
        "calls": [CALLS],
        "uses": [USES],
        "failures": [],
        "runs": [now],
        "audit": [now],
        "items": [now],
        "evidence": [],
    }
    with duckdb.connect(str(place.state / "watcher.duckdb")) as database:
        database.execute("SET TimeZone = 'UTC'")
        for name, parameters in steps.items():
            database.execute(SQL[name], parameters)
    known.unlink()


def _files(root: Path, count: int) -> Iterator[str]:
    """Empty transcripts of two hundred people, and what a sweep is to find of each."""
    for user in range(200):
        (root / f"user{user}").mkdir()
    for number in range(count):
        key = f"user{number * 7919 % 200}/session-{number:06d}.jsonl"
        path = root / key
        path.touch()
        status = path.stat()
        yield f"{number},{key},{status.st_ino},{status.st_size},{status.st_mtime_ns},{status.st_ctime_ns}\n"
