"""The API to the letter: who may ask what, what is answered, what is noted, and what does not get in."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from processors.usage.reports import REPORTS
from tests.support.harness import settings_for
from tests.support.listener import until
from tests.support.processes import Place, call, lines
from tests.support.served import TOKEN, Reply, Served, served
from watcher.app import job_of
from watcher.cli import usage
from watcher.http import guard, serve
from watcher.store.lock import Holder

RUN = "/api/admin/run-session-processor"
DETAILS = {
    "processor", "scanned", "processed", "skipped", "capped", "errors", "items_extracted", "errors_detail",
}  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Ann with two sessions (one of a model without a price), Bob with one."""
    with served(tmp_path_factory.mktemp("api")) as running:
        for name, body in (
            ("ann/a.jsonl", lines(["a1", "a2"])),
            ("ann/b.jsonl", call("a3")),
            ("bob/bobs-secret-work.jsonl", call("b1").replace(b"claude-opus-4-6", b"bobs-secret-model")),
        ):
            (running.sessions / name).parent.mkdir(exist_ok=True)
            (running.sessions / name).write_bytes(body)
        running.until_calls(4)
        yield running


@pytest.fixture(scope="module")
def tokens(service: Served) -> dict[str, str]:
    """One of each role; the user's is Ann's."""
    return {"admin": TOKEN, "reader": service.token("reader"), "user": service.token("user", "ann")}


@contextmanager
def noted(service: Served, *expected: tuple[str, str, int]) -> Iterator[list[dict[str, Any]]]:
    """What is asked inside is audited so: action, actor and status, once each."""
    before = len(service.audit())
    found: list[dict[str, Any]] = []
    yield found
    found += service.audit()[before:]
    assert [(one["action"], one["actor"], one["status"]) for one in found] == list(expected)


def test_a_run_answers_with_what_it_did(service: Served) -> None:
    """The keys that are promised, and an audit entry that names the processor, whatever was found."""
    with noted(service, ("run_session_processor:usage", "admin", 200)) as entries:
        found = service.ask("POST", RUN, processor="usage")
    assert found.status == 200 and set(found.json) == {"ok", "details"} and set(found.json["details"]) == DETAILS
    assert found.json["ok"] is True and found.json["details"]["scanned"] == 3
    (entry,) = entries
    assert json.loads(entry["params"]) == {"processor": ["usage"]} and entry["unhandled_error"] is None
    assert entry["duration_ms"] >= 0


def test_a_run_of_nothing_is_refused(service: Served) -> None:
    """An unknown name is 400 with the names that there are, a missing one 422."""
    with noted(service, ("run_session_processor:nobody", "admin", 400)):
        unknown = service.ask("POST", RUN, processor="nobody")
    assert unknown.status == 400 and "nobody" in unknown.detail and "usage" in unknown.detail
    with noted(service, ("run_session_processor", "admin", 422)):
        missing = service.ask("POST", RUN)
    assert missing.status == 422 and missing.json["detail"][0]["loc"] == ["query", "processor"]


def test_a_run_beside_another_is_refused_and_not_queued(service: Served) -> None:
    """409 while the job runs, at once; afterwards it can be asked for again."""
    go_on = threading.Event()

    def work() -> dict[str, Any]:
        assert go_on.wait(60)
        return {}

    name = job_of("usage")
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(service.live.core.jobs.run, name, "test", work)
        try:
            until(lambda: name in service.live.core.jobs.running(time.monotonic()), "it to run")
            with noted(service, ("run_session_processor:usage", "admin", 409)):
                refused = service.ask("POST", RUN, processor="usage")
            assert refused.status == 409 and "under way" in refused.detail
        finally:
            go_on.set()
        assert under_way.result(60) == {}
    assert service.ask("POST", RUN, processor="usage").status == 200


def test_a_run_that_fails_says_why_and_leaves_nothing_locked(tmp_path: Path) -> None:
    """500 with the sentence, which the audit has too; what is mended runs again, the other processors all along."""
    with served(tmp_path, retry__first="100ms") as service:
        service.live.core.query("ALTER TABLE session_processor_state RENAME COLUMN file_inode TO lost")
        for _ in range(2):  # the second is not refused as one beside the first
            failed, entry = _run_beside_owed_sweeps(service)
            assert (entry["action"], entry["actor"], entry["status"]) == ("run_session_processor:usage", "admin", 500)
            assert failed.status == 500 and "file_inode" in failed.detail
            assert entry["unhandled_error"] == failed.detail
        runs = service.ask("GET", "/api/admin/scheduler-runs", outcome="failed").json["runs"]
        assert {run["error"] for run in runs if run["trigger"] == "asked"} == {failed.detail}
        service.live.core.query("ALTER TABLE session_processor_state RENAME COLUMN lost TO file_inode")
        assert _run_beside_owed_sweeps(service)[0].status == 200


