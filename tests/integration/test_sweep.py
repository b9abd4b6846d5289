"""The sweep: whatever nobody told us, the tree does; and what only time tells: what is gone, and what has settled."""

from __future__ import annotations

import errno
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.databases import SCHEMA, database_in
from tests.support.worker_bench import Bench
from watcher.pipeline.queue import ChangeQueue
from watcher.pipeline.sweep import Sweep, SweepResult
from watcher.store.commits import Pass, PassStore
from watcher.store.state import State
from watcher.transcripts.sessions import Listing, Tree, path_of

VERSION = 3


class Ground:
    """A tree of real files, and a database that says what of it was taken."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "sessions"
        self.root.mkdir()
        self.database = database_in(folder)
        self.connection = self.database.connect()
        self.tree = Tree(self.root)
        self.queue = ChangeQueue(2.0, 30.0, 1000)
        self.wall = time.time()

    def write(self, key: str, data: bytes = b"{}\n", age: float = 3600.0) -> Path:
        """A session that was left alone for so long."""
        path = self.root / os.fsdecode(path_of(key))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (self.wall - age, self.wall - age))
        return path

    def know(self, key: str, *, processor: str = "stranger", **more: Any) -> None:
        """Say that a session was taken as it is now, or otherwise than that."""
        state = State(processor_name=processor, session_file=key, username="ann", processor_version=VERSION)
        seen = state.seen(self.tree.signature(path_of(key)) or (1, 2, 3, 4))
        work = Pass(key, None, msgspec.structs.replace(seen, **more))
        passes = PassStore(self.database, processor, SCHEMA)
        assert passes.commit(self.connection, [work], datetime.now(UTC)) == ["committed"]

    def sweep(self, look: Callable[[], Listing] | None = None, now: float = 1000.0) -> SweepResult:
        return Sweep("stranger", VERSION, look or self.tree.list, self.queue, self.database, lambda: self.wall).run(now)

    def offered(self) -> set[str]:
        """What a sweep offers, which is what then waits."""
        found = self.sweep()
        waiting = set(self.queue.take(10_000.0, 1000))
        assert waiting == found.offered
        for key in waiting:
            self.queue.done(key)
        return waiting


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    yield made
    made.database.close()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(tmp_path, monkeypatch)
    yield made
    made.end()
    made.database.close()


def test_what_was_never_taken_is_offered_and_what_was_taken_as_it_is_is_not(ground: Ground) -> None:
    """Only what differs; another processor's rows say nothing."""
    for key in ("ann/a.jsonl", "bob/b.jsonl", "bob/c.jsonl", "loose.jsonl"):
        ground.write(key)
    ground.write("bob/notes.txt")
    ground.know("ann/a.jsonl")
    ground.know("bob/b.jsonl", processor="another")
    found = ground.sweep()
    assert (found.scanned, found.unreadable) == (4, [])
    assert found.offered == {"bob/b.jsonl", "bob/c.jsonl", "loose.jsonl"}


def test_whatever_of_a_file_was_other_than_it_is_it_is_offered(ground: Ground) -> None:
    """Any difference will do, also that a time was not to be trusted."""
    expected = set()
    for column in ("file_inode", "file_size", "file_mtime_ns", "file_ctime_ns"):
        for value in (17, None):
            ground.write(key := f"ann/{column}-{value}.jsonl")
            change: dict[str, Any] = {column: value}
            ground.know(key, **change)
            expected.add(key)
    ground.write("ann/same.jsonl")
    ground.know("ann/same.jsonl")
    assert ground.offered() == expected


