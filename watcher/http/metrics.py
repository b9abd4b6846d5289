"""``/metrics`` for Prometheus, read from the running components at each scrape.

Labels are processors, jobs and fixed words; never a session, a user or a path.
"""

from __future__ import annotations

import platform
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from processors.usage.reports import formats
from watcher.app import Application
from watcher.daemon import LiveService
from watcher.health.findings import verdict
from watcher.http.auth import Doorkeeper
from watcher.http.schemas import problems
from watcher.pipeline.histogram import Durations
from watcher.pipeline.pipeline import Pipeline
from watcher.store.open import FILE
from watcher.store.sql import QUERIES
from watcher.watch.observer import State

Samples = Iterable[tuple[tuple[str, ...], float]]

#: Results of a pass, by their names in the counters.
OUTCOMES = ("processed", "skipped", "failed", "gone")

_TEXT: dict[str, Any] = {
    "description": "A sample a line.",
    "content": {kind: {"schema": {"type": "string"}} for kind in ("text/plain", "application/openmetrics-text")},
}


def router(service: LiveService, keeper: Doorkeeper) -> APIRouter:
    """Build the metrics endpoint of one service."""
    routes = APIRouter(tags=["reports"])
    registry = CollectorRegistry()
    registry.register(Live(service, keeper))
    ProcessCollector(registry=registry)

    @routes.get(
        "/metrics",
        dependencies=[Depends(keeper.reader)],
        response_class=Response,
        responses={200: _TEXT, **problems(400, 401, 403)},
    )
    def metrics(request: Request) -> Response:
        """Metrics in Prometheus' text format, or in OpenMetrics if `Accept` asks for it."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), media_type=content_type)

    return routes


class Live(Collector):
    """Collects all metrics at scrape time; nothing is stored between scrapes."""

    def __init__(self, service: LiveService, keeper: Doorkeeper) -> None:
        self._service, self._keeper = service, keeper

    def describe(self) -> Iterable[Metric]:
        """Describe no metrics in advance: they depend on what runs."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Collect every metric with its current value."""
        core = self._service.core
        told = {"version": version("session-watcher"), "python": platform.python_version()}
        yield _gauge("build_info", "What runs.", told, [(tuple(told.values()), 1)])
        yield from _observer(self._service)
        yield from _pipelines(list(core.pipelines.values()), time.monotonic())
        yield from _database(core)
        yield from _formats(core)
        yield from _disk(core.settings.paths.state, bool(core.settings.database.url))
        running = core.jobs.running(time.monotonic())
        yield _counter("job_runs", "Runs of jobs by their end.", ("job_name", "outcome"), list(core.jobs.ends.items()))
        yield _gauge(
            "job_running_seconds",
            "How long a job's present run has taken; 0 while it does not run.",
            ("job_name",),
            [((name,), running.get(name, 0.0)) for name in core.jobs.names()],
        )
        refused = self._keeper.refused.missing + self._keeper.refused.wrong
        yield _counter("failed_sign_ins", "Requests without a known token.", (), [((), refused)])
        yield from _health(self._service)


def _observer(service: LiveService) -> Iterator[Metric]:
    health = service.observer.health()
    yield _counter("observer_events", "File events heard.", (), [((), health.events)])
    yield _counter("observer_rebuilds", "Times the observer began anew.", (), [((), health.rebuilds)])
    states = [((state,), float(state == health.state)) for state in get_args(State)]
    yield _gauge("observer_state", "1 for the state the observer is in.", ("state",), states)
    counted = {"watches": health.watches, "directories": health.directories}
    for name, help in (("watches", "Kernel watches in use."), ("directories", "Directories to be watched.")):
        yield _gauge(f"observer_{name}", help, (), [((), count)] if (count := counted[name]) is not None else [])


def _pipelines(pipelines: list[Pipeline], now: float) -> Iterator[Metric]:
    def each(value: Callable[[Pipeline], float | None]) -> Samples:
        return [((one.name,), found) for one in pipelines if (found := value(one)) is not None]

    by = ("processor",)
    yield _gauge("queue_waiting_sessions", "Sessions that wait.", by, each(lambda one: len(one.queue)))
    yield _gauge("queue_running_sessions", "Sessions taken and not yet done.", by, each(lambda one: one.queue.running))
    yield _gauge(
        "queue_oldest_age_seconds",
        "How long the longest-waiting session has waited; 0 if none does.",
        by,
        each(lambda one: max(0.0, now - (one.queue.oldest() or now))),
    )
    yield _counter("queue_forgotten", "Sessions left to sweeps.", by, each(lambda one: one.queue.forgotten))
    yield _gauge("sweep_owed", "1 while a sweep is owed.", by, each(lambda one: one.queue.owed is not None))
    yield _gauge("sweep_last_timestamp_seconds", "When the last sweep ended.", by, each(lambda one: one.last_sweep_at))
    yield _gauge(
        "sweep_scanned_sessions",
        "Session files that the last sweep saw.",
        by,
        each(lambda one: one.last_sweep.scanned if one.last_sweep else None),
    )
    tallies = {one.name: one.tally() for one in pipelines}
    outcomes = [((name, kind), getattr(tally, kind)) for name, tally in tallies.items() for kind in OUTCOMES]
    yield _counter("passes", "Sessions looked at, by what came of it.", ("processor", "outcome"), outcomes)
    for name, field, help in (
        ("read_bytes", "bytes", "Bytes of transcripts taken."),
        ("read_lines", "lines", "Lines of transcripts taken."),
        ("bad_lines", "bad_lines", "Lines that could not be read."),
        ("items", "items", "Items found, as the processor counts them."),
    ):
        yield _counter(name, help, by, [((of,), getattr(tally, field)) for of, tally in tallies.items()])
    taken = [(one.name, one.durations()) for one in pipelines]
    yield _histogram("pass_duration_seconds", "How long passes took.", taken)
    committed = [(one.name, one.committer.durations) for one in pipelines]
    yield _histogram("commit_duration_seconds", "How long commits took.", committed)
    yield _counter("committed_passes", "Passes committed.", by, each(lambda one: one.committer.passes))


