"""The oracle's counting: one small example for each rule of docs/counting.md on calls, tools, commands and sessions."""

from __future__ import annotations

import pytest

from tests.support.oracle_commands import command_in
from tests.support.told import TALK, Row, at, only, rows, spoke, used
from tests.support.transcript_lines import HAIKU, OPUS, Object, Talk, embedded, message, name, result, text, tool, usage

# --- Calls


def test_the_line_with_the_most_tokens_wins_and_the_earliest_dates() -> None:
    """The whole largest line, dated by the earliest line of its key, in any session."""
    row = only("usage_messages", ann=[spoke(2, 1), spoke(3, 9, version="9")], ben=[spoke(1, 5)])
    assert (row["output_tokens"], row["version"], row["username"]) == (9, "9", "ann")
    assert row["occurred_at"].minute == 1


def test_ties_go_to_time_then_session_then_place() -> None:
    """The same tokens: the earliest, a line without a time last; then the smallest key; then the first in its file."""
    timeless = spoke(0, 5)
    del timeless["timestamp"]
    assert only("usage_messages", ann=[spoke(2, 5)], ben=[spoke(1, 5)])["username"] == "ben"
    assert only("usage_messages", ann=[timeless], ben=[spoke(1, 5)])["username"] == "ben"
    assert only("usage_messages", ben=[spoke(1, 5)], ann=[spoke(1, 5)])["username"] == "ann"
    assert only("usage_messages", ann=[spoke(1, 5, cwd="/one"), spoke(1, 5, cwd="/two")])["cwd"] == "/one"
    assert only("usage_messages", ann=[timeless])["occurred_at"] is None


def test_one_call_is_one_message_id() -> None:
    """Whatever its request; an absent message id is replaced by the uuid."""
    nameless = spoke(1, 1)
    del nameless["message"]["id"]
    late = spoke(1, 1, request=False)
    found = rows("usage_messages", ann=[late, spoke(2, 3), nameless], ben=[spoke(3, 2, requestId="other")])
    assert sorted((row["message_id"], row["request_id"], row["output_tokens"]) for row in found) == sorted(
        [("msg_01a", "req_011Ca", 3), (nameless["uuid"], "req_011Ca", 1)]
    )


def test_what_is_no_call() -> None:
    """Synthetic messages, messages without usage, and usage on a user's line."""
    synthetic = TALK.assistant(at(1), "s", text("x"), usage(1, 1), "<synthetic>")
    users = TALK.user(at(1), "u", [text("x")])
    users["message"]["usage"] = usage(1, 1)
    assert rows("usage_messages", ann=[synthetic, used(1, text("x")), users]) == []


def test_tokens_of_a_call() -> None:
    """Each kind by itself; the one-hour part and web searches from their own objects; absent ones are 0."""
    row = only("usage_messages", ann=[TALK.assistant(at(1), "a", text("x"), usage(1, 2, 30, 4, 20, 5))])
    names = ["input", "output", "cache_creation", "cache_creation_1h", "cache_read"]
    assert [row[name + "_tokens"] for name in names] == [1, 2, 30, 20, 4]
    assert row["web_search_requests"] == 5
    empty = only("usage_messages", ann=[TALK.assistant(at(1), "a", text("x"), {})])
    assert [empty[name + "_tokens"] for name in names] == [0, 0, 0, 0, 0]


def test_embedded_calls() -> None:
    """Their own time and request, or the line's time; the line's session; sidechain; the data's agent or the line's."""
    first = embedded("assistant", at(1), "e1", message("m1", text("x"), usage(1, 1)), requestId="r1")
    second = embedded("assistant", None, "e2", message("m2", text("x"), usage(1, 1)), requestId="r2")
    progress = TALK.agent_progress(at(5), "p", first, [second], agentId="inner")
    one, two = rows("usage_messages", ann=[progress | {"requestId": "outer", "attributionSkill": "outer's"}])
    assert (one["request_id"], one["occurred_at"].minute) == ("r1", 1)
    assert (two["request_id"], two["occurred_at"].minute) == ("r2", 5)
    assert [(row["is_sidechain"], row["agent_id"], row["session_id"], row["skill"]) for row in (one, two)] == [
        (True, "inner", "s1", "outer's")
    ] * 2
    outer = TALK.agent_progress(at(5), "p", first) | {"agentId": "outer"}
    assert only("usage_messages", ann=[outer])["agent_id"] == "outer"


def test_stored_text_is_clean_and_cut() -> None:
    """NUL and lone surrogates become U+FFFD, long strings are cut; the project is the last part of the path."""
    row = only("usage_messages", ann=[spoke(1, 1, cwd="/a\0/\ud83d/", gitBranch="b" * 3000)])
    assert (row["cwd"], row["project"], len(row["git_branch"])) == ("/a\ufffd/\ufffd/", "\ufffd", 2000)


