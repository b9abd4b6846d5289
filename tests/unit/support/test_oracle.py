"""The oracle itself: the planted corpus gives the totals worked out by hand, and every truth-table row holds."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.corpus import FILES, SETTLED, TOTALS, Spent, Totals, plant
from tests.support.oracle import COLUMNS, Oracle, normal, session_key
from tests.support.transcript_lines import OPUS, Talk, line, text, usage

TALK = Talk("s1", "/home/ann/shop")
AT = "2026-03-01T09:00:00Z"
Row = dict[str, Any]


def rows(oracle: Oracle, table: str) -> list[Row]:
    """A table's rows by column."""
    return [dict(zip(COLUMNS[table], row, strict=True)) for row in oracle.tables()[table]]


def call(name: str, output: int, at: str = AT) -> bytes:
    """A line of one API call."""
    return line(TALK.assistant(at, name, text("x"), usage(0, output)))


def spent(row: Row) -> Spent:
    """The measures of a report's row."""
    return Spent(**{measure: row[measure] for measure in vars(TOTALS.spent)})


def counted(oracle: Oracle) -> Totals:
    """What the tables add up to, in the form of the totals worked out by hand."""
    messages, events, sessions = (rows(oracle, f"usage_{name}") for name in ("messages", "events", "sessions"))
    errors, states = rows(oracle, "errors"), rows(oracle, "states")
    human, other, bad = Counter[str](), Counter[str](), Counter[str]()
    for row in sessions:
        human[row["username"]] += row["human_turns"]
        other[row["username"]] += row["other_turns"]
    for row in states:
        bad[row["session_file"].partition("/")[0]] += row["bad_lines"]
    measures = list(vars(TOTALS.spent))[1:]
    return Totals(
        spent=Spent(
            sum(row["iteration"] == -1 for row in messages),
            *(sum(row[measure] for row in messages) for measure in measures),
        ),
        by_user={row["username"]: spent(row) for row in rows(oracle, "usage_by_user")},
        by_model={row["model"]: spent(row) for row in rows(oracle, "usage_by_model")},
        by_day={row["day"].isoformat(): spent(row) for row in rows(oracle, "usage_daily")},
        uses=dict(Counter(row["event_type"] for row in events)),
        commands=tuple(sorted(row["command_name"] for row in events if row["event_type"] == "slash_command")),
        failed_uses=sum(row["is_error"] is True for row in events),
        errors=dict(Counter(row["kind"] for row in errors)),
        error_tools=dict(Counter(row["tool"] for row in errors)),
        human_turns=dict(+human),
        other_turns=dict(+other),
        iterations=sum(row["iteration"] >= 0 for row in messages),
        lines=(sum(row["lines_added"] or 0 for row in events), sum(row["lines_removed"] or 0 for row in events)),
        pull_requests=dict(Counter(row["pull_request"] for row in messages if row["pull_request"] is not None)),
        unexplained={
            (row["username"], row["model"]): (row["unexplained_input_tokens"], row["unexplained_output_tokens"])
            for row in rows(oracle, "usage_reconciled")
            if row["reason"] is None and (row["unexplained_input_tokens"] or row["unexplained_output_tokens"])
        },
        files=len(states),
        session_rows=len(sessions),
        sessions=len({row["session_id"] for row in sessions}),
        bad_lines=dict(+bad),
    )


@pytest.mark.parametrize("settled", [False, True])
def test_the_planted_corpus_counts_up_to_what_was_worked_out_by_hand(settled: bool) -> None:
    """The oracle finds the totals that a person found, before and after torn tails have settled."""
    oracle = Oracle()
    for relative, data in FILES.items():
        oracle.content(session_key(relative), data, settled)
    assert counted(oracle) == (SETTLED if settled else TOTALS)


