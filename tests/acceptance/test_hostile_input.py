"""Whatever stands in the sessions folder: a bad line is skipped, counted and shown, and the rest is taken."""

from __future__ import annotations

import copy
import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import Subject, exact_price, failures
from tests.support.oracle import Oracle, session_key
from tests.support.processes import Place, call
from tests.support.transcript_lines import Talk, embedded, line, message, result, text, tool, usage

TALK = Talk("session", "/home/ann/shop", branch="main", sidechain=True, agent_id="0a1b2c3d")
AT = "2026-03-01T09:00:00.000Z"
BEFORE = line(TALK.assistant(AT, "before", tool("toolu_before", "Bash", command="ls"), usage(1, 2, 4, 8, 1)))
AFTER = line(TALK.gave("2026-03-01T09:01:00.000Z", "toolu_before", "Exit code 1", True)) + line(
    TALK.assistant("2026-03-01T09:02:00.000Z", "after", text("done"), usage(1, 2, 4, 8))
)

#: One bad line each.
BAD_LINES = {
    "words": b"not json at all",
    "a number": b"3",
    "a list": b"[1,2]",
    "a string": b'"x"',
    "null": b"null",
    "cut": b'{"type":"user","message":{"role":"user","content":"ab',
    "rubbish behind": b'{"type":"user"} rubbish',
    "no UTF-8": b'{"type":"user","message":{"role":"user","content":"\xff\xfe"}}',
    "a lone byte": b"\xc3",
    "NaN": b'{"type":"user","score":NaN}',
    "nested too deep to read": b'{"type":"user","deep":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "opened too often": b"[" * 100_000,
    "control characters": b'{"type":"us\x01er"}',
    "a number too long": b'{"type":"assistant","uuid":"u","message":{"usage":{"output_tokens":' + b"9" * 5000 + b"}}}",
    "minus tokens": b'{"type":"assistant","uuid":"u","message":{"usage":{"output_tokens":-5}}}',
}
#: Lines that are odd and yet good.
GOOD_LINES = {
    "two glued": line(
        TALK.assistant("2026-03-01T09:00:10.000Z", "glued1", text("a"), usage(5, 5)),
        TALK.assistant("2026-03-01T09:00:11.000Z", "glued2", text("b"), usage(6, 6)),
    ),
    "NUL": line(TALK.user(AT, "nul", "a\0b")),
    "a lone surrogate": line(TALK.user(AT, "half", "half \ud83d face")),
    "a name with NUL": line(TALK.assistant(AT, "nulname", tool("toolu_nul", "Ba\0sh"), usage(1, 1))),
    "a name with half a character": line(TALK.assistant(AT, "halfname", tool("toolu_half", "\udc00sh"), usage(1, 1))),
    "white space": b"  \t \r\n",
    "an empty line": b"\n",
    "an empty object": b"{}\n",
    "keys twice": b'{"type":"x","type":"user","message":{"content":"one"},"message":{"content":"two"}}\n',
    "nested a little": b'{"type":"user","deep":' + b"[" * 500 + b"]" * 500 + b"}\n",
    "unknown everything": b'{"type":"quux","a":{"b":[1,2.5e300,null,true]}}\n',
    "a carriage return": line(TALK.user(AT, "cr", "x"))[:-1] + b"\r\n",
    "markup": line(TALK.assistant(AT, "markup", tool("toolu_m", "[red]Bash[/red]<b>"), usage(1, 1))),
}
TIMES: tuple[Any, ...] = (
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
    "0000-00-00T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-03-01T25:00:00Z",
    "2026-03-01T23:59:60Z",
    "2026-03-01T09:00:00+99:99",
    "2026-03-01T09:00:00-11:30",
    "2026-03-01 09:00:00Z",
    "2026-03-01t09:00:00z",
    "2026-03-01T09:00:00+0200",
    "2026-03-01T09:00:00+02",
    "2026-03-01T09:00Z",
    "2026-03-01T24:00:00Z",
    "2026-03-01T09:00:00.123456789Z",
    "2026-03-01",
    "yesterday",
    "",
    0,
    -1,
    1_772_352_000,
    1e18,
)
WRONG: tuple[Any, ...] = (
    None,
    True,
    0,
    7,
    -1,
    2.5,
    10**12 + 1,
    2**63,
    2**70,
    1e308,
    "",
    "x",
    "a\0\ud83d",
    [],
    ["x"],
    [None],
    {},
    {"x": [1]},
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    return tmp_path / "sessions"


@pytest.fixture
def subject(root: Path, tmp_path: Path) -> Iterator[Subject]:
    made = Subject(root, tmp_path / "state")
    yield made
    made.close()


def told(oracle: Oracle, root: Path, relative: str, data: bytes) -> None:
    """A file with this content, of which the oracle knows."""
    path = root / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    oracle.content(session_key(os.fsencode(relative)), data)


def test_lines_that_cannot_be_read(subject: Subject, root: Path) -> None:
    """Each is one bad line, in the state row and in sum; what stands before and after it is taken."""
    oracle = Oracle(price=exact_price)
    for what, bad in BAD_LINES.items():
        told(oracle, root, f"ann/{what}.jsonl", BEFORE + bad + b"\n" + AFTER)
    assert not failures(subject.catch_up())
    subject.must_equal(oracle, "bad lines")
    found = subject.open().query("SELECT session_file, processor_name, bad_lines FROM session_processor_state")
    assert len(found) == 2 * len(BAD_LINES)
    assert {(session, count) for session, _, count in found if count != 1} == set()
    assert subject.open().query("SELECT count(*) FROM usage_messages") == [(2,)]


def test_lines_that_are_odd(subject: Subject, root: Path) -> None:
    """They are as good as any."""
    oracle = Oracle(price=exact_price)
    for what, odd in GOOD_LINES.items():
        told(oracle, root, f"ann/{what}.jsonl", BEFORE + odd + AFTER)
    assert not failures(subject.catch_up())
    subject.must_equal(oracle, "odd lines")
    assert subject.open().query("SELECT sum(bad_lines) FROM session_processor_state") == [(0,)]


def bases() -> dict[str, dict[str, Any]]:
    """A record of each kind with every field that is read."""
    inner = message("msg_inner", tool("toolu_inner", "Skill", skill="pdf"), usage(1, 2, 3, 4, 1, 2))
    return {
        "assistant": TALK.assistant(
            AT, "base", tool("toolu_base", "Task", subagent_type="explorer"), usage(10, 20, 40, 80, 10, 3), isMeta=False
        ),
        "words": TALK.user(AT, "words", "Weeks begin on Monday.", isMeta=False, isCompactSummary=False),
        "command": TALK.user(AT, "command", "<command-name>/review</command-name>"),
        "blocks": TALK.user(AT, "blocks", [text("one"), result("toolu_base", [text("Exit code 2")], True)]),
        "progress": TALK.agent_progress(
            AT,
            "progress",
            embedded("assistant", AT, "inner", inner, requestId="req_inner"),
            [embedded("user", AT, "given", {"role": "user", "content": [result("toolu_inner", "x", True)]})],
            agentId="0a1b2c3d",
        ),
    }


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside another one."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*above, key)
        yield from places(inner, (*above, key))


def with_value(record: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The record with something else at one place."""
    changed = copy.deepcopy(record)
    inner: Any = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed


@pytest.mark.parametrize("kind", sorted(bases()))
def test_wrong_types_in_every_field(subject: Subject, root: Path, kind: str) -> None:
    """Every field of a record holding everything that it should not, and missing."""
    oracle = Oracle(price=exact_price)
    record = bases()[kind]
    for number, place in enumerate(places(record)):
        talk = []
        for value in (*WRONG, *(TIMES if place[-1] == "timestamp" else ())):
            talk.append(line({**with_value(record, place, value)}))
        short = copy.deepcopy(record)
        inner: Any = short
        for key in place[:-1]:
            inner = inner[key]
        del inner[place[-1]]
        talk.append(line(short))
        told(oracle, root, f"ann/{number}.jsonl", BEFORE + b"".join(talk) + AFTER)
    assert not failures(subject.catch_up())
    subject.must_equal(oracle, kind)


def test_a_huge_line(subject: Subject, root: Path) -> None:
    """50 MB in one line: taken where it is one record, counted as bad where it is not."""
    oracle = Oracle(price=exact_price)
    big = TALK.user(AT, "big", "x" * 50_000_000)
    told(oracle, root, "ann/good.jsonl", BEFORE + line(big) + AFTER)
    told(oracle, root, "ann/bad.jsonl", BEFORE + line(big)[:-3] + b"\n" + AFTER)
    assert not failures(subject.catch_up())
    subject.must_equal(oracle, "huge lines")


def test_a_sparse_file_of_four_gigabytes(subject: Subject, root: Path) -> None:
    """Its endless line is counted as one bad line without being kept; what follows it is taken."""
    path = root / "ann" / "sparse.jsonl"
    path.write_bytes(BEFORE)
    os.truncate(path, 4 << 30)
    assert not failures(subject.catch_up())
    count = "SELECT count(*), max(bad_lines) FROM usage_messages, session_processor_state"
    assert subject.open().query(count) == [(2, 0)]  # one call, seen by two processors; the line has no end yet
    with path.open("ab") as file:
        file.write(b"\n" + AFTER)
    assert not failures(subject.catch_up())
    assert subject.open().query("SELECT count(*) FROM usage_messages") == [(2,)]
    states = subject.open().query("SELECT bad_lines, processed_bytes, file_size FROM session_processor_state")
    assert states == [(1, path.stat().st_size, path.stat().st_size)] * 2


def test_times_that_no_clock_says(subject: Subject, root: Path) -> None:
    """A file of the year 2400 and one of 1600 are taken like others, and taken once."""
    oracle = Oracle(price=exact_price)
    for year, name in ((2400, "late"), (1600, "early")):
        path = root / "ann" / f"{name}.jsonl"
        told(oracle, root, f"ann/{name}.jsonl", BEFORE.replace(b"before", name.encode()) + AFTER)
        at = (year - 1970) * 31_556_952 * 10**9
        os.utime(path, ns=(at, at))
    assert not failures(subject.catch_up())
    subject.must_equal(oracle, "times")
    assert [one.processed for one in subject.catch_up()] == [0, 0]


def test_things_that_are_no_files(subject: Subject, root: Path, tmp_path: Path) -> None:
    """A pipe, a socket, a folder, links of every kind: not opened, not followed, not counted; files beside them are."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.jsonl").write_bytes(BEFORE)
    folder = root / "ann"
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "folder.jsonl").mkdir()
    (folder / "dangling.jsonl").symlink_to(outside / "nothing.jsonl")
    (folder / "outward.jsonl").symlink_to(outside / "secret.jsonl")
    (folder / "linked folder").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "empty.jsonl").write_bytes(b"")
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(folder)  # a socket's path must be short
        listening.bind("socket.jsonl")
        assert stat.S_ISSOCK((folder / "socket.jsonl").stat().st_mode)
        oracle = Oracle(price=exact_price)
        oracle.content("ann/empty.jsonl", b"")
        told(oracle, root, "ann/folder.jsonl/inside.jsonl", BEFORE + AFTER)
        assert not failures(subject.catch_up())
        subject.must_equal(oracle, "things that are no files")


