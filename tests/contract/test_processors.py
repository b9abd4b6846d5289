"""What every registered processor must keep, ours and strangers' alike: run with one installed, this covers it too."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from processors.contract import ColumnType, Extraction, Lines, Processor, Session, Work
from tests.contract.processor_tables import Rows, shown
from tests.support.corpus import FILES
from tests.support.harness import PRICES, Subject
from tests.support.oracle import session_key
from tests.support.random_lines import Pool, session_lines
from tests.support.transcript_lines import Talk
from watcher.plugins import Refused, discover
from watcher.sandbox.reader import is_utf8
from watcher.sandbox.validation import RowWriter
from watcher.settings import Settings, load, of_views
from watcher.store.commits import Pass, PassStore
from watcher.store.database import SQL_TYPES, Database
from watcher.store.migrations import migrate, prepare
from watcher.store.state import State

FOUND: dict[str, Processor] = {
    name: processor for name, processor in discover().items() if not isinstance(processor, Refused)
}
NOW = datetime(2026, 3, 1, tzinfo=UTC)
#: What information_schema says of a column's type on either database.
SAID: dict[ColumnType, tuple[str, ...]] = {
    "text": ("VARCHAR", "character varying", "text"),
    "integer": ("BIGINT", "bigint"),
    "real": ("DOUBLE", "double precision"),
    "boolean": ("BOOLEAN", "boolean"),
    "timestamp": ("TIMESTAMP WITH TIME ZONE", "timestamp with time zone"),
}


@pytest.fixture(params=sorted(FOUND))
def processor(request: pytest.FixtureRequest) -> Processor:
    return FOUND[request.param]


@pytest.fixture
def settings() -> Settings:
    """Prices add up exactly in any order."""
    return load(None, {}, {"processors.usage.prices": PRICES}).settings


class Bench:
    """A processor with its tables, given lines by hand."""

    def __init__(self, processor: Processor, settings: Settings, database: Database, folder: Path) -> None:
        self.processor, self.database = processor, database
        self.settings = settings.processor(processor.name)
        migrate(database, folder)
        prepare(database, processor, of_views(settings, processor.name), folder)
        self.writer = RowWriter(processor.schema)
        self.passes = PassStore(database, processor.name, processor.schema)
        self.connection = database.connect()
        self.states: dict[str, State] = {}

    def extract(self, key: str, data: bytes, start: int, carry: dict[str, Any]) -> Extraction:
        """One piece of work, its answer checked as the spine checks it."""
        work = Work(Session(key, "ann"), Lines(data, is_utf8(data)), start, carry, self.settings)
        extraction = self.processor.extract(work)
        self.writer.check(extraction, data)
        return extraction

    def made(self, key: str, pieces: Sequence[bytes]) -> list[Pass]:
        """The passes that follow from a session that comes in these pieces."""
        made, start, carry = [], 0, b"{}"
        state = self.states.get(key)
        for piece in pieces:
            extraction = self.extract(key, piece, start, msgspec.json.decode(carry))
            carry = self.writer.carry(extraction.carry)
            after = State(
                processor_name=self.processor.name,
                session_file=key,
                username="ann",
                processed_at=NOW,
                items_extracted=extraction.items,
                processed_bytes=start + len(piece),
                processor_version=self.processor.version,
                carry=carry.decode(),
            )
            rows = self.writer.rows(extraction.rows, key)
            made.append(Pass(key, state, after, start == 0, rows, self.writer.after(extraction.after)))
            state, start = after, start + len(piece)
        return made

    def take(self, key: str, pieces: Sequence[bytes]) -> None:
        """Make the passes and commit each."""
        for work in self.made(key, pieces):
            assert self.passes.commit(self.connection, [work], NOW) == ["committed"]
            self.states[key] = work.after

    def tables(self) -> Rows:
        """Everything that people see of it."""
        return shown(self.connection.execute, self.processor.schema)


@pytest.fixture
def bench(processor: Processor, settings: Settings, database: Database, tmp_path: Path) -> Bench:
    return Bench(processor, settings, database, tmp_path / "backups")


def sessions(seed: int, count: int = 4) -> dict[str, list[bytes]]:
    """Random sessions that share messages, as lines."""
    rng, pool = random.Random(seed), Pool()
    print(f"seed {seed}")
    return {
        f"ann/s{n}.jsonl": session_lines(rng, 60, Talk(f"session {n}", "/home/ann/shop"), pool) for n in range(count)
    }


def pieces_of(rng: random.Random, lines: Sequence[bytes]) -> list[bytes]:
    """The lines in a few pieces."""
    cuts = sorted(rng.sample(range(1, len(lines)), 6))
    return [b"".join(lines[a:b]) for a, b in zip([0, *cuts], [*cuts, len(lines)], strict=True)]


def test_some_are_registered() -> None:
    """Or nothing here would be tested."""
    assert {"usage", "errors"} <= set(FOUND)


def test_its_schema_is_its_sql(bench: Bench) -> None:
    """The declared tables are those that the migrations make, column by column; what is more fills itself."""
    for name, table in bench.processor.schema.tables.items():
        found = bench.connection.execute(
            "SELECT column_name, data_type, column_default FROM information_schema.columns WHERE table_name = $1",
            [name],
        )
        assert {column for column, _, _ in found} >= set(table.columns), name
        assert all(default for column, _, default in found if column not in table.columns), (name, found)
        assert all(kind in SAID[table.columns[column]] for column, kind, _ in found if column in table.columns), (
            name,
            found,
        )
        assert set(table.columns.values()) <= set(SQL_TYPES)
        assert table.session in table.columns and set(table.key) <= set(table.columns)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_pure(bench: Bench, seed: int) -> None:
    """The same work gives the same extraction, and the lines are not kept or changed."""
    for key, lines in sessions(seed).items():
        data = b"".join(lines)
        first, second = (bench.extract(key, bytes(bytearray(data)), 0, {}) for _ in range(2))
        assert bench.writer.rows(first.rows, key) == bench.writer.rows(second.rows, key)
        assert (first.items, first.bad_lines, first.carry) == (second.items, second.bad_lines, second.carry)


@pytest.mark.parametrize("seed", range(3))
def test_pieces_make_the_whole(bench: Bench, seed: int) -> None:
    """However a session is cut at its lines' ends, the rows are those of one pass; a second pass changes nothing."""
    rng = random.Random(seed)
    found = sessions(seed)
    for key, lines in found.items():
        bench.take(key, pieces_of(rng, lines))
    in_pieces = bench.tables()
    assert any(in_pieces.values())
    for key, lines in sorted(found.items(), reverse=True):
        bench.take(key, [b"".join(lines)])
    whole = bench.tables()
    assert in_pieces == whole
    for key, lines in found.items():
        bench.take(key, [b"".join(lines)])
    assert bench.tables() == whole


