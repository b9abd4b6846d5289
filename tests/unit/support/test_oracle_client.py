"""The oracle's reckoning of what clients say that they spent, and of names that nobody knows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.told import NEW, TALK, at, copied, rows, said, spoke, table
from tests.support.transcript_lines import HAIKU, OPUS, Object, Talk, embedded, message, text, usage


def state(session_id: str = "s1", **models: Any) -> Object:
    """What a client says: of each model its input, output, cache read and cost."""
    names = {"opus": OPUS, "haiku": HAIKU}
    keys = ("inputTokens", "outputTokens", "cacheReadInputTokens", "costUSD")
    used = {names.get(model, model): dict(zip(keys, many, strict=True)) for model, many in models.items()}
    return {"type": "cost-state", "sessionId": session_id, "modelUsage": used}


def reconciled(**sessions: list[Object]) -> dict[tuple[str, Any], tuple[Any, ...]]:
    """Output tokens: counted, the client's, not yet stated and unexplained, and the reason, by session and model."""
    parts = ("counted_", "client_", "not_yet_stated_", "unexplained_")
    return {
        (row["session_id"], {OPUS: "opus", HAIKU: "haiku"}.get(row["model"], row["model"])): (
            *(row[part + "output_tokens"] for part in parts),
            row["reason"],
        )
        for row in rows("usage_reconciled", **sessions)
    }


def test_what_no_line_explains() -> None:
    """A search of 9,000 tokens stands in the client's own figures alone, twice stated and counted once."""
    call = TALK.assistant(at(1), "a", text("x"), usage(10, 50, 0, 2000))
    stated = state(opus=(10, 50, 2000, 0.0023), haiku=(9000, 200, 0, 0.01))
    files = {"ann/s.jsonl": [call, stated, stated]}
    found = {row["model"]: row for row in table("usage_reconciled", files, price=lambda model, one: 0.0023)}
    parts = ("counted_", "client_", "not_yet_stated_", "unexplained_")
    assert [found[HAIKU][part + "input_tokens"] for part in parts] == [0, 9000, 0, 9000]
    assert [found[HAIKU][part + "output_tokens"] for part in parts] == [0, 200, 0, 200]
    assert [found[OPUS][part + "cache_read_tokens"] for part in parts] == [2000, 2000, 0, 0]
    assert [found[OPUS][part + "cost_usd"] for part in parts] == [0.0023, 0.0023, 0, 0]
    totals = table("usage_client_totals", files)
    assert sum(row["cost_usd"] for row in totals) == pytest.approx(0.0123)
    assert {(row["stated_at"].minute, row["username"], row["reason"]) for row in totals} == {(1, "ann", None)}


def test_which_statement_counts() -> None:
    """The most tokens, then the highest cost, the latest date, the smallest key, the last in its file."""
    low, high = state(opus=(0, 5, 0, 1)), state(opus=(0, 5, 0, 2))
    most = state(opus=(1, 5, 0, 0))

    def minutes(**sessions: list[Object]) -> list[Any]:
        return [
            (row["stated_at"] and row["stated_at"].minute, row["cost_usd"])
            for row in rows("usage_client_totals", **sessions)
        ]

    assert minutes(ann=[said(1, "a"), most, said(2, "b"), high]) == [(1, 0)]
    assert minutes(ann=[said(1, "a"), high, said(2, "b"), low]) == [(1, 2)]
    assert minutes(ann=[said(3, "a"), said(2, "b"), low, said(4, "c"), low]) == [(4, 1)]
    assert minutes(ann=[low]) == [(None, 1)]
    assert reconciled(
        ann=[said(1, "a"), low, spoke(0, 3), low, spoke(0, 4, "b")], ben=[said(1, "a"), spoke(0.5, 7, "c"), low]
    )[("s1", "opus")] == (10, 5, 4, -5, None)


