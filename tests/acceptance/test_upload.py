"""Transcripts that are sent: they arrive whole, nowhere else, and are counted by themselves; the hook sends them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support import ROOT
from tests.support.listener import until
from tests.support.processes import call, lines
from tests.support.served import TOKEN, Reply, Served, served

HOOK = ROOT / "deploy" / "upload-transcript.py"
LONGEST = 1_000_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("upload"), http__max_upload="1MB") as running:
        yield running


@pytest.fixture(scope="module")
def ann(service: Served) -> str:
    """Ann's own token."""
    return service.token("user", "ann")


def put(
    service: Served, token: str, path: str, body: bytes, offset: int | None = None, encoding: str | None = None
) -> Reply:
    headers = {"Content-Type": "application/octet-stream"}
    if offset is not None:
        headers["Upload-Offset"] = str(offset)
    if encoding is not None:
        headers["Content-Encoding"] = encoding
    return service.ask("PUT", f"/api/upload/{path}", token, body, headers)


def uploads(service: Served) -> list[tuple[str, int]]:
    """What the audit has of uploads: who, and what came of it."""
    return [(entry["actor"], entry["status"]) for entry in service.audit() if entry["action"] == "upload"]


def test_a_transcript_is_sent_grows_and_is_counted(service: Served, ann: str) -> None:
    """Whole, then what was added; it goes through the pipeline by itself, and the answers say how much is there."""
    path = "ann/p/grows.jsonl"
    made = put(service, ann, path, lines(["g1", "g2"]))
    assert made.status == 201 and made.json == {"session": path, "size": len(lines(["g1", "g2"])), "changed": True}
    service.until_calls(2, "ann")
    size = made.json["size"]
    held = service.ask("HEAD", f"/api/upload/{path}", ann)
    digest = base64.b64encode(hashlib.sha256(lines(["g1", "g2"])).digest()).decode()
    assert (held.status, held.headers["upload-offset"]) == (200, str(size))
    assert held.headers["repr-digest"] == f"sha-256=:{digest}:"
    more = put(service, ann, path, gzip.compress(call("g3")), size, "gzip")
    assert more.status == 200 and more.json["size"] == size + len(call("g3"))
    again = put(service, ann, path, call("g3"), size)
    assert again.status == 200 and again.json == {**more.json, "changed": False}
    late = put(service, ann, path, call("other"), size)
    assert late.status == 409 and late.json["size"] == more.json["size"]
    assert late.headers["upload-offset"] == str(more.json["size"])
    service.until_calls(3, "ann")
    assert (service.sessions / path).read_bytes() == lines(["g1", "g2", "g3"])


def test_it_is_audited_once_whatever_came_of_it(service: Served, ann: str) -> None:
    """Taken, refused for its place, its owner, its offset, its encoding, its size; nothing of who is not known."""
    reader, before = service.token("reader"), len(uploads(service))
    for token, path, body, offset, encoding, status in (
        (ann, "ann/audited.jsonl", b"{}\n", None, None, 201),
        (ann, "ann/audited.jsonl", b"{}\n", None, None, 200),
        (ann, "ann/../bob/a.jsonl", b"{}\n", None, None, 400),
        (ann, "bob/a.jsonl", b"{}\n", None, None, 403),
        (reader, "ann/a.jsonl", b"{}\n", None, None, 403),
        (ann, "ann/audited.jsonl", b"{}\n", 7, None, 409),
        (ann, "ann/a.jsonl", b"x" * (LONGEST + 1), None, None, 413),
        (ann, "ann/a.jsonl", b"{}\n", None, "br", 415),
        (ann, "ann/a.jsonl", b"{}\n", -1, None, 422),
        ("nobody's", "ann/a.jsonl", b"{}\n", None, None, 401),
    ):
        assert put(service, token, path, body, offset, encoding).status == status, path
        if status != 401:
            before += 1
        assert len(uploads(service)) == before and (status == 401 or uploads(service)[-1][1] == status)
    entry = next(entry for entry in service.audit() if entry["resource"] == "ann/audited.jsonl")
    assert json.loads(entry["params"]) == {"offset": None, "bytes": 3}
    service.ask("HEAD", "/api/upload/ann/audited.jsonl", ann)
    assert len(uploads(service)) == before
    assert not (service.sessions / "bob").exists() and not (service.sessions / "ann" / "a.jsonl").exists()


