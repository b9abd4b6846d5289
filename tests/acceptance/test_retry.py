"""When trouble is tried again: a session's own, what lies outside, and ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from tests.support.listener import until
from tests.support.worker_bench import REFUSED, Bench
from watcher.pipeline.backoff import Retry

FAILS = 'raise ValueError("no good")'
BUSY = 'raise Transient("busy")'
#: Two lines that are each a window of one pass.
LARGE = "{" + " " * 5_000_000 + "}\n"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(tmp_path, monkeypatch)
    yield made
    made.end()
    made.database.close()


def come_due(bench: Bench) -> None:
    """As if the time of every next attempt had come, and any pause were over."""
    bench.connection.execute(
        "UPDATE session_processor_state SET next_attempt_at = now() - INTERVAL 1 SECOND WHERE next_attempt_at > now()"
    )
    bench.now += 100_000.0


def quarantine(bench: Bench, key: str) -> None:
    """Let a session fail until it is put aside."""
    bench.tell(key, FAILS)
    bench.round(key)
    for _ in range(2):
        come_due(bench)
        bench.round()
    assert bench.stands(key).status == "quarantined"


def test_delays_double_up_to_the_longest_each_with_jitter() -> None:
    """A quarter more or less, so that what failed together is not tried together."""
    for seed in range(20):
        print(f"seed {seed}")
        random, retry = Random(seed), Retry(30.0, 3600.0, 8)
        for attempts in (1, 2, 3, 4, 7, 8, 9, 100, 10**6):
            plain = min(3600.0, 30.0 * 2 ** (min(attempts, 20) - 1))
            assert 0.75 * plain <= retry.delay(attempts, random) <= 1.25 * plain
        assert len({retry.delay(1, random) for _ in range(10)}) == 10


def test_no_delay_is_longer_than_the_longest() -> None:
    """The setting means what it is called."""
    random, retry = Random(1), Retry(30.0, 3600.0, 8)
    assert max(retry.delay(20, random) for _ in range(100)) <= 3600.0


def test_failures_are_counted_and_tried_again_ever_later_until_quarantine(bench: Bench) -> None:
    """Attempts rise, delays double, and after the last allowed one there is no next."""
    bench.begin(max_attempts=4)
    key = bench.write("a", "{}\n")
    bench.tell(key, FAILS)
    bench.round(key)
    for attempts in (1, 2, 3):
        state, delay = bench.stands(key), 30.0 * 2 ** (attempts - 1)
        assert (state.status, state.attempts, state.processed_at) == ("failed", attempts, None)
        assert "no good" in str(state.last_error) and state.next_attempt_at is not None
        assert 0.75 * delay - 10 < (state.next_attempt_at - datetime.now(UTC)).total_seconds() < 1.25 * delay
        come_due(bench)
        bench.round()
    state = bench.stands(key)
    assert (state.status, state.attempts, state.next_attempt_at) == ("quarantined", 4, None)
    assert bench.calls() == ["a 0"] * 4 and bench.rows() == {}


def test_a_failed_session_is_not_tried_before_its_time_unless_it_changes(bench: Bench) -> None:
    """An offer without a change is left for later; a change is tried at once."""
    key = bench.write("a", "{}\n")
    bench.tell(key, FAILS)
    bench.round(key)
    bench.now += 10.0
    bench.round(key)
    assert bench.calls() == ["a 0"] and bench.stands(key).attempts == 1
    bench.append(key, "{}\n")
    bench.round(key)
    assert bench.calls() == ["a 0", "a 0"] and bench.stands(key).attempts == 2


def test_success_clears_the_trouble(bench: Bench) -> None:
    """Attempts begin anew the next time."""
    key = bench.write("a", "{}\n")
    bench.tell(key, FAILS)
    bench.round(key)
    bench.tell(key, "pass")
    come_due(bench)
    bench.round()
    state = bench.stands(key)
    assert (state.status, state.attempts, state.last_error, state.next_attempt_at) == ("ok", 0, None, None)
    assert bench.rows() == {key: 1}


def test_a_quarantined_session_rests_until_it_changes_or_the_version_rises(bench: Bench) -> None:
    """Neither time nor an offer without a change (a sweep's, say) tries it again."""
    a, b = bench.write("a", "{}\n"), bench.write("b", "{}\n")
    for key in (a, b):
        quarantine(bench, key)
        bench.tell(key, "pass")
    for offered in ([], [a, b]):
        come_due(bench)
        bench.round(*offered)
    assert bench.calls() == ["a 0"] * 3 + ["b 0"] * 3
    bench.append(a, "{}\n")
    bench.round(a)
    assert (bench.stands(a).status, bench.stands(b).status) == ("ok", "quarantined")
    bench.begin(version=2)
    bench.round(b)
    assert (bench.stands(b).status, bench.stands(b).attempts) == ("ok", 0)
    assert bench.rows() == {a: 2, b: 1}


def test_failing_under_a_new_version_ends_in_quarantine_too(bench: Bench) -> None:
    """Also of a session that an older version took: put aside, it is not tried again without a reason."""
    key = bench.write("a", "{}\n")
    bench.round(key)
    bench.begin(version=2)
    quarantine(bench, key)
    assert bench.rows() == {key: 1}
    bench.round(key)
    assert len(bench.calls()) == 4 and bench.stands(key).attempts == 3
    bench.tell(key, "pass")
    bench.append(key, "{}\n")
    bench.round(key)
    assert bench.calls()[-1] == "a 0" and bench.rows() == {key: 2}


def test_what_was_taken_before_a_failure_stands(bench: Bench) -> None:
    """The next try begins after the last window that was committed; until then the session is at work."""
    bench.begin(open=False)
    key = bench.write("a", LARGE * 2)
    bench.tell(key, "if work.start: " + FAILS)
    bench.queue.offer(key, bench.now)
    bench.worker.step(bench.now)
    assert bench.queue.running == 1
    bench.committer.start()
    bench.round()
    assert (bench.rows(), bench.stands(key).processed_bytes, bench.stands(key).attempts) == ({key: 1}, len(LARGE), 1)
    bench.tell(key, "pass")
    come_due(bench)
    bench.round()
    assert bench.calls() == ["a 0"] + [f"a {len(LARGE)}"] * 2
    assert (bench.rows(), bench.stands(key).status) == ({key: 2}, "ok")


def test_after_a_window_that_was_refused_none_is_taken(bench: Bench) -> None:
    """Though the next one comes when the refusal is noted already: nothing is marked done that was not."""
    key = bench.write("a", LARGE * 2)
    noted = bench.orders / "noted"
    wait = f"while not os.path.exists({str(noted)!r}): time.sleep(0.005)"
    bench.tell(key, f"if work.start:\n    {wait}\nelse:\n    {REFUSED}")
    bench.queue.offer(key, bench.now)
    thread = threading.Thread(target=bench.worker.step, args=[bench.now])
    thread.start()
    until(lambda: (state := bench.state(key)) and state.status == "failed", "the refusal to be noted")
    noted.touch()
    thread.join(20)
    assert bench.committer.flush(20)
    assert (bench.stands(key).processed_bytes, bench.rows()) == (0, {})
    assert bench.stands(key).status == "failed"


@pytest.mark.parametrize("window", ["", "\nanswer = dataclasses.replace(answer, consumed=3)"])
def test_refused_rows_are_a_failure_like_any_other(bench: Bench, window: str) -> None:
    """Said, and tried again later; also where more of the session was to come."""
    key = bench.write("a", "{}\n{}\n")
    bench.tell(key, f"import dataclasses\n{REFUSED}{window}")
    bench.round(key)
    state = bench.stands(key)
    assert (state.status, state.attempts, state.processed_bytes) == ("failed", 1, 0)
    assert "refused" in str(state.last_error)
    for _ in range(5):
        bench.round()
    assert bench.calls() == ["a 0"] and bench.at_rest()


def test_trouble_outside_slows_the_processor_and_is_nobodys_fault(bench: Bench) -> None:
    """No mark against the session, and nobody else is sent to a provider that is down."""
    a, b = bench.write("a", "{}\n"), bench.write("b", "{}\n")
    bench.tell(a, BUSY)
    bench.round(a)
    state = bench.stands(a)
    assert (state.status, state.attempts, state.last_error) == ("failed", 0, "busy")
    assert state.next_attempt_at is not None
    assert 0.75 * 30 <= bench.worker.paused_until - bench.now <= 1.25 * 30
    bench.round(b)
    bench.now = bench.worker.paused_until - 0.1
    bench.round()
    assert bench.calls() == ["a 0"] and len(bench.queue) == 1
    bench.now = bench.worker.paused_until
    bench.round()
    assert bench.rows() == {b: 1}


def test_trouble_outside_is_named_while_it_slows_the_processor(bench: Bench) -> None:
    """Health can say why nothing moves."""
    key = bench.write("a", "{}\n")
    bench.tell(key, BUSY)
    bench.round(key)
    assert bench.worker.paused_until > bench.now and bench.worker.trouble == "busy"


def test_who_is_asked_to_wait_waits(bench: Bench) -> None:
    """The other side's own number counts, where it is the longer one."""
    key = bench.write("a", "{}\n")
    bench.tell(key, 'raise Transient("busy", 500)')
    bench.round(key)
    assert bench.worker.paused_until - bench.now == 500


def test_many_sessions_at_once_do_not_hammer(bench: Bench) -> None:
    """The first that meets trouble outside stops the others and slows by one step; later they come before it."""
    keys = [bench.write(f"s{n}", "{}\n") for n in range(30)]
    for key in keys:
        bench.tell(key, BUSY)
    bench.round(*keys)
    assert len(bench.calls()) <= 8  # what the child had in hand already
    assert bench.worker.paused_until - bench.now <= 1.25 * 30
    for key in keys[1:]:
        bench.tell(key, "pass")
    come_due(bench)
    bench.round()
    assert sorted(bench.rows()) == sorted(keys[1:])


def test_trouble_outside_alone_never_quarantines_but_does_where_others_succeed(bench: Bench) -> None:
    """While nobody gets through it is the provider; when others do, it is the session."""
    a, b = bench.write("a", "{}\n"), bench.write("b", "")
    bench.tell(a, BUSY)
    bench.round(a)
    for _ in range(3):
        come_due(bench)
        bench.round()
    assert (len(bench.calls()), bench.stands(a).attempts, bench.stands(a).status) == (4, 0, "failed")
    for _ in range(8):  # a success may be committed just before or just after the other's failure
        bench.append(b, "{}\n")
        bench.queue.offer(b, bench.now)
        come_due(bench)
        bench.round()
    assert (bench.stands(a).status, bench.stands(a).attempts, bench.rows()) == ("quarantined", 3, {b: 8})


def test_trouble_outside_does_not_quarantine_again_what_has_changed(bench: Bench) -> None:
    """A quarantined session changes while the provider is down: it is tried again when that is over."""
    key = bench.write("a", "{}\n")
    quarantine(bench, key)
    bench.tell(key, BUSY)
    bench.append(key, "{}\n")
    bench.round(key)
    assert (bench.stands(key).status, bench.stands(key).next_attempt_at is None) == ("failed", False)
    bench.tell(key, "pass")
    come_due(bench)
    bench.round()
    assert bench.rows() == {key: 2}


@pytest.mark.parametrize("trouble", ["the database", "the processor's package", "descriptors"])
def test_trouble_of_ours_marks_nothing_and_passes(bench: Bench, trouble: str) -> None:
    """It is named, sessions are offered again after a pause, and when it is over they are taken."""
    a, b = bench.write("a", "{}\n"), bench.write("b", "{}\n")
    package = bench.orders.parent / "plugin" / "stranger"
    if trouble == "the database":
        bench.connection.execute("ALTER TABLE session_processor_state RENAME TO aside")
    elif trouble == "descriptors":
        bench.tell(a, "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))")
        bench.round(a)
    else:
        package.rename(package.with_name("aside"))
    bench.round(b)
    paused, named = bench.worker.paused_until, bench.worker.trouble
    assert paused > bench.now and len(bench.queue) == 1
    if trouble == "the database":
        bench.connection.execute("ALTER TABLE aside RENAME TO session_processor_state")
    elif trouble == "descriptors":
        bench.child.kill()
    else:
        package.with_name("aside").rename(package)
    assert bench.state(b) is None and bench.worker.outcomes.tally.failed == 0
    bench.now = paused
    bench.round()
    assert bench.rows()[b] == 1 and bench.worker.trouble is None
    assert named, "it was not named while it lasted"
