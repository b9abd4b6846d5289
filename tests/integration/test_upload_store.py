"""Uploads: whatever a path or a tree holds, nothing is written but the transcript that is meant, and that whole."""

from __future__ import annotations

import io
import os
import random
import resource
import stat
import threading
from pathlib import Path
from urllib.parse import quote

import pytest

from watcher.errors import NoFolder, NoRoom, OffsetMismatch, PathRefused, TooLong
from watcher.http.upload_store import DEEPEST, LONGEST_NAME, LONGEST_PATH, ReceivedUpload, Uploads, parts_of
from watcher.transcripts.sessions import Tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "sessions").mkdir()
    return tmp_path / "sessions"


@pytest.fixture
def uploads(root: Path) -> Uploads:
    return Uploads(Tree(root, "users"), 1000)


def take(uploads: Uploads, path: str, body: bytes, offset: int | None = None) -> ReceivedUpload:
    return uploads.take(parts_of(path.encode()), io.BytesIO(body), len(body), offset)


def below(folder: Path) -> dict[str, bytes]:
    """Every file of a tree."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


#: Ways out, hidden names, signs that are none, and what is no transcript.
TAILS = (
    b"ann/../bob/a.jsonl",
    b"ann/%2e%2e/a.jsonl",
    b"ann/%2E%2E%2Fbob/a.jsonl",
    b"../a.jsonl",
    b"/etc/a.jsonl",
    b"%2fetc/a.jsonl",
    b"ann//a.jsonl",
    b"ann/a%00.jsonl",
    b"ann/a%0a.jsonl",
    b"ann/%E2%80%AEa.jsonl",
    b"ann/.a.jsonl",
    b".ann/a.jsonl",
    b"ann/.jsonl",
    b"ann/a.json",
    b"ann/a.jsonl/",
    b"ann\\a.jsonl",
    b"ann/a%ff.jsonl",
    b"a.jsonl",
    b"",
)


def test_a_path_is_refused_or_leads_below_the_user_and_nowhere_else() -> None:
    """Whatever bytes are sent: every name that is taken is one name, visible, and of the length a disk takes."""
    rng = random.Random(11)
    pieces = [
        b"ann",
        b"..",
        b".",
        b"/",
        b"\\",
        b"%2f",
        b"%2e",
        b"%00",
        b"%0a",
        b"%ff",
        b"%25",
        b".jsonl",
        b"\xe2\x80\xae",
    ]
    made = [rng.randbytes(rng.randrange(60)) for _ in range(300)]
    made += [b"".join(rng.choices(pieces, k=rng.randrange(1, 8))) for _ in range(2000)]
    for raw in (raw for tail in (*TAILS, *made) for raw in (tail, tail + b".jsonl", b"ann/" + tail + b".jsonl")):
        try:
            parts = parts_of(raw)
        except PathRefused:
            continue
        assert 2 <= len(parts) <= DEEPEST and parts[-1].endswith(".jsonl")
        for part in parts:
            assert part and part[0] != "." and not set(part) & {"/", "\\", "\0"} and part.isprintable()
            assert len(os.fsencode(part)) <= LONGEST_NAME
        joined = os.path.normpath("/root/" + "/".join(parts))
        assert joined == "/root/" + "/".join(parts)


def test_what_is_taken_is_what_was_encoded() -> None:
    """Percent-encoding is undone once, whether the slashes are encoded or not; twice-encoded is not undone twice."""
    rng = random.Random(12)
    signs = [chr(n) for n in (*range(33, 127), *range(0xA1, 0x250), *range(0x4E00, 0x4E40), *range(0x1F600, 0x1F640))]
    taken = 0
    for _ in range(300):
        names = ["".join(rng.choices(signs, k=rng.randrange(1, 20))) for _ in range(rng.randrange(1, 8))]
        path = "/".join(["ann", *names]) + ".jsonl"
        for encoded in (quote(path), quote(path, safe="")):
            try:
                parts = parts_of(encoded.encode())
            except PathRefused:
                continue
            assert "/".join(parts) == path
            taken += 1
    assert taken > 100
    with pytest.raises(PathRefused):
        parts_of(b"ann/" + quote("../a").encode() + b".jsonl")
    assert parts_of(b"ann/%252e%252e.jsonl") == ("ann", "%2e%2e.jsonl")


@pytest.mark.parametrize(
    "path",
    ["ann/" + "a" * (LONGEST_NAME - 5) + ".jsonl", "/".join(["a" * 250] * 5) + "/a.jsonl", "a/" * DEEPEST + "a.jsonl"],
)
def test_a_path_that_is_too_long_is_refused(path: str) -> None:
    """In one name, in all, and in how many names."""
    with pytest.raises(PathRefused):
        parts_of(path.encode())
    assert len(path) > LONGEST_NAME or path.count("/") == DEEPEST or len(path) > LONGEST_PATH


def test_whole_appended_and_the_same_again(uploads: Uploads, root: Path) -> None:
    """Each is what the file then holds; to repeat any of it changes nothing."""
    assert take(uploads, "ann/p/a.jsonl", b"one\n") == ReceivedUpload(4, made=True, changed=True)
    before = (root / "ann/p/a.jsonl").stat()
    assert take(uploads, "ann/p/a.jsonl", b"one\n") == ReceivedUpload(4, made=False, changed=False)
    assert take(uploads, "ann/p/a.jsonl", b"one\n", 0) == ReceivedUpload(4, made=False, changed=False)
    assert (root / "ann/p/a.jsonl").stat() == before
    assert take(uploads, "ann/p/a.jsonl", b"two\n", 4) == ReceivedUpload(8, made=False, changed=True)
    assert take(uploads, "ann/p/a.jsonl", b"two\n", 4) == ReceivedUpload(8, made=False, changed=False)
    assert take(uploads, "ann/p/a.jsonl", b"two\nthree\n", 4) == ReceivedUpload(14, made=False, changed=True)
    assert (root / "ann/p/a.jsonl").stat().st_ino == before.st_ino
    assert take(uploads, "ann/p/a.jsonl", b"anew\n") == ReceivedUpload(5, made=False, changed=True)
    assert below(root) == {"ann/p/a.jsonl": b"anew\n"}
    assert stat.S_IMODE((root / "ann/p").stat().st_mode) & 0o027 == 0
    held = uploads.held(("ann", "p", "a.jsonl"))
    assert held is not None and held.size == 5
    assert uploads.held(("ann", "p", "b.jsonl")) is None and uploads.held(("bob", "b.jsonl")) is None


@pytest.mark.parametrize(("offset", "body"), [(5, b"x"), (0, b"two\n"), (2, b"xx"), (2, b"e\nx\n")])
def test_what_does_not_go_on_from_what_is_there_is_refused(uploads: Uploads, offset: int, body: bytes) -> None:
    """With the size that is there, and nothing is changed."""
    take(uploads, "ann/a.jsonl", b"one\n")
    if body == b"e\nx\n":  # it does, by the bytes that are there already
        assert take(uploads, "ann/a.jsonl", body, offset).size == 6
        return
    with pytest.raises(OffsetMismatch) as refused:
        take(uploads, "ann/a.jsonl", body, offset)
    assert refused.value.size == 4
    with pytest.raises(OffsetMismatch) as refused:
        take(uploads, "ann/new.jsonl", b"x", 3)
    assert refused.value.size == 0


def test_links_pipes_and_second_names_are_not_followed(uploads: Uploads, root: Path, tmp_path: Path) -> None:
    """Neither on the way nor at its end, neither whole nor appended nor asked for; what they lead to stays."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.jsonl").write_bytes(b"secret\n")
    (outside / "b.jsonl").write_bytes(b"secret\n")
    (root / "ann").mkdir()
    (root / "linked").symlink_to(outside)
    (root / "ann" / "folder").symlink_to(outside)
    (root / "ann" / "link.jsonl").symlink_to(outside / "a.jsonl")
    (root / "ann" / "dangling.jsonl").symlink_to(outside / "new.jsonl")
    os.link(outside / "a.jsonl", root / "ann" / "hard.jsonl")
    os.mkfifo(root / "ann" / "pipe.jsonl")
    (root / "ann" / "folder.jsonl").mkdir()
    (root / "ann" / "file").write_bytes(b"")
    for path in (
        "linked/b.jsonl", "linked/new.jsonl", "ann/folder/b.jsonl", "ann/folder/new.jsonl", "ann/link.jsonl",
        "ann/dangling.jsonl", "ann/hard.jsonl", "ann/pipe.jsonl", "ann/folder.jsonl", "ann/file/a.jsonl",
    ):  # fmt: skip
        for offset in (None, 0, 7):
            with pytest.raises(PathRefused):
                take(uploads, path, b"x\n", offset)
        with pytest.raises(PathRefused):
            uploads.held(parts_of(path.encode()))
    assert below(outside) == {"a.jsonl": b"secret\n", "b.jsonl": b"secret\n"}


