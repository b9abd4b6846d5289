"""What a processor returned: nonsense is refused with a word on what it is, text survives, the last of a key stays."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from processors.contract import Backfill, Extraction, Once, ProcessorSettings, Schema, Statement, Table, Work
from watcher.sandbox import protocol
from watcher.sandbox.main import JobServer
from watcher.sandbox.validation import LARGEST_CARRY, Nonsense, RowWriter

SCHEMA = Schema(
    package="tests.unit",
    tables={
        "keyed": Table(
            columns={"session_file": "text", "name": "text", "n": "integer", "r": "real", "b": "boolean",
                     "at": "timestamp"},
            key=("session_file", "name"),
        ),
        "loose": Table(columns={"place": "text", "name": "text", "n": "integer"}, session="place"),
        "seen": Table(columns={"session_file": "text"}, key=("session_file",)),
        "once": Table(columns={"session_file": "text", "position": "integer"}, once=Once(("position",), ("position",))),
    },
    backfill=Backfill({"name": "text", "n": "integer"}, stale="", given="", store=()),
    statements={"tidy": Statement("SELECT $1")},
)  # fmt: skip
DATA = b'{"a":1}\n{"b":2}\n{"c":3}'
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = 'ann/"odd"\\%0A😀.jsonl'


@pytest.fixture
def writer() -> RowWriter:
    return RowWriter(SCHEMA)


def stored(writer: RowWriter, table: str, rows: Any, key: str = KEY) -> list[dict[str, Any]]:
    """The rows as the database would read them, line by line."""
    lines = writer.rows({table: rows}, key).get(table, b"")
    assert not lines or lines.endswith(b"\n")
    return [json.loads(line) for line in lines.split(b"\n")[:-1]]


class Named(msgspec.Struct):
    name: Any = "x"
    n: Any = None
    r: Any = None
    b: Any = None
    at: Any = None


class Short(msgspec.Struct):
    name: str = "x"


@pytest.mark.parametrize(
    ("extraction", "word"),
    [
        (None, "NoneType"),
        ({"rows": {}}, "dict"),
        (Extraction, "type"),
        (Extraction(items=-1), "items"),
        (Extraction(items=True), "items"),
        (Extraction(items=cast(int, 1.0)), "items"),
        (Extraction(items=2**62), "items"),
        (Extraction(bad_lines=cast(int, "1")), "bad_lines"),
        (Extraction(bad_lines=-1), "bad_lines"),
        (Extraction(consumed=0), "consumed"),
        (Extraction(consumed=-8), "consumed"),
        (Extraction(consumed=True), "consumed"),
        (Extraction(consumed=cast(int, 8.0)), "consumed"),
        (Extraction(consumed=len(DATA) + 1), "consumed"),
        (Extraction(consumed=7), "line's end"),
        (Extraction(consumed=9), "line's end"),
        (Extraction(rows=cast(Any, [("keyed", [])])), "rows"),
        (Extraction(rows={"nowhere": []}), "nowhere"),
        (Extraction(rows={cast(str, 3): []}), "3"),
    ],
)
def test_an_extraction_that_makes_no_sense_is_refused(writer: RowWriter, extraction: Any, word: str) -> None:
    """No extraction at all, counts that count nothing, bytes taken past the end or within a line, unknown tables."""
    with pytest.raises(Nonsense, match=re.escape(word)):
        writer.check(extraction, DATA)


def test_what_makes_sense_is_taken(writer: RowWriter) -> None:
    """Windows end at a line's end or at the end of what was given."""
    for consumed in (None, 8, 16, len(DATA)):
        writer.check(Extraction(items=3, bad_lines=1, consumed=consumed), DATA)
    writer.check(Extraction(rows={"keyed": [], "loose": ()}), DATA)


@pytest.mark.parametrize(
    "rows",
    [
        [{"name": 1}], [{"name": b"x"}], [{"name": ["x"]}], [{"name": "x", "n": "1"}], [{"name": "x", "n": 1.5}],
        [{"name": "x", "n": True}], [{"name": "x", "r": "1"}], [{"name": "x", "r": True}], [{"name": "x", "b": 1}],
        [{"name": "x", "b": "yes"}], [{"name": "x", "at": "yesterday"}], [{"name": "x", "at": 1772366400.0}],
        [{"name": "x", "at": NOW.date()}], [{"name": "x", "other": 1}], [{"n": 1}], [{}], [{"session_file": "b"}],
        [{"name": "x", "session_file": "b/other.jsonl"}], [None], ["x"], [["x"]], [3], [Short()],
        [{"name": "x"}, None], [{"name": "x"}, {"name": 1}], [Named(), Short()], [Named(), {"name": "x"}],
        [{"name": "x"}, Named()], [Named(n=object())], "x", b"x",
    ],
)  # fmt: skip
def test_rows_that_do_not_fit_their_table_are_refused(writer: RowWriter, rows: Any) -> None:
    """Wrong types, unknown or missing columns, things that are no rows: told with the table's name."""
    with pytest.raises(Nonsense, match="keyed"):
        writer.rows({"keyed": rows}, KEY)