# --- Tool uses and their results


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (tool("t", "Bash", command="ls"), {"event_type": "tool_use", "tool_name": "Bash"}),
        (tool("t", "Skill", skill="lint", name="x"), {"event_type": "skill", "skill_name": "lint"}),
        (tool("t", "Skill", skill=5, name="x", command="y"), {"event_type": "skill", "skill_name": "x"}),
        (tool("t", "Skill", command="y"), {"event_type": "skill", "skill_name": "y"}),
        (tool("t", "Skill") | {"input": "lint"}, {"event_type": "skill", "skill_name": None}),
        (tool("t", "Task", subagent_type="Plan"), {"event_type": "subagent", "subagent_type": "Plan"}),
        (tool("t", "Agent", subagent_type=5), {"event_type": "subagent", "subagent_type": None}),
        (tool("t", "mcp__my_db__run__it"), {"event_type": "mcp_call", "mcp_server": "my_db"}),
        (tool("t", "mcp__db"), {"event_type": "tool_use", "mcp_server": None}),
        (tool("t", "Read", skill="x", subagent_type="y"), {"event_type": "tool_use", "skill_name": None}),
    ],
)
def test_kinds_of_uses(block: Object, expected: Row) -> None:
    """What is used decides the type of the event and which name it carries."""
    row = only("usage_events", ann=[used(1, block, model=OPUS)])
    assert {name: row[name] for name in expected} == expected
    assert (row["model"], row["is_error"], row["duration_ms"]) == (OPUS, None, None)


def test_what_is_no_use() -> None:
    """A block without id or name, of another type, or of a user; a synthetic message's use is one."""
    blocks = [tool("t", "Bash") | {"id": None}, tool("t", "Bash") | {"name": None}, tool("t", "Bash") | {"type": "x"}]
    records = [*(used(1, block) for block in blocks), TALK.user(at(1), "u", [tool("t", "Bash")])]
    assert rows("usage_events", ann=records) == []
    assert len(rows("usage_events", ann=[used(1, tool("t", "Bash"), model="<synthetic>")])) == 1


def test_a_use_counts_once_over_all_sessions() -> None:
    """The earliest, then the smallest session key, then the first in the file."""
    assert only("usage_events", ann=[used(2, tool("t", "A"))], ben=[used(1, tool("t", "B"))])["tool_name"] == "B"
    assert only("usage_events", ben=[used(1, tool("t", "B"))], ann=[used(1, tool("t", "A"))])["tool_name"] == "A"
    assert only("usage_events", ann=[used(1, tool("t", "A")), used(1, tool("t", "B"))])["tool_name"] == "A"


def test_results_in_any_session() -> None:
    """An error if any says so, no error if all say no; the duration ends with the earliest result."""
    use = used(1, tool("t", "Bash"))
    fine, late, failed = (TALK.gave(at(n), "t", "x", is_error) for n, is_error in ((3, None), (4, False), (5, True)))
    row = only("usage_events", ann=[use], ben=[late, fine])
    assert (row["is_error"], row["duration_ms"]) == (False, 120_000)
    row = only("usage_events", ann=[use], ben=[failed, fine])
    assert (row["is_error"], row["duration_ms"]) == (True, 120_000)
    early = TALK.gave(at(0), "t", "x")
    assert only("usage_events", ann=[early, use])["duration_ms"] == 0
    assert rows("usage_events", ann=[fine]) == []
    inner = embedded("user", None, "e", {"content": [result("t", "x", True)]})
    assert only("usage_events", ann=[use, TALK.agent_progress(at(2), "p", inner)])["is_error"] is True


# --- Slash commands


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("<command-name>/clear</command-name>", "clear"),
        ("\n <command-name> shop:deploy </command-name> now", "shop:deploy"),
        ("<command-message>is running</command-message>\n<command-name>/x</command-name>", "x"),
        ("<command-message>is running</command-message>", None),
        ("<command-message>is running</command-message> so <command-name>/x</command-name>", None),
        ("try <command-name>/x</command-name>", None),
        ("/x", None),
    ],
)
def test_commands(words: str, expected: str | None) -> None:
    """A text that begins with the tag, or with the message and then the tag."""
    assert command_in(words) == expected


def test_command_events() -> None:
    """One a text and time; a fork's copy is the same one; none without time and uuid, meta, in summaries, embedded."""
    words = "<command-name>/x</command-name>"
    one = TALK.user(at(1), "c", [text(words), text("<command-name>/y</command-name>"), text(words)])
    found = rows("usage_events", ann=[one], ben=[{**one, "uuid": name("the SDK's")}])
    assert [(row["tool_use_id"], row["command_name"]) for row in found] == [
        ("command:x:1772355660000000", "x"),
        ("command:y:1772355660000000", "y"),
    ]
    assert {(row["event_type"], row["username"], row["is_error"]) for row in found} == {("slash_command", "ann", None)}
    timeless = TALK.user(at(1), "t", words) | {"timestamp": None}
    assert only("usage_events", ann=[timeless])["tool_use_id"] == f"command:x:{name('t')}"
    inner = embedded("user", None, "e", {"content": words})
    none = [
        {**timeless, "uuid": None},
        TALK.user(at(1), "m", words, isMeta=True),
        TALK.user(at(1), "s", words, isCompactSummary=True),
        TALK.agent_progress(at(1), "p", inner),
    ]
    assert rows("usage_events", ann=none) == []