def test_a_part_that_somebody_put_in_its_way_leads_nowhere(uploads: Uploads, root: Path, tmp_path: Path) -> None:
    """The temporary name is taken anew each time, also where a crash or a stranger left something under it."""
    take(uploads, "ann/a.jsonl", b"one\n")
    seen: list[str] = []
    original = os.replace

    def watching(source: str, target: str, **where: int) -> None:
        seen.append(source)
        original(source, target, **where)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", watching)
        take(uploads, "ann/a.jsonl", b"two\n")
    (part,) = seen
    assert part.startswith(".") and not part.endswith(".jsonl")
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (root / "ann" / part).symlink_to(victim)
    take(uploads, "ann/a.jsonl", b"three\n")
    assert victim.read_bytes() == b"precious" and below(root) == {"ann/a.jsonl": b"three\n"}


def test_it_is_never_larger_than_it_may_be(uploads: Uploads, root: Path) -> None:
    """Whole, and by what is added."""
    take(uploads, "ann/a.jsonl", b"x" * 1000)
    with pytest.raises(TooLong):
        take(uploads, "ann/a.jsonl", b"x", 1000)
    with pytest.raises(TooLong):
        take(uploads, "ann/b.jsonl", b"x" * 1001)
    assert {name: len(body) for name, body in below(root).items()} == {"ann/a.jsonl": 1000}


