"""A checkpoint beside transactions: none fails for the other; and the end, which waits for no statement."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import duckdb
import pytest

from tests.support.listener import until
from watcher.store.duck import LONG_LOG, DuckDatabase


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


def test_at_rest_what_lies_in_memory_goes_into_the_file(tmp_path: Path) -> None:
    """A log that is worth it; a short one stays, since a checkpoint writes more than it brings."""
    database = DuckDatabase(tmp_path / "watcher.duckdb")
    connection = database.connect()
    log = tmp_path / "watcher.duckdb.wal"
    connection.execute("CREATE TABLE rows (number BIGINT, word VARCHAR)")
    database.rest()
    assert log.stat().st_size > 0
    connection.execute("INSERT INTO rows SELECT number, repeat('x', 100) || number FROM range(100000) t(number)")
    assert log.stat().st_size > LONG_LOG

    def in_memory() -> int:
        ((size,),) = connection.execute(
            "SELECT sum(memory_usage_bytes) FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'"
        )
        return int(size)

    assert in_memory() > LONG_LOG
    database.rest()
    assert not log.exists() or log.stat().st_size == 0
    assert in_memory() < LONG_LOG / 10
    assert connection.execute("SELECT count(*) FROM rows") == [(100_000,)]
    database.close()


def test_the_end_breaks_off_what_runs(tmp_path: Path) -> None:
    """A statement that takes for ever ends with an error, its transaction is not there; what was committed is."""
    database = DuckDatabase(tmp_path / "watcher.duckdb")
    own = database.connect()
    own.execute("CREATE TABLE rows AS SELECT 1 AS number")
    begun, failures = threading.Event(), list[Exception]()

    def run() -> None:
        try:
            with own.transaction():
                own.execute("INSERT INTO rows VALUES (2)")
                begun.set()
                own.execute("SELECT count(*) FROM range(10000000000000) WHERE range % 7 = 3")
        except Exception as error:  # noqa: BLE001 — it is looked at below
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(20)
    spent = time.process_time()
    until(lambda: time.process_time() - spent > 0.2, "the statement to be at work")
    began = time.monotonic()
    database.close()
    assert time.monotonic() - began < 10
    thread.join(20)
    assert not thread.is_alive()
    (failure,) = failures
    assert isinstance(failure, duckdb.Error)
    with pytest.raises(database.Error):
        database.connect()
    again = DuckDatabase(tmp_path / "watcher.duckdb")
    assert again.connect().execute("SELECT number FROM rows") == [(1,)]
    again.close()
