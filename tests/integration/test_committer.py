"""The committer: waiting passes are committed together, only the pass at fault fails, and each gets an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.databases import SCHEMA, database_in
from tests.support.listener import until
from watcher.pipeline import committer as room
from watcher.pipeline.committer import Abandoned, Committer
from watcher.store.commits import Outcome, Pass, PassStore
from watcher.store.database import Connection
from watcher.store.state import State

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Bench:
    """A committer that is not started yet, with its answers."""

    def __init__(self, folder: Path) -> None:
        self.database = database_in(folder)
        self.connection = self.connect()
        self.committer = Committer(self.database, PassStore(self.database, "stranger", SCHEMA), "stranger")
        self.answers: list[tuple[str, str]] = []

    def connect(self) -> Connection:
        return self.database.connect()

    def submit(self, work: Pass, at_once: bool = False) -> None:
        """Hand in a pass, and note what is answered."""

        def done(answer: Outcome | Exception) -> None:
            refused = "abandoned" if isinstance(answer, Abandoned) else "refused"
            self.answers.append((work.key, answer if isinstance(answer, str) else refused))

        self.committer.submit(work, done, at_once)

    def open(self) -> None:
        """Start the committer, and wait until all that was handed in is decided."""
        self.committer.start()
        assert self.committer.flush(20)

    def lines(self) -> dict[str, Any]:
        return dict(self.connection.execute("SELECT session_file, lines FROM strange"))

    def taken(self) -> dict[str, Any]:
        return dict(self.connection.execute("SELECT session_file, processed_bytes FROM session_processor_state"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.committer.close(5)
    made.database.close()


def state(key: str, taken: int) -> State:
    return State(
        processor_name="stranger", session_file=key, username="ann", processed_at=NOW, processed_bytes=taken,
        processor_version=1,
    )  # fmt: skip


def made(key: str, taken: int, before: State | None = None, lines: Any = 1, padding: int = 0) -> Pass:
    """A pass up to this byte; ``padding`` makes it large without a difference."""
    row = msgspec.json.encode({"session_file": key, "lines": lines})
    return Pass(key, before, state(key, taken), rows={"strange": row + b" " * padding + b"\n"})


def test_what_waits_is_committed_together(bench: Bench) -> None:
    """One transaction for many sessions, and each is answered."""
    for name in "abcde":
        bench.submit(made(name, 5))
    bench.open()
    assert bench.answers == [(name, "committed") for name in "abcde"]
    assert (bench.committer.commits, bench.committer.passes) == (1, 5)
    assert bench.lines() == dict.fromkeys("abcde", 1)
    assert bench.taken() == dict.fromkeys("abcde", 5)


def test_a_group_is_no_larger_than_it_may_be(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in passes nor in bytes."""
    monkeypatch.setattr(room, "GROUP_PASSES", 3)
    monkeypatch.setattr(room, "GROUP_BYTES", 100_000)
    for name in "abcd":
        bench.submit(made(name, 5))
    for name in "xyz":
        bench.submit(made(name, 5, padding=100_000))
    bench.open()
    assert bench.committer.commits == 4  # a b c, d x, y, z
    assert sorted(bench.taken()) == list("abcdxyz")


def test_of_a_group_that_does_not_fit_only_the_guilty_passes_fail(bench: Bench) -> None:
    """It is redone one by one; of the guilty ones neither rows nor state come in."""
    guilty = "ad"
    for name in "abcde":
        bench.submit(made(name, 5, lines=2**63 if name in guilty else 1))
    bench.open()
    assert bench.answers == [(name, "refused" if name in guilty else "committed") for name in "abcde"]
    assert sorted(bench.lines()) == sorted(bench.taken()) == ["b", "c", "e"]
    assert bench.committer.trouble is None and bench.committer.alive()


def test_a_statement_that_fails_is_the_guilt_of_its_pass_alone(bench: Bench) -> None:
    """Whether the database refuses it or it cannot even be put to it; the rows before it go with it."""
    for name, statement in (("a", ""), ("b", "wrong"), ("c", "unheard of"), ("d", "")):
        work = made(name, 5)
        work.statements = [(statement, [1])] if statement else []
        bench.submit(work)
    bench.open()
    assert bench.answers == [("a", "committed"), ("b", "refused"), ("c", "refused"), ("d", "committed")]
    assert sorted(bench.lines()) == sorted(bench.taken()) == ["a", "d"]


def test_a_pass_whose_state_has_changed_is_void_and_its_neighbours_are_not(bench: Bench) -> None:
    """Compare and set: what began from a state that no longer stands leaves no trace."""
    bench.submit(made("a", 5, lines=1))
    bench.open()
    bench.submit(made("a", 9, before=None, lines=2))  # began before the first was committed
    bench.submit(made("b", 9))
    assert bench.committer.flush(20)
    assert bench.answers[1:] == [("a", "void"), ("b", "committed")]
    bench.submit(made("a", 9, before=state("a", 5), lines=3))
    assert bench.committer.flush(20)
    assert bench.answers[-1] == ("a", "committed")
    assert (bench.lines(), bench.taken()) == ({"a": 3, "b": 1}, {"a": 9, "b": 9})


