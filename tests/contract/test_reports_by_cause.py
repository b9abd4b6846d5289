"""What was caused by whom: reports by skill, plugin, MCP server and tool, subagent, effort, asker and pull request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from processors.usage import reports
from processors.usage.reports import Filters, timeline
from processors.usage.reports.filters import Query
from tests.support.harness import PRICES, Subject
from tests.support.told import NEW, at, said
from tests.support.transcript_lines import HAIKU, OPUS, Object, Talk, line, text, tool, usage

MAIN, AGENT = "ann/s1.jsonl", "ann/s1/subagents/agent-1.jsonl"
ASIDE = Talk("s1", "/home/ann/shop", NEW.version, sidechain=True, agent_id="1")


def called(minute: float, name: str, tokens: int, block: Object | None = None, talk: Talk = NEW, **more: Any) -> Object:
    """A call with so many tokens of input, and a tenth of output."""
    used = {**usage(tokens, tokens // 10), **more.pop("used", {})}
    return {**talk.assistant(at(minute), name, block or text("x"), used, label=name), **more}


SKILL: dict[str, Any] = {"attributionSkill": "invoice-check"}
SESSION = [
    said(0, "check the invoices", promptSource="typed"),
    called(1, "a", 100, tool("t1", "Skill", skill="invoice-check")),
    called(2, "b", 200, **SKILL, effort="high"),
    called(3, "c", 400, tool("t2", "mcp__shop__find"), **SKILL, attributionMcpServer="shop", attributionMcpTool="find"),
    NEW.gave(at(3.5), "t2", "no", True),
    called(4, "d", 800, attributionPlugin="ledger-tools"),
    said(5, "and again", promptSource="sdk"),
    called(
        6, "e", 1600,
        used={"iterations": [{"type": "advisor_message", "model": HAIKU, "input_tokens": 5, "output_tokens": 1}]},
    ),
    NEW.record("pr-link", at(7), "link", prNumber=7, prRepository="acme/shop"),
    called(8, "f", 3200, talk=Talk("s1", "/home/ann/shop", NEW.version, branch="topic")),
]  # fmt: skip
SUBAGENT = [called(9, "g", 6400, talk=ASIDE, attributionAgent="Explore")]


@pytest.fixture
def query(tmp_path: Path, database_url: str) -> Iterator[Query]:
    """The tables of that session, on each kind of database."""
    for key, records in {MAIN: SESSION, AGENT: SUBAGENT}.items():
        path = tmp_path / "sessions" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(map(line, records)))
    assert {OPUS, HAIKU} <= PRICES.keys()
    subject = Subject(tmp_path / "sessions", tmp_path / "state", {"database.url": database_url} if database_url else {})
    try:
        subject.catch_up()
        yield subject.open().query
    finally:
        subject.close()


def told(query: Query, name: str, *columns: str, **filters: Any) -> list[tuple[Any, ...]]:
    """Some columns of a report, the last row being its totals."""
    found = reports.REPORTS[name](query, Filters(**filters))
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    assert found.total_rows == len(rows)
    return [tuple(row.get(column) for column in columns) for row in [*rows, found.totals]]


def cost(tokens: int) -> float:
    """What a call with so much input costs."""
    return (tokens + tokens // 10) / 64


SPENT = ("calls", "input_tokens", "output_tokens", "cost_usd")


def test_cost_stands_by_what_caused_it(query: Query) -> None:
    """Uses beside the calls that are attributed: a use may have no such call, and a call no use."""
    skill = (1, 0, 1, 2, 600, 60, cost(600))
    columns = ("uses", "errors", "sessions", *SPENT)
    assert told(query, "skills", "skill_name", *columns) == [("invoice-check", *skill), (None, *skill)]
    server = (1, 1, 1, 1, 400, 40, cost(400))
    assert told(query, "mcp_servers", "mcp_server", *columns) == [("shop", *server), (None, *server)]
    assert told(query, "mcp_tools", "mcp_server", "mcp_tool", *columns) == [
        ("shop", "find", *server),
        (None, None, *server),
    ]
    plugin = (1, 1, 800, 80, cost(800))
    assert told(query, "plugins", "plugin", "sessions", *SPENT) == [("ledger-tools", *plugin), (None, *plugin)]
    agent = (0, 0, 1, 1, 6400, 640, cost(6400))
    assert told(query, "subagents", "subagent_type", *columns) == [("Explore", *agent), (None, *agent)]


def test_what_causes_is_narrowed_like_calls(query: Query) -> None:
    """By user, model and day, uses as well as calls; nothing is an empty table whose totals are nothing."""
    for name in ("skills", "mcp_servers", "mcp_tools", "plugins", "subagents"):
        whole = told(query, name, "uses", *SPENT)
        for same in ({"user": "ann"}, {"model": OPUS}, {"since": reports.last_day(query)}):
            assert told(query, name, "uses", *SPENT, **same) == whole
        for nothing in ({"user": "bob"}, {"model": HAIKU}, {"since": reports.last_day(query), "user": "bob"}):
            (totals,) = told(query, name, *SPENT, **nothing)
            assert totals == (0, 0, 0, None)


def test_a_further_iteration_has_tokens_and_is_no_call(query: Query) -> None:
    """In every report, and where a session is told of."""
    total = 12_700
    assert told(query, "daily", *SPENT)[-1] == (7, total + 5, total // 10 + 1, pytest.approx(cost(total) + 6 / 64))
    assert told(query, "models", "model", *SPENT)[1] == (HAIKU, 0, 5, 1, 6 / 64)
    kinds = [one.kind for one in timeline.timeline(query, MAIN, 100)]
    assert (kinds.count("call"), kinds.count("iteration")) == (6, 1)
    assert timeline.glances(query, [MAIN])[MAIN]["assistant_messages"] == 6


def test_every_call_has_an_effort_and_somebody_who_asked(query: Query) -> None:
    """Of efforts most calls say nothing; a subagent is asked by who asked its session first."""
    assert told(query, "efforts", "effort", "calls", "input_tokens")[:2] == [(None, 6, 12_505), ("high", 1, 200)]
    assert told(query, "asked_by", "asked_by", "calls", "input_tokens") == [
        ("person", 5, 7900),
        ("sdk", 2, 4805),
        (None, 7, 12_705),
    ]


def test_a_pull_request_has_the_calls_before_it(query: Query) -> None:
    """On a shared branch those up to the link; what came later, or on another branch, is nobody's."""
    of_it = (1, 5, 3105, 311, pytest.approx(cost(3100) + 6 / 64))
    assert told(query, "pull_requests", "pull_request", "sessions", *SPENT) == [("acme/shop#7", *of_it), (None, *of_it)]
    assert told(query, "pull_requests", "calls", user="bob") == [(0,)]