@pytest.mark.parametrize(
    "odd",
    [
        b"new\nline.jsonl",
        b"quo'te\".jsonl",
        b"50% off.jsonl",
        b"a:b.jsonl",
        b"\xff\xfe.jsonl",
        b"-rf.jsonl",
        b" .jsonl",
        b"a" * 249 + b".jsonl",
        "héllo 日本 😀.jsonl".encode(),
        b"'; DROP TABLE usage_calls; --.jsonl",
        b"[red]x[b].jsonl",
        b"\x1b[31mred.jsonl",
        b"..jsonl.jsonl",
        b"%41.jsonl",
    ],
)
def test_strange_names(subject: Subject, root: Path, odd: bytes) -> None:
    """Each is a session like any other, under a key that is safe and leads back to the file."""
    path = os.path.join(os.fsencode(root), b"ann", odd)
    with open(path, "wb") as file:
        file.write(BEFORE)
    oracle = Oracle(price=exact_price)
    oracle.content(session_key(b"ann/" + odd), BEFORE)
    assert not failures(subject.catch_up())
    with open(path, "ab") as file:
        file.write(AFTER)
    oracle.content(session_key(b"ann/" + odd), BEFORE + AFTER)
    assert not failures(subject.catch_up())
    subject.must_equal(oracle, repr(odd))


