"""A checkpoint beside transactions: none fails for the other."""

from __future__ import annotations

import threading
from pathlib import Path

from watcher.store.duck import DuckDatabase


def test_a_checkpoint_and_transactions_hold_each_other_up_and_fail_neither(tmp_path: Path) -> None:
    """Three writers without a pause, and a checkpoint every moment: all is written, all are made."""
    database = DuckDatabase(tmp_path / "watcher.duckdb")
    connection = database.connect()
    connection.execute("CREATE TABLE rows (writer BIGINT, number BIGINT)")
    stop, failures = threading.Event(), list[Exception]()
    written = [0, 0, 0]

    def write(writer: int) -> None:
        own = database.connect()
        try:
            while not stop.is_set():
                with own.transaction():
                    own.execute("INSERT INTO rows VALUES ($1, $2)", [writer, written[writer]])
                    own.execute("SELECT count(*) FROM rows")
                own.execute("INSERT INTO rows VALUES ($1, -1)", [writer])  # a statement alone is one too
                written[writer] += 1
        except Exception as error:  # noqa: BLE001 — it is looked at below
            failures.append(error)

    threads = [threading.Thread(target=write, args=[writer]) for writer in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(40):
            database.checkpoint()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert all(written)
    counts = connection.execute("SELECT writer, count(*) FROM rows GROUP BY writer ORDER BY writer")
    assert counts == [(writer, 2 * count) for writer, count in enumerate(written)]
    database.close()