def test_what_a_statement_states() -> None:
    """Of its file what stands before it, of others what is not later; later ones are not yet stated; copies never."""
    aside = Talk("s1", "/x", sidechain=True)
    own = [spoke(5, 1, "a"), state(opus=(0, 100, 0, 0)), spoke(4, 2, "b")]
    timeless = spoke(1, 16, "e", aside) | {"timestamp": None}
    others = [spoke(5, 4, "c", aside), spoke(5.1, 8, "d", aside), timeless]
    copy = copied(spoke(1, 32, "f", Talk("s9", "/x")), "s1")
    assert reconciled(ann=own, ben=[*others, copy]) == {("s1", "opus"): (5, 100, 26, 95, None)}


def test_a_session_without_a_statement() -> None:
    """Has no client's figures."""
    assert reconciled(ann=[spoke(1, 3)]) == {("s1", "opus"): (0, None, 3, None, "no statement")}
    assert rows("usage_client_totals", ann=[spoke(1, 3)]) == []
    assert reconciled(ann=[spoke(1, 3) | {"sessionId": None}]) == {}


@pytest.mark.parametrize(
    "odd", [{"modelUsage": []}, {"modelUsage": "x"}, {"modelUsage": None}, {"type": "mode"}, {"modelUsage": {}}]
)
def test_statements_of_odd_shapes(odd: Object) -> None:
    """Without models that can be read there is nothing to show."""
    assert rows("usage_client_totals", ann=[said(1, "a"), {**state(opus=(1, 1, 1, 1)), **odd}]) == []


def test_odd_figures() -> None:
    """Counts that are none are 0, a model that is no object is none; iterations are counted too."""
    stated = {
        "type": "cost-state",
        "sessionId": "s1",
        "modelUsage": {OPUS: {"inputTokens": 5.0, "outputTokens": -1, "costUSD": "1"}, "x": 5},
    }
    advice = {"type": "advisor_message", "model": HAIKU, "output_tokens": 7}
    call = TALK.assistant(at(1), "a", text("x"), {**usage(0, 2), "iterations": [advice]})
    assert reconciled(ann=[call, stated]) == {
        ("s1", "opus"): (2, 0, 0, -2, None),
        ("s1", "haiku"): (7, 0, 0, -7, None),
    }


# --- Forks inherit


PARENT = [
    spoke(1, 1, "a"),
    state(opus=(0, 1, 0, 0)),
    spoke(3, 2, "b"),
    state(opus=(0, 4, 0, 0), haiku=(0, 5, 0, 0)),
    spoke(4, 8, "c"),
    state(opus=(0, 32, 0, 0), haiku=(0, 5, 0, 0)),
]
FORK_TALK = Talk("s2", "/x")


def fork(*stated: Object) -> list[Object]:
    copies = [copied(spoke(1, 1, "a"), "s2"), copied(spoke(3, 2, "b"), "s2")]
    return [*copies, spoke(6, 64, "d", FORK_TALK), *stated]


def test_a_fork_inherits() -> None:
    """Its own is its statement less the parent's first one at or behind the last copied call: 4 and 5."""
    found = reconciled(ann=PARENT, ben=fork(state("s2", opus=(0, 70, 0, 0))))
    assert found[("s2", "opus")] == (64, 66, 0, 2, None)
    assert found[("s2", "haiku")] == (0, -5, 0, -5, None)
    assert found[("s1", "opus")] == (11, 32, 0, 21, None)


def test_forks_of_which_nobody_knows_enough() -> None:
    """The parent is unknown, has not stated, or the fork has not."""
    stated = state("s2", opus=(0, 70, 0, 0))
    assert reconciled(ben=fork(stated)) == {("s2", "opus"): (64, None, 0, None, "parent unknown")}
    found = reconciled(ann=PARENT[:2], ben=fork(stated))
    assert found[("s2", "opus")] == (64, None, 0, None, "parent not stated")
    found = reconciled(ann=PARENT, ben=fork())
    assert found[("s2", "opus")] == (0, None, 64, None, "no statement")
    (row,) = rows("usage_client_totals", ben=fork(stated))
    assert (row["model"], row["output_tokens"], row["cost_usd"], row["reason"]) == (OPUS, None, None, "parent unknown")
    assert row["stated_at"].minute == 6