def test_it_is_shown(root: Path, tmp_path: Path) -> None:
    """People see how many lines could not be read; the commands print strange names without a stumble."""
    place = Place(root, tmp_path / "state")
    (root / "ann" / "bad.jsonl").write_bytes(call("m1") + b"rubbish\n" + call("m2"))
    with open(os.path.join(os.fsencode(root), b"ann", b"\x1b[31m\xff[b]\n.jsonl"), "wb") as file:
        file.write(call("m3"))
    done = place.run("once")
    assert done.returncode == 0, done.stderr
    shown = place.run("status")
    assert shown.returncode == 0 and "\x1b[31m" not in shown.stdout, shown.stderr
    status = {one["processor"]: one for one in json.loads(place.run("status", "--json").stdout)["processors"]}
    assert status["usage"]["bad_lines"] == 1
    sessions = place.run("usage", "sessions")
    assert sessions.returncode == 0 and "\x1b[31m" not in sessions.stdout, sessions.stderr


def test_unreadable_files_are_not_gone(subject: Subject, root: Path) -> None:
    """A folder in a file's place and back, a file that cannot be opened: nothing is lost."""
    path = root / "ann" / "a.jsonl"
    oracle = Oracle(price=exact_price)
    told(oracle, root, "ann/a.jsonl", BEFORE)
    subject.catch_up()
    path.rename(root / "kept")
    path.mkdir()
    subject.catch_up()
    oracle.gone("ann/a.jsonl")
    subject.must_equal(oracle, "a folder in its place")
    path.rmdir()
    (root / "kept").rename(path)
    oracle.content("ann/a.jsonl", BEFORE)
    subject.catch_up()
    subject.must_equal(oracle, "and back")
