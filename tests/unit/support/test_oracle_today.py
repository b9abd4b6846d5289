"""The oracle on today's lines: damaged ones, copies, iterations, and what a call and a tool's result tell besides."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.oracle import Oracle, read_lines
from tests.support.told import TALK, at, copied, only, rows, said, spoke, table, told, used
from tests.support.transcript_lines import OPUS, Object, Talk, line, text, tool, usage

TYPES = frozenset({"user", "assistant", "summary"})
GOOD = b'{"type":"user","sessionId":"s","message":{"content":"hi"}}'


# --- Damaged lines


@pytest.mark.parametrize(
    ("damaged", "records"),
    [
        pytest.param(b'{"type":"user","uuid":"1{"type":"summary","sessionId":"s"}', 1, id="a torn head"),
        pytest.param(b"\0" * 70 + GOOD, 1, id="a run of NUL"),
        pytest.param(b"\xff\xfe" + GOOD + GOOD, 2, id="not UTF-8 before two records"),
        pytest.param(b'{"type":5}' + GOOD, 1, id="a wrong field before"),
        pytest.param(GOOD + b'{"type":5}', 0, id="a wrong field behind"),
        pytest.param(b"x" + GOOD + b" and more", 0, id="rubbish behind"),
        pytest.param(b'x{"type":"user"}', 0, id="no session"),
        pytest.param(b'x{"type":"user","sessionId":5}', 0, id="a session of another type"),
        pytest.param(b'x{"type":"of next year","sessionId":"s"}', 0, id="an unknown type"),
        pytest.param(b'x{"sessionId":"s"}', 0, id="no type"),
        pytest.param(b"x" + GOOD + b'{"type":"of next year","sessionId":"s"}', 0, id="one of two unknown"),
        pytest.param(b'x{ "type":"user","sessionId":"s"}', 0, id="white space before the name"),
        pytest.param(b"[" + GOOD + b"]", 0, id="in a list"),
        pytest.param(b'{"a":' * 3 + GOOD, 1, id="in others that were torn"),
        pytest.param(b'x{"a' * 63 + GOOD, 1, id="at the 64th place"),
        pytest.param(b'x{"a' * 64 + GOOD, 0, id="at the 65th place"),
    ],
)
def test_a_whole_record_behind_damage_is_rescued(damaged: bytes, records: int) -> None:
    """The first place from which the rest is whole; the line is bad all the same."""
    found, bad_lines = read_lines(damaged + b"\n", False, TYPES)
    assert (len(found), bad_lines) == (records, 1)


def test_a_rescued_call_counts() -> None:
    """Three calls of 100, 400 and 800 tokens around a torn head: 1,300, and one bad line."""
    calls = [line(TALK.assistant(at(n), f"c{n}", text("x"), usage(n * 100, n))) for n in (1, 4, 8)]
    oracle = Oracle()
    oracle.content("ann/s.jsonl", calls[0] + line(said(2, "never whole"))[:90] + calls[1] + calls[2])
    found = oracle.tables()
    assert sum(row[9] for row in found["usage_messages"]) == 1300
    assert found["states"][0][2] == 1


def test_a_byte_order_mark_before_a_settled_tail() -> None:
    """It is nothing: what stands behind it is taken like any tail."""
    for tail, records in ((b'{"a":1}', 1), (b"", 0)):
        found, bad_lines = read_lines(b"\xef\xbb\xbf" + tail, True)
        assert (len(found), bad_lines) == (records, 0)


def test_journals_of_workflows_are_no_sessions() -> None:
    """Inside a workflows folder below subagents, and nowhere else."""
    keys = [
        "ann/s/subagents/workflows/wf_1/journal.jsonl",
        "ann/workflows/journal.jsonl",
        "ann/subagents/journal.jsonl",
    ]
    oracle = told({key: [spoke(1, 1, key)] for key in keys})
    oracle.gone(keys[0])
    assert [row[0] for row in oracle.tables()["states"]] == sorted(keys[1:])


# --- Which line counts


def test_the_order_in_which_lines_decide() -> None:
    """Most tokens, outside a sidechain, an original, the earliest, the smallest key, the first."""
    aside = spoke(1, 5, talk=Talk("s1", "/aside", sidechain=True), requestId="other")
    assert only("usage_messages", ann=[aside], ben=[spoke(2, 5)])["username"] == "ben"
    assert only("usage_messages", ann=[aside | {"isSidechain": True}], ben=[spoke(2, 4)])["username"] == "ann"
    copy = copied(spoke(1, 5), "s2")
    row = only("usage_messages", ann=[copy], ben=[spoke(1, 5)])
    assert (row["username"], row["is_copy"], row["session_id"]) == ("ben", False, "s1")
    row = only("usage_messages", ann=[copied(spoke(1, 6), "s2")], ben=[spoke(1, 5)])
    assert (row["username"], row["is_copy"], row["session_id"]) == ("ann", True, "s2")


def test_what_is_foreign() -> None:
    """Another session's name in ``requestSessionId``; its own, another type or none is not."""
    values: list[Any] = ["s1", 5, None, "", "s0"]
    found = [only("usage_messages", ann=[spoke(1, 1, requestSessionId=value)])["is_copy"] for value in values]
    assert found == [False, False, False, True, True]
    assert only("usage_messages", ann=[spoke(1, 1, requestSessionId="s0") | {"sessionId": None}])["is_copy"] is False