def test_a_crash_at_any_step_leaves_no_trace(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever statement of a commit is the last, everything is as before, and the commit can be made again."""
    (first, *_), (second, *_) = (list(one.items()) for one in (sessions(1), sessions(2)))
    bench.take(first[0], [b"".join(first[1])])
    (work,) = bench.made(first[0], [b"".join(second[1])])
    before = bench.tables()
    kind = type(bench.connection)
    execute = kind.execute
    for step in range(1, 200):
        left = step

        def crashing(self: Any, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            nonlocal left
            if sql not in ("ROLLBACK", "BEGIN"):
                left -= 1
            if left == 0:
                raise Crash
            return execute(self, sql, parameters)

        with monkeypatch.context() as patch:
            patch.setattr(kind, "execute", crashing)
            try:
                bench.passes.commit(bench.connection, [work], NOW)
            except Crash:
                pass
            else:
                break
        assert bench.tables() == before, f"step {step}"
    else:
        pytest.fail("it has no end")
    assert step > 5
    assert bench.tables() != before


class Crash(BaseException):
    """The end, as far as the program is concerned."""


@pytest.mark.parametrize("seed", range(20))
def test_any_bytes(processor: Processor, settings: Settings, seed: int) -> None:
    """Whatever the lines hold, it answers with something that can be stored."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    writer = RowWriter(processor.schema)
    planted = b"".join(FILES.values())
    for n in range(20):
        at = rng.randrange(len(planted))
        data = bytearray(planted[at : at + rng.randrange(1, 20_000)])
        for _ in range(rng.choice((0, 1, 5, 100))):
            data[rng.randrange(len(data))] = rng.choice(b'\0"\\{}[]:,\n\xff\xc3\xed9e-' + bytes([rng.randrange(256)]))
        if n % 10 == 9:
            data = bytearray(rng.randbytes(5000))
        work = Work(
            Session("ann/x.jsonl", "ann"),
            Lines(bytes(data), is_utf8(bytes(data))),
            0,
            {},
            settings.processor(processor.name),
        )
        extraction = processor.extract(work)
        writer.check(extraction, bytes(data))
        writer.rows(extraction.rows, "ann/x.jsonl")
        writer.carry(extraction.carry)


def test_it_knows_neither_the_spine_nor_the_others(processor: Processor) -> None:
    """Imported in an interpreter of its own, it brings nothing of the service and no other processor along."""
    code = (
        "import sys; from importlib.metadata import entry_points;"
        f"next(iter(entry_points(group='session_watcher.processors', name={processor.name!r}))).load();"
        "print('\\n'.join(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout
    modules = loaded.split()
    others = {type(one).__module__.rpartition(".")[0] or type(one).__module__ for name, one in FOUND.items()} - {
        type(processor).__module__,
        type(processor).__module__.rpartition(".")[0],
        "processors",
    }
    ours = [name for name in modules if name.split(".")[0] == "watcher" or name in others]
    assert not ours
    assert "duckdb" not in modules


class Files:
    """A tree of session files to which everything happens that can."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        self.root, self.rng, self.made, self.pool = root, rng, 0, Pool()
        (root / "ann" / "deep").mkdir(parents=True)

    def lines(self, count: int = 12) -> bytes:
        """Lines, some of which other files hold too."""
        self.made += 1
        talk = Talk(f"session {self.made}", "/srv/api")
        return b"".join(session_lines(self.rng, count, talk, self.pool))

    def path(self, name: str) -> Path:
        return self.root / "ann" / f"{name}.jsonl"

    def present(self) -> set[str]:
        return {session_key(os.fsencode(path.relative_to(self.root))) for path in self.root.rglob("*.jsonl")}

    def happenings(self) -> Iterator[str]:
        """Each row of the truth table, one after the other."""
        a, b, c = self.path("a"), self.path("b"), self.path("c")
        for path in (a, b, c):
            path.write_bytes(self.lines())
        yield "created"
        with a.open("ab") as file:
            file.write(self.lines())
        yield "appended to"
        more = self.lines()
        with a.open("ab") as file:
            file.write(more[:-40])
        yield "left with a torn last line"
        with a.open("ab") as file:
            file.write(more[-40:])
        yield "the line's end came"
        b.write_bytes(self.lines())
        yield "rewritten"
        os.truncate(b, b.stat().st_size // 2)
        yield "truncated"
        (self.root / "other").write_bytes(self.lines())
        os.replace(self.root / "other", b)
        yield "replaced"
        c.unlink()
        c.write_bytes(self.lines())
        yield "re-created under its name"
        shutil.copy(b, self.path("copy"))
        yield "copied"
        a.rename(self.path("deep/a"))
        yield "renamed"
        (self.root / "ann" / "deep").rename(self.root / "ben")
        yield "moved with its folder"
        b.unlink()
        yield "deleted"
        c.rename(self.root.parent / "c.jsonl")
        yield "moved out"
        (self.root.parent / "c.jsonl").rename(self.path("d"))
        yield "moved in"


def test_every_row_of_the_truth_table(processor: Processor, tmp_path: Path) -> None:
    """After each thing that can happen: the rows of a fresh pass over all sessions as they are, or last were."""
    root = tmp_path / "sessions"
    tree = Files(root, random.Random(7))
    subject = Subject(root, tmp_path / "state")
    # Where every session that there ever was still stands, as it was last.
    kept = tmp_path / "kept"
    try:
        for n, happened in enumerate(tree.happenings()):
            subject.catch_up([processor.name])
            shutil.copytree(root, kept, dirs_exist_ok=True)
            known = {session_key(os.fsencode(path.relative_to(kept))) for path in kept.rglob("*.jsonl")}
            fresh = Subject(kept, tmp_path / f"fresh {n}")
            try:
                fresh.catch_up([processor.name])
                wanted = shown(fresh.open().query, processor.schema)
            finally:
                fresh.close()
            query = subject.open().query
            assert shown(query, processor.schema) == wanted, happened
            sql = "SELECT session_file, status FROM session_processor_state WHERE processor_name = $1"
            states = dict(query(sql, [processor.name]))
            assert states == {key: "ok" if key in tree.present() else "gone" for key in known}, happened
    finally:
        subject.close()