def _run_beside_owed_sweeps(service: Served) -> tuple[Reply, dict[str, Any]]:
    """What a run answers, and its audit entry; a sweep that failed is made again by itself, and none goes beside it."""
    for _ in range(200):
        before = len(service.audit())
        answer = service.ask("POST", RUN, processor="usage")
        (entry,) = service.audit()[before:]
        if answer.status != 409:
            return answer, entry
    raise AssertionError("every run is refused as one beside another")


def test_a_run_ends_when_its_time_is_up(tmp_path: Path) -> None:
    """What is left for later is counted as capped, and is no error."""
    quiet = {f"processors__{name}__quiet": "1h" for name in ("usage", "errors", "verification")}
    wait = {f"processors__{name}__max_wait": "2h" for name in ("usage", "errors", "verification")}
    with served(tmp_path, service__time_budget="1ms", **quiet, **wait) as service:
        (service.sessions / "ann").mkdir()
        for n in range(20):
            (service.sessions / "ann" / f"{n}.jsonl").write_bytes(call(f"m{n}"))
        found = service.ask("POST", RUN, processor="usage").json
        assert found["ok"] and found["details"]["capped"] > 0 and found["details"]["errors"] == 0
        assert found["details"]["scanned"] == 20
        service.until_calls(20)  # it is taken all the same


#: What each endpoint needs at least; a user's own token is served those of "user", with what is theirs.
NEEDS = {
    "GET /api/health": None,
    "GET /api/openapi.json": "user",
    "GET /api/usage/{report}": "user",
    "GET /api/usage/formats": "user",
    "GET /api/usage/reconcile": "user",
    "GET /api/sessions": "user",
    "GET /api/whoami": "user",
    "GET /api/knowledge/items": "user",
    "GET /api/knowledge/items/{item}": "user",
    "GET /api/knowledge/bundle": "user",
    "POST /api/knowledge/items/{item}/vote": "user",
    "POST /api/knowledge/items/{item}/own": "person",
    "GET /api/sessions/one": "user",
    "HEAD /api/upload/{path}": "user",
    "PUT /api/upload/{path}": "uploader",
    "GET /api/health/detailed": "reader",
    "GET /api/status": "reader",
    "GET /api/jobs": "reader",
    "GET /api/settings": "reader",
    "GET /metrics": "reader",
    "GET /api/knowledge/contradictions": "reader",
    "GET /api/knowledge/counts": "reader",
    "GET /api/knowledge/export": "reader",
    "GET /api/admin/scheduler-runs": "reader",
    "GET /api/admin/tokens": "admin",
    "POST /api/admin/tokens": "admin",
    "POST /api/admin/tokens/revoke": "admin",
    "POST /api/admin/backup": "admin",
    "POST /api/admin/import-legacy": "admin",
    "POST /api/admin/run-job": "admin",
    "POST /api/admin/run-corporate-memory": "admin",
    "POST /api/admin/run-session-processor": "admin",
    "POST /api/admin/run-session-collector": "admin",
    "POST /api/knowledge/items": "admin",
    "POST /api/knowledge/items/{item}/approve": "admin",
    "POST /api/knowledge/items/{item}/mandate": "admin",
    "POST /api/knowledge/items/{item}/reject": "admin",
    "POST /api/knowledge/items/{item}/revoke": "admin",
    "POST /api/knowledge/items/{item}/edit": "admin",
    "POST /api/knowledge/contradictions/{which}/resolve": "admin",
    "POST /api/knowledge/import": "admin",
    "POST /api/sessions/retry": "admin",
    "POST /api/sessions/reprocess": "admin",
    "POST /api/sessions/forget": "admin",
}
SERVED = {
    None: {"nobody", "user", "reader", "admin"},
    "user": {"user", "reader", "admin"},
    "uploader": {"user", "admin"},
    "person": {"user"},
    "reader": {"reader", "admin"},
    "admin": {"admin"},
}


