"""Each thing that is measured, beside its yardstick."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import xxhash

from tests.bench.generate import Writer, corpus, small_sessions
from tests.support.harness import Subject, settings_for
from tests.support.listener import until
from tests.support.processes import Place, call
from watcher.daemon import REST, LiveService
from watcher.plugins import discover
from watcher.settings import Loaded
from watcher.store.duck import LONG_LOG, DuckDatabase
from watcher.store.migrations import migrate
from watcher.store.state import COLUMNS, State

#: Measured is ``usage`` alone, as its yardsticks are.
OTHERS = sorted(discover().keys() - {"usage"})
ALONE = {f"processors.{name}.enabled": False for name in OTHERS}


@dataclass(frozen=True)
class Measure:
    """A figure beside its yardstick; smaller is better."""

    name: str
    ours: float
    yardstick: float
    unit: str
    #: What ``ours / yardstick`` is to be at most.
    asked: float

    @property
    def ratio(self) -> float:
        return self.ours / self.yardstick


@dataclass(frozen=True)
class Size:
    """How much is measured on."""

    folder: Path
    bytes: int = 10**9
    sessions: int = 2000
    turns: int = 3


@contextmanager
def scratch(size: Size) -> Iterator[Path]:
    """A folder on the same disk, gone afterwards."""
    made = Path(tempfile.mkdtemp(prefix="scratch-", dir=size.folder))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def place(sessions: Path, state: Path) -> Place:
    """Commands on a tree, with ``usage`` alone."""
    return Place(sessions, state, {f"WATCHER_PROCESSORS__{name.upper()}__ENABLED": "false" for name in OTHERS})


def took(command: list[str], environment: dict[str, str]) -> float:
    """Seconds from a process's start to its end."""
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def yardstick(name: str, sessions: Path, state: Path) -> list[str]:
    """The command line of a yardstick."""
    return [sys.executable, "-m", "tests.bench.yardsticks", name, str(sessions), str(state)]


def once(size: Size) -> Iterator[Measure]:
    """A cold and a warm ``once``, from process start to exit."""
    root = size.folder / "corpus"
    corpus(root, size.bytes, size.sessions)
    cold: list[float] = []
    decoded: list[float] = []
    warm: list[float] = []
    looked: list[float] = []
    for _ in range(size.turns):
        with scratch(size) as folder:
            ours = place(root, folder / "state")
            environment = ours.surroundings()
            decoded.append(took(yardstick("decode", root, folder), environment))
            cold.append(took(ours.command("once"), environment))
            for _ in range(size.turns):
                looked.append(took(yardstick("look", root, folder / "state"), environment))
                warm.append(took(ours.command("once"), environment))
    yield Measure("once, cold", min(cold), min(decoded), "s", 3.0)
    yield Measure("once, nothing changed", min(warm), min(looked), "s", 1.5)


