"""Full disks, damaged logs, exhausted descriptors: nothing is lost, health says it, and it passes by itself."""

from __future__ import annotations

import json
import random
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.faults.kernel import mount, unmount
from tests.support.harness import PRICES, Subject, exact_price
from tests.support.kills import Place as Killed
from tests.support.kills import end_of
from tests.support.listener import until
from tests.support.oracle import COLUMNS, Oracle
from tests.support.processes import Place, call, lines
from tests.support.random_lines import Pool, session_lines
from tests.support.served import served
from tests.support.transcript_lines import Talk

pytestmark = pytest.mark.faults


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A sessions folder, and a state folder on a small disk of its own."""
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    state = tmp_path / "state"
    state.mkdir()
    mount(state, "-o", "size=24m")
    yield Place(tmp_path / "sessions", state)
    unmount(state)


def fill(folder: Path, leave: int = 0) -> Path:
    """Take all room of a small disk, but so many bytes."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
    with ballast.open("r+b") as file:
        file.truncate(max(0, ballast.stat().st_size - leave))
    return ballast


def counted(place: Place) -> int:
    """Calls in the tables; -1 while the service cannot say."""
    found = place.ask("/api/usage/users")
    return sum(row[2] for row in found["rows"]) if found else -1


def write(place: Place, oracle: Oracle, name: str, rng: random.Random, count: int) -> None:
    """More lines for a session, the oracle told."""
    path = place.sessions / "ann" / name
    talk = Talk(f"session of {name}", "/home/ann/shop")
    with path.open("ab") as file:
        file.write(b"".join(session_lines(rng, count, talk, POOL)))
    oracle.content(f"ann/{name}", path.read_bytes())


POOL = Pool()


def must_equal(place: Place, oracle: Oracle, told: str) -> None:
    """What an orderly look at the tables finds, without a pass more."""
    subject = Subject(place.sessions, place.state)
    try:
        subject.must_equal(oracle, told)
    finally:
        subject.close()


def with_exact_prices(place: Place) -> None:
    """The service prices as the oracle does."""
    place.environment["WATCHER_PROCESSORS__USAGE__PRICES"] = json.dumps(PRICES)


def test_a_full_disk_while_rows_are_written(place: Place) -> None:
    """Commits wait, health is red and names the disk; with room again all goes on, without a restart."""
    rng = random.Random(1)
    oracle = Oracle(price=exact_price)
    with_exact_prices(place)
    write(place, oracle, "a.jsonl", rng, 40)
    running = place.start()
    try:
        until(lambda: place.health()["status"] == "ok" and counted(place) > 0, "the first rows", 60)
        ballast = fill(place.state)
        for n in range(12):
            write(place, oracle, f"b{n}.jsonl", rng, 60)
        write(place, oracle, "a.jsonl", rng, 40)
        until(lambda: place.said("database", "No space left"), "health to name the full disk", 60)
        assert place.health()["status"] == "unhealthy"
        time.sleep(0.1)
        ballast.unlink()
        until(lambda: place.health()["status"] == "ok", "health to be well again", 60)
        iteration = COLUMNS["usage_messages"].index("iteration")
        wanted = sum(row[iteration] == -1 for row in oracle.tables()["usage_messages"])
        until(lambda: counted(place) == wanted, "all rows", 60)
        assert running.process.poll() is None
        assert running.stop() == 0
    finally:
        running.kill()
    must_equal(place, oracle, "after a full disk")


def test_a_full_disk_in_a_checkpoint(place: Place) -> None:
    """The database is poisoned by it, opened anew, and nothing is lost; again and again."""
    rng = random.Random(2)
    oracle = Oracle(price=exact_price)
    subject = Subject(place.sessions, place.state)
    try:
        for turn in range(4):
            for n in range(6):
                write(place, oracle, f"c{n}.jsonl", rng, 80)
            subject.catch_up()
            ballast = fill(place.state, leave=turn * 4096)
            try:
                subject.open().database.checkpoint()
            except subject.open().database.Error as error:
                failed = str(error)
            else:
                failed = ""
            assert "No space left" in failed, f"turn {turn}: the checkpoint found room"
            # It works on, without room: what does not fit waits.
            write(place, oracle, "d.jsonl", rng, 40)
            core = subject.open()
            with suppress(*core.database.Error):  # where there is no room even to open it
                core.pipelines["usage"].sweep("asked for")
            ballast.unlink()
            subject.catch_up()
            subject.must_equal(oracle, f"turn {turn}")
    finally:
        subject.close()
    must_equal(place, oracle, "in the end")