def test_a_state_says_whether_its_file_is_owed_anything(ground: Ground) -> None:
    """An older version, trouble whose time has come, a return; and never what is put aside and has not changed."""
    wall = datetime.fromtimestamp(ground.wall, UTC)
    past, future = wall - timedelta(seconds=1), wall + timedelta(seconds=60)
    cases: dict[str, tuple[bool, dict[str, Any]]] = {
        "older version": (True, {"processor_version": VERSION - 1}),
        "newer version": (False, {"processor_version": VERSION + 1}),
        "imported": (False, {"processor_version": None}),
        "back": (True, {"status": "gone"}),
        "failed and due": (True, {"status": "failed", "attempts": 1, "next_attempt_at": past}),
        "failed": (False, {"status": "failed", "attempts": 1, "next_attempt_at": future}),
        "quarantined": (False, {"status": "quarantined", "attempts": 8}),
        "quarantined and changed": (True, {"status": "quarantined", "attempts": 8, "file_size": 17}),
        "quarantined by an older version": (True, {"status": "quarantined", "processor_version": VERSION - 1}),
        "torn and settled": (True, {"next_attempt_at": past}),
        "torn": (False, {"next_attempt_at": future}),
    }
    for name, (_, state) in cases.items():
        ground.write(f"ann/{name}.jsonl")
        ground.know(f"ann/{name}.jsonl", **state)
    assert ground.offered() == {f"ann/{name}.jsonl" for name, (owed, _) in cases.items() if owed}


def test_what_stands_whatever_version_made_it_is_not_offered(ground: Ground) -> None:
    """Of a processor that would ask a model again; for whatever else it is offered as ever."""
    ground.write("ann/same.jsonl")
    ground.know("ann/same.jsonl", processor_version=1)
    ground.write("ann/grown.jsonl")
    ground.know("ann/grown.jsonl", processor_version=1, file_size=17)
    sweep = Sweep("stranger", VERSION, ground.tree.list, ground.queue, ground.database, lambda: ground.wall)
    assert sweep.run(1000.0).offered == {"ann/same.jsonl", "ann/grown.jsonl"}
    sweep.stands_from = 0
    assert sweep.run(1000.0).offered == {"ann/grown.jsonl"}


def test_what_is_not_there_is_offered_until_it_is_known_to_be_gone(ground: Ground) -> None:
    """A lost deletion is made good, once."""
    ground.know("ann/a.jsonl")
    ground.know("ann/b.jsonl", status="gone", file_ctime_ns=None)
    ground.know("ann/c.jsonl", status="quarantined")
    found = ground.sweep()
    assert (found.scanned, set(found.offered)) == (0, {"ann/a.jsonl", "ann/c.jsonl"})


def test_a_file_is_offered_with_its_age(ground: Ground) -> None:
    """One at rest is ready at once, one still being written waits like one whose event came; a clock ahead is now."""
    for name, age in (("old", 60.0), ("young", 0.5), ("ahead", -3600.0)):
        ground.write(f"ann/{name}.jsonl", age=age)
    ground.sweep(now=1000.0)
    assert ground.queue.take(1000.0, 9) == ["ann/old.jsonl"]
    assert ground.queue.take(1001.4, 9) == []
    assert ground.queue.take(1001.6, 9) == ["ann/young.jsonl"]
    assert ground.queue.take(1002.0, 9) == ["ann/ahead.jsonl"]


def test_a_full_queue_owes_another_sweep(ground: Ground) -> None:
    """What had no room comes with a later one; after as many as it takes, all were offered."""
    ground.queue = ChangeQueue(0.0, 0.0, 4)
    names = {f"ann/{n}.jsonl" for n in range(10)}
    for key in names:
        ground.write(key)
    taken: list[str] = []
    while ground.sweep().offered:
        assert (ground.queue.collect_debt() is not None) == (len(names) - len(taken) > 4)
        for key in ground.queue.take(10_000.0, 100):
            ground.know(key)
            ground.queue.done(key)
            taken.append(key)
    assert sorted(taken) == sorted(names)


def test_what_cannot_be_read_is_named(ground: Ground) -> None:
    """A folder that was not looked into is said."""
    ground.write("ann/a.jsonl")
    found = ground.sweep(lambda: replace(ground.tree.list(), unreadable=["bob: Permission denied"]))
    assert (found.scanned, found.unreadable) == (1, ["bob: Permission denied"])