def test_a_session_is_told_of_with_its_subagents(query: Query) -> None:
    """Whose they are, what it cost without and with them, and who asked; people are who typed."""
    columns = ("title", "parent_session", "asked_by", "human_turns", "other_turns", "cost_usd", "subagent_cost_usd")
    rows = told(query, "sessions", *columns)
    own = pytest.approx(cost(6300) + 6 / 64)
    assert rows[0] == (None, "s1", None, 0, 0, cost(6400), None)
    assert rows[1] == ("check the invoices", None, "person", 1, 1, own, cost(6400))
    assert rows[2][3:] == (1, 1, pytest.approx(cost(12_700) + 6 / 64), cost(6400))
    summary = timeline.summary(query, MAIN)
    assert summary is not None and timeline.related(query, summary) == {
        "session": [],
        "parent": [],
        "subagents": [AGENT],
    }
    assert (summary["subagent_calls"], summary["subagent_cost_usd"]) == (1, cost(6400))
    aside = timeline.summary(query, AGENT)
    assert aside is not None and timeline.related(query, aside)["session"] == [MAIN]
    glances = timeline.glances(query, [MAIN, AGENT])
    assert [glances[key]["subagent_cost_usd"] for key in (MAIN, AGENT)] == [cost(6400), None]
    assert reports.people(query, Filters()) == (1, 1) and reports.people(query, Filters(user="bob")) == (0, 0)