def test_rows_that_cannot_be_walked_or_compared_are_refused(writer: RowWriter) -> None:
    """Also what is no list of rows, or has a key that is none, is told as nonsense."""
    for rows in (5, {"name": "x"}, ({"name": "x"} for _ in "x"), {"x"}, [Named(name=["x"])]):
        with pytest.raises(Nonsense, match="keyed"):
            writer.rows({"keyed": cast(Any, rows)}, KEY)


def test_an_instant_without_a_zone_is_refused(writer: RowWriter) -> None:
    """The contract's timestamp has a zone; nobody can know which one was meant."""
    assert stored(writer, "loose", [{"name": "x"}])
    west = NOW.astimezone(timezone(timedelta(hours=-8)))
    (row,) = stored(writer, "keyed", [{"name": "x", "at": west}])
    assert datetime.fromisoformat(row["at"]) == NOW
    with pytest.raises(Nonsense, match="keyed"):
        writer.rows({"keyed": [{"name": "x", "at": NOW.replace(tzinfo=None)}]}, KEY)


def test_the_session_is_filled_in_by_the_spine(writer: RowWriter) -> None:
    """Whatever its key and whatever its column is called; a column left out is nothing."""
    assert stored(writer, "keyed", [{"name": "x"}]) == [
        {"session_file": KEY, "name": "x", "n": None, "r": None, "b": None, "at": None}
    ]
    assert stored(writer, "loose", [{"name": "x", "n": 1}, {"n": 2}]) == [
        {"place": KEY, "name": "x", "n": 1},
        {"place": KEY, "name": None, "n": 2},
    ]
    assert writer.rows({"keyed": []}, KEY) == {}


def test_a_table_of_sessions_alone_can_be_filled(writer: RowWriter) -> None:
    """A row without a column of its own still is a row."""
    assert stored(writer, "seen", [{}]) == [{"session_file": KEY}]


def test_the_last_row_of_a_key_stays(writer: RowWriter) -> None:
    """As if they came one after the other; rows without a key are all kept."""
    for seed in range(20):
        rng = random.Random(seed)
        given = [{"name": rng.choice("abc"), "n": n} for n in range(rng.randrange(1, 12))]
        expected = {row["name"]: row["n"] for row in given}
        for rows in (given, [Named(**row) for row in given]):
            assert {row["name"]: row["n"] for row in stored(writer, "keyed", rows)} == expected, f"seed {seed}"
            assert len(stored(writer, "keyed", rows)) == len(expected), f"seed {seed}"
        assert [row["n"] for row in stored(writer, "loose", given)] == list(range(len(given))), f"seed {seed}"


def cleaned(text: str) -> str:
    """What must come back: NUL and surrogates that are alone replaced, everything else as it was."""
    pairs = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return pairs.replace("\x00", "\ufffd")


def test_any_text_survives_into_lines(writer: RowWriter) -> None:
    """Quotes, backslashes, line breaks, what looks like JSON or an escape; NUL and lone surrogates are replaced."""
    parts = [
        "\\",
        '"',
        "\n",
        "\r",
        "\x00",
        "\\u0000",
        "\\\\u0000",
        "\n{",
        '\n{"',
        "{",
        "}",
        "\u2028",
        "\x7f",
        "é",
        "😀",
    ]
    parts += ["\ud800", "\udfff", "\ud83d\ude00", "a", "\t", "\x1b[31m", ",", "\ufeff", "\uffff", "u0000"]
    for seed in range(300):
        rng = random.Random(seed)
        texts = ["".join(rng.choices(parts, k=rng.randrange(8))) for _ in range(rng.randrange(1, 5))]
        for rows in ([{"name": t, "n": n} for n, t in enumerate(texts)], [Named(t, n) for n, t in enumerate(texts)]):
            found = stored(writer, "loose", [{"name": t} for t in texts]) if seed % 2 else stored(writer, "keyed", rows)
            expected = (
                [cleaned(text) for text in texts] if seed % 2 else [cleaned(text) for text in dict.fromkeys(texts)]
            )
            assert [row["name"] for row in found] == expected, f"seed {seed}"
            assert {row.get("session_file", row.get("place")) for row in found} == {KEY}, f"seed {seed}"