def test_whose_session_it_is() -> None:
    """The main file's user, else that of the smallest of its files."""
    stated = state(opus=(0, 1, 0, 0))
    files = {"ann/agent-1.jsonl": [spoke(1, 1)], "ben/agent-2.jsonl": [stated]}
    assert [row["username"] for row in table("usage_client_totals", files)] == ["ann"]
    files["zoe/s.jsonl"] = [said(1, "a")]
    assert [row["username"] for row in table("usage_client_totals", files)] == ["zoe"]


# --- Names that are not known


KNOWN = {
    "type": frozenset({"user", "assistant", "system", "attachment", "progress"}),
    "subtype": frozenset({"known"}),
    "attachment": frozenset({"known", "queued_command"}),
    "iteration": frozenset({"message"}),
    "origin": frozenset({"human"}),
}


def unknown(*records: Object) -> list[tuple[Any, ...]]:
    found = table("unknown_records", {"ann/s.jsonl": list(records)}, known=KNOWN)
    return [(row["kind"], row["name"], row["version"]) for row in found]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"type": "new"}, [("type", "new", "")]),
        ({"type": "new", "version": "3"}, [("type", "new", "3")]),
        ({"type": None}, []),
        ({"type": "system", "subtype": "new"}, [("subtype", "new", "")]),
        ({"type": "system", "subtype": "known"}, []),
        ({"type": "system", "subtype": 5}, []),
        ({"type": "user", "subtype": "new"}, []),
        ({"type": "attachment", "attachment": {"type": "new", "origin": {"kind": "new"}}}, [("attachment", "new", "")]),
        ({"type": "attachment", "attachment": "new"}, []),
        (
            {"type": "attachment", "attachment": {"type": "queued_command", "origin": {"kind": "new"}}},
            [("origin", "new", "")],
        ),
        ({"type": "user", "origin": {"kind": "new"}}, [("origin", "new", "")]),
        ({"type": "user", "origin": {"kind": "human"}}, []),
        ({"type": "user", "origin": "new"}, []),
        ({"type": "system", "origin": {"kind": "new"}}, []),
    ],
)
def test_unknown_names(record: Object, expected: Any) -> None:
    """By kind, name and version."""
    assert unknown(record) == expected


def test_unknown_iterations_and_when() -> None:
    """Of calls; with the version before, the number of sessions and the times."""
    used = {**usage(1, 1), "iterations": [{"type": "message"}, {"type": "new"}, {"type": 5}]}
    records = [TALK.assistant(at(n), f"c{n}", text("x"), used) for n in (2, 1)]
    other = Talk("s2", "/x").assistant(at(3), "c3", text("x"), used)
    files = {"ann/s.jsonl": records, "ben/s.jsonl": [other], "zoe/s.jsonl": records}
    (row,) = table("unknown_records", files, known=KNOWN)
    assert (row["kind"], row["name"], row["version"], row["sessions"]) == ("iteration", "new", "2.1.49", 2)
    assert (row["first_at"].minute, row["last_at"].minute) == (1, 3)
    inner = embedded("assistant", None, "e", message("m", text("x"), used))
    assert unknown(TALK.agent_progress(at(1), "p", inner)) == [("iteration", "new", "2.1.49")]


def test_several_requests() -> None:
    """Of a message id outside sidechains, over all files; a request that is missing is none."""
    late = [spoke(1, 1, request=False), spoke(2, 1)]
    aside = spoke(3, 1, requestId="other") | {"isSidechain": True}
    assert rows("unknown_records", ann=[*late, aside]) == []
    (row,) = rows("unknown_records", ann=late, ben=[spoke(3, 1, requestId="other", talk=NEW) | {"version": "2.1.49"}])
    assert (row["kind"], row["name"], row["sessions"]) == ("several_requests", "msg_01a", 1)
    assert (row["first_at"].minute, row["last_at"].minute) == (2, 2)