def test_without_room_nothing_is_torn(root: Path) -> None:
    """What was there is there as it was, whole or appended to, and no part is left behind."""
    uploads = Uploads(Tree(root, "users"), 1 << 30)
    take(uploads, "ann/a.jsonl", b"one\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        for offset in (None, 4):
            with pytest.raises(NoRoom):
                take(uploads, "ann/a.jsonl", b"x" * 200_000, offset)
            assert below(root) == {"ann/a.jsonl": b"one\n"}
        with pytest.raises(NoRoom):
            take(uploads, "ann/new.jsonl", b"x" * 200_000)
        assert below(root) == {"ann/a.jsonl": b"one\n"}
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert take(uploads, "ann/a.jsonl", b"x" * 200_000, 4).size == 200_004


def test_uploads_of_one_transcript_follow_each_other(uploads: Uploads, root: Path) -> None:
    """Of many that go on from the same place one is taken and the others are told; no bytes are mixed."""
    take(uploads, "ann/a.jsonl", b"one\n")
    bodies = [bytes([letter]) * 100 + b"\n" for letter in b"abcdefgh"]
    told: list[str] = []
    start = threading.Barrier(len(bodies))

    def one(body: bytes) -> None:
        start.wait()
        try:
            take(uploads, "ann/a.jsonl", body, 4)
            told.append("taken")
        except OffsetMismatch as error:
            told.append(f"mismatch at {error.size}")

    threads = [threading.Thread(target=one, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["mismatch at 105"] * 7 + ["taken"]
    assert (root / "ann/a.jsonl").read_bytes() in [b"one\n" + body for body in bodies]


def test_an_upload_waits_for_the_one_before_it(uploads: Uploads, root: Path) -> None:
    """While one is being written, no other of the same transcript is; of another one it may be."""
    take(uploads, "ann/a.jsonl", b"one\n")
    writing, go_on = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            writing.set()
            assert go_on.wait(60)
            return super().read(size)

    told: list[int] = []
    parts = ("ann", "a.jsonl")
    first = threading.Thread(target=lambda: told.append(uploads.take(parts, Slow(b"two\n"), 4, 4).size))
    second = threading.Thread(target=lambda: told.append(take(uploads, "ann/a.jsonl", b"two\nthree\n", 4).size))
    first.start()
    assert writing.wait(60)
    second.start()
    second.join(0.3)
    assert second.is_alive() and told == []
    go_on.set()
    for thread in (first, second):
        thread.join(60)
    assert told == [8, 14] and (root / "ann/a.jsonl").read_bytes() == b"one\ntwo\nthree\n"


def test_where_no_transcripts_can_be_put(tmp_path: Path) -> None:
    """A folder that is not there is not made, and a person's own is not written to."""
    with pytest.raises(NoFolder):
        take(Uploads(Tree(tmp_path / "nowhere", "users"), 1000), "ann/a.jsonl", b"x")
    with pytest.raises(NoFolder):
        take(Uploads(Tree(tmp_path, "projects"), 1000), "ann/a.jsonl", b"x")
    assert below(tmp_path) == {}
