"""The oracle's reading of lines: one small example for each rule of docs/counting.md on bytes, records and fields."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import oracle_reading
from tests.support.oracle import read_lines

CALL = '{"type":"assistant","uuid":"u","message":{"id":"m","usage":{"output_tokens":%s}}}'


def read(data: bytes | str, settled: bool = False) -> tuple[int, int]:
    """How many records and bad lines there are."""
    records, bad_lines = read_lines(data.encode() if isinstance(data, str) else data, settled)
    return len(records), bad_lines


def record(**fields: Any) -> str:
    """A line with one record."""
    return json.dumps(fields) + "\n"


@pytest.mark.parametrize(
    ("data", "records", "bad_lines"),
    [
        pytest.param(b"", 0, 0, id="an empty file"),
        pytest.param(b'{"a":1}\n{}\n', 2, 0, id="a record a line"),
        pytest.param(b'{"a":1}\n{"b":2}', 1, 0, id="a torn tail waits"),
        pytest.param(b'{"a":1}\n \t\r\n\n{"b":2}\n', 2, 0, id="blank lines are nothing"),
        pytest.param(b' {"a":1}{"b":2} \t{"c":3}\r\n', 3, 0, id="glued objects are all taken"),
        pytest.param(b'{"a":1}{"b":\n', 0, 1, id="a line is skipped whole"),
        pytest.param(b'{"a":1},{"b":2}\n', 0, 1, id="a comma between objects"),
        pytest.param(b'{"a":1} x\n{}\n', 1, 1, id="rubbish behind, the rest is taken"),
        pytest.param(b"\x00\n", 0, 1, id="a zero byte"),
        pytest.param(b'{"a":"\xff"}\n', 0, 1, id="not UTF-8"),
        pytest.param(b'\xef\xbb\xbf{"a":1}\n', 1, 0, id="a byte order mark at the beginning"),
        pytest.param(b'{}\n\xef\xbb\xbf{"a":1}\n', 1, 1, id="a byte order mark elsewhere"),
        pytest.param(b"\xef\xbb\xbf\n \n", 0, 0, id="a byte order mark and nothing"),
        pytest.param(b'{"a":"\xed\xa0\xbd"}\n', 0, 1, id="a surrogate as bytes is not UTF-8"),
        pytest.param(b'{"a":"\\ud83d\\u0000"}\n', 1, 0, id="escapes of lone surrogates and NUL"),
        pytest.param(b'{"a":"\t"}\n', 0, 1, id="a control character in a string"),
        pytest.param(b"[1]\n3\n" + b'"x"\nnull\ntrue\n[{"a":1}]\n', 0, 6, id="JSON that is no object"),
        pytest.param(b'{"a":NaN}\n{"a":Infinity}\n{"a":-Infinity}\n', 0, 3, id="NaN and Infinity are not JSON"),
        pytest.param(b'{\'a\':1}\n{a:1}\n{"a":1,}\n{"a":01}\n', 0, 4, id="almost JSON"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}\n", 1, 0, id="a long number nobody reads"),
        pytest.param(b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}\n", 0, 1, id="nested too deeply"),
        pytest.param(b'{"type":"of next year","message":5,"data":[]}\n', 1, 0, id="an unknown type"),
        pytest.param(b'{"type":null,"message":5}\n{"message":5}\n', 2, 0, id="no type"),
    ],
)
def test_lines(data: bytes, records: int, bad_lines: int) -> None:
    """A line is one or more objects; a blank one is nothing; anything else is bad."""
    assert read(data) == (records, bad_lines)


@pytest.mark.parametrize(
    ("tail", "records", "bad_lines", "taken"),
    [
        (b'{"a":1}', 1, 0, True),
        (b'{"a":1} {"b":2} ', 2, 0, True),
        (b'{"a":', 0, 0, False),
        (b"[1]", 0, 0, False),
        (b'{"a":1} x', 0, 0, False),
        (b" ", 0, 0, False),
        (b'{"type":7}', 0, 1, True),
    ],
)
def test_settled_tails(tail: bytes, records: int, bad_lines: int, taken: bool) -> None:
    """A tail that settled is taken like a line where it is JSON objects, and otherwise still waits."""
    assert read(b"{}\n" + tail) == (1, 0)
    assert read(b"{}\n" + tail, settled=True) == (1 + records, bad_lines)
    assert oracle_reading.taken_bytes(b"{}\n" + tail, True) == 3 + len(tail) * taken


def test_a_line_may_be_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line beyond the longest is bad."""
    assert oracle_reading.LONGEST_LINE == 128 * 1024 * 1024
    monkeypatch.setattr(oracle_reading, "LONGEST_LINE", 10)
    assert read('{"a":"45"}\n{"a":"456"}\n') == (1, 1)


@pytest.mark.parametrize(
    "name", ["type", "sessionId", "cwd", "gitBranch", "version", "uuid", "requestId", "agentId", "timestamp"]
)
def test_common_strings(name: str) -> None:
    """Read in every record, of whatever type; null is nothing."""
    assert read(record(**{"type": "summary", name: 5})) == (0, 1)
    assert read(record(**{"type": "summary", name: ["x"]})) == (0, 1)
    assert read(record(**{"type": "summary", name: None})) == (1, 0)


@pytest.mark.parametrize("name", ["isSidechain", "isMeta", "isCompactSummary"])
def test_common_flags(name: str) -> None:
    """Booleans and nothing else."""
    accepted: list[Any] = [True, False, None]
    wrong: list[Any] = [0, 1, "true", []]
    assert [read(record(**{name: value})) for value in accepted] == [(1, 0)] * 3
    assert [read(record(**{name: value})) for value in wrong] == [(0, 1)] * 4


