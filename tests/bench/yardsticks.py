"""What the plainest program takes for the same: run as ``python -m tests.bench.yardsticks NAME FOLDER STATE``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path


def sessions(folder: str) -> Iterator[str]:
    """Every transcript below a folder."""
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".jsonl"):
                yield os.path.join(parent, name)


def decode(folder: str, _state: str) -> None:
    """Decode the needed fields of every line, and keep nothing."""
    import msgspec

    from tests.bench.decoded import Record

    decoder = msgspec.json.Decoder(Record)
    lines = 0
    for path in sessions(folder):
        lines += len(decoder.decode_lines(Path(path).read_bytes()))
    print(lines)


def look(folder: str, state: str) -> None:
    """Import what a run imports, open the database, and look at every file."""
    import watcher.cli.app
    import watcher.cli.once
    from watcher.settings import load
    from watcher.store.duck import DuckDatabase

    assert watcher.cli.app and watcher.cli.once
    load()
    database = DuckDatabase(Path(state) / "watcher.duckdb")
    connection = database.connect()
    connection.execute("SELECT count(*) FROM session_processor_state")
    print(sum(os.stat(path).st_size for path in sessions(folder)))
    database.close()


def open_database(_folder: str, state: str) -> None:
    """Import what a reading command imports, open the database, and ask it for something."""
    import watcher.cli.app
    import watcher.cli.output
    import watcher.cli.status
    from watcher.settings import load
    from watcher.store.duck import DuckDatabase

    assert watcher.cli.app and watcher.cli.output and watcher.cli.status
    load()
    database = DuckDatabase(Path(state) / "watcher.duckdb", read_only=True)
    connection = database.connect()
    print(connection.execute("SELECT count(*) FROM session_processor_state"))
    database.close()


if __name__ == "__main__":
    {"decode": decode, "look": look, "open": open_database}[sys.argv[1]](sys.argv[2], sys.argv[3])