@pytest.mark.parametrize(
    "path",
    [
        "ann/../../outside.jsonl", "ann/%2e%2e/%2e%2e/outside.jsonl", "ann/..%2f..%2foutside.jsonl",
        "ann/%252e%252e/../x.jsonl", "/etc/outside.jsonl", "%2fetc/outside.jsonl", "ann//outside.jsonl",
        "ann/a%00.jsonl", "ann/a%0d%0aX:1.jsonl", "ann/.hidden.jsonl", "ann/.git/a.jsonl", "ann/a.txt", "ann/.jsonl",
        "ann%5ca.jsonl", "outside.jsonl", "ann/" + "a" * 300 + ".jsonl", "ann/" + "a/" * 600 + "a.jsonl",
        "ann/%ff.jsonl", "ann/" + quote("\u202e") + ".jsonl",
    ],
)  # fmt: skip
def test_no_path_leads_elsewhere(service: Served, path: str) -> None:
    """Not even an admin's: it is refused with a sentence, and no file is made anywhere."""
    before = sorted(service.sessions.parent.rglob("*.jsonl"))
    refused = put(service, TOKEN, path, b"{}\n")
    # A line's end is no part of any path: such a thing is not there.
    assert refused.status == (404 if "%0a" in path else 400) and ("path" in refused.detail or "%0a" in path)
    assert sorted(service.sessions.parent.rglob("*.jsonl")) == before
    assert not Path("/etc/outside.jsonl").exists()


def test_links_are_not_followed(service: Served, ann: str, tmp_path: Path) -> None:
    """A link below the sessions folder is no way out of it."""
    (service.sessions / "ann").mkdir(exist_ok=True)
    (service.sessions / "ann" / "out").symlink_to(tmp_path)
    (service.sessions / "ann" / "out.jsonl").symlink_to(tmp_path / "target.jsonl")
    assert put(service, ann, "ann/out/a.jsonl", b"{}\n").status == 400
    assert put(service, ann, "ann/out.jsonl", b"{}\n").status == 400
    assert service.ask("HEAD", "/api/upload/ann/out/a.jsonl", ann).status == 400
    assert list(tmp_path.iterdir()) == []


def test_a_bomb_is_stopped_and_broken_packing_is_told(service: Served, ann: str) -> None:
    """A small body that unpacks to more than is taken; half a body; no gzip; two members are one body."""
    bomb = gzip.compress(b"\0" * 30_000_000)
    assert len(bomb) < 50_000
    for body, status in (
        (bomb, 413),
        (gzip.compress(b"{}\n" * 100)[:-9], 400),
        (b"no gzip at all", 400),
        (b"", 400),
    ):
        assert put(service, ann, "ann/bomb.jsonl", body, None, "gzip").status == status
        assert not (service.sessions / "ann" / "bomb.jsonl").exists()
    two = gzip.compress(call("b1")) + gzip.compress(call("b2"))
    assert put(service, ann, "ann/two.jsonl", two, None, "gzip").status == 201
    assert (service.sessions / "ann" / "two.jsonl").read_bytes() == lines(["b1", "b2"])
    (service.sessions / "ann" / "two.jsonl").unlink()


