"""A damaged write-ahead log is never played in part without a word, whatever part of it is damaged."""

from __future__ import annotations

import logging
import random
import shutil
from pathlib import Path

import duckdb
import pytest
import structlog

from watcher.store.duck import DuckDatabase
from watcher.store.wal import NotChecked, hidden_commits

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


def logged(folder: Path, options: str = "") -> Path:
    """A log as DuckDB leaves it when nobody closes the database."""
    with duckdb.connect() as live:
        live.execute("SET force_mbedtls_unsafe = true")
        live.execute(f"ATTACH '{folder / 'live.duckdb'}' AS live {options}")
        for statement in (
            "USE live",
            "CREATE SCHEMA s",
            "CREATE TABLE s.said (n BIGINT PRIMARY KEY, words VARCHAR)",
            "CREATE VIEW shown AS SELECT 1",
            "CREATE SEQUENCE numbers",
            "SELECT nextval('numbers')",
            "CREATE MACRO next(n) AS n + 1",
            "CREATE MACRO one() AS TABLE SELECT 1",
            "CREATE TYPE mood AS ENUM ('good')",
            "CREATE INDEX by_words ON s.said (words)",
            "INSERT INTO s.said VALUES (1, 'x')",
            "UPDATE s.said SET words = 'y'",
            "DELETE FROM s.said",
            "DROP INDEX s.by_words",
            "ALTER TABLE s.said ADD COLUMN more BIGINT",
            "INSERT INTO s.said SELECT range, 'z', 1 FROM range(130000)",
            "DROP VIEW shown",
            "DROP MACRO next",
            "DROP MACRO TABLE one",
            "DROP TYPE mood",
            "DROP SEQUENCE numbers",
            "DROP TABLE s.said",
            "DROP SCHEMA s",
        ):
            live.execute(statement).fetchall()
        wal = folder / "watcher.duckdb.wal"
        shutil.copyfile(folder / "live.duckdb.wal", wal)
    return wal


@pytest.mark.parametrize("storage", ["v0.10.2", "v1.0.0", "v1.2.0", "v1.4.0", "v1.5.0", "latest"])
def test_a_whole_log_is_no_damage_whatever_the_file_s_format(tmp_path: Path, storage: str) -> None:
    """Whatever was done; files of before 1.3 have logs without the numbers of their database."""
    wal = logged(tmp_path, f"(STORAGE_VERSION '{storage}')")
    assert hidden_commits(wal) is None
    data = bytearray(wal.read_bytes())
    at = data.index(b"\x64\x00\x64\xff\xff") + 5
    data[at : at + 8] = b"\xff" * 7 + b"\x00"
    wal.write_bytes(data)
    assert hidden_commits(wal) == at, "it was checked"


def test_a_log_in_a_format_that_is_not_known_is_not_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encrypted one, one of another version, with another entry, or of another release; an empty one holds none."""
    (tmp_path / "encrypted").mkdir()
    with pytest.raises(NotChecked, match="version 3 "):
        hidden_commits(logged(tmp_path / "encrypted", "(ENCRYPTION_KEY 'a key of the tests')"))
    wal = logged(tmp_path)
    whole = wal.read_bytes()
    for version in (0, 1, 3, 4, 127):
        wal.write_bytes(whole[:5] + bytes([version]) + whole[6:])
        with pytest.raises(NotChecked, match=f"^version {version} "):
            hidden_commits(wal)
    at = whole.index(b"\x64\x00\x64\xff\xff") + 5
    for kind in (0, 7, 77, 255):
        wal.write_bytes(whole[: at + 18] + bytes([kind]) + whole[at + 19 :])
        with pytest.raises(NotChecked, match=f"^the entry at byte {at}$"):
            hidden_commits(wal)
    wal.write_bytes(b"")
    assert hidden_commits(wal) is None
    wal.write_bytes(whole)
    monkeypatch.setattr(duckdb, "__version__", "2.1.0")
    with pytest.raises(NotChecked, match=r"^DuckDB 2\.1\.0$"):
        hidden_commits(wal)


def test_that_a_log_was_not_checked_is_said(place: Path) -> None:
    """In the log, and nowhere as a damage: DuckDB reads no commit of the first version, which had no checksums."""
    wal = place / "watcher.duckdb.wal"
    wal.write_bytes(wal.read_bytes()[:5] + b"\x01" + wal.read_bytes()[6:])
    quiet = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    try:
        with structlog.testing.capture_logs() as said:
            database = DuckDatabase(place / "watcher.duckdb")
    finally:
        structlog.configure(wrapper_class=quiet)
    try:
        assert [(one["log_level"], one["unknown"]) for one in said] == [("info", "version 1 of the format")]
        assert database.notices == [] and not list(place.glob("*.damaged-*"))
    finally:
        database.close()
