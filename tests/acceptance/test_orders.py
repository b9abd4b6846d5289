"""Orders: try again, make anew, erase; for every state of a session, with a service that works and with none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import Subject, settings_for
from tests.support.listener import until
from tests.support.processes import call, lines
from watcher.app import Application
from watcher.errors import NoSuchSession, OrderRefused
from watcher.sessions import commands
from watcher.sessions import status as session_status
from watcher.sessions.commands import ORDERS, CommandResult, Order

GIVEN = {"retry.first": "1h", "processors.errors.enabled": False, "processors.verification.enabled": False}
SCARCE = {"processors.usage.memory_limit": "1KB"}
STATES = ("never taken", "ok", "waiting", "failed", "quarantined", "gone", "back")


def key_of(state: str, order: str) -> str:
    return f"{state.replace(' ', '-')}/{order}.jsonl"


def content_of(state: str, key: str) -> bytes:
    """Two calls; one of them without its end; or one that is more than a processor may use that may use nothing."""
    if state in ("failed", "quarantined"):
        return b" " * 4_000_000 + call(f"{key}:1")
    content = lines([f"{key}:1", f"{key}:2"])
    return content[:-1] if state == "waiting" else content


@dataclass
class Ground:
    """Sessions in states, and a core that is up: at work, or for each order anew, as commands do without a service."""

    folder: Path
    running: bool
    core: Application | None = None
    given: dict[str, Any] = field(default_factory=lambda: dict(GIVEN))

    @property
    def root(self) -> Path:
        return self.folder / "sessions"

    def write(self, state: str, orders: tuple[str, ...] = ORDERS) -> None:
        for key in (key_of(state, order) for order in orders):
            (self.root / key).parent.mkdir(parents=True, exist_ok=True)
            (self.root / key).write_bytes(content_of(state, key))

    def take(self, **given: Any) -> None:
        subject = Subject(self.root, self.folder / "state", {**GIVEN, **given})
        subject.catch_up(["usage"])
        subject.close()

    def bring_about(self, *states: str, orders: tuple[str, ...] = ORDERS) -> Application:
        """Sessions in these states, one for each order, by what really brings it about."""
        self.root.mkdir(exist_ok=True)
        for state in {*states} & {"ok", "waiting", "gone", "back"}:
            self.write(state, orders)
        self.take()
        for state in {*states} & {"gone", "back"}:
            for order in orders:
                (self.root / key_of(state, order)).unlink()
        for state, attempts in (("quarantined", 1), ("failed", 8)):
            if state in states:
                self.write(state, orders)
                self.take(**SCARCE, **{"retry.max_attempts": attempts})
        if {*states} & {"gone", "back"}:
            self.take(**SCARCE)
        for state in {*states} & {"back", "never taken"}:
            self.write(state, orders)
        return self.start()

    def start(self) -> Application:
        self.core = Application(settings_for(self.root, self.folder / "state", **self.given), "test", live=False)
        if self.running:
            self.core.start()
        return self.core

    def order(
        self, order: Order, *texts: str, status: str = "", processor: str = "", older: bool = False
    ) -> list[CommandResult]:
        if self.running:
            assert self.core is not None
            return self.core.sessions.order(order, texts, status, processor, older)
        self.end()
        return self.start().sessions.order_alone(order, texts, status, processor, older)

    def settle(self) -> None:
        """With a service that works: until it has done what it was told; with none: its next start, and a sweep."""
        if self.running:
            assert self.core is not None
            queue = self.core.pipelines["usage"].queue
            until(lambda: not len(queue) and not queue.running, "what was ordered to be done")
            return
        self.end()
        self.running = True
        self.start().run_now(["usage"], 30.0, lambda: False)

    def stands(self, key: str) -> tuple[str, int] | None:
        """Status and attempts."""
        assert self.core is not None
        rows = self.core.query("SELECT status, attempts FROM session_processor_state WHERE session_file = $1", [key])
        return (rows[0][0], rows[0][1]) if rows else None

    def calls(self, key: str) -> int:
        """How many calls are counted of a session."""
        assert self.core is not None
        ((count,),) = self.core.query("SELECT count(*) FROM usage_messages WHERE session_file = $1", [key])
        return int(count)

    def end(self) -> None:
        if self.core is not None:
            assert self.core.stop()
            self.core = None


@pytest.fixture(params=[True, False], ids=["running", "stopped"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path, request.param)
    yield made
    made.end()


WITH_A_SERVICE = pytest.mark.parametrize("ground", [True], indirect=True, ids=["running"])
FAILED, STILL, GONE, ANEW, TRIED = "not failed", "still there", "file is gone", "again from its start", "tried again"
#: For each state and order: whether it is done, words of the answer, and how the session stands once it was.
EXPECTED: dict[str, dict[str, tuple[bool, str, tuple[str, int] | None, int]]] = {
    "never taken": {
        "retry": (False, FAILED, None, 0),
        "reprocess": (True, "never taken", ("ok", 0), 2),
        "forget": (False, STILL, None, 0),
    },
    "ok": {
        "retry": (False, FAILED, ("ok", 0), 2),
        "reprocess": (True, ANEW, ("ok", 0), 2),
        "forget": (False, STILL, ("ok", 0), 2),
    },
    "waiting": {
        "retry": (False, FAILED, ("ok", 0), 1),
        "reprocess": (True, ANEW, ("ok", 0), 1),
        "forget": (False, STILL, ("ok", 0), 1),
    },
    "failed": {
        "retry": (True, TRIED, ("ok", 0), 1),
        "reprocess": (True, ANEW, ("ok", 0), 1),
        "forget": (False, STILL, ("failed", 1), 0),
    },
    "quarantined": {
        "retry": (True, TRIED, ("ok", 0), 1),
        "reprocess": (True, ANEW, ("ok", 0), 1),
        "forget": (False, STILL, ("quarantined", 1), 0),
    },
    "gone": {
        "retry": (False, FAILED, ("gone", 0), 2),
        "reprocess": (False, GONE, ("gone", 0), 2),
        "forget": (True, "erased", None, 0),
    },
    "back": {
        "retry": (False, FAILED, ("gone", 0), 2),
        "reprocess": (True, ANEW, ("ok", 0), 2),
        "forget": (False, STILL, ("gone", 0), 2),
    },
}


def test_every_order_for_every_state(ground: Ground) -> None:
    """The answer, and what has become of the session once it was carried out: the same with a service and without."""
    assert EXPECTED.keys() == {*STATES} and all(orders.keys() == {*ORDERS} for orders in EXPECTED.values())
    ground.bring_about(*STATES)
    for order in ORDERS:
        keys = [key_of(state, order) for state in STATES]
        answers = ground.order(order, *keys)
        said_there = [answer for answer in answers if answer.processor == "knowledge"]
        answers = [answer for answer in answers if answer.processor != "knowledge"]
        assert [(answer.session, answer.processor) for answer in answers] == [(key, "usage") for key in keys]
        # What is forgotten is forgotten in the knowledge base too.
        assert {one.session for one in said_there} == {one.session for one in answers if one.done and order == "forget"}
        for state, answer in zip(STATES, answers, strict=True):
            done, said, afterwards, calls = EXPECTED[state][order]
            assert answer.done is done and said in answer.message, (state, order, answer)
            if not done:  # nothing was changed
                assert ground.stands(answer.session) == afterwards, (state, order)
                assert ground.calls(answer.session) == calls, (state, order)
    ground.settle()
    for state in STATES:
        for name, (done, _, afterwards, calls) in EXPECTED[state].items():
            if done:
                key = key_of(state, name)
                assert (ground.stands(key), ground.calls(key)) == (afterwards, calls), (state, name)


@pytest.mark.parametrize("ground", [False], indirect=True, ids=["stopped"])
@pytest.mark.parametrize("order", ["retry", "reprocess"])
def test_what_was_ordered_is_told_until_it_is_done(ground: Ground, order: Order) -> None:
    """Where nobody carries it out yet: that it is tried again, no more that it was put aside or how often it failed."""
    ground.bring_about("quarantined", "failed", orders=(order,))
    for state in ("quarantined", "failed"):
        key = key_of(state, order)
        ground.order(order, key)
        assert ground.core is not None
        core = ground.core
        (one,) = session_status.session(core.query, core.tree, core.versions(), key)["processors"]
        assert one["status"] == "failed" and "tried again at its turn, as was asked for" in one["meaning"]
        assert "memory_limit" in one["meaning"]


@WITH_A_SERVICE
@pytest.mark.parametrize(("state", "order"), [("never taken", "reprocess"), ("failed", "retry")])
def test_what_is_left_to_rest_is_taken_at_once_when_it_is_ordered(ground: Ground, state: str, order: Order) -> None:
    """Somebody waits for it: that its file was written just now is no reason to wait longer."""
    queue, key = ground.bring_about(state, orders=(order,)).pipelines["usage"].queue, key_of(state, order)
    queue.tune(3600.0, 7200.0, 1000)
    queue.offer(key, time.monotonic())
    ground.order(order, key)
    ground.settle()
    assert ground.stands(key) == ("ok", 0)


@WITH_A_SERVICE
def test_a_retry_gives_all_attempts_again(ground: Ground) -> None:
    """One that fails again counts from one."""
    ground.given |= {**SCARCE, "retry.max_attempts": 3}
    ground.bring_about("quarantined", orders=("retry",))
    key = key_of("quarantined", "retry")
    assert ground.stands(key) == ("quarantined", 1)
    ground.order("retry", key)
    ground.settle()
    assert ground.stands(key) == ("failed", 1)


@WITH_A_SERVICE
def test_orders_by_status_reach_those_sessions_and_no_other(ground: Ground) -> None:
    """Everything that failed, or was put aside; and of one processor only."""
    ground.bring_about("quarantined", "ok", orders=("retry",))
    key = key_of("quarantined", "retry")
    assert ground.order("retry", status="failed") == []
    (answer,) = ground.order("retry", status="quarantined", processor="usage")
    assert (answer.session, answer.done) == (key, True)
    assert ground.order("retry", status="quarantined") == []


def test_what_an_earlier_version_has_taken_is_reprocessed_and_nothing_else(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By that processor alone, in however many transactions; not what is gone, another machine's, or taken anew."""
    monkeypatch.setattr(commands, "TOGETHER", 1)
    ground.given["processors.errors.enabled"] = True
    core = ground.bring_about("ok", "gone")
    keys = first, other, vanished = [key_of("ok", order) for order in ORDERS]
    core.start() if not ground.running else None
    core.run_now(["errors"], 30.0, lambda: False)
    outdated = [("usage", first), ("usage", vanished), ("usage", key_of("gone", "retry")), ("errors", other)]
    for processor, key in outdated:
        core.query(
            "UPDATE session_processor_state SET processor_version = 0 WHERE processor_name = $1 AND session_file = $2",
            [processor, key],
        )
    core.query(
        "INSERT INTO session_processor_state SELECT * REPLACE ('far:ok/retry.jsonl' AS session_file)"
        " FROM session_processor_state WHERE processor_name = 'usage' AND session_file = $1",
        [first],
    )
    (ground.root / vanished).unlink()
    made = {answer.session: answer for answer in ground.order("reprocess", older=True, processor="usage")}
    assert {key: answer.done for key, answer in made.items()} == {first: True, vanished: False}
    assert ANEW in made[first].message and GONE in made[vanished].message
    ground.settle()
    assert ground.core is not None
    sql = (
        "SELECT processor_version > 0 FROM session_processor_state WHERE session_file = $1 AND processor_name = 'usage'"
    )
    assert ground.core.query(sql, [first]) == [(True,)] and [ground.calls(key) for key in keys] == [2, 2, 2]
    left = [(one.session, one.processor) for one in ground.order("reprocess", older=True) if one.done]
    assert left == [(other, "errors")]
    others: tuple[Order, ...] = ("retry", "forget")
    for order in others:
        with pytest.raises(OrderRefused, match="earlier version"):
            ground.order(order, older=True)