def test_who_may_ask_what(service: Served, tokens: dict[str, str]) -> None:
    """Nobody is 401, who may not 403; every call that needs an admin is audited once, and none of a stranger's."""
    described = service.ask("GET", "/api/openapi.json").json["paths"]
    there = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    assert set(NEEDS) == there
    for endpoint in sorted(there):
        method, path = endpoint.split(" ")
        path = path.replace("{report}", "daily").replace("{path}", "ann/roles")
        for role in ("nobody", "user", "reader", "admin"):
            before = len(service.audit())
            reply = service.ask(method, path, tokens.get(role))
            if role == "nobody":
                strangers = 200 if endpoint == "GET /api/health" else 401
                assert reply.status == strangers, (endpoint, role)
                assert len(service.audit()) == before, (endpoint, role)
            else:
                assert (reply.status != 403) == (role in SERVED[NEEDS[endpoint]]), (endpoint, role, reply)
                audited = NEEDS[endpoint] in ("admin", "uploader")
                assert len(service.audit()) == before + audited, (endpoint, role)
                assert not audited or service.audit()[-1]["status"] == reply.status
    with noted(service):
        assert service.ask("POST", RUN, "wrong", processor="usage").status == 401


def test_a_users_token_sees_what_is_that_users(service: Served, tokens: dict[str, str]) -> None:
    """Of usage and sessions; neither names of others' work nor that they are there."""
    ann = tokens["user"]
    for report in REPORTS:
        mine = service.ask("GET", f"/api/usage/{report}", ann)
        assert mine.json == service.ask("GET", f"/api/usage/{report}", user="ann").json
        assert b"bob" not in mine.body
        assert service.ask("GET", f"/api/usage/{report}", ann, user="bob").status == 403
    assert b"bobs-secret-model" in service.ask("GET", "/api/usage/daily").body
    listed = service.ask("GET", "/api/sessions", ann)
    assert {one["session"] for one in listed.json["sessions"]} == {"ann/a.jsonl", "ann/b.jsonl"}
    assert service.ask("GET", "/api/sessions", ann, user="bob").status == 403
    assert service.ask("GET", "/api/sessions/one", ann, session="a.jsonl").json["session"] == "ann/a.jsonl"
    for text in ("bob/bobs-secret-work.jsonl", "secret", "jsonl"):
        refused = service.ask("GET", "/api/sessions/one", ann, session=text)
        assert refused.status == 404 and b"bobs-secret-work.jsonl" not in refused.body.replace(text.encode(), b"")
    assert service.ask("GET", "/api/sessions/one", session="secret").status == 200


def test_health_is_open_without_details(service: Served) -> None:
    """Everything else about it needs a token."""
    assert service.ask("GET", "/api/health", None).json == {"status": "ok"}
    detailed = service.ask("GET", "/api/health/detailed").json
    assert detailed["status"] == "ok" and {one["processor"] for one in detailed["processors"]} >= {"usage", "errors"}


def test_reports_are_paged_and_narrowed(service: Served) -> None:
    """Pages together are the whole; totals are over everything; bounds are told."""
    whole = service.ask("GET", "/api/usage/sessions").json
    assert whole["total_rows"] == len(whole["rows"]) == 3
    pages = [service.ask("GET", "/api/usage/sessions", limit=2, offset=n).json for n in (0, 2)]
    assert [row for page in pages for row in page["rows"]] == whole["rows"]
    assert all(page["totals"] == whole["totals"] and page["total_rows"] == 3 for page in pages)
    assert service.ask("GET", "/api/usage/daily", since="2026-03-02").json["rows"] == []
    assert len(service.ask("GET", "/api/usage/daily", since="2026-03-01", until="2026-03-01").json["rows"]) == 1
    assert service.ask("GET", "/api/usage/models", model="bobs-secret-model").json["total_rows"] == 1
    listed = service.ask("GET", "/api/sessions", processor="usage", limit=2, offset=2).json
    assert listed["total"] == 3 and len(listed["sessions"]) == 1
    for wrong in ({"limit": 0}, {"limit": 10_001}, {"offset": -1}, {"since": "0"}, {"since": "soon"}, {"user": "a\0b"}):
        assert service.ask("GET", "/api/usage/daily", **wrong).status == 422, wrong
    assert service.ask("GET", "/api/usage/weekly").status == 404