# --- Sessions


def test_a_session_row() -> None:
    """First session and folder, last version, times of all records, gaps of ten minutes at most."""
    records: list[Object] = [
        {"type": "summary"},
        {"type": "x", "timestamp": at(30), "version": "1"},
        {"type": "x", "timestamp": at(0), "sessionId": "first", "cwd": "/a/b", "version": "2"},
        {"type": "x", "timestamp": at(10), "sessionId": "second", "cwd": "/c"},
        {"type": "x", "timestamp": at(20.5)},
    ]
    row = only("usage_sessions", ann=records)
    assert [row[name] for name in ("session_id", "project", "version")] == ["first", "b", "2"]
    assert (row["first_at"].minute, row["last_at"].minute) == (0, 30)
    assert (row["wall_seconds"], row["active_seconds"]) == (1800, 600 + 570)
    nothing = only("usage_sessions", ann=[{"type": "summary"}])
    assert (nothing["session_id"], nothing["wall_seconds"], nothing["active_seconds"]) == ("s", None, 0)
    assert rows("usage_sessions", ann=[]) == []


def test_a_fork_shows_what_it_added() -> None:
    """Calls and uses count in the session whose line won; the primary model has the most tokens."""
    own = [spoke(1, 5), spoke(2, 5, "b", model=HAIKU), used(3, tool("t", "Bash")), TALK.gave(at(4), "t", "x", True)]
    ann, ben = rows("usage_sessions", ann=own, ben=[*own, spoke(5, 7, "c")])
    assert [(row["assistant_messages"], row["output_tokens"]) for row in (ann, ben)] == [(2, 10), (1, 7)]
    assert [(row["tool_calls"], row["tool_errors"]) for row in (ann, ben)] == [(1, 1), (0, 0)]
    assert [row["primary_model"] for row in (ann, ben)] == [HAIKU, OPUS]


# --- Errors


def test_an_error_row() -> None:
    """The earliest failed result of an id; its text without the tag; the tool used earlier in the same session."""
    use = used(1, tool("t", "Bash"))
    failed = TALK.gave(at(3), "t", [text(" <tool_use_error>Exit code 1"), {"type": "image"}, text("x" * 300)], True)
    row = only("errors", ann=[use, TALK.gave(at(2), "other", "fine", False), failed])
    assert (row["tool"], row["kind"], row["occurred_at"].minute) == ("Bash", "exit_code", 3)
    assert row["message"] == "Exit code 1\n" + "x" * 188
    earlier = TALK.gave(at(2), "t", "Permission denied", True)
    row = only("errors", ann=[use, failed], ben=[earlier])
    assert (row["tool"], row["kind"], row["username"]) == ("unknown", "denied", "ben")
    assert only("errors", ann=[failed, use])["tool"] == "unknown"


def test_the_tool_of_an_error_is_among_the_last_open_uses() -> None:
    """Of 501 open uses the first is forgotten; one that had its result is not open any more."""
    uses = [used(1, tool(f"t{n}", "Bash")) for n in range(501)]
    tools = [row["tool"] for row in rows("errors", ann=[*uses, TALK.gave(at(2), "t0", "x", True)])]
    tools += [row["tool"] for row in rows("errors", ann=[*uses, TALK.gave(at(2), "t1", "x", True)])]
    assert tools == ["unknown", "Bash"]
    fine, failed = TALK.gave(at(2), "t0", "x", False), TALK.gave(at(3), "t0", "x", True)
    assert only("errors", ann=[uses[0], fine, failed])["tool"] == "unknown"


def test_errors_by_day() -> None:
    """Counted by day, user, tool and kind."""
    failed = [TALK.gave(at(n), f"t{n}", "Exit code 1", True) for n in range(3)]
    row = only("errors_daily", ann=failed)
    assert (row["day"].isoformat(), row["username"], row["tool"], row["kind"], row["errors"]) == (
        "2026-03-01",
        "ann",
        "unknown",
        "exit_code",
        3,
    )


def test_uses_by_tool() -> None:
    """By name and type, with errors and the sessions they stand in; commands are none."""
    other = Talk("s2", "/x").assistant(at(3), "u", tool("t2", "Bash"), None)
    command = TALK.user(at(1), "c", "<command-name>/x</command-name>")
    row = only("usage_by_tool", ann=[used(1, tool("t", "Bash")), other, TALK.gave(at(2), "t", "x", True), command])
    assert row == {"tool_name": "Bash", "event_type": "tool_use", "calls": 2, "errors": 1, "sessions": 2}