@WITH_A_SERVICE
def test_what_is_erased_is_erased_from_every_table(ground: Ground) -> None:
    """Rows and state; what it shared with another session counts there from now on."""
    key, fork = key_of("gone", "forget"), "zoe/fork.jsonl"  # the earlier key counts
    (ground.root / "zoe").mkdir(parents=True)
    (ground.root / fork).write_bytes(content_of("gone", key) + call("more"))
    ground.bring_about("gone", orders=("forget",))
    assert (ground.calls(key), ground.calls(fork)) == (2, 1)
    answer, _ = ground.order("forget", key)
    core = ground.core
    assert answer.done and (ground.calls(key), ground.calls(fork)) == (0, 3)
    assert core is not None
    for table in ("usage_calls", "usage_contexts", "usage_files", "session_processor_state"):
        assert core.query(f"SELECT count(*) FROM {table} WHERE session_file = $1", [key]) == [(0,)], table
    with pytest.raises(NoSuchSession):
        ground.order("forget", key)


@WITH_A_SERVICE
def test_orders_that_mean_nothing_are_refused(ground: Ground) -> None:
    """No session, no such session, no such processor, another machine's: one sentence, and nothing was done."""
    core = ground.bring_about("ok", orders=("retry",))
    key = key_of("ok", "retry")
    core.query(
        "INSERT INTO session_processor_state SELECT * REPLACE ('far:ok/retry.jsonl' AS session_file)"
        " FROM session_processor_state"
    )
    refused: list[tuple[str, list[str], dict[str, Any]]] = [
        ("name a session", [], {}),
        ("'nobody'.*usage", [key], {"processor": "nobody"}),
        ("another machine", ["far:ok/retry.jsonl"], {}),
    ]
    for words, texts, more in refused:
        with pytest.raises(OrderRefused, match=words):
            ground.order("reprocess", *texts, **more)
    for text in ("nobody", "../state/watcher.duckdb", ""):
        with pytest.raises(NoSuchSession):
            ground.order("reprocess", key, text)
    ground.settle()
    assert ground.stands(key) == ("ok", 0) and ground.calls(key) == 2