@pytest.mark.parametrize(
    "good",
    ["2026-03-01T09:00:00Z", "2026-03-01T09:00:00.123456+05:30", "1970-01-01T00:00:00", "9998-12-31T23:59:59.9-23:59"],
)
def test_timestamps(good: str) -> None:
    """RFC 3339 with date, T and time; a zone is not needed."""
    assert read(record(timestamp=good)) == (1, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "now",
        "2026-03-01",
        "2026-03-01_09:00:00Z",
        "2026-03-01T09:00Z",
        "20260301T090000Z",
        "2026-02-29T09:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T09:60:00Z",
        "2026-03-01T09:00:00+25:00",
        "2026-03-01T09:00:00Z and more",
        "1969-12-31T23:59:59Z",
        "9999-01-01T00:00:00Z",
    ],
)
def test_wrong_timestamps(wrong: str) -> None:
    """Anything else makes the line bad, also in an embedded record."""
    assert read(record(timestamp=wrong)) == (0, 1)
    inner = {"type": "agent_progress", "message": {"type": "user", "timestamp": wrong}}
    assert read(record(type="progress", data=inner)) == (0, 1)


@pytest.mark.parametrize("kind", ["assistant", "user"])
@pytest.mark.parametrize(
    "wrong",
    [
        "words",
        [],
        {"id": 5},
        {"model": {}},
        {"usage": []},
        {"content": 5},
        {"content": {}},
        {"content": ["words"]},
        {"content": [None]},
        {"content": [{"type": 5}]},
        {"content": [{"id": 5}]},
        {"content": [{"name": 5}]},
        {"content": [{"tool_use_id": 5}]},
        {"content": [{"is_error": 1}]},
        {"usage": {"cache_creation": 5}},
        {"usage": {"server_tool_use": []}},
    ],
)
def test_wrong_messages(kind: str, wrong: Any) -> None:
    """A message with a field of the wrong type is bad, main or embedded; on other types it is not read."""
    assert read(record(type=kind, uuid="u", message=wrong)) == (0, 1)
    for inner in (
        {"message": {"type": kind, "message": wrong}},
        {"normalizedMessages": [{"type": kind, "message": wrong}]},
    ):
        data = {"type": "agent_progress", **inner}
        assert read(record(type="progress", uuid="u", data=data)) == (0, 1)
        assert read(record(type="progress", data={**data, "type": "hook_progress"})) == (1, 0)
    assert read(record(type="system", message=wrong)) == (1, 0)


def test_what_is_read_only_where_used_may_be_anything() -> None:
    """``input``, ``text`` and ``content`` of a block."""
    values: list[Any] = [None, 5, "x", [], [5], {}]
    for value in values:
        blocks = [{"type": kind, "input": value, "text": value, "content": value} for kind in ("text", "tool_result")]
        assert read(record(type="user", message={"content": blocks})) == (1, 0)


@pytest.mark.parametrize("good", ["0", "null", "1000000000000", "-0"])
def test_counts(good: str) -> None:
    """Whole numbers from 0 to 10^12."""
    assert read(CALL % good + "\n") == (1, 0)


@pytest.mark.parametrize("wrong", ["-1", "1000000000001", "3.0", "true", '"3"', "[3]", "1" * 5000])
def test_wrong_counts(wrong: str) -> None:
    """Everything else, in every count."""
    assert read(CALL % wrong + "\n") == (0, 1)
    for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"):
        assert read(CALL % f'0,"{name}":{wrong}' + "\n") == (0, 1)
    for name in ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"):
        assert read(CALL % f'0,"cache_creation":{{"{name}":{wrong}}}' + "\n") == (0, 1)
    assert read(CALL % f'0,"server_tool_use":{{"web_search_requests":{wrong}}}' + "\n") == (0, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        "words",
        5,
        {"type": 5},
        {"type": "agent_progress", "message": "words"},
        {"type": "agent_progress", "normalizedMessages": {}},
        {"type": "agent_progress", "normalizedMessages": [5]},
        {"type": "agent_progress", "agentId": 5},
        {"type": "agent_progress", "message": {"type": 5}},
        {"type": "agent_progress", "message": {"type": "user", "uuid": 5}},
        {"type": "agent_progress", "message": {"type": "user", "requestId": 5}},
    ],
)
def test_wrong_progress(wrong: Any) -> None:
    """The data of a progress line; on other lines it is not read."""
    assert read(record(type="progress", data=wrong)) == (0, 1)
    assert read(record(type="user", data=wrong)) == (1, 0)


def test_a_call_needs_a_name() -> None:
    """Without a message id and a uuid the line is bad; where nothing is counted it is not."""
    message = {"model": "m", "usage": {}}
    assert read(record(type="assistant", message=message)) == (0, 1)
    assert read(record(type="assistant", message={**message, "model": "<synthetic>"})) == (1, 0)
    assert read(record(type="assistant", message={"model": "m"})) == (1, 0)
    assert read(record(type="user", message=message)) == (1, 0)
    inner = {"type": "agent_progress", "message": {"type": "assistant", "message": message}}
    assert read(record(type="progress", uuid="outer", data=inner)) == (0, 1)


def test_records_know_where_they_stood() -> None:
    """Line and place in the file, bad lines counted as lines but not as places."""
    records, _ = read_lines(b'{"a":1}{"b":2}\nbad\n{"c":3}\n', False)
    assert [(one.line, one.place) for one in records] == [(0, 0), (0, 1), (2, 2)]
