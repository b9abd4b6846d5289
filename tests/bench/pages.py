"""The pages of a large installation beside their own queries, and the pipeline's pace while it is asked a lot."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

from tests.bench.generate import corpus
from tests.bench.large import large
from tests.bench.measures import Measure, Size, scratch
from tests.support.processes import Place
from tests.support.served import TOKEN, Served, served
from watcher.plugins import discover
from watcher.store.database import Database, read

Asked = list[tuple[str, Sequence[Any]]]

#: What people look at, by what it is called.
PAGES = {
    "overview": "/",
    "usage": "/usage",
    "usage, all of it": "/usage?since=",
    "sessions": "/sessions",
    "sessions, searched": "/sessions?text=session-05",
    "one session": "/sessions/one?session={session}",
    "knowledge": "/knowledge",
    "runs": "/admin/scheduler-runs",
}
#: What programs ask for.
POLLED = {"health": "/api/health", "status": "/api/status", "sessions": "/api/sessions", "metrics": "/metrics"}
#: Requests a second during a pass, for these pages in turn: the overview, usage of 30 days, sessions.
RATE, IN_TURN = 10, ("/", "/usage", "/sessions")
#: Seconds of requests before a pass is timed.
WARM = 5.0


def pages(size: Size) -> Iterator[Measure]:
    """Each page's time over HTTP, beside that of the queries it makes, one after the other on one connection."""
    sessions = 50 * size.sessions
    with scratch(size) as folder:
        (folder / "sessions").mkdir()
        large(sessions, Place(folder / "sessions", folder / "state"))
        asked: Asked = []

        def reading(database: Database, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            asked.append((sql, parameters))
            return read(database, sql, parameters)

        with patch("watcher.app.read", reading), served(folder) as service:
            cookie = signed_in(service)
            some = str(service.live.core.query("SELECT max(session_file) FROM usage_files")[0][0])
            for name, path in PAGES.items():
                yield compared(service, f"page: {name}", path.format(session=some), {"cookie": cookie}, asked, size)
            for name, path in POLLED.items():
                yield compared(service, f"asked: {name}", path, {"authorization": f"Bearer {TOKEN}"}, asked, size)


def signed_in(service: Served) -> str:
    """The cookie of a visit."""
    form = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
    answer = service.ask("POST", "/sign-in", token=None, body=f"token={TOKEN}".encode(), headers=form)
    return answer.headers["set-cookie"].partition(";")[0]


def compared(service: Served, name: str, path: str, headers: dict[str, str], asked: Asked, size: Size) -> Measure:
    """One address, its charts drawn already: they are drawn once for all who look at the same figures."""
    ours, bare = [], []
    connection = service.live.core.database.connect()
    for _ in range(1 + size.turns):
        asked.clear()
        began = time.perf_counter()
        assert service.ask("GET", path, token=None, headers=headers).status == 200, path
        ours.append(time.perf_counter() - began)
        queries = list(asked)
        began = time.perf_counter()
        for sql, parameters in queries:
            connection.execute(sql, parameters)
        bare.append(time.perf_counter() - began)
    connection.close()
    return Measure(f"{name} ({len(queries)} queries)", min(ours), min(bare), "s", 3.0)


def under_requests(size: Size) -> Iterator[Measure]:
    """A pass over new sessions by the running service while another process asks for pages, beside one alone."""
    sessions = 5 * size.sessions
    pairs: list[dict[bool, float]] = []
    with scratch(size) as folder:
        (folder / "sessions").mkdir()
        ours = Place(folder / "sessions", folder / "state")
        large(sessions, ours)
        running = ours.start()
        try:
            for turn in range(size.turns):
                pair: dict[bool, float] = {}
                for asked in (False, True) if turn % 2 else (True, False):  # the database grows meanwhile
                    new = folder / "new"
                    corpus(new, size.bytes // 2, size.sessions // 2, seed=100 + 2 * turn + asked)
                    owed = taken(ours) + len(discover()) * sum(1 for _ in new.rglob("*.jsonl"))
                    with asking(ours) if asked else nullcontext():
                        began = time.perf_counter()
                        os.rename(new, ours.sessions / f"new{turn}{asked}")
                        while taken(ours) < owed:
                            time.sleep(0.1)
                        pair[asked] = time.perf_counter() - began
                pairs.append(pair)
                told = f"{pair[True]:.1f} s with requests, {pair[False]:.1f} s alone"
                print(f"{told}: {pair[True] / pair[False]:.2f}", file=sys.stderr)
        finally:
            assert running.stop() == 0
    median = sorted(pairs, key=lambda pair: pair[True] / pair[False])[len(pairs) // 2]
    name = f"a pass with {RATE} requests a second, {sessions:,} sessions"
    yield Measure(name, median[True], median[False], "s", 1.1)


def taken(place: Place) -> int:
    """How many passes the processors of a running service have made, added up; 0 while any is owed or under way."""
    found = place.health()["processors"]
    if any(one["waiting"] or one["running"] for one in found):
        return 0
    return sum(int(one["since_start"]["processed"]) for one in found)


@contextmanager
def asking(place: Place) -> Iterator[None]:
    """Another process asks the running service all the while."""
    command = [sys.executable, "-m", "tests.bench.requests", str(place.state)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=place.surroundings(), stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline(), "it is asked from now on"
        time.sleep(WARM)
        yield
        process.stdin.close()
    assert process.returncode == 0
