"""People's notes become knowledge: by the clock, by command, by the API, with the service running and stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.listener import until
from tests.support.operated import Operated
from tests.support.served import Served, served

RUN = "/api/admin/run-corporate-memory"
STATS = {
    "users_scanned", "files_found", "items_extracted", "items_preserved", "items_new", "items_filtered",
    "items_pending", "skipped", "errors",
}  # fmt: skip
FACT, OTHER = "Invoices are always sent in the customer's currency", "Releases happen on Tuesdays, never on Fridays"


def note(homes: Path, text: str, user: str = "ann") -> Path:
    """A note in somebody's home."""
    path = homes / user / "CLAUDE.local.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("homes")
    note(made, f"- {FACT}\n- My wife Anna works on Fridays, so no calls\n")
    return made


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, homes: Path) -> Iterator[Served]:
    sources = [f"{homes}/*/CLAUDE.local.md"]
    with served(tmp_path_factory.mktemp("notes"), corporate_memory__sources=sources) as running:
        yield running


def known(service: Served) -> list[str]:
    """What the knowledge base says."""
    return [str(content) for (content,) in service.live.core.query("SELECT content FROM knowledge_items")]


def test_a_run_takes_notes_into_the_knowledge_base(service: Served) -> None:
    """The statistics that are promised, one audit row, a run in the job log; then it is an item."""
    found = service.ask("POST", RUN)
    assert found.status == 200 and set(found.json["details"]) >= STATS and found.json["ok"]
    details = found.json["details"]
    assert (details["users_scanned"], details["items_new"], details["items_filtered"]) == (1, 1, 1)
    until(lambda: known(service) == [FACT], "the intake to take it")
    again = service.ask("POST", "/api/admin/run-job", name="corporate-memory").json["stats"]
    assert (again["skipped"], again["items_preserved"], again["items_pending"]) == (1, 1, 1)
    assert [one["action"] for one in service.audit()] == ["run_corporate_memory", "run_job:corporate-memory"]
    runs = service.ask("GET", "/api/admin/scheduler-runs").json["runs"]
    assert [one["outcome"] for one in runs if one["name"] == "corporate-memory"] == ["ok", "ok"]


def test_a_run_beside_another_is_refused(service: Served) -> None:
    """409 while one is under way."""
    go_on = threading.Event()

    def work() -> dict[str, Any]:
        assert go_on.wait(60)
        return {}

    jobs = service.live.core.jobs
    with ThreadPoolExecutor(1) as pool:
        pool.submit(jobs.run, "corporate-memory", "test", work)
        try:
            until(lambda: "corporate-memory" in jobs.running(time.monotonic()), "it to run")
            refused = service.ask("POST", RUN)
        finally:
            go_on.set()
    assert refused.status == 409 and "under way" in refused.detail and service.audit()[-1]["status"] == 409


def test_what_is_not_set_is_said_and_it_runs_by_the_clock_once_it_is(service: Served, homes: Path) -> None:
    """500 with the sentence, in audit, run and health; settings are taken up while it runs."""
    live, before = service.live, service.live.core.settings

    def table(**changes: Any) -> Any:
        chosen = before.corporate_memory.model_copy(update=changes)
        return type(live.loaded)(before.model_copy(update={"corporate_memory": chosen}), live.loaded.sources)

    live.take(table(sources=[]))
    failed = service.ask("POST", RUN)
    assert failed.status == 500 and "set [corporate_memory] sources" in failed.detail
    assert service.audit()[-1]["status"] == 500
    last = next(one for one in service.ask("GET", "/api/admin/scheduler-runs").json["runs"])
    assert (last["name"], last["outcome"], last["error"]) == ("corporate-memory", "failed", failed.detail)
    assert any(one.name == "job_failed" for one in live.findings())
    live.take(table(extractor="llm"))
    assert "[model] model" in service.ask("POST", RUN).detail
    note(homes, f"- {OTHER}\n", "bob")
    live.take(table(enabled=True))
    until(lambda: OTHER in known(service), "it to run by itself")
    live.take(table())
    assert live.schedule.next_run("corporate-memory") is None
    assert not any(one.name == "job_failed" for one in live.findings())


def test_the_same_while_nothing_runs(tmp_path: Path) -> None:
    """``once`` takes notes before the inbox is drained; ``jobs run`` takes them too, and says what is not set."""
    (tmp_path / "sessions").mkdir()
    place = Operated(tmp_path / "sessions", tmp_path / "state")
    sources = [f"{tmp_path}/home/*/CLAUDE.local.md"]
    note(tmp_path / "home", f"- {FACT}\n")
    place.write(corporate_memory={"enabled": True, "sources": sources})
    found = place.json("once")
    assert found["ok"] and found["corporate_memory"]["items_new"] == 1
    assert [one["content"] for one in place.json("knowledge", "list")["items"]] == [FACT]
    key = "notes:ann/CLAUDE.local.md"
    forgotten = place.run("sessions", "forget", key)
    assert forgotten.returncode == 0 and "1 pieces of evidence are erased" in forgotten.stdout, forgotten.stderr
    assert place.json("knowledge", "list")["items"] == []
    assert place.json("once")["corporate_memory"]["skipped"] == 1 and place.json("knowledge", "list")["items"] == []
    place.write(corporate_memory={"sources": []})
    failed = place.run("jobs", "run", "corporate-memory")
    assert failed.returncode == 2 and "set [corporate_memory] sources" in failed.stderr
    assert "corporate-memory" in place.run("jobs", "list").stdout
