"""The oracle on today's tool uses and commands: what results tell of a use, its language, commands that were run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.told import NEW, TALK, Row, at, copied, only, rows, said, spoke, used
from tests.support.transcript_lines import Object, embedded, tool

# --- What results tell of a use


def gave(minute: float, *identities: str, **more: Any) -> Object:
    blocks = [{"type": "tool_result", "tool_use_id": one, "content": "x"} for one in identities]
    return TALK.user(at(minute), f"gave {minute} {identities}", blocks, **more)


PATCH = [{"lines": ["+a", "-b", " c", "+d"]}, {"lines": ["-e", "x"]}]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([gave(2, "t")], {}),
        ([gave(2, "t", toolDenialKind="user-rejected")], {"denial": "user-rejected"}),
        ([gave(2, "t", toolDenialKind=5)], {}),
        ([gave(2, "t", permissionDecision={"decision": "reject", "source": "hook"})], {"decided_by": "hook"}),
        ([gave(2, "t", permissionDecision="hook")], {}),
        ([gave(2, "t", toolUseResult={"searchCount": 3})], {"search_count": 3}),
        ([gave(2, "t", toolUseResult={"searchCount": 3.0})], {}),
        ([gave(2, "t", toolUseResult={"searchCount": -1})], {}),
        ([gave(2, "t", toolUseResult="words")], {}),
        ([gave(2, "t", toolUseResult={"structuredPatch": PATCH})], {"lines_added": 2, "lines_removed": 2}),
        ([gave(2, "t", toolUseResult={"structuredPatch": []})], {"lines_added": 0, "lines_removed": 0}),
        ([gave(2, "t", toolUseResult={"structuredPatch": [{"lines": [5]}]})], {}),
        ([gave(2, "t", toolUseResult={"structuredPatch": [{}]})], {}),
        ([gave(2, "t", "u", toolDenialKind="x", toolUseResult={"searchCount": 3})], {}),
        (
            [gave(2, "t", toolDenialKind="a", toolUseResult={"searchCount": 3}), gave(3, "t", toolDenialKind="b")],
            {"denial": "b", "search_count": 3},
        ),
    ],
)
def test_what_a_results_record_tells(records: list[Object], expected: Row) -> None:
    """Of main records with one result; the largest over all of them."""
    row = only("usage_events", ann=[used(1, tool("t", "Edit"))], ben=records)
    names = ("denial", "decided_by", "search_count", "lines_added", "lines_removed")
    assert {name: row[name] for name in names if row[name] is not None} == expected
    inner = embedded("user", None, "e", {"content": [{"type": "tool_result", "tool_use_id": "t"}]})
    outer = TALK.agent_progress(at(2), "p", inner, toolDenialKind="x") | {"toolDenialKind": "x"}
    assert only("usage_events", ann=[used(1, tool("t", "Edit")), outer])["denial"] is None


@pytest.mark.parametrize(
    ("block", "language"),
    [
        (tool("t", "Edit", file_path="/a/b.PY"), "py"),
        (tool("t", "Write", file_path="C:\\a.b\\c.tar.gz"), "gz"),
        (tool("t", "MultiEdit", file_path="/a.b/Makefile"), None),
        (tool("t", "NotebookEdit", notebook_path="/a/b.ipynb"), "ipynb"),
        (tool("t", "Write", file_path=5, notebook_path="b.c++"), "c++"),
        (tool("t", "Write", file_path="/a/.gitignore"), None),
        (tool("t", "Write", file_path="/a/b."), None),
        (tool("t", "Write", file_path="/a/b.c d"), None),
        (tool("t", "Write", file_path="/a/b." + "x" * 17), None),
        (tool("t", "Write", file_path="/a/b." + "x" * 16), "x" * 16),
        (tool("t", "Read", file_path="/a/b.py"), None),
        (tool("t", "Write") | {"input": "/a/b.py"}, None),
    ],
)
def test_the_language_of_an_edit(block: Object, language: str | None) -> None:
    """The extension of what is edited."""
    assert only("usage_events", ann=[used(1, block)])["language"] == language


# --- Commands that were run


def ran(minute: float, command: Any, parent: str | None = None, **more: Any) -> Object:
    run = {"command": command, "args": ""}
    record = NEW.record("system", at(minute), f"ran {minute}", subtype="local_command", commandRun=run, **more)
    return {**record, "parentUuid": parent}


def test_commands_that_were_run() -> None:
    """Of the system's lines, unless a tagged record that it belongs to has the same name."""
    tagged = said(1, "<command-name>/clear</command-name>")
    found = rows("usage_events", ann=[tagged, ran(2, "clear", tagged["uuid"])])
    assert [row["tool_use_id"] for row in found] == ["command:clear:1772355660000000"]
    for run, commands in (
        (ran(2, " /rename "), ["clear", "rename"]),
        (ran(2, "clear", "somebody"), ["clear", "clear"]),
        (ran(2, "compact", tagged["uuid"]), ["clear", "compact"]),
        (ran(2, 5), ["clear"]),
        (ran(2, "x") | {"subtype": "other"}, ["clear"]),
        (ran(2, "x") | {"commandRun": "x"}, ["clear"]),
        (ran(2, "x") | {"type": "user"}, ["clear"]),
    ):
        assert sorted(row["command_name"] for row in rows("usage_events", ann=[tagged, run])) == commands
    others = [said(n, "<command-name>/x</command-name>") for n in range(2, 52)]
    found = rows("usage_events", ann=[tagged, *others[:49], ran(60, "clear", tagged["uuid"])])
    assert [row["command_name"] for row in found].count("clear") == 1
    found = rows("usage_events", ann=[tagged, *others, ran(60, "clear", tagged["uuid"])])
    assert [row["command_name"] for row in found].count("clear") == 2


def test_commands_in_the_copied_part_are_none() -> None:
    """Tagged or run, up to the last foreign line; behind it they are."""
    words = "<command-name>/x</command-name>"
    records = [said(1, words), ran(2, "y"), copied(spoke(1, 1), "s2"), said(3, words), ran(4, "y")]
    assert [row["occurred_at"].minute for row in rows("usage_events", ann=records)] == [3, 4]