def test_the_command_reads_every_page(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows there are, ``usage`` has the whole report."""
    monkeypatch.setattr(usage, "_PAGE", 2)
    service.live.core.lock.describe(Holder(os.getpid(), "run", service.url))
    asked = settings_for(service.sessions, service.state, **{"http.token": TOKEN})
    found = usage.usage(asked, "sessions", None, None, None, None)
    assert len(found["rows"]) == 3 and found == service.ask("GET", "/api/usage/sessions").json


def test_runs_and_audit_are_filtered_and_paged(service: Served) -> None:
    """By job and outcome, by how the action begins and who asked, by day; with how many there are."""
    for name in ("health-check", "health-check", "nothing"):
        service.ask("POST", "/api/admin/run-job", name=name)

    def found(**query: Any) -> dict[str, Any]:
        answer: dict[str, Any] = service.ask("GET", "/api/admin/scheduler-runs", **query).json
        return answer

    health = found(name="health-check", outcome="ok")
    assert health["total_runs"] == len(health["runs"]) >= 2
    assert {(run["name"], run["outcome"]) for run in health["runs"]} == {("health-check", "ok")}
    jobs = found(action="run_job:", actor="admin")
    assert {entry["action"] for entry in jobs["audit"]} >= {"run_job:health-check", "run_job:nothing"}
    assert all(entry["action"].startswith("run_job:") for entry in jobs["audit"])
    assert found(actor="nobody")["audit"] == [] and found(since="2999-01-01")["runs"] == []
    assert found(until="2000-01-01")["total_audit"] == 0
    one_by_one = [found(name="health-check", limit=1, offset=n)["runs"][0] for n in range(2)]
    assert one_by_one == health["runs"][:2]
    assert len(found(limit=1)["audit"]) == 1 and found(limit=1)["total_audit"] == found()["total_audit"]


def test_an_entry_can_be_read_however_much_was_asked(service: Served) -> None:
    """What is asked for at length is cut in the audit, and the audit stays readable."""
    with noted(service, ("sessions_retry", "admin", 404)):
        long = service.ask("POST", "/api/sessions/retry", session=["x" * 200 for _ in range(100)])
    assert long.status == 404
    assert service.ask("GET", "/api/admin/scheduler-runs").json["audit"][0]["action"] == "sessions_retry"


def from_a_page(service: Served, method: str, path: str, **headers: str) -> Reply:
    return service.ask(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_a_page_elsewhere_cannot_drive_it(service: Served) -> None:
    """Neither by another name for its address nor by its own; programs and its own pages can."""
    here = service.url.removeprefix("http://")
    for host in (
        "evil.example",
        f"evil.example:{service.port}",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
    ):
        assert from_a_page(service, "GET", "/api/health", Host=host).status == 400, host
    for host in (here, "localhost", f"LOCALHOST:{service.port}", "[::1]:8750", "192.168.1.7:8750"):
        assert from_a_page(service, "GET", "/api/health", Host=host).status == 200, host
    with noted(service):
        for origin in (
            "http://evil.example", "https://evil.example", "null", f"http://localhost:{service.port + 1}", "http://",
            f"http://{here}.evil.example", f"ftp://{here}", "http://localhost", "http://[", "file://",
        ):  # fmt: skip
            assert from_a_page(service, "POST", RUN, Origin=origin).status == 403, origin
            assert from_a_page(service, "GET", "/api/status", Origin=origin).status == 403, origin
            assert from_a_page(service, "OPTIONS", "/api/status", Origin=origin).status == 403, origin
        for site in ("cross-site", "same-site"):
            assert from_a_page(service, "POST", RUN, Sec_Fetch_Site=site).status == 403
    assert from_a_page(service, "GET", "/api/health", Sec_Fetch_Site="cross-site").status == 200  # a link
    assert from_a_page(service, "POST", RUN, Origin=f"http://{here}", Sec_Fetch_Site="same-origin").status == 422
    own = from_a_page(service, "GET", "/api/status", Origin=f"http://{here}")
    assert own.status == 200 and not [name for name in own.headers if name.startswith("access-control")]
    assert own.headers["x-content-type-options"] == "nosniff" and own.headers["cache-control"] == "no-store"


def test_it_answers_to_the_names_that_are_set(tmp_path: Path) -> None:
    """Behind a proxy it is asked for by a public name, whose pages are its own."""
    with served(tmp_path, http__names=["watcher.example.org"]) as service:
        named = from_a_page(service, "GET", "/api/health", Host="Watcher.example.org:443")
        assert named.status == 200
        for host in ("watcher.example.org", "127.0.0.1"):
            reply = from_a_page(service, "POST", RUN, Host=host, Origin="https://watcher.example.org")
            assert reply.status == 422, host
        assert from_a_page(service, "GET", "/api/health", Host="example.org").status == 400


def test_methods_that_are_not_there_are_told(service: Served) -> None:
    """405 with those that are; TRACE sends nothing back."""
    for method in ("TRACE", "DELETE", "PATCH", "OPTIONS", "NONSENSE"):
        refused = service.ask(method, "/api/admin/tokens", headers={"X-Secret": "do not echo"})
        assert refused.status == 405 and refused.headers["allow"] == "GET, POST", method
        assert b"do not echo" not in refused.body
    assert service.ask("POST", "/api/upload/ann/a.jsonl").headers["allow"] == "HEAD, PUT"
    assert service.ask("GET", "/api/nothing").status == 404
    assert service.ask("GET", "/api/sessions/").status == 404  # and is not sent elsewhere


def test_nothing_is_taken_beyond_measure(service: Served) -> None:
    """Bodies (told or not), paths, queries, headers."""
    big = b"x" * (guard.LONGEST_BODY + 1)
    assert service.ask("POST", RUN, body=big, processor="usage").status == 413
    assert service.ask("GET", "/api/sessions", text="x" * 50_000).status == 414
    assert service.ask("GET", "/api/sessions", headers={"X-Long": "x" * 40_000}).status == 431
    assert service.ask("GET", "/api/sessions", text="x" * 501).status == 422
    answer = service.raw(b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 100_000)
    assert answer.startswith(b"HTTP/1.1 400 ") and b"application/json" in answer
    assert service.raw(b"no http\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert service.ask("GET", "/api/health").status == 200


@pytest.mark.parametrize("told", [True, False])
def test_who_sends_too_much_hears_it(service: Served, told: bool) -> None:
    """The answer does not wait for all of it, and no reset takes it away from who is still sending."""
    length = guard.LONGEST_BODY + 1
    target = f"{RUN}?processor=usage" if told else "/sign-in"  # which reads a form
    head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    form = f"Content-Length: {length}\r\n\r\n"
    if not told:
        form = "Content-Type: application/x-www-form-urlencoded\r\n"
        form += f"Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall((head + form).encode())
        if not told:
            connection.sendall(b"x" * length)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
        connection.sendall(b"x" * length if told else b"\r\n0\r\n\r\n")
        while connection.recv(65536):
            pass  # until it is closed, which is no error


def test_who_is_slow_does_not_hold_a_connection(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head of a request, a second one on the same connection, and a body have to come."""
    monkeypatch.setattr(serve, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.3)
    began = time.monotonic()
    assert service.raw() == b""
    assert service.raw(b"GET /api/health HTTP/1.1\r\nHost: loc") == b""
    whole = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    twice = service.raw(whole, b"GET /api/hea")
    assert twice.startswith(b"HTTP/1.1 200 ") and twice.count(b"HTTP/1.1") == 1
    head = f"PUT /api/upload/ann/slow.jsonl HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    with noted(service, ("upload", "admin", 408)):
        slow = service.raw(head.encode() + b"Content-Length: 100\r\n\r\n{}")
    assert slow.startswith(b"HTTP/1.1 408 ")
    assert not (service.sessions / "ann" / "slow.jsonl").exists()
    assert time.monotonic() - began < 20


def test_wrong_tokens_are_refused_and_counted(service: Served, tokens: dict[str, str]) -> None:
    """However many: each is 401, none is audited, and a known one from the same address is answered."""
    before = service.ask("GET", "/api/health/detailed").json["sign_ins"]
    with noted(service):
        for n in range(40):
            assert service.ask("GET", "/api/status", f"wrong-{n}").status == 401
        assert service.ask("GET", "/api/status", tokens["reader"]).status == 200
        assert service.ask("GET", "/api/status", None).status == 401
    counts = service.ask("GET", "/api/health/detailed").json["sign_ins"]
    assert counts == {"missing": before["missing"] + 1, "wrong": before["wrong"] + 40}


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_it_is_not_open_to_the_network_by_accident(tmp_path: Path, host: str) -> None:
    """Beyond loopback it does not start without a token that the operator chose: one sentence, exit code 2."""
    (tmp_path / "sessions").mkdir()
    place = Place(tmp_path / "sessions", tmp_path / "state", {"WATCHER_HTTP__HOST": host})
    refused = place.run("run")
    assert refused.returncode == 2 and "http.token" in refused.stderr and refused.stderr.count("\n") == 1
    assert not (tmp_path / "state" / "watcher.duckdb").exists()