def test_the_order_in_which_sessions_come_does_not_matter() -> None:
    """The same files in any order give the same tables."""
    expected = None
    for seed in range(5):
        oracle, files = Oracle(), sorted(FILES.items())
        Random(seed).shuffle(files)
        for relative, data in files:
            oracle.content(session_key(relative), data)
        expected = expected or oracle.tables()
        assert oracle.tables() == expected, f"seed {seed}"


def test_what_is_planted_is_on_the_disk(tmp_path: Path) -> None:
    """``plant`` writes exactly the files whose totals it returns, and some that are no sessions."""
    assert plant(tmp_path) is TOTALS
    found = {
        os.path.relpath(os.path.join(folder, name), os.fsencode(tmp_path)): Path(
            os.fsdecode(os.path.join(folder, name))
        ).read_bytes()
        for folder, _, names in os.walk(os.fsencode(tmp_path))
        for name in names
    }
    assert {name: data for name, data in found.items() if name.endswith(b".jsonl")} == FILES
    assert len(found) == len(FILES) + 3


def test_sums_over_sessions_are_the_totals() -> None:
    """Each call and use belongs to one session, so a fork shows only what it added."""
    oracle = Oracle(price=lambda model, call: call.tokens / 64)
    for relative, data in FILES.items():
        oracle.content(session_key(relative), data)
    sessions, messages = rows(oracle, "usage_sessions"), rows(oracle, "usage_messages")
    for measure in ("input_tokens", "output_tokens", "cache_read_tokens", "cost_usd"):
        assert sum(row[measure] or 0 for row in sessions) == sum(row[measure] for row in messages)
    assert sum(row["assistant_messages"] for row in sessions) == len(messages) - TOTALS.iterations
    assert sum(row["tool_calls"] for row in sessions) == 17


# --- The truth table


def test_created_and_appended() -> None:
    """A file's rows are those of its complete lines."""
    oracle = Oracle()
    oracle.content("ann/s.jsonl", call("a", 1))
    oracle.content("ann/s.jsonl", call("a", 1) + call("b", 2))
    assert [row["output_tokens"] for row in rows(oracle, "usage_messages")] == [1, 2]
    assert rows(oracle, "states") == [
        {"session_file": "ann/s.jsonl", "status": "ok", "bad_lines": 0, "processed_bytes": len(call("a", 1)) * 2}
    ]


def test_a_torn_tail_waits_for_its_end() -> None:
    """A last line without an end is taken when it gets one, or when it is JSON and has settled."""
    oracle, torn = Oracle(), call("a", 1)[:-1]
    oracle.content("ann/s.jsonl", torn)
    assert rows(oracle, "usage_messages") == []
    oracle.content("ann/s.jsonl", torn, settled=True)
    assert len(rows(oracle, "usage_messages")) == 1
    oracle.content("ann/s.jsonl", torn[:-1], settled=True)
    assert rows(oracle, "usage_messages") == []
    assert rows(oracle, "states")[0]["bad_lines"] == 0


@pytest.mark.parametrize("tail", [b"[1]", b'"x"', b"{} x", b"  ", b"\xff"])
def test_a_settled_tail_that_is_no_object_still_waits(tail: bytes) -> None:
    """Only one or more JSON objects are taken without a line end."""
    oracle = Oracle()
    oracle.content("ann/s.jsonl", tail, settled=True)
    assert rows(oracle, "states")[0]["processed_bytes"] == 0
    assert rows(oracle, "states")[0]["bad_lines"] == 0


def test_rewritten() -> None:
    """Only the present content counts."""
    oracle = Oracle()
    oracle.content("ann/s.jsonl", call("a", 1))
    oracle.content("ann/s.jsonl", call("b", 2))
    assert [row["message_id"] for row in rows(oracle, "usage_messages")] == ["msg_01b"]


