"""A pipeline: runs that are asked for, their numbers, one at a time, and sweeps that are owed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.listener import until
from tests.support.pipeline_house import House, numbers
from tests.support.worker_bench import REFUSED
from watcher.errors import SweepUnderWay
from watcher.pipeline.pipeline import RunDetails

FAILS = 'raise ValueError("no good")'


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    made = House(tmp_path, monkeypatch)
    yield made
    made.end()
    made.database.close()


def test_a_run_says_what_it_did(house: House) -> None:
    """Each session of the tree stands in one of the numbers, and each failure with its reason."""
    for n in range(4):
        house.write(f"s{n}", "{}\n{}\n")
    pipeline = house.pipeline()
    assert numbers(pipeline.run_now(20)) == {"scanned": 4, "processed": 4, "items_extracted": 8}
    house.append("ann/s0.jsonl", "{}\n")
    house.write("new", "{}\n")
    bad = house.write("bad", "{}\n")
    house.tell(bad, FAILS)
    details = pipeline.run_now(20)
    assert numbers(details) == {"scanned": 6, "processed": 2, "skipped": 3, "errors": 1, "items_extracted": 2}
    assert [failure["session"] for failure in details.errors_detail] == [bad]
    assert "no good" in details.errors_detail[0]["error"]
    assert details.processor == "stranger" and house.rows()["ann/s0.jsonl"] == 3


def test_what_a_failure_made_is_not_counted(house: House) -> None:
    """Items are those whose rows were committed."""
    house.tell(house.write("bad", "{}\n"), REFUSED)
    house.write("good", "{}\n")
    pipeline = house.pipeline()
    assert numbers(pipeline.run_now(20)) == {"scanned": 2, "processed": 1, "errors": 1, "items_extracted": 1}


def test_a_run_says_nothing_of_what_was_before_it(house: House) -> None:
    """Neither failures nor items of an earlier one; a session that waits for its next try is left alone."""
    house.tell(house.write("bad", "{}\n"), FAILS)
    house.write("good", "{}\n")
    pipeline = house.pipeline()
    assert numbers(pipeline.run_now(20)) == {"scanned": 2, "processed": 1, "errors": 1, "items_extracted": 1}
    assert numbers(pipeline.run_now(20)) == {"scanned": 2, "skipped": 2}


def test_a_session_that_vanished_is_no_negative_number(house: House) -> None:
    """It is not in the tree: neither scanned nor skipped."""
    key = house.write("a", "{}\n")
    pipeline = house.pipeline()
    pipeline.run_now(20)
    (house.root / key).unlink()
    assert numbers(pipeline.run_now(20)) == {}
    assert house.stands(key).status == "gone"


def test_what_is_left_when_the_time_is_up_is_said_and_goes_on(house: House) -> None:
    """The run ends with its budget; the sessions are taken all the same."""
    for n in range(3):
        house.tell(house.write(f"s{n}", "{}\n"), house.waits)
    pipeline = house.pipeline()
    began = time.monotonic()
    details = pipeline.run_now(0.1)
    assert 0.1 <= time.monotonic() - began < 5
    assert numbers(details) == {"scanned": 3, "capped": 3}
    house.gate.touch()
    until(lambda: len(house.rows()) == 3, "the rest to be taken")


def test_what_had_no_room_in_the_queue_is_taken_or_said_to_be_left(house: House) -> None:
    """A run over more sessions than may wait does not say that it is done with those it forgot."""
    for n in range(9):
        house.write(f"s{n}", "{}\n")
    pipeline = house.pipeline(quiet=0.2, max_wait=0.2, max_pending=4)
    details = pipeline.run_now(20)
    assert pipeline.queue.forgotten > 0
    assert details.processed + details.skipped + details.errors + details.capped == details.scanned == 9
    assert len(house.rows()) == details.processed


@pytest.mark.parametrize("ends", ["it is told to", "nobody works"])
def test_a_run_does_not_wait_in_vain(house: House, ends: str) -> None:
    """Told to stop, or with its threads not running, it returns long before its budget."""
    house.tell(house.write("a", "{}\n"), house.waits)
    pipeline = house.pipeline(start=ends == "it is told to")
    details = pipeline.run_now(60, lambda: ends == "it is told to")
    assert numbers(details) == {"scanned": 1, "capped": 1}
    if ends == "nobody works":
        pipeline.start()


def during(house: House, begin: Callable[[], object]) -> tuple[threading.Thread, threading.Event]:
    """Begin something that sweeps, and hold it while it looks at the tree."""
    looking, go_on = threading.Event(), threading.Event()
    house.looks = [looking.set, lambda: go_on.wait(20)]
    thread = threading.Thread(target=begin)
    thread.start()
    assert looking.wait(20)
    return thread, go_on


def test_a_second_sweep_or_run_is_refused_while_one_looks(house: House) -> None:
    """Not queued, and said; afterwards all may again."""
    pipeline = house.pipeline()
    ways: list[Callable[[], object]] = [lambda: pipeline.run_now(20), lambda: pipeline.sweep("test")]
    for first in ways:
        thread, go_on = during(house, first)
        for second in ways:
            with pytest.raises(SweepUnderWay, match="stranger"):
                second()
        go_on.set()
        thread.join(20)
    assert pipeline.run_now(20).scanned == 0 and pipeline.sweep("test").scanned == 0


def test_a_second_run_is_refused_while_one_waits_for_its_sessions(house: House) -> None:
    """A run is under way until its sessions are through; the sweeps by the clock go on."""
    house.tell(house.write("a", "{}\n"), house.waits)
    pipeline = house.pipeline()
    found: list[RunDetails] = []
    thread = threading.Thread(target=lambda: found.append(pipeline.run_now(20)))
    thread.start()
    until(lambda: house.calls(), "its session to be read")
    with pytest.raises(SweepUnderWay):
        pipeline.run_now(20)
    assert pipeline.sweep("by the clock").scanned == 1
    house.gate.touch()
    thread.join(20)
    assert found[0].processed == 1
    assert pipeline.run_now(20).scanned == 1


@pytest.mark.parametrize("failure", ["the tree", "the database"])
def test_after_a_sweep_that_failed_all_may_sweep_again_and_one_is_owed(house: House, failure: str) -> None:
    """The lock is free, the failure is the caller's to know, and what was not compared is not forgotten."""
    key = house.write("a", "{}\n")
    pipeline = house.pipeline()

    def fail() -> None:
        raise OSError("no descriptors")

    if failure == "the tree":
        house.looks = [fail]
    else:
        house.connection.execute("ALTER TABLE session_processor_state RENAME TO aside")
    for attempt in (lambda: pipeline.run_now(20), lambda: pipeline.sweep("test"), lambda: pipeline.run_now(20)):
        with pytest.raises((OSError, *house.database.Error)):
            attempt()
    if failure == "the tree":
        house.looks.clear()
    else:
        house.connection.execute("ALTER TABLE aside RENAME TO session_processor_state")
    assert "failed" in str(pipeline.queue.owed)
    pipeline.settle_debt()
    assert pipeline.queue.owed is None
    until(lambda: house.rows() == {key: 1}, "what it offered to be taken")