def test_no_room_to_begin_with(place: Place) -> None:
    """One sentence, exit code 2; with room again it starts."""
    ballast = fill(place.state)
    found = place.run("once")
    assert found.returncode == 2, found.stderr
    assert found.stderr.count("\n") == 1 and "No space left" in found.stderr, found.stderr
    ballast.unlink()
    (place.sessions / "ann" / "a.jsonl").write_bytes(call("m1"))
    assert place.run("once").returncode == 0
    assert place.json("usage", "users")["rows"][0][2] == 1


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_log(tmp_path: Path, seed: int) -> None:
    """Set aside by name, said by health; the database stands at its last checkpoint and sweeps make the rest good."""
    place = Killed(tmp_path, 400 + seed)
    place.steps(40)
    place.catch_up()
    # What is gone from the tree cannot be made good from it: the history ends with everything there.
    place.history.before_loss = place.catch_up
    place.history.look()
    wal = place.state / "watcher.duckdb.wal"
    for n in range(30):
        place.history.create() or place.history.append()
        place.history.look()
        if n % 10 == 9:
            code, _, err = end_of(place.start("after a commit", 1, 0.0))
            assert code == -signal.SIGKILL, err
    assert wal.stat().st_size > 1000
    data = bytearray(wal.read_bytes())
    where = place.rng.randrange(40, len(data) - 200)
    data[where : where + 64] = place.rng.randbytes(64)
    wal.write_bytes(data)
    subject = Subject(place.root, place.state)
    try:
        subject.catch_up()
        subject.must_equal(place.oracle, f"seed {seed}, damaged at {where} of {len(data)}")
        named = [one for one in subject.open().health.findings() if one.name == "wal_set_aside"]
        aside = list(place.state.glob("*.wal.damaged-*"))
        assert len(named) == len(aside) == 1 and aside[0].name in named[0].message
        assert aside[0].read_bytes() == data
    finally:
        subject.close()


def children(pid: int) -> list[psutil.Process]:
    """The child processes of the service."""
    found: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
    return found


def limit_files(pid: int, limit: int) -> tuple[int, int]:
    """Another limit of open files for a process that runs; the one that it had."""
    before: tuple[int, int] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, before[1]))
    return before


@pytest.mark.parametrize("whose", ["the child's", "the service's"])
def test_no_descriptors_left(place: Place, whose: str) -> None:
    """Nothing is marked, what could not be read is read when there are some again; it is said where it can be."""
    (place.sessions / "ann" / "a.jsonl").write_bytes(lines(["m1"]))
    running = place.start()
    try:
        until(lambda: counted(place) == 1, "the first rows", 60)
        service = running.process.pid
        pids = [child.pid for child in children(service)] if whose == "the child's" else [service]
        assert pids
        before = {pid: limit_files(pid, 3) for pid in pids}
        for n in range(20):
            (place.sessions / "ann" / f"n{n}.jsonl").write_bytes(call(f"n{n}"))
        if whose == "the child's":
            until(lambda: place.said("processor_waits", "open files"), "health to name it", 60)
        else:
            until(lambda: "Too many open files" in running.log.read_text(), "the log to name it", 60)
        for pid, limits in before.items():
            with suppress(ProcessLookupError):  # a child that was put away meanwhile
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        until(lambda: counted(place) == 21, "all rows", 60)
        until(lambda: place.health()["status"] == "ok", "health to be well again", 60)
        assert all(entry["failed"] == 0 and entry["quarantined"] == 0 for entry in place.json("status")["processors"])
        assert running.stop() == 0
    finally:
        running.kill()


def test_a_transcript_that_is_sent_to_a_full_disk_is_whole_or_not_there(tmp_path: Path) -> None:
    """507, whichever of the two disks is full; what was there is as it was, and with room it is taken."""
    (tmp_path / "sessions").mkdir()
    (tmp_path / "state").mkdir()
    for folder, size in (("sessions", "2m"), ("state", "24m")):
        mount(tmp_path / folder, "-o", f"size={size}")
    try:
        with served(tmp_path) as service:
            first, more = lines(["m1"]), b"".join(call(f"n{n}", tokens=n) for n in range(6000))
            assert service.ask("PUT", "/api/upload/ann/a.jsonl", body=first).status == 201
            for disk in ("sessions", "state"):
                # The state's disk keeps some room, for the audit: only what waits there in memory's stead is too much.
                ballast = fill(tmp_path / disk, 0 if disk == "sessions" else 1_000_000)
                for headers in ({}, {"Upload-Offset": str(len(first))}):
                    refused = service.ask("PUT", "/api/upload/ann/a.jsonl", body=more, headers=headers)
                    assert refused.status == 507 and "no room" in refused.detail, disk
                assert service.audit()[-1]["status"] == 507
                assert [p.name for p in (service.sessions / "ann").iterdir()] == ["a.jsonl"]
                assert (service.sessions / "ann" / "a.jsonl").read_bytes() == first
                ballast.unlink()
            sent = service.ask("PUT", "/api/upload/ann/a.jsonl", body=more[:1_000_000], headers=headers)
            assert sent.status == 200
            assert (service.sessions / "ann" / "a.jsonl").read_bytes() == first + more[:1_000_000]
    finally:
        for folder in ("sessions", "state"):
            unmount(tmp_path / folder)