def test_gone_stays_and_forgotten_goes() -> None:
    """A deleted file's rows stay; only forgetting erases them, and the next best line counts then."""
    oracle = Oracle()
    oracle.content("ann/s.jsonl", call("a", 9))
    oracle.content("ben/s.jsonl", call("a", 1))
    oracle.gone("ann/s.jsonl")
    assert [row["output_tokens"] for row in rows(oracle, "usage_messages")] == [9]
    assert [row["status"] for row in rows(oracle, "states")] == ["gone", "ok"]
    oracle.forget("ann/s.jsonl")
    assert [row["output_tokens"] for row in rows(oracle, "usage_messages")] == [1]
    assert len(rows(oracle, "states")) == 1
    oracle.content("ann/s.jsonl", call("a", 9))
    assert [row["status"] for row in rows(oracle, "states")] == ["ok", "ok"]


def test_renamed() -> None:
    """Made anew under the new key; the old key is gone, and its call counts once."""
    oracle = Oracle()
    oracle.content("ann/b.jsonl", call("a", 1))
    oracle.renamed("ann/b.jsonl", "ann/a.jsonl", call("a", 1))
    assert [row["session_file"] for row in rows(oracle, "usage_messages")] == ["ann/a.jsonl"]
    assert [(row["session_file"], row["status"]) for row in rows(oracle, "states")] == [
        ("ann/a.jsonl", "ok"),
        ("ann/b.jsonl", "gone"),
    ]


# --- Keys, users, days, prices


def test_session_keys_are_reversible_and_safe() -> None:
    """Bytes that are not UTF-8, control characters, ``%`` and ``:`` are percent-encoded, the rest stays."""
    key = session_key(b"ann/50%: \xff\n\xc2\x85 caf\xc3\xa9 'q\".jsonl")
    assert key == "ann/50%25%3A %FF%0A%C2%85 caf\u00e9 'q\".jsonl"


def test_users_come_from_the_path() -> None:
    """The first part of the path, or the owner of a folder of projects."""
    oracle, projects = Oracle(owner="zoe"), Oracle("projects", owner="zoe")
    for one in (oracle, projects):
        one.content("ann/s.jsonl", call("a", 1))
        one.content("s.jsonl", call("b", 1))
    assert [row["username"] for row in rows(oracle, "usage_sessions")] == ["ann", "zoe"]
    assert [row["username"] for row in rows(projects, "usage_sessions")] == ["zoe", "zoe"]


def test_days_are_those_of_the_time_zone() -> None:
    """A call an hour before midnight UTC is tomorrow's in Berlin; one without a time has no day."""
    timeless = TALK.assistant(AT, "b", text("x"), usage(0, 2))
    del timeless["timestamp"]
    oracle = Oracle(timezone="Europe/Berlin")
    oracle.content("ann/s.jsonl", call("a", 1, "2026-03-01T23:00:00Z") + line(timeless))
    assert {row["day"]: row["output_tokens"] for row in rows(oracle, "usage_daily")} == {date(2026, 3, 2): 1, None: 2}


def test_prices_are_given_and_may_be_missing() -> None:
    """A call costs what the price says of its model and line; sums leave out what has no price."""
    oracle = Oracle(price=lambda model, call: call.output_tokens / 4 if model == OPUS else None)
    cheap = line(TALK.assistant(AT, "b", text("x"), usage(0, 9), "other"))
    oracle.content("ann/s.jsonl", call("a", 3) + cheap)
    assert [row["cost_usd"] for row in rows(oracle, "usage_messages")] == [0.75, None]
    assert {row["model"]: row["cost_usd"] for row in rows(oracle, "usage_by_model")} == {OPUS: 0.75, "other": None}
    assert rows(oracle, "usage_sessions")[0]["cost_usd"] == 0.75


def test_rows_are_compared_in_one_form() -> None:
    """Databases may give decimals, other zones and long floats: they compare equal."""
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    given = [(Decimal(2), 0.1 + 0.2, noon.astimezone()), (1, None, None)]
    assert normal(given) == [(1, None, None), (2, 0.3, noon)]