def test_a_body_that_does_not_come_whole_changes_nothing(service: Served, ann: str) -> None:
    """Somebody hangs up in the middle: the transcript is as it was, and that is audited."""
    assert put(service, ann, "ann/half.jsonl", b"{}\n").status == 201
    before = len(uploads(service))
    head = (
        f"PUT /api/upload/ann/half.jsonl HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ann}\r\n"
        "Content-Length: 1000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(head.encode() + b'{"half": ')
    until(lambda: len(uploads(service)) == before + 1, "it to be audited")
    assert uploads(service)[-1][1] == 400
    assert (service.sessions / "ann" / "half.jsonl").read_bytes() == b"{}\n"


def test_many_at_once_are_one_after_the_other(service: Served, ann: str) -> None:
    """Two laptops send the same session: each append is whole, and who comes too late is told where it goes on."""
    path = "ann/many.jsonl"
    assert put(service, ann, path, b"").status == 201

    def sender(number: int) -> None:
        sent = 0
        for step in range(5):
            body = f'{{"sender": {number}, "step": {step}}}\n'.encode()
            while (reply := put(service, ann, path, body, sent)).status == 409:
                sent = reply.json["size"]
            assert reply.status == 200
            sent = reply.json["size"]

    threads = [threading.Thread(target=sender, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [json.loads(line) for line in (service.sessions / path).read_bytes().splitlines()]
    assert sorted((one["sender"], one["step"]) for one in found) == [(n, s) for n in range(4) for s in range(5)]
    for number in range(4):
        assert [one["step"] for one in found if one["sender"] == number] == list(range(5))


def hook(service: Served, token: str, transcript: Path, user: str) -> subprocess.CompletedProcess[str]:
    """Run the hook as Claude Code does."""
    event = {
        "session_id": transcript.stem,
        "transcript_path": str(transcript),
        "cwd": "/home/cat/shop",
        "hook_event_name": "Stop",
        "stop_hook_active": False,
    }
    return subprocess.run(
        [sys.executable, str(HOOK)],
        input=json.dumps(event),
        env={
            "PATH": os.environ["PATH"],
            "SESSION_WATCHER_UPLOAD": f"{service.url}/api/upload/{user}",
            "SESSION_WATCHER_TOKEN": token,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_hook_sends_what_was_added_and_a_rewritten_transcript_whole(service: Served, tmp_path: Path) -> None:
    """Run after each turn, it keeps the service's copy equal; an append is sent as an append; subagents go along."""
    cat = service.token("user", "cat")
    folder = tmp_path / "projects" / "-home-cat-shop"
    folder.mkdir(parents=True)
    transcript = folder / "0f4e7d2a.jsonl"
    theirs = service.sessions / "cat" / "-home-cat-shop" / "0f4e7d2a.jsonl"

    def sent() -> list[dict[str, int]]:
        found = [entry for entry in service.audit() if entry["actor"].startswith("user-cat")]
        return [json.loads(entry["params"]) for entry in found]

    transcript.write_bytes(lines(["c1", "c2"]))
    done = hook(service, cat, transcript, "cat")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    service.until_calls(2, "cat")
    with transcript.open("ab") as file:
        file.write(call("c3"))
    subagent = folder / "0f4e7d2a" / "subagents" / "agent-1.jsonl"
    subagent.parent.mkdir(parents=True)
    subagent.write_bytes(call("c4"))
    assert hook(service, cat, transcript, "cat").returncode == 0
    service.until_calls(4, "cat")
    assert sent()[1] == {"offset": len(lines(["c1", "c2"])), "bytes": len(call("c3"))}
    number = len(sent())
    assert hook(service, cat, transcript, "cat").returncode == 0
    assert len(sent()) == number, "nothing new, and something was sent"
    transcript.write_bytes(lines(["c5"]))
    assert hook(service, cat, transcript, "cat").returncode == 0
    assert theirs.read_bytes() == lines(["c5"])
    service.until_calls(2, "cat")
    assert (theirs.parent / "0f4e7d2a" / "subagents" / "agent-1.jsonl").read_bytes() == call("c4")


def test_the_hook_says_in_one_line_what_is_wrong(service: Served, ann: str, tmp_path: Path) -> None:
    """And never with the exit code that would hold Claude Code up."""
    transcript = tmp_path / "p" / "s.jsonl"
    transcript.parent.mkdir()
    transcript.write_bytes(call("h1"))
    for token, user, said in (("wrong", "ann", "401"), (ann, "bob", "403"), (ann, "a%00b", "400")):
        done = hook(service, token, transcript, user)
        assert done.returncode == 1 and said in done.stderr and done.stderr.count("\n") == 1
        assert token not in done.stderr
