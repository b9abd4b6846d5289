"""The worker: one round at a time, without a thread, on a pretended clock; all around it is real."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.listener import until
from tests.support.worker_bench import Bench
from watcher.malloc import give_back
from watcher.pipeline.worker import IDLE

ONE_LINE = """\
n = work.carry.get("lines", 0) + 1
size = work.lines.data.index(b"\\n") + 1
answer = Extraction({"strange": [{"lines": n}]}, items=1, consumed=size, carry={"lines": n})
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(tmp_path, monkeypatch)
    yield made
    made.end()
    made.database.close()


def test_a_pass_leaves_rows_and_says_how_far_it_went(bench: Bench) -> None:
    """Rows, and a state row with what was seen and taken."""
    key = bench.write("a", "{}\n{}\n{to")
    bench.round(key)
    state, seen = bench.stands(key), (bench.root / key).stat()
    assert bench.rows() == {key: 2}
    assert (state.status, state.username, state.processed_bytes, state.items_extracted) == ("ok", "ann", 6, 2)
    assert (state.processor_version, state.attempts, state.last_error) == (1, 0, None)
    assert state.signature[:3] == (seen.st_ino, seen.st_size, seen.st_mtime_ns)
    assert bench.queue.idle() and bench.worker.outcomes.tally.processed == 1


def test_an_append_gives_the_new_lines_and_what_was_remembered(bench: Bench) -> None:
    """The carry goes from pass to pass, also through a restart; what was taken is not given again."""
    key = bench.write("a", "{}\n{}\n")
    bench.round(key)
    bench.append(key, "{}\n")
    bench.round(key)
    bench.begin()
    bench.append(key, "{}\n{}\n")
    bench.round(key)
    assert bench.calls() == ["a 0", "a 6", "a 9"]
    assert (bench.rows(), bench.stands(key).items_extracted) == ({key: 5}, 5)


def test_another_file_than_before_is_taken_anew(bench: Bench) -> None:
    """Rewritten or truncated: its rows are those of the present content alone."""
    later = {"rewritten": '{"x":1}\n', "shorter": "{}\n", "empty": "", "torn": "{}\n{}"}
    keys = [bench.write(name, "{}\n{}\n{}\n") for name in later]
    bench.round(*keys)
    for name, data in later.items():
        bench.write(name, data)
    bench.round(*keys)
    assert bench.rows() == {"ann/rewritten.jsonl": 1, "ann/shorter.jsonl": 1, "ann/torn.jsonl": 1}
    assert [bench.stands(key).items_extracted for key in keys] == [1, 1, 0, 1]


def test_a_touched_file_makes_no_new_rows(bench: Bench) -> None:
    """Other times, the same bytes: noted, and the processor is not asked."""
    key = bench.write("a", "{}\n")
    bench.round(key)
    os.utime(bench.root / key, ns=(5, 5))
    bench.round(key)
    assert (bench.calls(), bench.rows()) == (["a 0"], {key: 1})
    assert (bench.stands(key).file_mtime_ns, bench.stands(key).items_extracted) == (5, 1)


def test_a_file_that_was_seen_as_it_is_is_not_read(bench: Bench) -> None:
    """Offered once more for nothing: nothing is committed."""
    key = bench.write("a", "{}\n")  # its child takes longer to start than a ctime takes to be trusted
    for commits in (1, 1, 1):
        bench.round(key)
        assert bench.committer.commits == commits
    assert bench.worker.outcomes.tally.skipped == 2


def test_a_ctime_within_the_clocks_grain_is_not_trusted(bench: Bench) -> None:
    """Read 19 ms after its change, a file is read again although it looks the same, until it is older."""
    key, clock = bench.write("a", "{}\n"), bench.write("clock", "{}\n")
    path = str(bench.root / key)
    bench.tell(clock, f"time.time_ns = lambda: os.stat({path!r}).st_ctime_ns + 19_000_000")
    bench.round(clock)
    for _ in range(2):
        bench.round(key)
        assert bench.stands(key).file_ctime_ns is None
    assert bench.worker.outcomes.tally.skipped == 0
    bench.tell(clock, f"time.time_ns = lambda: os.stat({path!r}).st_ctime_ns + 21_000_000")
    bench.append(clock, "{}\n")
    bench.round(clock)
    bench.round(key)
    assert bench.stands(key).file_ctime_ns == os.stat(path).st_ctime_ns
    bench.round(key)
    assert bench.worker.outcomes.tally.skipped == 1 and bench.rows()[key] == 1


def test_a_raised_version_takes_the_whole_session_again(bench: Bench) -> None:
    """Though the file is the same; its rows are made anew, once."""
    key = bench.write("a", "{}\n{}\n")
    bench.round(key)
    bench.begin(version=2)
    bench.round(key)
    bench.round(key)
    assert bench.calls() == ["a 0", "a 0"]
    assert (bench.rows(), bench.stands(key).items_extracted) == ({key: 2}, 2)
    assert bench.stands(key).processor_version == 2


def test_what_stands_whatever_version_made_it_goes_on_from_where_it_was(bench: Bench) -> None:
    """New lines alone are given, and the rows are still the earlier version's, until the session is taken whole."""
    key = bench.write("a", "{}\n{}\n")
    bench.round(key)
    bench.begin(version=3, stands_from=0)
    bench.round(key)
    assert bench.worker.outcomes.tally.skipped == 1
    bench.append(key, "{}\n")
    bench.round(key)
    assert bench.calls() == ["a 0", "a 6"] and bench.rows() == {key: 3}
    assert (bench.stands(key).processor_version, bench.stands(key).processed_bytes) == (1, 9)
    bench.write("a", "[]\n")
    bench.round(key)
    assert bench.calls()[-1] == "a 0" and bench.stands(key).processor_version == 3