def test_what_lies_in_a_closed_folder_is_neither_there_nor_gone(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sessions are left as they are, until the folder can be read again."""
    for key in ("ann/a.jsonl", "bob/b.jsonl", "bobby/c.jsonl"):
        ground.write(key)
        ground.know(key)
    shutil.rmtree(ground.root / "bobby")
    real = os.scandir

    def scandir(path: bytes) -> Any:
        if os.path.basename(path) == b"bob":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert ground.offered() == {"bobby/c.jsonl"}
    monkeypatch.setattr(os, "scandir", real)
    shutil.rmtree(ground.root / "bob")
    assert ground.offered() == {"bob/b.jsonl", "bobby/c.jsonl"}


def test_another_nodes_sessions_are_not_ours_to_judge(ground: Ground) -> None:
    """Where several share a database, each looks at its own tree only."""
    ground.tree = Tree(ground.root, node="here")
    ground.write("here:ann/a.jsonl")
    ground.write("here:ann/b.jsonl")
    ground.know("here:ann/a.jsonl")
    ground.know("there:ann/a.jsonl")
    ground.know("there:ann/c.jsonl")
    assert ground.offered() == {"here:ann/b.jsonl"}


def test_random_trees_against_the_plain_rule(ground: Ground) -> None:
    """Whatever happened to the files since they were taken: offered is what has other bytes, times or places."""
    seed = 5
    print(f"seed {seed}")
    rng = random.Random(seed)
    keys = [f"ann/{n}.jsonl" for n in range(60)]
    for key in keys:
        ground.write(key)
        ground.know(key)
    changed = set()
    for key in keys:
        path = ground.root / key
        match rng.randrange(6):
            case 0:
                path.write_bytes(b"{}\n{}\n")
            case 1:
                path.unlink()
            case 2:
                os.utime(path)
            case 3:
                path.with_suffix(".new").write_bytes(b"{}\n")
                os.replace(path.with_suffix(".new"), path)
            case _:
                continue
        changed.add(key)
    assert 20 < len(changed) < 60
    assert ground.offered() == changed


def test_a_vanished_file_is_gone_on_the_second_look_and_its_rows_stay(bench: Bench) -> None:
    """The first look settles nothing; two seconds later it is looked at again by itself."""
    key = bench.write("a", "{}\n")
    bench.round(key)
    (bench.root / key).unlink()
    bench.round(key)
    bench.now += 1.9
    bench.round(key)
    assert bench.stands(key).status == "ok"
    bench.now += 0.1
    bench.round()
    assert (bench.stands(key).status, bench.rows(), bench.worker.outcomes.tally.gone) == ("gone", {key: 1}, 1)
    bench.write("a", "{}\n{}\n")
    bench.round(key)
    assert (bench.stands(key).status, bench.rows()) == ("ok", {key: 2})


def test_a_file_that_is_back_at_the_second_look_was_never_gone(bench: Bench) -> None:
    """And should it vanish again, that too needs two looks."""
    key = bench.write("a", "{}\n")
    bench.round(key)
    (bench.root / key).unlink()
    bench.round(key)
    bench.write("a", "{}\n")
    bench.now += 3.0
    bench.round(key)
    (bench.root / key).unlink()
    bench.now += 3.0
    bench.round(key)
    assert (bench.stands(key).status, bench.worker.outcomes.tally.gone) == ("ok", 0)


def test_an_unreadable_file_is_not_gone(bench: Bench) -> None:
    """It failed, with the reason, its rows stay, and when it can be read again it goes on."""
    key = bench.write("a", "{}\n")
    if os.geteuid() == 0:  # root reads everything: its child gives that up
        bench.tell(key, "os.seteuid(65534)")
    bench.round(key)
    (bench.root / key).chmod(0)
    for _ in range(2):
        bench.now += 3.0
        bench.round(key)
    state = bench.stands(key)
    assert (state.status, bench.worker.outcomes.tally.gone, bench.rows()) == ("failed", 0, {key: 1})
    assert "ermission" in str(state.last_error)
    (bench.root / key).chmod(0o644)
    bench.begin()
    bench.append(key, "{}\n")
    bench.round(key)
    assert (bench.stands(key).status, bench.rows()) == ("ok", {key: 2})


def test_a_last_line_without_its_end_is_taken_once_it_has_settled(bench: Bench) -> None:
    """Whole and left alone for a minute; before that it is known when to look again."""
    key = bench.write("a", '{}\n{"x":1}')
    bench.round(key)
    assert (bench.rows(), bench.stands(key).processed_bytes) == ({key: 1}, 3)
    assert bench.stands(key).next_attempt_at is not None
    os.utime(bench.root / key, (1.0e9, 1.0e9))
    bench.round(key)
    assert (bench.rows(), bench.stands(key).next_attempt_at) == ({key: 2}, None)
