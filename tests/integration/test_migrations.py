"""Migrations: in order, each with its record, a copy left behind; views as their text and settings say."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pytest

from processors.contract import Extraction, ProcessorSettings, Schema, Work
from watcher.store.database import Connection
from watcher.store.duck import DuckDatabase
from watcher.store.migrations import ROOMS, migrate, prepare


class House:
    """A database, its backups, and a processor's package whose files change."""

    def __init__(self, folder: Path, package: str) -> None:
        self.database = DuckDatabase(folder / "watcher.duckdb")
        self.backups = folder / "backups"
        self.package = folder / package
        (self.package / "migrations").mkdir(parents=True)
        (self.package / "__init__.py").touch()
        migrate(self.database, self.backups)

        class Odd:
            name, version, settings, schema = "odd", 1, ProcessorSettings, Schema({}, package)

            def extract(self, work: Work) -> Extraction:
                return Extraction()

        self.processor = Odd()

    def write(self, number: str, sql: str) -> None:
        (self.package / "migrations" / f"{number}.sql").write_text(sql)

    def prepare(self, settings: Mapping[str, object] | None = None) -> None:
        prepare(self.database, self.processor, settings or {}, self.backups)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        connection: Connection = self.database.connect()
        try:
            return connection.execute(sql)
        finally:
            connection.close()

    def records(self, owner: str = "odd") -> list[tuple[Any, ...]]:
        sql = (
            "SELECT owner, number, name FROM schema_migrations WHERE applied_at IS NOT NULL ORDER BY applied_at, number"
        )
        return [row[1:] for row in self.ask(sql) if row[0] == owner]

    def copies(self) -> list[Path]:
        return sorted(self.backups.iterdir()) if self.backups.exists() else []


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.syspath_prepend(str(tmp_path))
    package = f"odd_{tmp_path.name}"
    made = House(tmp_path, package)
    yield made
    made.database.close()
    sys.modules.pop(package, None)


def test_the_spines_own_tables_are_made_once(house: House) -> None:
    """Its migrations are recorded, and opening again does nothing; the first ones leave no copy: there is nothing."""
    recorded = house.ask("SELECT * FROM schema_migrations ORDER BY owner, number")
    assert {row[0] for row in recorded} == set(ROOMS)
    for room in ROOMS:
        numbers = [row[1] for row in recorded if row[0] == room]
        assert numbers == list(range(1, len(numbers) + 1))
    assert house.ask("SELECT count(*) FROM session_processor_state") == [(0,)]
    migrate(house.database, house.backups)
    assert house.ask("SELECT * FROM schema_migrations ORDER BY owner, number") == recorded
    assert house.copies() == []


def test_they_run_in_the_order_of_their_numbers(house: House) -> None:
    """Whatever the folder's order, and only once."""
    house.write("010_last", "UPDATE path SET steps = steps || ' last';")
    house.write("002_then", "UPDATE path SET steps = steps || ' then';")
    house.write("001_first", "CREATE TABLE path (steps VARCHAR); INSERT INTO path VALUES ('first');")
    (house.package / "migrations" / "README.md").write_text("not one of them")
    for _ in range(2):
        house.prepare()
        assert house.ask("SELECT steps FROM path") == [("first then last",)]
    assert house.records() == [(1, "first"), (2, "then"), (10, "last")]


def test_each_commits_with_its_record(house: House) -> None:
    """One that fails changes nothing, not even by its first half; those before it stay, and the rest is tried again."""
    house.write("001_first", "CREATE TABLE a (n BIGINT);")
    house.write("002_breaks", "INSERT INTO a VALUES (2); CREATE TABLE b (n BIGINT); SELECT nothing_of_the_kind;")
    house.write("003_after", "INSERT INTO a VALUES (3);")
    (house.package / "views.sql").write_text("CREATE OR REPLACE VIEW sight AS SELECT n FROM a;")
    for _ in range(2):
        with pytest.raises(duckdb.Error):
            house.prepare()
        assert house.records() == [(1, "first")]
        assert house.ask("SELECT * FROM a") == [] and not {"b", "sight"} & set(house.database.tables())
    house.write("002_breaks", "INSERT INTO a VALUES (2);")
    house.prepare()
    assert house.ask("SELECT n FROM sight ORDER BY n") == [(2,), (3,)]
    assert [number for number, _ in house.records()] == [1, 2, 3]


def test_a_later_one_leaves_a_copy_behind(house: House) -> None:
    """It holds everything that was committed before, and names what was about to be done; one for all that wait."""
    house.write("001_first", "CREATE TABLE a (n BIGINT); INSERT INTO a VALUES (1);")
    (house.package / "views.sql").write_text(
        "CREATE OR REPLACE VIEW z_low AS SELECT n FROM a;\nCREATE OR REPLACE VIEW a_high AS SELECT n FROM z_low;"
    )
    house.prepare()
    assert house.copies() == [], "the first only add tables"
    house.ask("INSERT INTO a VALUES (2)")
    house.write("002_drops", "DELETE FROM a;")
    house.write("003_more", "ALTER TABLE a ADD COLUMN m BIGINT;")
    house.prepare()
    (copy,) = house.copies()
    assert "odd" in copy.name and "002" in copy.name
    with duckdb.connect(str(copy), read_only=True) as before:
        for name in ("a", "z_low", "a_high"):
            assert before.execute(f"SELECT n FROM {name} ORDER BY n").fetchall() == [(1,), (2,)]
        assert before.execute("SELECT count(*) FROM schema_migrations WHERE owner = 'odd'").fetchone() == (1,)
    house.prepare()
    assert house.copies() == [copy]


