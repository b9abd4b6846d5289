"""``/metrics`` as Prometheus sees it: scraped from a running service, and read by Prometheus' own parser."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_text

from tests.support import ROOT
from tests.support.processes import Place, Running, call, lines, wait_for

DASHBOARD = ROOT / "deploy" / "grafana" / "session-watcher.json"
PROCESSORS = {"errors", "usage", "verification"}
#: Every label there may be, with every value that it may have.
LABELS = {
    "processor": PROCESSORS,
    "job_name": {
        *(f"session-processor:{name}" for name in PROCESSORS),
        "health-check",
        "housekeeping",
        "knowledge-intake",
        "corporate-memory",
        "session-collector",
    },
    "state": {"starting", "ok", "partial", "deaf"},
    "status": {"ok", "failed", "quarantined", "gone", "degraded", "unhealthy"},
    "level": {"info", "warning", "unhealthy"},
    "kind": {"iteration", "usage_field", "type", "model", "subtype", "attachment", "origin"},
}
OUTCOMES = {"processed", "skipped", "failed", "gone", "ok", "refused"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    made = Place(tmp_path / "sessions", tmp_path / "state")
    made.environment |= {
        "WATCHER_RETRY__FIRST": "100ms",
        "WATCHER_RETRY__MAX_ATTEMPTS": "2",
        "WATCHER_PROCESSORS__USAGE__MEMORY_LIMIT": "1KB",
    }
    return made


@pytest.fixture
def service(place: Place) -> Iterator[Running]:
    (place.sessions / "ann" / "a.jsonl").write_bytes(lines(["m1", "m2"]) + b"not json\n")
    running = place.start()
    yield running
    if running.process.poll() is None:
        assert running.stop() == 0, running.log.read_text()[-3000:]


def scrape(place: Place, token: str | None = None, accept: str = "text/plain") -> tuple[str, str]:
    """The content type and the text."""
    token = token or (place.state / "token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Accept": accept}
    with urllib.request.urlopen(urllib.request.Request(f"{place._url()}/metrics", headers=headers), timeout=10) as got:
        return got.headers["Content-Type"], got.read().decode()


def families(place: Place) -> dict[str, Metric]:
    """What is exported, by name."""
    return {family.name: family for family in plain_text(scrape(place)[1])}


def value(place: Place, name: str, **labels: str) -> float | None:
    """One figure; None where there is none."""
    for family in families(place).values():
        for sample in family.samples:
            if sample.name == f"session_watcher_{name}" and sample.labels == labels:
                return float(sample.value)
    return None


def test_figures_follow_what_happens(place: Place, service: Running) -> None:
    """An append, a failure, a loss, a job and a wrong token each move what they must, and by how much."""
    errors = {"processor": "errors"}
    # Counted last of all that a pass leaves.
    wait_for(lambda: value(place, "passes_total", outcome="processed", **errors) == 1, "a session", service.log)
    assert value(place, "read_lines_total", **errors) == 3
    size = (place.sessions / "ann" / "a.jsonl").stat().st_size
    assert value(place, "read_bytes_total", **errors) == size
    assert value(place, "bad_lines_total", **errors) == 1
    assert value(place, "pass_duration_seconds_count", **errors) == 1
    assert value(place, "commit_duration_seconds_count", **errors) == 1
    assert value(place, "committed_passes_total", **errors) == 1
    assert value(place, "sessions", status="ok", **errors) == 1
    heard = value(place, "observer_events_total") or 0
    with (place.sessions / "ann" / "a.jsonl").open("ab") as file:
        file.write(call("m3"))
    wait_for(lambda: value(place, "passes_total", outcome="processed", **errors) == 2, "the append", service.log)
    assert value(place, "read_lines_total", **errors) == 4
    assert value(place, "read_bytes_total", **errors) == (place.sessions / "ann" / "a.jsonl").stat().st_size
    assert (value(place, "observer_events_total") or 0) > heard
    total = value(place, "pass_duration_seconds_sum", **errors)
    assert value(place, "pass_duration_seconds_count", **errors) == 2 and total is not None and 0 < total < 60
    # This processor has no memory to work with: two attempts, then it is put aside.
    wait_for(lambda: value(place, "sessions", processor="usage", status="quarantined") == 1, "the end", service.log)
    assert (value(place, "passes_total", processor="usage", outcome="failed") or 0) >= 2
    assert value(place, "health_findings", finding="quarantined", level="warning") == 1
    assert value(place, "health_status", status="degraded") == 1 and value(place, "health_status", status="ok") == 0
    (place.sessions / "ann" / "a.jsonl").unlink()
    wait_for(lambda: value(place, "passes_total", outcome="gone", **errors) == 1, "the loss", service.log)
    assert value(place, "sessions", status="gone", **errors) == 1
    sweep = {"job_name": "session-processor:errors", "outcome": "ok"}  # by the clock it comes in minutes
    before, ended = value(place, "job_runs_total", **sweep), value(place, "job_last_end_timestamp_seconds", **sweep)
    assert before and ended
    assert place.run("jobs", "run", sweep["job_name"]).returncode == 0
    assert value(place, "job_runs_total", **sweep) == before + 1
    assert (value(place, "job_last_end_timestamp_seconds", **sweep) or 0) > ended
    assert value(place, "failed_sign_ins_total") == 0
    for token in ("wrong", "sw_wrong"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            scrape(place, token)
        assert refused.value.code == 401
    assert value(place, "failed_sign_ins_total") == 2
    assert value(place, "database_bytes") and value(place, "state_free_bytes") and value(place, "database_up") == 1
    assert value(place, "observer_state", state="ok") == 1 and value(place, "observer_watches") == 2


def test_a_reader_scrapes_and_a_users_token_does_not(place: Place, service: Running) -> None:
    """Figures over all users are not for one of them."""
    reader = place.json("tokens", "create", "prometheus", "--role", "reader")["token"]
    assert "session_watcher_build_info" in scrape(place, reader)[1]
    user = place.json("tokens", "create", "ann", "--role", "user", "--user", "ann")["token"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        scrape(place, user)
    assert refused.value.code == 403


def test_names_and_labels_keep_the_conventions(place: Place, service: Running) -> None:
    """Units and suffixes as Prometheus wants them, no name twice, and no label whose values could grow."""
    wait_for(lambda: value(place, "sessions", processor="usage", status="quarantined") == 1, "trouble", service.log)
    place.run("jobs", "run", "health-check")
    kind, text = scrape(place)
    assert kind.startswith("text/plain; version=")
    told = list(plain_text(text))
    names = [family.name for family in told]
    assert len(names) == len(set(names))
    findings = {one["name"] for one in place.health()["findings"]}
    own = [family for family in told if family.name.startswith("session_watcher_")]
    assert len(own) > 30 and {f.name.split("_")[0] for f in told if f not in own} <= {"process"}
    for family in own:
        name = family.name
        assert re.fullmatch(r"session_watcher_[a-z]+(_[a-z]+)*", name) and family.documentation.endswith(".")
        assert family.type in ("counter", "gauge", "histogram"), name
        assert not re.search(r"_(total|count|sum|bucket|info)$", name) or name == "session_watcher_build_info"
        # Base units only, at the end of the name; a point in time says so.
        assert not re.search(r"_(ms|milliseconds|minutes|hours|kb|mb|kilobytes)(_|$)", name), name
        for unit in ("seconds", "bytes"):
            assert unit not in name or name.endswith(f"_{unit}"), name
        assert ("timestamp" in name) == name.endswith("_timestamp_seconds"), name
        if family.type == "counter":
            assert family.samples or name.endswith("job_runs")
            assert all(sample.name == f"{name}_total" and sample.value >= 0 for sample in family.samples)
        if family.type == "histogram":
            assert name.endswith("_seconds")
        for sample in family.samples:
            for label, said in sample.labels.items():
                if label in ("version", "python", "le"):
                    continue
                allowed = findings if label == "finding" else OUTCOMES if label == "outcome" else LABELS[label]
                assert said in allowed, (sample.name, label, said)
    assert '"ann' not in text and "a.jsonl" not in text
    # The same in OpenMetrics, whose parser is strict (counters, buckets that only grow, the end).
    kind, text = scrape(place, accept="application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert {family.name for family in open_metrics(text)} == set(names)  # type: ignore[no-untyped-call]


def test_a_processor_that_is_not_enabled_is_not_there(place: Place, service: Running) -> None:
    """Not even by the rows that it has left."""
    wait_for(lambda: value(place, "sessions", processor="usage", status="quarantined") == 1, "trouble", service.log)
    assert service.stop() == 0
    place.environment["WATCHER_PROCESSORS__USAGE__ENABLED"] = "false"
    again = place.start()
    try:
        assert value(place, "passes_total", processor="usage", outcome="failed") is None
        assert value(place, "sessions", processor="usage", status="quarantined") is None
        assert value(place, "passes_total", processor="errors", outcome="failed") == 0
    finally:
        assert again.stop() == 0


def expressions() -> list[str]:
    """Every query of the dashboard."""
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]


def test_the_dashboard_shows_what_is_exported(place: Place, service: Running) -> None:
    """Every metric that a panel asks for exists with the labels it goes by, and each of ours is shown."""
    wait_for(lambda: value(place, "sessions", processor="usage", status="quarantined") == 1, "trouble", service.log)
    place.run("jobs", "run", "health-check")
    told = families(place)
    labels: dict[str, set[str]] = {}
    for family in told.values():
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    shown: set[str] = set()
    for expr in expressions():
        asked = set(re.findall(r"\b(?:session_watcher|process)_\w+", expr))
        assert asked <= set(labels), f"{expr}: {asked - set(labels)} are not exported"
        shown |= asked
        known = set().union(*(labels[name] for name in asked)) | {"instance", "job"}
        used = {word for inner in re.findall(r"by \(([^)]*)\)", expr) for word in re.split(r"\W+", inner) if word}
        used |= set(re.findall(r"[{,]\s*(\w+)\s*(?:=|!=|=~|!~)\"", expr))
        assert used <= known, f"{expr}: {used - known}"
        assert expr.count("(") == expr.count(")") and expr.count("{") == expr.count("}"), expr
    guide = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    alerts = set(re.findall(r"session_watcher_\w+", guide))
    assert len(alerts) > 5 and alerts <= set(labels), alerts - set(labels)
    families_shown = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in shown} | shown
    missing = {name for name in told if name.startswith("session_watcher_")} - families_shown
    assert not missing, f"nobody sees {sorted(missing)}"


def test_the_dashboard_is_one_that_grafana_can_import() -> None:
    """A data source is asked for, each panel has its own place and identity, and says what it shows."""
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert board["title"] and board["uid"] and board["schemaVersion"] >= 36
    assert [one["type"] for one in board["templating"]["list"] if one["name"] == "datasource"] == ["datasource"]
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert max(x for x, _ in cells) < 24 and not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["title"] and panel["description"] and panel["targets"]
            assert panel["datasource"]["uid"] == "${datasource}"
