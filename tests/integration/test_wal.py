"""A damaged write-ahead log is never played in part without a word, whatever part of it is damaged."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import duckdb
import pytest
import structlog

from watcher.store.duck import DuckDatabase
from watcher.store.wal import hidden_commits

COMMITS = 40


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database and its log as they are on the disk when nobody closes them."""
    folder = tmp_path_factory.mktemp("killed")
    live = duckdb.connect(str(folder / "live.duckdb"))
    live.execute("CREATE TABLE said (n BIGINT PRIMARY KEY, words VARCHAR)")
    live.execute("CHECKPOINT")
    for n in range(COMMITS):
        live.execute("BEGIN")
        live.execute("INSERT INTO said VALUES (?, ?)", [n, "x" * (n * 7 % 50)])
        live.execute("UPDATE said SET words = 'y' WHERE n = ?", [n // 2])
        live.execute("COMMIT")
    shutil.copyfile(folder / "live.duckdb", folder / "watcher.duckdb")
    shutil.copyfile(folder / "live.duckdb.wal", folder / "watcher.duckdb.wal")
    live.close()
    return folder


@pytest.fixture
def place(killed: Path, tmp_path: Path) -> Path:
    for name in ("watcher.duckdb", "watcher.duckdb.wal"):
        shutil.copyfile(killed / name, tmp_path / name)
    return tmp_path


def played(place: Path) -> int | None:
    """How many commits DuckDB itself finds; None where it refuses to open."""
    try:
        with duckdb.connect(str(place / "watcher.duckdb"), read_only=True) as found:
            return len(found.execute("SELECT * FROM said").fetchall())
    except duckdb.Error:
        return None


def test_whatever_is_damaged_is_noticed(place: Path) -> None:
    wal = place / "watcher.duckdb.wal"
    whole = wal.read_bytes()
    kinds = {"refused": 0, "hidden": 0, "all there": 0}
    for seed in range(400):
        rng = random.Random(seed)
        data = bytearray(whole)
        length = rng.choice([1, 8, 64])
        # The last commit cannot be told from one that was never acknowledged.
        at = rng.randrange(60) if seed % 4 == 0 else rng.randrange(len(data) - 400)
        data[at : at + length] = rng.randbytes(length)
        wal.write_bytes(data)
        count = played(place)
        kind = "refused" if count is None else "all there" if count == COMMITS else "hidden"
        kinds[kind] += 1
        if kind == "hidden":
            assert hidden_commits(wal) is not None, f"seed {seed}: {count} of {COMMITS} without a word"
    print(kinds)
    assert kinds["refused"] > 100 and kinds["hidden"] > 20


def test_a_log_that_ends_early_is_no_damage(place: Path) -> None:
    """As after a power cut, wherever it was cut."""
    wal = place / "watcher.duckdb.wal"
    whole = wal.read_bytes()
    for end in [*range(200), *range(len(whole) - 200, len(whole) + 1)]:
        wal.write_bytes(whole[:end])
        assert hidden_commits(wal) is None, end
    wal.unlink()
    assert hidden_commits(wal) is None


@pytest.mark.parametrize("where", ["a length", "the head"])
def test_what_is_left_out_is_kept_and_said(place: Path, where: str) -> None:
    """The log is kept as it was found, the commits before the damage stand, and what is written after it stays."""
    wal = place / "watcher.duckdb.wal"
    data = bytearray(wal.read_bytes())
    at = data.index(b"\x64\x00\x64\xff\xff", 5000) + 5 if where == "a length" else 0
    data[at : at + 8] = b"\xff" * 7 + b"\x00"
    wal.write_bytes(data)
    before = played(place)
    assert before is not None and (0 < before < COMMITS if where == "a length" else before == 0)
    looked = DuckDatabase(place / "watcher.duckdb", read_only=True)
    assert f"at byte {at}" in looked.notices[0] and wal.read_bytes() == data
    looked.close()
    with structlog.testing.capture_logs() as said:
        database = DuckDatabase(place / "watcher.duckdb")
    try:
        assert database.notices == [], "health finds the file"
        (kept,) = place.glob("*.wal.damaged-*")
        assert kept.read_bytes() == data
        assert [one["kept"] for one in said] == [str(kept)] and f"at byte {at}" in said[0]["error"]
        connection = database.connect()
        connection.execute("INSERT INTO said VALUES (1000, 'after')")
        # As it is on the disk now, if it is killed here.
        later = place / "later"
        later.mkdir()
        for name in ("watcher.duckdb", "watcher.duckdb.wal"):
            shutil.copyfile(place / name, later / name)
    finally:
        database.close()
    assert played(later) == before + 1
    again = DuckDatabase(place / "watcher.duckdb")
    try:
        assert again.notices == [] and [*place.glob("*.damaged-*")] == [kept]
    finally:
        again.close()


def test_no_room_to_keep_it_is_said_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wal = place / "watcher.duckdb.wal"
    wal.write_bytes(b"\xff" * 8 + wal.read_bytes()[8:])

    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"a part")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("watcher.store.duck.shutil.copyfile", full)
    database = DuckDatabase(place / "watcher.duckdb")
    try:
        assert "could not be kept ([Errno 28] No space left on device)" in database.notices[0]
        assert not list(place.glob("*.damaged-*"))
    finally:
        database.close()