def append(size: Size) -> Iterator[Measure]:
    """1 kB more in a session of 500 MB, from the write to the commit."""
    with scratch(size) as folder:
        root = folder / "sessions"
        path = root / "ann" / "long.jsonl"
        path.parent.mkdir(parents=True)
        piece = Writer(2).session("long", 10_000_000)
        with path.open("wb") as file:
            for _ in range(max(1, size.bytes // 2 // len(piece))):
                file.write(piece)
        subject = Subject(root, folder / "state", ALONE)
        subject.catch_up(["usage"])
        ours, hashed = [], []
        for turn in range(4 * size.turns):
            with path.open("ab") as file:
                file.write((call(f"more{turn}") + b" " * 1000)[:1000] + b"\n")
            began = time.perf_counter()
            hasher = xxhash.xxh3_128()
            with path.open("rb", buffering=0) as file:
                while chunk := file.read(1 << 20):
                    hasher.update(chunk)
            hashed.append(time.perf_counter() - began)
            began = time.perf_counter()
            (details,) = subject.catch_up(["usage"])
            ours.append(time.perf_counter() - began)
            assert details.processed == 1
        subject.close()
    yield Measure("1 kB more in a session of half the corpus", min(ours), min(hashed), "s", 2.0)


def latency(size: Size) -> Iterator[Measure]:
    """From the last write to its rows in the table, beyond ``quiet``."""
    quiet = 0.2
    with scratch(size) as folder:
        (folder / "sessions" / "ann").mkdir(parents=True)
        overrides = {"processors.usage.quiet": f"{quiet * 1000:.0f}ms", **ALONE}
        service = LiveService(Loaded(settings_for(folder / "sessions", folder / "state", **overrides), {}))
        service.start()
        committer = service.core.pipelines["usage"].committer
        path = folder / "sessions" / "ann" / "a.jsonl"
        path.write_bytes(b"".join(call(f"first{n}") for n in range(100)))
        until(lambda: committer.passes == 1, "the first pass")
        ours = []
        for turn in range(10 * size.turns):
            before = committer.passes
            with path.open("ab", buffering=0) as file:
                file.write(call(f"m{turn}"))
            began = time.perf_counter()
            while committer.passes == before:
                assert time.perf_counter() - began < 20
                time.sleep(0.0002)
            ours.append(time.perf_counter() - began - quiet)
        service.stop()
        commits = single_commits(folder, 200)
    yield Measure("last write to committed rows, beyond quiet", statistics.median(ours), commits, "s", 20.0)


def single_commits(folder: Path, count: int) -> float:
    """The median time of one commit of one state row."""
    database = DuckDatabase(folder / "single.duckdb")
    migrate(database, folder)
    connection = database.connect()
    row = State(processor_name="usage", session_file="", username="ann", processed_at=datetime.now(UTC))
    values = ", ".join(f"${n}" for n in range(1, len(COLUMNS) + 1))
    sql = f"INSERT OR REPLACE INTO session_processor_state ({', '.join(COLUMNS)}) VALUES ({values})"
    times = []
    for number in range(count):
        fields = [getattr(row, name) for name in COLUMNS]
        fields[1] = f"ann/{number}.jsonl"
        began = time.perf_counter()
        connection.execute(sql, fields)
        times.append(time.perf_counter() - began)
    connection.close()
    database.close()
    return statistics.median(times)


def burst(size: Size) -> Iterator[Measure]:
    """10,000 small sessions at once: seconds for each state row that is committed, everything included."""
    count = max(100, size.sessions * 5)
    with scratch(size) as folder:
        small_sessions(folder / "sessions", count)
        subject = Subject(folder / "sessions", folder / "state", ALONE)
        subject.open()
        began = time.perf_counter()
        subject.catch_up(["usage"])
        ours = (time.perf_counter() - began) / count
        subject.close()
        commits = single_commits(folder, 300)
    yield Measure(f"a state row, {count:,} sessions at once", ours, commits, "s", 1 / 8)


def idle(size: Size) -> Iterator[Measure]:
    """A service with nothing to do: 10,000 folders and 100,000 files."""
    folders, files = size.sessions * 5, size.sessions * 50
    with scratch(size) as folder:
        small_sessions(folder / "sessions", files, folders)
        ours = Place(folder / "sessions", folder / "state")
        running = ours.start()
        try:
            process = psutil.Process(running.process.pid)

            def through() -> bool:
                found = ours.health()["processors"]
                return len(found) == len(discover()) and all(one["since_start"]["processed"] == files for one in found)

            until(through, "everything to be read", 900)
            until(lambda: not process.children(recursive=True), "the children to be put away", 120)
            log = folder / "state" / "watcher.duckdb.wal"
            until(lambda: not log.exists() or log.stat().st_size < LONG_LOG, "the database to be at rest", 120)
            before = cpu(process)
            began = time.monotonic()
            time.sleep(30)
            busy = (cpu(process) - before) / (time.monotonic() - began)
            at_rest = process.memory_full_info().pss
            before = cpu(process)
            ours.run("once")  # asks the service for a sweep of each
            sweeps = cpu(process) - before
            time.sleep(REST + 10)
            memory = max(at_rest, process.memory_full_info().pss)
        finally:
            assert running.stop() == 0
    # What a sweep costs is spread over the ten minutes between two of them.
    yield Measure("idle: share of a core", busy + sweeps / 600, 0.01, "", 1.0)
    yield Measure("idle: memory", memory / 1e6, 250, "MB", 1.0)


def cpu(process: psutil.Process) -> float:
    """Seconds of processor time so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def memory(size: Size) -> Iterator[Measure]:
    """The most memory that a cold ``once`` takes, beside that on a quarter of the corpus."""
    peaks = {}
    for share in (4, 1):
        root = size.folder / ("corpus" if share == 1 else "quarter")
        corpus(root, size.bytes // share, size.sessions // share)
        with scratch(size) as folder:
            ours = place(root, folder / "state")
            peaks[share] = peak(ours.command("once"), ours.surroundings())
    yield Measure("memory, beside a quarter of the corpus", peaks[1] / 1e6, peaks[4] / 1e6, "MB", 1.25)


def peak(command: list[str], environment: dict[str, str]) -> float:
    """The most memory that a process and its children had at once, in bytes."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = 0.0
    stop = threading.Event()

    def watch() -> None:
        nonlocal most
        seen = psutil.Process(process.pid)
        while not stop.is_set():
            total = 0.0
            try:
                for one in (seen, *seen.children(recursive=True)):
                    total += one.memory_full_info().pss
            except psutil.Error:
                continue
            most = max(most, total)
            time.sleep(0.02)

    watching = threading.Thread(target=watch)
    watching.start()
    assert process.wait(600) == 0
    stop.set()
    watching.join()
    return most


#: Name to what yields its figures.
MEASURES: dict[str, Callable[[Size], Iterator[Measure]]] = {
    "once": once,
    "append": append,
    "latency": latency,
    "burst": burst,
    "idle": idle,
    "memory": memory,
}


def as_json(measures: list[Measure]) -> str:
    """The figures for another program."""
    return json.dumps([{**vars(one), "ratio": round(one.ratio, 3)} for one in measures], indent=2)
