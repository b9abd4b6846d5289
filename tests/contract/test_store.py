"""What the store promises, on both databases."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from processors.contract import Once, Schema, Table
from watcher.store.commits import Pass, PassStore
from watcher.store.database import Connection, Database
from watcher.store.dedup import MANY
from watcher.store.migrations import migrate
from watcher.store.sql import QUERIES
from watcher.store.state import State

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SCHEMA = Schema(
    package="tests.contract",
    tables={
        "things": Table(
            columns={
                "session_file": "text",
                "thing": "text",
                "weight": "integer",
                "seen_at": "timestamp",
                "position": "integer",
                "first_at": "timestamp",
                "bad": "boolean",
                "any_bad": "boolean",
                "counted": "boolean",
            },
            once=Once(
                by=("thing",),
                best=("weight DESC", "seen_at ASC NULLS LAST", "session_file", "position"),
                merged={"first_at": "min(seen_at)", "any_bad": "bool_or(bad)"},
            ),
        ),
        "totals": Table(
            columns={"session_file": "text", "name": "text", "value": "real"}, key=("session_file", "name")
        ),
    },
)
_TABLES = (
    (
        "CREATE TABLE things (session_file VARCHAR, thing VARCHAR, weight BIGINT, seen_at TIMESTAMPTZ, position BIGINT,"
        " first_at TIMESTAMPTZ, bad BOOLEAN, any_bad BOOLEAN, counted BOOLEAN)"
    ),
    (
        "CREATE TABLE totals (session_file VARCHAR, name VARCHAR, value DOUBLE PRECISION,"
        " PRIMARY KEY (session_file, name))"
    ),
)


@pytest.fixture
def connection(database: Database, tmp_path: Path) -> Iterator[Connection]:
    migrate(database, tmp_path / "backups")
    opened = database.connect()
    for sql in _TABLES:
        opened.execute(sql)
    yield opened
    opened.close()


@pytest.fixture
def store(database: Database, connection: Connection) -> PassStore:
    return PassStore(database, "things", SCHEMA)


def state(key: str, taken: int = 1, **more: Any) -> State:
    return State(
        processor_name="things",
        session_file=key,
        username="alice",
        processed_at=NOW,
        file_hash=f"xxh3:{taken}",
        processed_bytes=taken,
        processor_version=1,
        **more,
    )


def json_lines(key: str, rows: list[dict[str, Any]]) -> bytes:
    return msgspec.json.Encoder().encode_lines([{"session_file": key, **row} for row in rows])


def thing(name: str, weight: int, seconds: int | None, position: int, bad: bool | None = None) -> dict[str, Any]:
    at = None if seconds is None else NOW + timedelta(seconds=seconds)
    return {
        "thing": name, "weight": weight, "seen_at": at, "position": position, "first_at": at, "bad": bad,
        "any_bad": bad, "counted": True,
    }  # fmt: skip


def work(key: str, before: State | None, taken: int, rows: list[dict[str, Any]], replace: bool = False) -> Pass:
    return Pass(key, before, state(key, taken), replace, {"things": json_lines(key, rows)} if rows else {})


def test_rows_and_state_come_together(store: PassStore, connection: Connection) -> None:
    """One transaction holds a pass's rows and the note that they were made."""
    first = work("a", None, 5, [thing("x", 1, 0, 0)])
    assert store.commit(connection, [first], NOW) == ["committed"]
    assert store.states(connection, ["a", "b"]) == {"a": state("a", 5)}
    assert connection.execute("SELECT session_file, thing, counted FROM things") == [("a", "x", True)]


def test_a_pass_whose_state_has_moved_on_is_void(store: PassStore, connection: Connection) -> None:
    """Compare and set: what was made from an outdated state is not stored; its neighbours are."""
    store.commit(connection, [work("a", None, 5, [thing("x", 1, 0, 0)])], NOW)
    late = work("a", None, 9, [thing("y", 1, 0, 0)])
    neighbour = work("b", None, 3, [thing("z", 1, 0, 0)])
    assert store.commit(connection, [late, neighbour], NOW) == ["void", "committed"]
    assert sorted(connection.execute("SELECT thing FROM things")) == [("x",), ("z",)]


def test_replacing_takes_the_old_rows_out(store: PassStore, connection: Connection) -> None:
    """A session made anew leaves nothing of what it was, and another's row may count again."""
    store.commit(connection, [work("a", None, 5, [thing("x", 9, 0, 0)])], NOW)
    store.commit(connection, [work("b", None, 5, [thing("x", 1, 5, 0)])], NOW)
    assert connection.execute("SELECT session_file FROM things WHERE counted") == [("a",)]
    store.commit(connection, [work("a", state("a", 5), 6, [thing("y", 1, 0, 0)], replace=True)], NOW)
    assert sorted(connection.execute("SELECT session_file, thing FROM things WHERE counted")) == [
        ("a", "y"),
        ("b", "x"),
    ]