def test_an_original_use_is_before_a_copy() -> None:
    """After the earliest time."""
    use = used(1, tool("t", "A"))
    copy = copied(used(1, tool("t", "B")), "s2")
    assert only("usage_events", ann=[copy], ben=[use])["tool_name"] == "A"
    assert only("usage_events", ann=[copied(used(0, tool("t", "B")), "s2")], ben=[use])["tool_name"] == "B"


# --- Iterations and columns


def spent(*iterations: Any, **more: Any) -> Object:
    return {**usage(10, 50, 0, 2000), "iterations": list(iterations), **more}


ADVICE = {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 4000, "output_tokens": 300}


def test_an_advisors_iteration_is_a_row_of_its_own() -> None:
    """4,000 in and 300 out of its model beside the call's 10 and 50: 3, 15 and 0.3 a million, and 5 and 25: 0.02888."""
    prices = {"claude-sonnet-4-6": (3, 15, 0.3), "claude-opus-4-8": (5, 25, 0.5)}

    def price(model: str | None, call: Any) -> float:
        each = prices[model or ""]
        tokens = (call.input_tokens, call.output_tokens, call.cache_read_tokens)
        return float(sum(one * many for one, many in zip(each, tokens, strict=True)) / 1e6)

    whole = {"type": "message", "input_tokens": 10, "output_tokens": 50}
    record = TALK.assistant(at(1), "a", text("x"), spent(ADVICE, whole), "claude-sonnet-4-6", requestedModel="sonnet")
    own, advice = sorted(
        table("usage_messages", {"ann/s.jsonl": [record]}, price=price), key=lambda row: row["iteration"]
    )
    assert [(row["iteration"], row["model"], row["input_tokens"], row["output_tokens"]) for row in (own, advice)] == [
        (-1, "claude-sonnet-4-6", 10, 50),
        (0, "claude-opus-4-8", 4000, 300),
    ]
    assert (own["cache_read_tokens"], advice["cache_read_tokens"]) == (2000, 0)
    assert own["cost_usd"] + advice["cost_usd"] == pytest.approx(0.02888)
    alike = ("request_id", "session_id", "requested_model", "service_tier", "occurred_at")
    assert [own[column] for column in alike] == [advice[column] for column in alike]
    by_model = {row["model"]: row["calls"] for row in rows("usage_by_model", ann=[record])}
    assert by_model == {"claude-sonnet-4-6": 1, "claude-opus-4-8": 0}
    session = only("usage_sessions", ann=[record])
    assert (session["assistant_messages"], session["input_tokens"], session["primary_model"]) == (
        1,
        4010,
        "claude-opus-4-8",
    )


@pytest.mark.parametrize(
    ("iterations", "expected"),
    [
        ([{"type": "message", "output_tokens": 1}, {"type": "compaction", "output_tokens": 7}], [(1, OPUS, 7)]),
        ([{"type": "compaction", "model": 5, "output_tokens": 7.0}], [(0, OPUS, 0)]),
        ([{"type": "fallback_message"}, {"type": "of next year", "output_tokens": 9}, {}], []),
        ([ADVICE, "broken"], []),
        ("broken", []),
    ],
)
def test_iterations(iterations: Any, expected: list[Any]) -> None:
    """Advice and compaction by their index; other types and shapes are no rows, and the line stays good."""
    record = TALK.assistant(at(1), "a", text("x"), {**usage(1, 1), "iterations": iterations})
    found = [row for row in rows("usage_messages", ann=[record]) if row["iteration"] >= 0]
    assert [(row["iteration"], row["model"], row["output_tokens"]) for row in found] == expected