def _database(core: Application) -> Iterator[Metric]:
    """Collect the tables' metrics; while they cannot be read, only that fact."""
    try:
        tallies, ends = core.query(QUERIES["tallies"]), core.query(QUERIES["job_ends"])
    except core.database.Error:
        # Health names the reason; the other metrics must stay available.
        yield _gauge("database_up", "1 while the database can be read.", (), [((), 0)])
        return
    yield _gauge("database_up", "1 while the database can be read.", (), [((), 1)])
    mine = [row for row in tallies if row[0] in core.pipelines]
    by_status = [((name, status), count) for name, status, count, *_ in mine]
    yield _gauge("sessions", "Sessions by what became of them.", ("processor", "status"), by_status)
    latest: dict[tuple[str, ...], float] = {}
    for name, *_, at in mine:
        if at is not None:
            latest[(name,)] = max(at.timestamp(), latest.get((name,), 0.0))
    yield _gauge("pass_last_timestamp_seconds", "When rows were last committed.", ("processor",), latest.items())
    jobs = set(core.jobs.names())
    ended = [((name, outcome), at.timestamp()) for name, outcome, at in ends if name in jobs]
    yield _gauge("job_last_end_timestamp_seconds", "When a job last ended so.", ("job_name", "outcome"), ended)


def _formats(core: Application) -> Iterator[Metric]:
    """Count the sessions with names that this version does not know."""
    if "usage" not in core.pipelines:
        return
    try:
        counts = formats.sessions_by_kind(core.query)
    except core.database.Error:  # which is told
        return
    help = "Sessions that hold names of the format, or models without a price, that this version does not know."
    yield _gauge("unknown_format_sessions", help, ("kind",), [((kind,), count) for kind, count in counts.items()])


def _disk(state: Path, elsewhere: bool) -> Iterator[Metric]:
    files = (
        [] if elsewhere else [("database_bytes", "The database file.", FILE), ("wal_bytes", "Its log.", f"{FILE}.wal")]
    )
    for name, help, file in files:
        try:
            size = (state / file).stat().st_size
        except OSError:  # there is no log after a checkpoint
            size = 0
        yield _gauge(name, help, (), [((), size)])
    try:
        free = shutil.disk_usage(state).free
    except OSError:  # health names it
        return
    yield _gauge("state_free_bytes", "Room left for the state folder.", (), [((), free)])


def _health(service: LiveService) -> Iterator[Metric]:
    findings = service.findings()
    now = verdict(findings)
    states = [((state,), float(state == now)) for state in ("ok", "degraded", "unhealthy")]
    yield _gauge("health_status", "1 for the state that the service is in.", ("status",), states)
    found: Counter[tuple[str, ...]] = Counter()
    lag = dict.fromkeys(service.core.pipelines, 0.0)
    for one in findings:
        found[one.name, one.level] += 1
        if (processor := one.details.get("processor")) in lag:
            lag[processor] = max(lag[processor], float(one.details.get("lag_seconds", 0.0)))
    yield _gauge("health_findings", "What is not as it should be.", ("finding", "level"), found.items())
    behind = [((name,), seconds) for name, seconds in lag.items()]
    help = "How far a processor is behind the newest file at the last health check; 0 while within its grace."
    yield _gauge("lag_seconds", help, ("processor",), behind)


def _gauge(name: str, help: str, labels: Iterable[str], samples: Samples) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"session_watcher_{name}", help, labels=list(labels))
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _counter(name: str, help: str, labels: Iterable[str], samples: Samples) -> CounterMetricFamily:
    family = CounterMetricFamily(f"session_watcher_{name}", help, labels=list(labels))
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _histogram(name: str, help: str, samples: Iterable[tuple[str, Durations]]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"session_watcher_{name}", help, labels=["processor"])
    for processor, durations in samples:
        family.add_metric([processor], durations.buckets(), durations.total)
    return family