def test_what_stands_is_not_taken_whole_for_a_failure(bench: Bench) -> None:
    """It is tried again from where it was, as often as it takes; a version that makes all anew begins anew."""
    keys = [bench.write(name, "{}\n{}\n") for name in "ab"]
    bench.round(*keys)
    for stands_from, key in zip((0, 2), keys, strict=True):
        bench.begin(version=2, stands_from=stands_from)
        bench.append(key, "{}\n")
        bench.tell(key, "raise ValueError")
        bench.round(key)
        state = bench.stands(key)
        assert state.status == "failed"
        assert (state.processed_bytes, state.processor_version) == ((6, 1) if stands_from == 0 else (0, 2))
        bench.tell(key, "")
        bench.append(key, "{}\n")
        bench.now += 3600.0
        bench.round(key)
        assert bench.rows()[key] == 4
    assert bench.calls() == ["a 0", "b 0", "a 6", "a 6", "b 0", "b 0"]


def test_consuming_less_than_given_is_a_window_a_commit_and_a_next_pass(bench: Bench) -> None:
    """The rest is given again, with the carry of the window before it."""
    key = bench.write("a", "{}\n{}\n{}\n")
    bench.tell(key, ONE_LINE)
    for taken in (1, 2, 3):
        bench.round(*[key] if taken == 1 else [])
        assert (bench.rows(), bench.stands(key).processed_bytes) == ({key: taken}, 3 * taken)
        assert bench.committer.commits == taken
    assert bench.calls() == ["a 0", "a 3", "a 6"] and bench.at_rest()


def test_an_offer_during_the_pass_runs_after_it(bench: Bench) -> None:
    """Until the committer has decided, the session is not taken again; then what came meanwhile is."""
    bench.begin(open=False)
    key = bench.write("a", "{}\n")
    bench.queue.offer(key, bench.now)
    bench.worker.step(bench.now)
    bench.append(key, "{}\n")
    bench.queue.offer(key, bench.now)
    assert bench.at_rest() and bench.calls() == ["a 0"]
    bench.committer.start()
    assert bench.committer.flush(20)
    bench.round()
    assert (bench.calls(), bench.rows()) == (["a 0", "a 3"], {key: 2})


def test_a_void_pass_is_offered_again(bench: Bench) -> None:
    """Its state changed under it: nothing of it comes in, and the session is taken from where it stands now."""
    key = bench.write("a", "{}\n{}\n")
    bench.round(key)
    bench.begin(open=False)
    bench.append(key, "{}\n")
    bench.queue.offer(key, bench.now)
    bench.worker.step(bench.now)
    bench.connection.execute("DELETE FROM strange")
    bench.connection.execute("DELETE FROM session_processor_state")
    bench.committer.start()
    assert bench.committer.flush(20)
    assert (bench.rows(), bench.state(key)) == ({}, None)
    bench.round()
    assert (bench.calls(), bench.rows()) == (["a 0", "a 6", "a 0"], {key: 3})


def test_an_idle_child_is_put_away_and_comes_back_when_needed(bench: Bench) -> None:
    """A processor with nothing to do holds no process."""
    bench.round(bench.write("a", "{}\n"))
    bench.now += IDLE
    bench.round()
    assert bench.child.pid is not None
    bench.now += 1.0
    bench.round()
    assert bench.child.pid is None
    bench.round(bench.write("b", "{}\n"))
    assert len(bench.rows()) == 2


def test_what_was_freed_is_given_back() -> None:
    """After many small things the C library would keep nearly all of their memory."""
    process = psutil.Process()
    many = [bytes([n % 256]) * 1000 for n in range(100_000)]
    kept = many[::1000]  # here and there one that stays, so that nothing goes by itself
    kept.append(many[-1])
    before = process.memory_info().rss
    del many
    give_back()
    assert kept and before - process.memory_info().rss > 50_000_000


def test_a_session_is_done_while_the_child_is_at_the_next(bench: Bench) -> None:
    """The committer's answer does not wait for the end of a read that takes long."""
    a, b = bench.write("a", "{}\n"), bench.write("b", "{}\n")
    bench.tell(b, "threading.Event().wait()")
    bench.queue.offer(a, bench.now)
    bench.queue.offer(b, bench.now)
    bench.worker.start()
    until(lambda: bench.calls() and bench.worker.outcomes.tally.processed == 1, "the first to be counted")
    assert (bench.queue.running, bench.rows()) == (1, {a: 1})
    bench.worker.stop()
    assert bench.worker.join(10) and bench.queue.running == 0


def test_its_thread_ends_when_told_though_somebody_hangs(bench: Bench) -> None:
    """What was read before is committed, nothing is said of the session it was at, and no child is left."""
    a, b = bench.write("a", "{}\n"), bench.write("b", "{}\n")
    bench.tell(b, "threading.Event().wait()")
    bench.worker.start()
    bench.queue.offer(a, bench.now)
    bench.queue.offer(b, bench.now)
    until(lambda: len(bench.calls()) == 2 and bench.rows(), "the first to be committed and the second to be read")
    bench.worker.stop()
    assert bench.worker.join(10) and not bench.worker.alive()
    assert bench.committer.flush(20) and bench.child.pid is None
    assert (bench.rows(), bench.state(b), bench.queue.running) == ({a: 1}, None, 0)
