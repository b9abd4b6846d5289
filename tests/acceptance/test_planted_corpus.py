"""The planted corpus gives its known totals, however it comes."""

from __future__ import annotations

import random
from dataclasses import astuple
from pathlib import Path

import pytest

from tests.support.corpus import FILES, TOTALS, plant
from tests.support.harness import Subject, exact_price
from tests.support.oracle import Oracle, session_key


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    (tmp_path / "sessions").mkdir()
    return Subject(tmp_path / "sessions", tmp_path / "state")


def told(settled: bool = False) -> Oracle:
    oracle = Oracle(price=exact_price)
    for path, content in FILES.items():
        oracle.content(session_key(path), content, settled)
    return oracle


def must_have_the_known_totals(subject: Subject) -> None:
    """The numbers that were worked out by hand."""
    core = subject.open()
    sums = ", ".join(
        f"CAST(sum({name}) AS BIGINT)"
        for name in (
            "input_tokens",
            "output_tokens",
            "cache_creation_tokens",
            "cache_creation_1h_tokens",
            "cache_read_tokens",
            "web_search_requests",
        )
    )
    calls = "count(*) FILTER (WHERE iteration = -1)"
    assert core.query(f"SELECT {calls}, {sums} FROM usage_messages") == [astuple(TOTALS.spent)]
    for by, known in (("username", TOTALS.by_user), ("model", TOTALS.by_model)):
        found = core.query(f"SELECT {by}, {calls}, {sums} FROM usage_messages GROUP BY 1")
        assert {name: tuple(spent) for name, *spent in found} == {name: astuple(spent) for name, spent in known.items()}
    assert dict(core.query("SELECT event_type, count(*) FROM usage_events GROUP BY 1")) == TOTALS.uses
    assert dict(core.query("SELECT kind, count(*) FROM errors GROUP BY 1")) == TOTALS.errors
    assert dict(core.query("SELECT tool, count(*) FROM errors GROUP BY 1")) == TOTALS.error_tools
    turns = core.query("SELECT username, CAST(sum(human_turns) AS BIGINT) FROM usage_sessions GROUP BY 1")
    assert {user: count for user, count in turns if count} == {u: n for u, n in TOTALS.human_turns.items() if n}
    others = core.query("SELECT username, count(*) FROM usage_turns WHERE asked_by <> 'person' GROUP BY 1")
    assert dict(others) == TOTALS.other_turns
    requests = "SELECT pull_request, count(*) FROM usage_messages WHERE pull_request IS NOT NULL GROUP BY 1"
    assert dict(core.query(requests)) == TOTALS.pull_requests
    rest = core.query(
        "SELECT username, model, unexplained_input_tokens, unexplained_output_tokens FROM usage_reconciled"
        " WHERE unexplained_input_tokens <> 0 OR unexplained_output_tokens <> 0"
    )
    assert {(user, model): tuple(map(int, found)) for user, model, *found in rest} == TOTALS.unexplained
    assert core.query("SELECT count(*), count(DISTINCT session_id) FROM usage_sessions") == [
        (TOTALS.session_rows, TOTALS.sessions)
    ]
    for processor in ("usage", "errors"):
        bad = core.query(
            "SELECT username, CAST(sum(bad_lines) AS BIGINT) FROM session_processor_state"
            " WHERE processor_name = $1 GROUP BY 1 HAVING sum(bad_lines) > 0",
            [processor],
        )
        assert dict(bad) == {user: count for user, count in TOTALS.bad_lines.items() if count}


def test_in_one_piece(subject: Subject) -> None:
    """The totals that were worked out by hand, and every table of the oracle."""
    plant(subject.root)
    subject.catch_up()
    must_have_the_known_totals(subject)
    subject.must_equal(told(), "planted whole")
    subject.close()


def test_settled_tails_are_taken(subject: Subject) -> None:
    """A whole last line without its end counts once the file has rested."""
    plant(subject.root, settled=True)
    subject.catch_up()
    subject.must_equal(told(settled=True), "planted and settled")
    subject.close()


@pytest.mark.parametrize("seed", range(4))
def test_in_pieces_in_any_order_through_restarts(subject: Subject, seed: int) -> None:
    """Files grow in random pieces, in random order, with restarts between: the same totals."""
    rng = random.Random(seed)
    print(f"seed {seed}")
    left = dict(FILES)
    for path in left:
        file = Path(str(subject.root) + "/" + path.decode("utf-8", "surrogateescape"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    while left:
        for path in rng.sample(sorted(left), k=rng.randint(1, len(left))):
            piece = rng.randint(1, 1 + len(left[path]))
            with open(str(subject.root) + "/" + path.decode("utf-8", "surrogateescape"), "ab") as growing:
                growing.write(left[path][:piece])
            left[path] = left[path][piece:]
            if not left[path]:
                del left[path]
        subject.catch_up()
        if rng.random() < 0.2:
            subject.close()
    must_have_the_known_totals(subject)
    subject.must_equal(told(), f"seed {seed}")
    subject.close()