def test_numbers_are_kept_to_the_last_digit(writer: RowWriter) -> None:
    """Whole numbers of 64 bits and any fraction come back as they were."""
    for n in (0, -1, 2**53 + 1, 2**63 - 1, -(2**63)):
        assert stored(writer, "loose", [{"n": n}])[0]["n"] == n
    for r in (0.1, 1e-300, -1.7976931348623157e308, 3):
        assert stored(writer, "keyed", [{"name": "x", "r": r}])[0]["r"] == r


def test_a_carry_that_is_no_small_json_is_refused(writer: RowWriter) -> None:
    """Objects, lone surrogates, more than 64 kB: it could not be kept."""
    for carry in ({"x": object()}, {"x": [NOW, print]}, {"x": "y" * LARGEST_CARRY}, {"x": "\ud800"}):
        with pytest.raises(Nonsense, match="carry"):
            writer.carry(carry)


def test_a_carry_that_is_no_mapping_is_refused(writer: RowWriter) -> None:
    """The next pass is promised a mapping."""
    others: list[Any] = [None, [], "x", 5]
    for carry in others:
        with pytest.raises(Nonsense, match="carry"):
            writer.carry(carry)


def test_a_carry_comes_back(writer: RowWriter) -> None:
    """What JSON can hold is read as it was given."""
    carry: Mapping[str, Any] = {"text": 'a"\\\n\x00é😀', "list": [1, 2.5, None, True], "deep": {"x": {"y": []}}}
    assert json.loads(writer.carry(carry)) == carry
    assert writer.carry({}) == b"{}"


def test_statements_that_are_none_are_refused(writer: RowWriter) -> None:
    """Only the schema's own statements, each with a list of parameters."""
    assert writer.after([("tidy", (1, "x"))]) == [("tidy", [1, "x"])]
    others: list[Any] = [[("nowhere", [])], 5, None, [5], ["tidy"], [("tidy",)], [("tidy", 5)], [(["tidy"], [])]]
    for after in others:
        with pytest.raises(Nonsense, match="after"):
            writer.after(after)


@pytest.mark.parametrize(
    ("extraction", "word"),
    [
        (Extraction(consumed=3), "consumed"),
        (Extraction(rows={"keyed": [{"name": 1}]}), "keyed"),
        (Extraction(carry={"x": object()}), "carry"),
        (Extraction(carry={"x": "y" * LARGEST_CARRY}), "carry"),
        (Extraction(after=[("nowhere", [])]), "nowhere"),
        (Extraction(after=[("tidy", [object()])]), "tidy"),
    ],
)
def test_nonsense_fails_the_session_with_its_reason(tmp_path: Path, extraction: Extraction, word: str) -> None:
    """The child says what was wrong and lives on, whichever part of the extraction it was."""

    class Senseless:
        name, version, settings, schema = "senseless", 1, ProcessorSettings, SCHEMA

        def extract(self, work: Work) -> Extraction:
            return extraction

    (tmp_path / "s.jsonl").write_bytes(DATA)
    visitor = JobServer(protocol.Hello("senseless", os.fsencode(tmp_path), {}, 10**9, 60.0), Senseless())
    job = protocol.Job("s.jsonl", "ann", b"s.jsonl", 0, None, (None, None, None, None), False, False, None)
    replies = list(visitor.visit(job))
    assert [protocol.pack(reply) for reply in replies]
    assert isinstance(replies[-1], protocol.Failed) and word in replies[-1].error


@pytest.mark.parametrize(
    ("withdrawn", "word"),
    [
        ({"keyed": [1]}, "'keyed'"),
        ({"nothing": [1]}, "'nothing'"),
        ({"once": [1.0]}, "not whole numbers"),
        ({"once": [True]}, "not whole numbers"),
    ],
)
def test_what_cannot_be_withdrawn_is_refused(writer: RowWriter, withdrawn: Any, word: str) -> None:
    """Only a table that counts once tells its rows by their position."""
    with pytest.raises(Nonsense, match=word):
        writer.withdrawn(withdrawn)
    assert writer.withdrawn({"once": (3, 1)}) == {"once": [3, 1]}


def test_a_backfill_gives_the_columns_of_its_schema(writer: RowWriter) -> None:
    """No more and no fewer."""
    assert writer.filled([{"name": "x", "n": 1}]) == b'{"name":"x","n":1}\n'
    for row in ({"name": "x"}, {"name": "x", "n": 1, "more": 2}):
        with pytest.raises(Nonsense, match="backfill returned the columns"):
            writer.filled([row])