def test_a_debt_is_settled_once_and_only_where_there_is_one(house: House) -> None:
    """No debt, no sweep; a debt, one sweep; and what it finds is offered."""
    house.write("a", "{}\n")
    pipeline = house.pipeline(start=False)
    pipeline.settle_debt()
    assert pipeline.last_sweep is None
    pipeline.queue.owe("events were lost")
    pipeline.settle_debt()
    assert pipeline.last_sweep is not None and pipeline.queue.pending(["ann/a.jsonl"]) == {"ann/a.jsonl"}
    first = pipeline.last_sweep
    pipeline.settle_debt()
    assert pipeline.last_sweep is first
    pipeline.start()


def test_a_debt_waits_while_the_queue_is_crowded_or_a_sweep_goes_on(house: House) -> None:
    """A full queue would only overflow again; a debt that comes up during a sweep stays for the next."""
    pipeline = house.pipeline(start=False, max_pending=4)
    for n in range(6):
        pipeline.queue.offer(house.write(f"s{n}", "{}\n"), time.monotonic())
    pipeline.settle_debt()
    assert pipeline.last_sweep is None and "full" in str(pipeline.queue.owed)
    pipeline.start()
    until(pipeline.queue.idle, "those that wait to be taken")
    thread, go_on = during(house, pipeline.settle_debt)
    pipeline.queue.owe("a folder moved in")
    pipeline.settle_debt()
    go_on.set()
    thread.join(20)
    assert pipeline.queue.owed == "a folder moved in"
    until(lambda: len(house.rows()) == 6, "what had been forgotten to be taken")


def test_many_workers_never_take_one_session_at_once(house: House) -> None:
    """However often it changes while it is read."""
    key, log = house.write("a", ""), house.orders / "log"
    log.touch()
    house.tell(key, f"log = open({str(log)!r}, 'a', 1)\nlog.write('in\\n')\ntime.sleep(0.02)\nlog.write('out\\n')")
    pipeline = house.pipeline(workers=2)

    def change() -> None:
        before = log.read_text().count("in")
        house.append(key, "{}\n")
        pipeline.queue.offer(key, time.monotonic())
        until(lambda: log.read_text().count("in") > before, "somebody to read it")

    for _ in range(8):
        change()
    until(lambda: house.rows().get(key) == 8, "all lines to be taken")
    words = log.read_text().split()
    assert words == ["in", "out"] * (len(words) // 2)


def test_stopping_finishes_what_runs_and_says_so(house: House) -> None:
    """What was read is committed, the rest is left for the next start; twice is as good as once."""
    key = house.write("a", "{}\n")
    pipeline = house.pipeline()
    pipeline.run_now(20)
    children = [worker._child for worker in pipeline.workers]
    for _ in range(2):
        pipeline.stop()
        assert pipeline.finish(20)
    assert not pipeline.alive() and [child.pid for child in children] == [None]
    assert house.rows() == {key: 1} and not pipeline.queue.offer(key, time.monotonic())


def test_stopping_waits_no_longer_than_it_may(house: House) -> None:
    """A commit that hangs holds up nobody: it is said to be late, and is whole or not at all."""
    key = house.write("a", "{}\n")
    house.tell(key, house.waits)
    pipeline = house.pipeline()
    pipeline.queue.offer(key, time.monotonic())
    until(lambda: pipeline.workers[0]._child.pid is not None, "it to be looked at")
    with house.database.gate.held():  # as by a disk that does not answer
        house.gate.touch()
        until(lambda: pipeline.committer._busy, "its rows to be with the committer")
        began = time.monotonic()
        pipeline.stop()
        assert not pipeline.finish(0.2)
        assert time.monotonic() - began < 10
    assert pipeline.finish(20)
    assert house.rows() in ({}, {key: 1})
