"""The check: what of a file is new, proven by a hash."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import pytest
import xxhash

from watcher.sandbox import reader
from watcher.sandbox.reader import Reading, is_utf8, trusted, whole_objects


def read(
    path: Path, taken: int = 0, file_hash: str | None = None, tail_too: bool = False
) -> tuple[Reading, list[bytes]]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        reading = Reading(descriptor, os.fstat(descriptor).st_size, taken, file_hash)
        pieces = []
        for piece in reading.pieces(tail_too):
            reading.take(piece.data)
            pieces.append(piece.data)
        return reading, pieces
    finally:
        os.close(descriptor)


def xxh3(data: bytes) -> str:
    return f"xxh3:{xxhash.xxh3_128(data).hexdigest()}"


def test_an_append_gives_only_the_new_complete_lines(tmp_path: Path) -> None:
    """What was taken is verified and not given again; a torn tail waits."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"one\ntwo\nthree\nto")
    reading, pieces = read(path, 8, xxh3(b"one\ntwo\n"))
    assert (reading.start, pieces, reading.tail) == (8, [b"three\n"], b"to")
    assert reading.file_hash == xxh3(b"one\ntwo\nthree\n")


@pytest.mark.parametrize("data", [b"ONE\ntwo\nthree\n", b"one\n", b"", b"one\ntwo"])
def test_anything_but_an_append_is_taken_from_the_start(tmp_path: Path, data: bytes) -> None:
    """Rewritten, truncated, replaced: the whole file, anew."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(data)
    reading, pieces = read(path, 8, xxh3(b"one\ntwo\n"))
    assert reading.start == 0
    assert b"".join(pieces) == data[: data.rfind(b"\n") + 1]


@pytest.mark.parametrize("taken", [0, 4, 8, 11])
def test_a_legacy_md5_is_honoured_up_to_the_lines_end_it_was_made_at(tmp_path: Path, taken: int) -> None:
    """Nothing that an earlier generation took is taken twice."""
    data = b"one\ntwo\nend"
    path = tmp_path / "s.jsonl"
    path.write_bytes(data)
    reading, _ = read(path, 0, hashlib.md5(data[:taken]).hexdigest())
    assert reading.start == taken
    reading, _ = read(path, 0, hashlib.md5(b"something else").hexdigest())
    assert reading.start == 0


def test_windows_of_any_size_give_the_same_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines shorter and longer than a window, cut anywhere: the same bytes, each piece at a line's end."""
    rng = random.Random(3)
    path = tmp_path / "s.jsonl"
    for _ in range(60):
        data = b"".join(
            b"x" * rng.choice([0, 1, 5, 40]) + b"\n" for _ in range(rng.randrange(20))
        ) + b"t" * rng.randrange(9)
        path.write_bytes(data)
        monkeypatch.setattr(reader, "WINDOW", rng.choice([1, 3, 16, 1000]))
        _, pieces = read(path)
        assert b"".join(pieces) == data[: data.rfind(b"\n") + 1]
        assert all(piece.endswith(b"\n") for piece in pieces)


def test_a_line_that_is_too_long_is_passed_over_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded; the lines around it are taken, and the hash covers it."""
    monkeypatch.setattr(reader, "WINDOW", 8)
    monkeypatch.setattr(reader, "LONGEST_LINE", 50)
    path = tmp_path / "s.jsonl"
    data = b"a\n" + b"x" * 200 + b"\nb\n" + b"y" * 100
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    reading = Reading(descriptor, len(data), 0, None)
    found = []
    for piece in reading.pieces(tail_too=True):
        reading.take(piece.data)
        found.append((piece.data, piece.too_long))
    os.close(descriptor)
    assert found == [(b"a\n", 0), (b"", 1), (b"b\n", 0)]
    assert reading.file_hash == xxh3(data[: data.rfind(b"\n") + 1])


def test_a_settled_tail_is_taken_if_it_is_whole(tmp_path: Path) -> None:
    """Only a line that lacks nothing but its end."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'{"a":1}\n{"b":2}')
    assert read(path, tail_too=True)[1] == [b'{"a":1}\n', b'{"b":2}']
    path.write_bytes(b'{"a":1}\n{"b":')
    assert read(path, tail_too=True)[1] == [b'{"a":1}\n']
    assert read(path)[1] == [b'{"a":1}\n']


@pytest.mark.parametrize(
    ("line", "whole"),
    [
        (b'{"a":1}', True),
        (b' {"a":1} {"b":2} ', True),
        (b'{"a":1}{', False),
        (b"12", False),
        (b"[1]", False),
        (b"", False),
        (b"  ", False),
        (b'{"a":"\xff"}', False),
        (b'{"a":' * 5000, False),
    ],
)
def test_what_lacks_nothing_but_its_end(line: bytes, whole: bool) -> None:
    """One or more objects; a number might go on."""
    assert whole_objects(line) is whole


def test_a_fresh_ctime_is_not_trusted(tmp_path: Path) -> None:
    """Within the clock's grain a later change could leave the same times."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"x\n")
    status = path.stat()
    assert trusted(status, status.st_ctime_ns + 19_000_000)[3] is None
    assert trusted(status, status.st_ctime_ns + 21_000_000)[3] == status.st_ctime_ns


def test_utf8_is_judged_across_blocks() -> None:
    """A character that straddles two blocks is no error; a stray byte anywhere is."""
    text = ("x" * 65535 + "é" + "y" * 70000).encode()
    assert is_utf8(text)
    assert not is_utf8(text + b"\xff")
    assert not is_utf8(text + b"\xc3")
