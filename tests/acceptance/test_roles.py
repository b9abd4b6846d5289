"""Tokens on a service that runs: each does what its role may, is known from now on, and unknown once revoked."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.support.processes import Place, call, wait_for

READS = ("/api/health/detailed", "/api/status", "/api/jobs", "/api/settings", "/api/admin/scheduler-runs")  # fmt: skip
OWN = ("/api/usage/users", "/api/usage/daily", "/api/sessions")
DOES = ("/api/sessions/retry?session=ann/a.jsonl", "/api/admin/run-session-processor?processor=usage",
        "/api/admin/tokens?name=x&role=reader", "/api/admin/backup")  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A service that has taken the sessions of two people."""
    folder = tmp_path_factory.mktemp("roles")
    made = Place(folder / "sessions", folder / "state")
    for user in ("ann", "bob"):
        (made.sessions / user).mkdir(parents=True)
        (made.sessions / user / "a.jsonl").write_bytes(call(user))
    service = made.start()
    try:
        wait_for(lambda: len(made.ask("/api/usage/users").get("rows", [])) == 2, "both", service.log)
        yield made
        assert service.stop() == 0
    finally:
        service.kill()


def asked(place: Place, path: str, token: str | None, post: bool = False) -> tuple[int, str]:
    """Status and answer."""
    url = json.loads((place.state / "lock").read_text())["url"]
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{url}{path}", headers=headers, method="POST" if post else "GET")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def make(place: Place, *words: str) -> str:
    """A token, as an operator makes it: it is all that is printed."""
    done = place.run("tokens", "create", *words)
    assert done.returncode == 0 and done.stdout.startswith("sw_") and done.stdout.count("\n") == 1
    return done.stdout.strip()


def test_each_role_may_what_it_may(place: Place) -> None:
    """An admin everything, a reader see everything, a user see what is theirs, nobody else anything."""
    admin, reader = make(place, "chief", "--role", "admin"), make(place, "eye", "--role", "reader")
    ann = make(place, "ann", "--role", "user", "--user", "ann")
    for path in READS + OWN:
        assert [asked(place, path, token)[0] for token in (admin, reader)] == [200, 200], path
        assert asked(place, path, ann)[0] == (200 if path in OWN else 403), path
        assert [asked(place, path, token)[0] for token in (None, "", "sw_x", admin[:-1])] == [401] * 4, path
    for token, status in ((admin, 200), (reader, 200), (ann, 404)):
        assert asked(place, "/api/sessions/one?session=bob/a.jsonl", token)[0] == status
        assert asked(place, "/api/sessions/one?session=ann/a.jsonl", token)[0] == 200
    for path in DOES:
        assert [asked(place, path, token, post=True)[0] for token in (reader, ann, None)] == [403, 403, 401], path
        assert asked(place, path, admin, post=True)[0] == 200, path
    for path in OWN:
        found = asked(place, path, ann)[1]
        assert "bob" not in found and ("ann" in found or path.endswith("daily"))
        assert asked(place, f"{path}?user=bob", ann)[0] == 403
    assert json.loads(asked(place, "/api/usage/daily", ann)[1])["totals"]["calls"] == 1


def test_a_revoked_token_is_unknown_at_once(place: Place) -> None:
    """Whoever uses it; and what was done with it stays in the audit under its name."""
    token = make(place, "short", "--role", "admin")
    assert asked(place, "/api/admin/run-job?name=health-check", token, post=True)[0] == 200
    assert place.run("tokens", "revoke", "short").stdout == "short is revoked.\n"
    assert asked(place, "/api/status", token)[0] == 401
    assert asked(place, "/api/admin/run-job?name=health-check", token, post=True)[0] == 401
    audit = place.ask("/api/admin/scheduler-runs?limit=200")["audit"]
    assert [entry["status"] for entry in audit if entry["actor"] == "short"] == [200]
    assert token not in json.dumps(audit)
    for path in place.state.rglob("*"):
        assert path.is_dir() or token.encode() not in path.read_bytes()