def test_keyed_rows_are_replaced_by_their_key(store: PassStore, connection: Connection) -> None:
    """The same key again is the same row with new values."""
    before = None
    for taken, value in ((1, 1.5), (2, 2.5)):
        rows = {"totals": json_lines("a", [{"name": "n", "value": value}])}
        after = state("a", taken)
        store.commit(connection, [Pass("a", before, after, False, rows)], NOW)
        before = after
    assert connection.execute("SELECT name, value FROM totals") == [("n", 2.5)]


def test_forgetting_erases_rows_and_state(store: PassStore, connection: Connection) -> None:
    """Nothing of a forgotten session stays."""
    store.commit(
        connection, [work("a", None, 5, [thing("x", 9, 0, 0)]), work("b", None, 5, [thing("x", 1, 1, 0)])], NOW
    )
    store.commit(connection, [Pass("a", state("a", 5), state("a", 5), forget=True)], NOW)
    assert connection.execute("SELECT session_file, counted FROM things") == [("b", True)]
    assert store.states(connection, ["a", "b"]).keys() == {"b"}


def test_any_text_survives(store: PassStore, connection: Connection) -> None:
    """Quotes, line breaks, astral characters and things that look like JSON come back as they went in."""
    names = ["'", '"', "\n{", "\\u0000", "\U0001f600", "é\u2028", "{}", "$1", "%s", "a,b;c", "\ufffd"]
    rows = [thing(name, 1, 0, at) for at, name in enumerate(names)]
    store.commit(connection, [work("k'\"%\n", None, 5, rows)], NOW)
    assert sorted(name for (name,) in connection.execute("SELECT thing FROM things")) == sorted(names)
    assert list(store.states(connection, ["k'\"%\n"])) == ["k'\"%\n"]


def test_what_counts_is_what_a_plain_model_says(store: PassStore, connection: Connection) -> None:
    """Random appends, withdrawals, replacements and forgettings over sessions that share things, against a sort."""
    for seed, times in enumerate((1, 1, 1, 100)):
        rng = random.Random(seed)
        print(f"seed {seed}")
        largest = 0
        held: dict[str, list[dict[str, Any]]] = {}
        states: dict[str, State] = {}
        position = 0
        for step in range(40):
            group = []
            for key in rng.sample(["a", "b", "B", "é", "z"], rng.randint(1, 3)):
                key = f"{seed}/{key}"
                before = states.get(key)
                if before and rng.random() < 0.1:
                    group.append(Pass(key, before, before, forget=True))
                    del states[key], held[key]
                    continue
                rows = []
                for _ in range(times * rng.randint(0, 5)):
                    position += 1
                    rows.append(
                        thing(
                            f"{seed}-{rng.randrange(12 * times * times)}",
                            rng.randrange(3),
                            rng.choice([None, 0, 1, 2]),
                            position,
                            rng.choice([None, False, True]),
                        )
                    )
                replace = before is None or rng.random() < 0.3
                group.append(work(key, before, step + 1, rows, replace))
                kept = [] if replace else held[key]
                if kept and rng.random() < 0.3:
                    # Some of what came before goes, and a position that is not there is nothing.
                    gone = {row["position"] for row in rng.sample(kept, rng.randint(1, len(kept)))}
                    group[-1].withdrawn["things"] = [*sorted(gone), -1]
                    kept = [row for row in kept if row["position"] not in gone]
                held[key] = kept + rows
                states[key] = group[-1].after
            assert set(store.commit(connection, group, NOW)) == {"committed"}
            largest = max(largest, sum(len(work.rows.get("things", b"")) for work in group))
        assert (largest > MANY) == (times > 1)
        expected = model(held)
        columns = "session_file, thing, position, first_at, any_bad"
        found = connection.execute(f"SELECT {columns} FROM things WHERE counted AND session_file LIKE '{seed}/%'")
        assert sorted(map(plain, found), key=repr) == sorted(expected, key=repr), f"seed {seed}"
        stored = connection.execute(f"SELECT count(*) FROM things WHERE session_file LIKE '{seed}/%'")
        assert stored == [(sum(map(len, held.values())),)]


def plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.astimezone(UTC) if isinstance(value, datetime) else value for value in row)


