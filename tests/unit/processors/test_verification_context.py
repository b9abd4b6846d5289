"""A sentence is shown among those around it, whatever else its session's file holds."""

from __future__ import annotations

import json
from pathlib import Path

from processors.verification.reports import AFTER, BEFORE, ShownTurn, around
from watcher.transcripts.sessions import Tree

SECRET = "ghp_0123456789abcdefghijABCDEFGHIJ012345"


def line(role: str, uuid: str, text: object, **more: object) -> bytes:
    """A line of a transcript."""
    return json.dumps({"type": role, "uuid": uuid, "message": {"role": role, "content": text}, **more}).encode() + b"\n"


def agent(uuid: str, text: str) -> bytes:
    """What the agent says, after it has used a tool."""
    result = [{"type": "tool_result", "tool_use_id": uuid, "content": "ok"}]
    return line("user", f"{uuid}-result", result) + line("assistant", uuid, [{"type": "text", "text": text}])


def test_the_turns_around_one_are_shown_and_no_tools() -> None:
    """In order, so many before and after; the one that is meant is marked; other lines that name it are not it."""
    told = [
        agent(f"a{n}", f"agent {n}") + line("user", f"u{n}", f"person {n}", parentUuid=f"u{n - 1}") for n in range(9)
    ]
    lines = b"".join(told).splitlines(keepends=True)
    found = around(lines, "u5")
    at = found.index(ShownTurn(True, "person 5", True))
    assert [one.text for one in found] == [
        "agent 3", "person 3", "agent 4", "person 4", "agent 5", "person 5", "agent 6", "person 6"
    ][-(BEFORE + 1 + AFTER) :]  # fmt: skip
    assert at == BEFORE and [one.meant for one in found].count(True) == 1
    assert around(lines, "nobody") == around([], "u5") == around(lines, "a5") == []
    assert [one.text for one in around(lines, "u0")][:2] == ["agent 0", "person 0"]


def test_secrets_and_what_nobody_says_are_left_out() -> None:
    """Long lines, lines that are none, bytes that are no text; of a long turn only a part."""
    lines = [
        b"\xff not json " + b"x" * 300_000 + b"\n",
        line("assistant", "a", [{"type": "text", "text": "word " * 5000 + f"the key is {SECRET}"}]),
        b"{\n",
        line("user", "u", "no, it is another"),
    ]
    before, meant = around(lines, "u")
    assert meant == ShownTurn(True, "no, it is another", True)
    assert len(before.text) <= 1200 and "[redacted]" in before.text and SECRET not in before.text


def test_only_files_of_the_tree_are_read(tmp_path: Path) -> None:
    """Neither through a link nor beside it; what is not there has no lines; a long line comes in pieces."""
    (tmp_path / "secret.jsonl").write_text("secret\n")
    root = tmp_path / "sessions"
    (root / "ann").mkdir(parents=True)
    (root / "ann" / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (root / "ann" / "s.jsonl").write_bytes(b"x" * 2_500_000 + b"\n1\n")
    tree = Tree(root)
    for key in ("ann/link.jsonl", "../secret.jsonl", "ann/none.jsonl", "ann", "", "other:ann/s.jsonl"):
        assert list(tree.lines(key)) == [], key
    assert [len(piece) for piece in tree.lines("ann/s.jsonl")] == [1_000_000, 1_000_000, 500_001, 2]
