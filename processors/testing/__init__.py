"""The contract suite: what every processor must keep, as a class that an author's tests inherit.

::

    from processors.testing import ProcessorContract

    class TestBranches(ProcessorContract):
        processor = Branches

The processor must be installed (``pip install -e .``), as it is found by its entry point. Needs pytest. Only tests
import this module: it looks at the service from outside, and no processor may.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from processors.contract import ColumnType, Lines, Processor, Session, Work
from processors.testing.bench import NOW, Bench, Rows, created, shown
from processors.testing.files import Files, keys, session_lines
from watcher.app import Application
from watcher.plugins import RefusedProcessor, discover
from watcher.sandbox.reader import is_utf8
from watcher.sandbox.validation import RowWriter
from watcher.settings import Settings, load
from watcher.store.database import SQL_TYPES, Database
from watcher.store.duck import DuckDatabase

#: What information_schema says of a column's type on either database.
_SAID: dict[ColumnType, tuple[str, ...]] = {
    "text": ("VARCHAR", "character varying", "text"),
    "integer": ("BIGINT", "bigint"),
    "real": ("DOUBLE", "double precision"),
    "boolean": ("BOOLEAN", "boolean"),
    "timestamp": ("TIMESTAMP WITH TIME ZONE", "timestamp with time zone"),
}


class ProcessorContract:
    """What a processor must keep. Inherit it, set `processor`, and replace the lines where yours reads rarer ones."""

    #: The processor's class, as its entry point names it.
    processor: ClassVar[type[Processor]]

    def lines(self, rng: random.Random, count: int, session_id: str, shared: list[dict[str, Any]]) -> list[bytes]:
        """So many lines of a session, each with its line break; replace it where the processor reads others.

        ``shared`` holds records of other sessions that a fork may have copied, and takes those that are made.
        """
        return session_lines(rng, count, session_id, shared)

    def hostile(self) -> bytes:
        """Transcripts whose bytes are damaged to see that any bytes are taken."""
        return b"".join(line for lines in self.sessions(0).values() for line in lines)

    def sessions(self, seed: int) -> dict[str, list[bytes]]:
        """Sessions that share records, as lines by their key."""
        rng, shared = random.Random(seed), list[dict[str, Any]]()
        print(f"seed {seed}")
        return {f"ann/s{n}.jsonl": self.lines(rng, 60, f"session {n}", shared) for n in range(4)}

    @pytest.fixture
    def made(self) -> Processor:
        """The processor as the service makes it."""
        found = discover().get(self.processor.name)
        if found is None:
            pytest.fail(f"{self.processor.name} is not installed: no entry point names it; pip install -e .")
        if isinstance(found, RefusedProcessor):
            pytest.fail(f"{found.name}: {found.reason}")
        assert isinstance(found, self.processor), f"the entry point names {type(found)}, not {self.processor}"
        return found

    @pytest.fixture
    def settings(self) -> Settings:
        """The settings that it is tried with: the defaults."""
        return load(Path(os.devnull), {}, {}).settings

    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[Database]:
        """An empty database."""
        opened = DuckDatabase(tmp_path / "contract.duckdb")
        yield opened
        opened.close()

    @pytest.fixture
    def bench(self, made: Processor, settings: Settings, database: Database, tmp_path: Path) -> Bench:
        """The processor with its tables."""
        try:
            return Bench(made, settings, database, tmp_path / "backups")
        except database.Error as error:
            declared = "\n".join(created(name, table) for name, table in made.schema.tables.items())
            pytest.fail(f"migrations/*.sql or views.sql: {error}\n\nThe declared tables are:\n\n{declared}")

    def test_its_schema_is_its_sql(self, bench: Bench) -> None:
        """The declared tables are those that the migrations make, column by column; what is more fills itself."""
        for name, table in bench.processor.schema.tables.items():
            found = bench.connection.execute(
                "SELECT column_name, data_type, column_default FROM information_schema.columns WHERE table_name = $1",
                [name],
            )
            assert found, f"no migration makes the table {name}; one that does:\n\n{created(name, table)}"
            kinds = {column: kind for column, kind, _ in found}
            missing = set(table.columns) - set(kinds)
            assert not missing, f"no migration makes these columns of {name}: {sorted(missing)}"
            bare = [column for column, _, default in found if column not in table.columns and not default]
            assert not bare, f"columns of {name} that are not declared need a default: {bare}"
            other = {
                column: kinds[column] for column, kind in table.columns.items() if kinds[column] not in _SAID[kind]
            }
            assert not other, f"columns of {name} have another type in the migrations: {other}"
            assert set(table.columns.values()) <= set(SQL_TYPES), f"{name} declares types that there are not"
            assert table.session in table.columns, f"{name} has no column {table.session} for the session"
            assert set(table.key) <= set(table.columns), f"the key of {name} names columns that are not there"

    @pytest.mark.parametrize("seed", range(3))
    def test_it_is_pure(self, bench: Bench, seed: int) -> None:
        """The same work gives the same extraction, and the lines are not kept or changed."""
        for key, lines in self.sessions(seed).items():
            data = b"".join(lines)
            first, second = (bench.extract(key, bytes(bytearray(data)), 0, {}) for _ in range(2))
            rows = bench.writer.rows(first.rows, key), bench.writer.rows(second.rows, key)
            assert rows[0] == rows[1], f"the same lines gave other rows the second time:\n{rows[0]}\n{rows[1]}"
            tallies = [(one.items, one.bad_lines, one.carry) for one in (first, second)]
            assert tallies[0] == tallies[1], f"the same lines gave other items, bad_lines or carry: {tallies}"

    @pytest.mark.parametrize("seed", range(3))
    def test_pieces_make_the_whole(self, bench: Bench, seed: int) -> None:
        """However a session is cut at its lines' ends, the rows are those of one pass; a second changes nothing."""
        rng = random.Random(seed)
        found = self.sessions(seed)
        for key, lines in found.items():
            bench.take(key, _pieces(rng, lines))
        in_pieces = bench.tables()
        assert any(in_pieces.values()), "nothing here gives it a row: replace lines() with some that do"
        for key, lines in sorted(found.items(), reverse=True):
            bench.take(key, [b"".join(lines)])
        whole = bench.tables()
        _must_equal(in_pieces, whole, "pieces of the sessions gave other rows than the whole ones")
        for key, lines in found.items():
            bench.take(key, [b"".join(lines)])
        _must_equal(bench.tables(), whole, "taking the same sessions again changed their rows")

    def test_a_crash_at_any_step_leaves_no_trace(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whichever statement of a commit is the last, everything is as before, and it can be made again."""
        (first, *_), (second, *_) = (list(self.sessions(seed).items()) for seed in (1, 2))
        bench.take(first[0], [b"".join(first[1])])
        (work,) = bench.made(first[0], [b"".join(second[1])])
        before = bench.tables()
        kind = type(bench.connection)
        execute = kind.execute
        for step in range(1, 200):
            left = step

            def crashing(connection: Any, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
                nonlocal left
                if sql not in ("ROLLBACK", "BEGIN"):
                    left -= 1
                if left == 0:
                    raise Crash
                return execute(connection, sql, parameters)

            with monkeypatch.context() as patch:
                patch.setattr(kind, "execute", crashing)
                try:
                    bench.passes.commit(bench.connection, [work], NOW)
                except Crash:
                    pass
                else:
                    break
            _must_equal(bench.tables(), before, f"a crash at step {step} left traces")
        else:
            pytest.fail("it has no end")
        assert step > 5, f"a commit of {step} steps is none"
        assert bench.tables() != before, "two sessions that differ give the same rows: replace lines()"

    @pytest.mark.parametrize("seed", range(20))
    def test_any_bytes(self, made: Processor, settings: Settings, seed: int) -> None:
        """Whatever the lines hold, it answers with something that can be stored."""
        print(f"seed {seed}")
        rng = random.Random(seed)
        writer = RowWriter(made.schema)
        planted = self.hostile()
        for n in range(20):
            at = rng.randrange(len(planted))
            data = bytearray(planted[at : at + rng.randrange(1, 20_000)])
            for _ in range(rng.choice((0, 1, 5, 100))):
                damage = b'\0"\\{}[]:,\n\xff\xc3\xed9e-' + bytes([rng.randrange(256)])
                data[rng.randrange(len(data))] = rng.choice(damage)
            if n % 10 == 9:
                data = bytearray(rng.randbytes(5000))
            lines = Lines(bytes(data), is_utf8(bytes(data)))
            work = Work(Session("ann/x.jsonl", "ann"), lines, 0, {}, settings.processor(made.name))
            extraction = made.extract(work)
            writer.check(extraction, bytes(data))
            writer.rows(extraction.rows, "ann/x.jsonl")
            writer.carry(extraction.carry)

    def test_it_knows_neither_the_spine_nor_the_others(self, made: Processor) -> None:
        """Imported in an interpreter of its own, it brings nothing of the service and no other processor along."""
        code = (
            "import sys; from importlib.metadata import entry_points;"
            f"next(iter(entry_points(group='session_watcher.processors', name={made.name!r}))).load();"
            "print('\\n'.join(sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        modules = done.stdout.split()
        own = {*_homes(made), "processors"}
        others = {_homes(one)[-1] for one in discover().values() if not isinstance(one, RefusedProcessor)} - own
        strange = [name for name in modules if name.split(".")[0] in ("watcher", "duckdb") or name in others]
        assert not strange, f"importing it also imports {', '.join(strange)}"

    def test_every_row_of_the_truth_table(self, made: Processor, settings: Settings, tmp_path: Path) -> None:
        """After each thing that can happen: the rows of a fresh pass over all sessions as they are, or last were."""
        root = tmp_path / "sessions"
        tree = Files(root, random.Random(7), self.lines)
        # Where every session that there ever was still stands, as it was last.
        kept = tmp_path / "kept"
        core = _core(settings, root, tmp_path / "state")
        try:
            for n, happened in enumerate(tree.happenings()):
                _catch_up(core, made.name)
                shutil.copytree(root, kept, dirs_exist_ok=True)
                fresh = _core(settings, kept, tmp_path / f"fresh {n}")
                try:
                    _catch_up(fresh, made.name)
                    wanted = shown(fresh.query, made.schema)
                finally:
                    fresh.stop()
                _must_equal(shown(core.query, made.schema), wanted, happened)
                sql = "SELECT session_file, status FROM session_processor_state WHERE processor_name = $1"
                states = dict(core.query(sql, [made.name]))
                expected = {key: "ok" if key in keys(root) else "gone" for key in keys(kept)}
                assert states == expected, f"{happened}: the sessions are {states}, not {expected}"
        finally:
            core.stop()


def _pieces(rng: random.Random, lines: Sequence[bytes]) -> list[bytes]:
    cuts = sorted(rng.sample(range(1, len(lines)), 6))
    return [b"".join(lines[a:b]) for a, b in zip([0, *cuts], [*cuts, len(lines)], strict=True)]


def _homes(processor: Processor) -> tuple[str, str]:
    """The processor's module and the package that it is in, the module itself where it is in none."""
    module = type(processor).__module__
    return module, module.rpartition(".")[0] or module


def _must_equal(found: Rows, wanted: Rows, told: str) -> None:
    for name, rows in wanted.items():
        missing = [row for row in rows if row not in found[name]][:5]
        surplus = [row for row in found[name] if row not in rows][:5]
        assert found[name] == rows, f"{told}: {name} lacks {missing} and has {surplus} besides"


def _core(settings: Settings, root: Path, state: Path) -> Application:
    paths = settings.paths.model_copy(update={"sessions": root, "state": state})
    core = Application(settings.model_copy(update={"paths": paths}), "test", live=False)
    core.start()
    return core


def _catch_up(core: Application, name: str) -> None:
    assert name in core.pipelines, f"{name} is refused: {[one.reason for one in core.refused if one.name == name]}"
    (done,) = core.run_now([name], 60.0, lambda: False)
    assert not done.capped and not done.errors, f"{name}: {done}"


class Crash(BaseException):
    """The end, as far as the program is concerned."""