def test_a_sessions_windows_are_committed_one_after_the_other(bench: Bench) -> None:
    """Handed in together, each still begins from what the one before it committed."""
    bench.submit(made("a", 3))
    bench.submit(made("b", 7))
    bench.submit(made("a", 5, state("a", 3), lines=2))
    bench.submit(made("a", 9, state("a", 5), lines=3))
    bench.open()
    assert {answer for _, answer in bench.answers} == {"committed"}
    assert (bench.committer.commits, bench.taken(), bench.lines()) == (3, {"a": 9, "b": 7}, {"a": 3, "b": 1})


def test_windows_after_one_that_was_refused_are_void(bench: Bench) -> None:
    """Nothing is taken beyond a gap."""
    bench.submit(made("a", 3, lines=2**63))
    bench.submit(made("a", 5, state("a", 3)))
    bench.open()
    assert bench.answers == [("a", "refused"), ("a", "void")]
    assert bench.taken() == bench.lines() == {}


def test_waiting_memory_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who hands in more waits until there is room; who must not wait does not."""
    monkeypatch.setattr(room, "WAITING_BYTES", 1_000_000)
    handed: list[str] = []

    def hand_in() -> None:
        for name in "abcdef":
            bench.submit(made(name, 5, padding=400_000))
            handed.append(name)

    thread = threading.Thread(target=hand_in)
    thread.start()
    until(lambda: len(handed) == 3, "as much as may wait to be handed in")
    bench.submit(made("z", 5), at_once=True)
    thread.join(0.1)
    assert thread.is_alive() and handed == list("abc")
    bench.open()
    thread.join(20)
    assert not thread.is_alive() and bench.committer.flush(20)
    assert sorted(bench.taken()) == list("abcdefz")


def test_close_commits_what_waits(bench: Bench) -> None:
    """However soon after handing in; closing again is nothing, and the committer is stopped."""
    bench.committer.start()
    for name in "abcde":
        bench.submit(made(name, 5))
    assert bench.committer.close(20)
    assert sorted(bench.answers) == [(name, "committed") for name in "abcde"]
    assert sorted(bench.taken()) == list("abcde")
    assert bench.committer.close(20) and not bench.committer.alive()


def test_closing_a_committer_that_was_never_started_is_no_error(bench: Bench) -> None:
    """A service that fails while it starts can still be closed."""
    assert bench.committer.close(1)
    assert bench.committer.close(1)


def hold(bench: Bench, key: str) -> Connection:
    """Somebody else's transaction in which a session's state row was changed: commits of it fail for now."""
    other = bench.connect()
    other.execute("BEGIN")
    other.execute("UPDATE session_processor_state SET username = 'x' WHERE session_file = $1", [key])
    return other


def test_trouble_of_ours_is_named_and_retried_until_it_passes(bench: Bench) -> None:
    """Nobody fails for it, nothing of the group is lost, and it is said only while it lasts."""
    bench.submit(made("a", 5))
    bench.open()
    other = hold(bench, "a")
    bench.submit(made("a", 9, state("a", 5), lines=2))
    bench.submit(made("b", 9))
    until(lambda: bench.committer.trouble, "the trouble to be named")
    assert "onflict" in str(bench.committer.trouble)
    assert len(bench.answers) == 1
    other.execute("ROLLBACK")
    assert bench.committer.flush(20)
    assert bench.committer.trouble is None
    assert sorted(bench.answers[1:]) == [("a", "committed"), ("b", "committed")]
    assert (bench.lines(), bench.taken()) == ({"a": 2, "b": 1}, {"a": 9, "b": 9})


def test_a_connection_that_broke_is_made_anew(bench: Bench) -> None:
    """The next try begins with a fresh one."""
    bench.submit(made("a", 5))
    bench.open()
    assert bench.committer._connection is not None
    bench.committer._connection.close()
    bench.submit(made("a", 9, state("a", 5)))
    assert bench.committer.flush(20)
    assert bench.answers[-1] == ("a", "committed")


def test_what_cannot_be_committed_in_time_is_abandoned_and_said(bench: Bench) -> None:
    """Closing during trouble ends; every pass that waits is answered, and none of them is in the tables."""
    bench.submit(made("a", 5))
    bench.open()
    other = hold(bench, "a")
    bench.submit(made("a", 9, state("a", 5)))
    until(lambda: bench.committer.trouble, "the trouble to be named")
    bench.submit(made("b", 5))
    assert bench.committer.close(0.1)
    other.execute("ROLLBACK")
    assert bench.taken() == {"a": 5}
    assert sorted(bench.answers[1:]) == [("a", "abandoned"), ("b", "abandoned")]