def model(held: dict[str, list[dict[str, Any]]]) -> list[tuple[Any, ...]]:
    """The rule of `Once` in plain Python."""
    things: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for key, rows in held.items():
        for row in rows:
            things.setdefault(row["thing"], []).append((key, row))
    counted = []
    for name, told in things.items():
        key, best = min(
            told,
            key=lambda t: (-t[1]["weight"], t[1]["seen_at"] is None, t[1]["seen_at"] or NOW, t[0], t[1]["position"]),
        )
        times = [row["seen_at"] for _, row in told if row["seen_at"] is not None]
        bads = [row["bad"] for _, row in told if row["bad"] is not None]
        counted.append((key, name, best["position"], min(times, default=None), any(bads) if bads else None))
    return counted


class Crash(Exception):
    """Where the process might have ended."""


@contextmanager
def crashing_at(connection: Connection, statement: int) -> Iterator[None]:
    """Raise instead of the n-th statement."""
    count = 0
    real: Callable[..., Any] = connection.execute

    def execute(sql: str, parameters: Any = ()) -> Any:
        nonlocal count
        count += 1
        if count == statement:
            raise Crash
        return real(sql, parameters)

    connection.execute = execute  # type: ignore[method-assign]
    try:
        yield
    finally:
        connection.execute = real  # type: ignore[method-assign]


def test_a_crash_at_any_statement_changes_nothing(store: PassStore, connection: Connection) -> None:
    """All of a group or none of it, wherever it ends; afterwards the same group goes through."""
    store.commit(connection, [work("a", None, 5, [thing("x", 9, 0, 0)])], NOW)

    def everything() -> list[Any]:
        tables = ("things", "totals", "session_processor_state")
        return [sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in tables]

    before = everything()
    group = [
        work("a", state("a", 5), 6, [thing("y", 1, 0, 0)], replace=True),
        work("b", None, 2, [thing("x", 1, 3, 0), thing("y", 7, 1, 1)]),
    ]
    for statement in range(1, 100):
        try:
            with crashing_at(connection, statement):
                store.commit(connection, group, NOW)
        except Crash:
            assert everything() == before, f"at statement {statement}"
        else:
            break
    else:
        raise AssertionError("it never went through")
    assert statement > 8
    assert everything() != before


@pytest.mark.parametrize("both", [False, True])
def test_a_legacy_database_is_taken_over(database: Database, tmp_path: Path, both: bool) -> None:
    """Both shapes: rows become verification's, usage's say nothing, naive times were local, and again is no harm."""
    connection = database.connect()
    md5 = hashlib.md5(b"x").hexdigest()
    connection.execute(
        "CREATE TABLE session_extraction_state (session_file VARCHAR PRIMARY KEY, username VARCHAR,"
        " processed_at TIMESTAMP, items_extracted INTEGER, file_hash VARCHAR)"
    )
    local = datetime(2025, 5, 1, 10, 0)
    connection.execute(
        "INSERT INTO session_extraction_state VALUES ('alice/s.jsonl', 'alice', $1, 3, $2)", [local, md5]
    )
    connection.execute("INSERT INTO session_extraction_state VALUES ('t.jsonl', 'bob', NULL, NULL, NULL)")
    if both:
        connection.execute(
            "CREATE TABLE session_processor_state (processor_name VARCHAR, session_file VARCHAR, username VARCHAR,"
            " processed_at TIMESTAMP, items_extracted INTEGER, file_hash VARCHAR,"
            " PRIMARY KEY (processor_name, session_file))"
        )
        for name in ("usage", "verification", "other"):
            connection.execute(
                "INSERT INTO session_processor_state VALUES ($1, 'alice/s.jsonl', 'alice', $2, 7, $3)",
                [name, local, md5],
            )
    for _ in range(2):
        migrate(database, tmp_path / "backups")
    assert "session_extraction_state" not in database.tables()
    found = {
        (row[0], row[1]): row[2:]
        for row in connection.execute(
            "SELECT processor_name, session_file, username, processed_at, items_extracted, file_hash, processed_bytes,"
            " processor_version, status FROM session_processor_state"
        )
    }
    assert set(found) == {("verification", "alice/s.jsonl"), ("verification", "bob/t.jsonl")} | (
        {("other", "alice/s.jsonl")} if both else set()
    )
    user, at, items, file_hash, taken, version, status = found["verification", "alice/s.jsonl"]
    assert (user, items, file_hash, taken, version, status) == ("alice", 7 if both else 3, md5, 0, None, "ok")
    assert at.astimezone(UTC) == local.astimezone(UTC)
    connection.close()


def test_migrations_commit_with_their_record(database: Database, tmp_path: Path) -> None:
    """What is done is not done again."""
    migrate(database, tmp_path / "backups")
    connection = database.connect()
    assert connection.execute(QUERIES["migrations"], ["watcher"]) == [(1,), (2,), (3,), (4,)]
    migrate(database, tmp_path / "backups")
    assert connection.execute(QUERIES["migrations"], ["watcher"]) == [(1,), (2,), (3,), (4,)]
    connection.close()