def test_an_iteration_counts_once() -> None:
    """Of its own lines the one with the most tokens, dated by its earliest."""
    early, late = (
        TALK.assistant(at(n), "a", text("x"), {**usage(0, n), "iterations": [{**ADVICE, "output_tokens": 9 - n}]})
        for n in (1, 2)
    )
    own, advice = sorted(rows("usage_messages", ann=[early], ben=[late]), key=lambda row: row["iteration"])
    assert [(row["username"], row["output_tokens"], row["occurred_at"].minute) for row in (own, advice)] == [
        ("ben", 2, 1),
        ("ann", 8, 1),
    ]


def test_cache_creation_is_the_larger() -> None:
    """3,000 stand in the breakdown alone; a flat field that is larger wins."""
    nested = {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000}
    for flat, expected in ((0, 3000), (None, 3000), (3001, 3001)):
        used_up = {"output_tokens": 1, "cache_creation_input_tokens": flat, "cache_creation": nested}
        row = only("usage_messages", ann=[TALK.assistant(at(1), "a", text("x"), used_up)])
        assert (row["cache_creation_tokens"], row["cache_creation_1h_tokens"]) == (expected, 2000)


def test_lenient_columns() -> None:
    """Strings of the line and of its usage; another type is as good as none."""
    of_line = {
        "requestedModel": "requested_model",
        "attributionSkill": "skill",
        "attributionPlugin": "plugin",
        "attributionMcpServer": "mcp_server",
        "attributionMcpTool": "mcp_tool",
        "attributionAgent": "agent",
        "effort": "effort",
    }
    of_usage = ("speed", "inference_geo", "service_tier")
    values: list[tuple[Any, str | None]] = [("one", "one"), (5, None), (["x"], None), ("a\0", "a\ufffd")]
    for value, expected in values:
        used_up = {**usage(1, 1), **dict.fromkeys(of_usage, value)}
        record = {**TALK.assistant(at(1), "a", text("x"), used_up), **dict.fromkeys(of_line, value)}
        row = only("usage_messages", ann=[record])
        assert {row[column] for column in (*of_line.values(), *of_usage)} == {expected}
    details: list[Any] = [{"thinking_tokens": 5}, {"thinking_tokens": "5"}, 5, None]
    records = [TALK.assistant(at(1), "a", text("x"), {**usage(1, 9), "output_tokens_details": one}) for one in details]
    assert [only("usage_messages", ann=[record])["thinking_tokens"] for record in records] == [5, 0, 0, 0]
    assert only("usage_messages", ann=[spoke(1, 1)])["rules_version"] == 2


def test_speed_and_place_are_given_to_the_price() -> None:
    """1,000 in and 1,000 out at 4 and 20 a million: 0.024; fast twice, in one country 1.1 times, both 2.2: 0.1512."""

    def price(model: str | None, call: Any) -> float:
        return 0.024 * (2 if call.speed == "fast" else 1) * (1.1 if call.inference_geo == "us" else 1)

    ways: list[Object] = [{}, {"speed": "fast"}, {"inference_geo": "us"}, {"speed": "fast", "inference_geo": "us"}]
    records = [TALK.assistant(at(n), f"c{n}", text("x"), {**usage(1000, 1000), **way}) for n, way in enumerate(ways)]
    found = table("usage_messages", {"ann/s.jsonl": records}, price=price)
    assert sum(row["cost_usd"] for row in found) == pytest.approx(0.1512)


# --- Whose turn a call belongs to


def test_asked_by_of_calls() -> None:
    """The latest turn before the line in its file; a subagent's file asks its session."""
    job = said(2, "a job", promptSource="sdk")
    main = [spoke(1, 1, "a"), said(3, "please"), spoke(1, 1, "b"), job, spoke(4, 1, "c")]
    aside = [spoke(5, 1, "d", Talk("s1", "/x", sidechain=True))]
    lost = [spoke(5, 1, "e", Talk("s9", "/x"))]
    keys = ("ann/s1.jsonl", "ann/s1/subagents/x.jsonl", "ann/agent-1.jsonl")
    found = table("usage_messages", dict(zip(keys, (main, aside, lost), strict=True)))
    assert {row["message_id"][-1]: row["asked_by"] for row in found} == {
        "a": "unknown",
        "b": "person",
        "c": "sdk",
        "d": "person",
        "e": "unknown",
    }
