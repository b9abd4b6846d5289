"""Counting: durations in buckets, what a count costs, and figures while the database cannot be read."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.support.harness import settings_for
from watcher.daemon import LiveService
from watcher.http.auth import Doorkeeper
from watcher.http.metrics import Live
from watcher.pipeline.histogram import BOUNDS, Durations
from watcher.settings import Loaded


def test_a_duration_is_in_every_bucket_whose_bound_it_does_not_exceed() -> None:
    """Cumulative, with the bounds belonging to their buckets, and the last one holding everything."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    noted = [*BOUNDS, 0.0, 1e9, *(rng.lognormvariate(-2, 3) for _ in range(500))]
    durations = Durations()
    for seconds in noted:
        durations.note(seconds)
    buckets = durations.buckets()
    assert [bound for bound, _ in buckets] == [*map(str, BOUNDS), "+Inf"]
    for bound, count in buckets:
        assert count == sum(seconds <= float(bound) for seconds in noted), bound
    assert durations.total == pytest.approx(sum(noted))


def test_durations_add_up() -> None:
    """Of several workers, and without changing theirs."""
    parts = [Durations() for _ in range(3)]
    for number, part in enumerate(parts):
        part.note(float(number))
    total = Durations().add(parts)
    assert total.total == 3.0 and total.buckets()[-1] == ("+Inf", 3.0)
    assert [part.buckets()[-1][1] for part in parts] == [1.0, 1.0, 1.0]


def test_noting_costs_next_to_nothing() -> None:
    """A pass takes a millisecond at the least; noting how long it took is less than a hundredth of that."""
    durations = Durations()
    best = min(_seconds_for(durations, 20_000) for _ in range(5))
    print(f"{best * 1e9 / 20_000:.0f} ns each")
    assert best / 20_000 < 1e-5


def _seconds_for(durations: Durations, times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        durations.note(0.003)
    return time.process_time() - began


def test_figures_are_told_while_the_database_cannot_be_read(tmp_path: Path) -> None:
    """Trouble is when they are wanted most: what is in memory, health, and that the database is down."""
    (tmp_path / "sessions").mkdir()
    service = LiveService(Loaded(settings_for(tmp_path / "sessions", tmp_path / "state"), {}))
    try:
        live = Live(service, Doorkeeper("token", service.core.query))
        told = {family.name: family for family in live.collect()}
        assert told["session_watcher_database_up"].samples[0].value == 1
        service.core.database.close()
        less = {family.name: family for family in live.collect()}
        assert less["session_watcher_database_up"].samples[0].value == 0
        gone = {"unknown_format_sessions", "sessions", "pass_last_timestamp_seconds", "job_last_end_timestamp_seconds"}
        assert told.keys() - less.keys() == {f"session_watcher_{name}" for name in gone}
        found = {(one.labels["finding"], one.value) for one in less["session_watcher_health_findings"].samples}
        assert ("database", 1.0) in found
    finally:
        service.stop()