def test_a_copy_is_left_also_by_one_that_fails(house: House) -> None:
    """Whoever has to mend it by hand has what was there."""
    house.write("001_first", "CREATE TABLE a (n BIGINT); INSERT INTO a VALUES (1);")
    house.prepare()
    house.write("002_breaks", "DELETE FROM a; SELECT nothing_of_the_kind;")
    with pytest.raises(duckdb.Error):
        house.prepare()
    with duckdb.connect(str(house.copies()[0]), read_only=True) as before:
        assert before.execute("SELECT * FROM a").fetchall() == [(1,)]


def test_a_legacy_database_is_copied_before_it_is_taken_over(tmp_path: Path) -> None:
    """What an earlier generation left is still there to be looked at."""
    with duckdb.connect(str(tmp_path / "old.duckdb")) as old:
        old.execute("CREATE TABLE session_extraction_state (session_file VARCHAR, username VARCHAR)")
        old.execute("INSERT INTO session_extraction_state VALUES ('ann/s.jsonl', 'ann')")
    database = DuckDatabase(tmp_path / "old.duckdb")
    migrate(database, tmp_path / "backups")
    assert "session_extraction_state" not in database.tables()
    database.close()
    (copy,) = (tmp_path / "backups").iterdir()
    with duckdb.connect(str(copy), read_only=True) as before:
        assert before.execute("SELECT * FROM session_extraction_state").fetchall() == [("ann/s.jsonl", "ann")]


def test_views_follow_their_text_and_their_settings(house: House) -> None:
    """They are made anew when either has changed, with other columns if need be, and only then."""
    house.write("001_first", "CREATE TABLE a (n BIGINT); INSERT INTO a VALUES (5);")
    views = house.package / "views.sql"
    views.write_text(
        "-- By zone; {zone} is the setting.\nCREATE OR REPLACE VIEW low AS SELECT n, {zone} AS zone FROM a;\n"
        "CREATE OR REPLACE VIEW high AS SELECT max(n) AS n, max(zone) AS zone FROM low;"
    )
    house.prepare({"zone": "UTC", "other": 1})
    assert house.ask("SELECT * FROM high") == [(5, "UTC")]
    house.ask("DROP VIEW high")
    house.prepare({"zone": "UTC", "other": 2})
    assert "high" not in house.database.tables(), "nothing has changed that it depends on"
    house.prepare({"zone": "it's"})
    assert house.ask("SELECT * FROM high") == [(5, "it's")]
    views.write_text(views.read_text().replace("n, {zone}", "{zone} AS again, n, {zone}"))
    house.prepare({"zone": "it's"})
    assert house.ask("SELECT * FROM low") == [("it's", 5, "it's")]


def test_views_that_cannot_be_made_leave_the_old_ones(house: House) -> None:
    """All of them in one transaction; the next start tries again."""
    house.write("001_first", "CREATE TABLE a (n BIGINT); INSERT INTO a VALUES (5);")
    views = house.package / "views.sql"
    views.write_text("CREATE OR REPLACE VIEW low AS SELECT n FROM a;")
    house.prepare()
    views.write_text("CREATE OR REPLACE VIEW low AS SELECT 7 AS n;\nCREATE OR REPLACE VIEW high AS SELECT no FROM low;")
    for _ in range(2):
        with pytest.raises(duckdb.Error):
            house.prepare()
        assert house.ask("SELECT n FROM low") == [(5,)]
    views.write_text("CREATE OR REPLACE VIEW low AS SELECT 7 AS n;")
    house.prepare()
    assert house.ask("SELECT n FROM low") == [(7,)]


def test_a_view_that_is_no_longer_written_is_gone(house: House) -> None:
    """What people see is what the file holds."""
    house.write("001_first", "CREATE TABLE a (n BIGINT);")
    views = house.package / "views.sql"
    views.write_text(
        "CREATE OR REPLACE VIEW low AS SELECT n FROM a;\nCREATE OR REPLACE VIEW high AS SELECT n FROM low;"
    )
    house.prepare()
    views.write_text("CREATE OR REPLACE VIEW low AS SELECT n FROM a;")
    house.prepare()
    assert "low" in house.database.tables() and "high" not in house.database.tables()


def test_text_in_a_script_is_only_text(house: House) -> None:
    """A semicolon or two dashes between quotes, in a migration or in a setting's value, end nothing."""
    house.write("001_first", "CREATE TABLE a (t VARCHAR); -- one; two\nINSERT INTO a VALUES ('x;y -- z'); SELECT 1;")
    (house.package / "views.sql").write_text("CREATE OR REPLACE VIEW low AS SELECT t, {word} AS word FROM a;")
    house.prepare({"word": "it's; -- {word} \\"})
    assert house.ask("SELECT * FROM low") == [("x;y -- z", "it's; -- {word} \\")]


def test_whoever_makes_the_inbox_first_makes_the_same() -> None:
    """The knowledge base and the processor that fills it both do: neither may be there without the other."""
    statements = []
    for package in ("watcher.knowledge", "processors.verification"):
        script = files(package).joinpath("migrations", "001_tables.sql").read_text(encoding="utf-8")
        made = [one.strip() for one in script.split(";") if "knowledge_inbox" in one or "knowledge_arrivals" in one]
        statements.append(made[:2])
    assert statements[0] == statements[1] and len(statements[0]) == 2
