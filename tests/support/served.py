"""A live service in the test's process, served on a real socket: its database can be looked into."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.support.listener import until
from watcher.daemon import LiveService
from watcher.http.app import build
from watcher.http.facts import tell
from watcher.http.serve import Server, bind, url_of
from watcher.settings import load

TOKEN = "a-token-that-the-operator-chose-themselves"


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which says that it is JSON."""
        assert self.headers["content-type"] == "application/json", self
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        """The sentence of a refusal."""
        return str(self.json["detail"])


@dataclass
class Served:
    """A service that answers."""

    live: LiveService
    url: str
    sessions: Path
    state: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def ask(
        self,
        method: str,
        path: str,
        /,
        token: str | None = TOKEN,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Reply:
        """One request; the path is sent as it is given."""
        given = {name: value for name, value in query.items() if value is not None}
        words = urlencode(given, doseq=True)
        known = {"Authorization": f"Bearer {token}"} if token is not None else {}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path + ("?" + words if words else ""), body, {**known, **(headers or {})})
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def raw(self, *pieces: bytes) -> bytes:
        """What a connection answers to these bytes until it closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            for piece in pieces:
                connection.sendall(piece)
            answer = b""
            while more := connection.recv(65536):
                answer += more
        return answer

    def audit(self) -> list[dict[str, Any]]:
        """Every entry, the first first."""
        columns = ("action", "actor", "resource", "params", "status", "duration_ms", "unhandled_error")
        rows = self.live.core.query(f"SELECT {', '.join(columns)} FROM audit_log ORDER BY asked_at, entry_id")
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def token(self, role: str, user: str | None = None) -> str:
        """A new token of a role."""
        name = f"{role}-{user}-{len(self.audit())}"
        return str(self.ask("POST", "/api/admin/tokens", name=name, role=role, username=user).json["token"])

    def calls(self, user: str | None = None) -> int:
        """Calls that are counted."""
        return sum(row[2] for row in self.ask("GET", "/api/usage/users", user=user).json["rows"])

    def until_calls(self, number: int, user: str | None = None) -> None:
        """Wait until so many are."""
        until(lambda: self.calls(user) == number, f"{number} calls to be counted", 60.0)


@contextmanager
def served(folder: Path, **overrides: Any) -> Iterator[Served]:
    """Serve what is below a folder; settings are named with ``__`` for dots."""
    sessions, state = folder / "sessions", folder / "state"
    for made in (sessions, folder / "home"):
        made.mkdir(parents=True, exist_ok=True)
    given = {
        "paths.sessions": sessions,
        "paths.state": state,
        "http.port": 0,
        "health.min_free_disk": "1KB",
        "collector.sources": [f"{folder}/home/*/.claude/projects/**/*.jsonl"],
        **{f"processors.{name}.quiet": "50ms" for name in ("usage", "errors", "verification")},
        **{name.replace("__", "."): value for name, value in overrides.items()},
    }
    live = LiveService(load(None, {}, given))
    listener = bind("127.0.0.1", 0)
    tell(live)
    server = Server(build(live, TOKEN), listener)
    live.start()
    server.start()
    try:
        # What was there at the start is looked at first.
        until(lambda: all(one.last_sweep for one in live.core.pipelines.values()), "the first sweeps")
        until(lambda: not live.core.jobs.running(0.0), "them to be over")
        yield Served(live, url_of(listener), sessions, state)
    finally:
        server.stop(10.0)
        assert live.stop()
