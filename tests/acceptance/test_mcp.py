"""Agents ask for themselves: the official client, over pipes and over HTTP, with the service and without."""

from __future__ import annotations

import re
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from tests.support.knowledge_talk import AGENT, CORRECTION, DEFINITION, items, talk
from tests.support.processes import PATIENCE, Place, call, wait_for

Asked = list[tuple[str, dict[str, Any]]]


async def ask(server: Any, asked: Asked) -> list[Any]:
    """The names of its tools, then what each answers: its result, or the text of its refusal."""
    async with Client(server, read_timeout_seconds=PATIENCE) as client:
        answers: list[Any] = [{tool.name for tool in (await client.list_tools()).tools}]
        for name, arguments in asked:
            found = await client.call_tool(name, arguments)
            text = "".join(getattr(part, "text", "") for part in found.content)
            answers.append(text if found.is_error else found.structured_content)
        return answers


def over_pipes(place: Place, asked: Asked, *options: str) -> list[Any]:
    """The same over standard input and output."""
    command = place.command("mcp", *options)
    server = StdioServerParameters(
        command=command[0], args=command[1:], env=place.surroundings(), cwd=place.sessions.parent
    )
    return anyio.run(ask, server, asked)


def over_http(url: str, token: str, asked: Asked) -> list[Any]:
    """The same over HTTP, with a token."""

    async def with_token() -> list[Any]:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=PATIENCE) as http:
            return await ask(streamable_http_client(url, http_client=http), asked)

    return anyio.run(with_token)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A service's folder with a correction that was approved, a definition that was not, and a call that cost."""
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    session = talk(AGENT, CORRECTION, "Thanks, noted.", DEFINITION)
    (tmp_path / "sessions" / "ann" / "s.jsonl").write_bytes(session + call("m1", 1000))
    (tmp_path / "sessions" / "bob").mkdir()
    (tmp_path / "sessions" / "bob" / "s.jsonl").write_bytes(call("m2", 10))
    place = Place(tmp_path / "sessions", tmp_path / "state")
    assert place.run("once", "-q").returncode == 0
    (approved,) = [one["item_id"] for one in items(place) if "reduced rate" in one["content"]]
    assert place.run("knowledge", "approve", approved).returncode == 0
    return place


def asked_of(place: Place) -> tuple[Asked, str]:
    """Every tool, with what is right and what is wrong."""
    by_status = {one["status"]: one["item_id"] for one in items(place)}
    return [
        ("search_knowledge", {"text": "books reduced"}),
        ("search_knowledge", {"text": "fiscal year"}),
        ("search_knowledge", {"text": "%_"}),
        ("read_item", {"item": by_status["approved"]}),
        ("read_item", {"item": by_status["pending"]}),
        ("fetch_bundle", {}),
        ("report_usage", {"report": "users"}),
        ("report_usage", {"report": "users", "limit": 1}),
        ("report_usage", {"report": "nonsense"}),
        ("report_usage", {"since": "yesterday"}),
        ("search_knowledge", {"text": ""}),
        ("read_item", {"item": f"{by_status['pending']}?served=0&x="}),
    ], by_status["approved"]


def check(answers: list[Any], approved: str) -> None:
    """What every agent gets, by whatever way it asks."""
    found, not_yet, wild, item, hidden, bundle, usage, first, nonsense, no_day, empty, sly = answers
    assert [one["item_id"] for one in found["items"]] == [approved] and found["total"] == 1
    assert not_yet["items"] == [], "what nobody approved is not for agents"
    assert wild["items"] == []
    assert [one["user_quote"] for one in item["evidence"]] == [CORRECTION] and "reduced rate of 7%" in item["text"]
    assert "there is no item" in hidden and "there is no item" in sly
    assert [one["item_id"] for one in bundle["items"]] == [approved]
    assert usage["columns"][0] == "username" and usage["rows"][0][0] == "ann"
    assert usage["total_rows"] == len(usage["rows"]) == 2
    assert first == {**usage, "rows": usage["rows"][:1]}, "no more than an agent has room for, and totals of all"
    assert "daily" in nonsense and "YYYY-MM-DD" in no_day and "Error" in empty


def test_over_pipes_with_the_service_and_without(place: Place) -> None:
    """The same answers; the four tools that are promised."""
    asked, approved = asked_of(place)
    tools, *stopped = over_pipes(place, asked)
    assert tools == {"search_knowledge", "read_item", "fetch_bundle", "report_usage"}
    check(stopped, approved)
    running = place.start()
    try:
        _, *with_service = over_pipes(place, asked)
        check(with_service, approved)
    finally:
        running.kill()


def free_port() -> int:
    """A port that nobody listens on just now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def served(place: Place) -> Iterator[str]:
    """The tools over HTTP beside a running service; where."""
    running = place.start()
    port = free_port()
    log = place.state.parent / "mcp.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            place.command("mcp", "--port", str(port)), env=place.surroundings(), stdout=stream, stderr=stream
        )
    url = f"http://127.0.0.1:{port}/mcp"
    try:
        wait_for(lambda: process.poll() is not None or code_of(url) == 401, "the tools to be served", log)
        assert process.poll() is None, log.read_text()
        yield url
    finally:
        process.kill()
        process.wait(PATIENCE)
        running.kill()


def code_of(url: str, **headers: str) -> int | None:
    """The status of an answer; None while there is none."""
    request = urllib.request.Request(url, b"{}", {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def test_over_http_with_a_token_of_ones_own(place: Place, served: str) -> None:
    """Who has no token that the service knows gets nothing; a page elsewhere neither."""
    asked, approved = asked_of(place)
    token = place.json("tokens", "create", "agents", "--role", "reader")["token"]
    _, *answers = over_http(served, token, asked)
    check(answers, approved)
    own = place.json("tokens", "create", "bob", "--role", "user", "--user", "bob")["token"]
    _, usage, bundle = over_http(served, own, [("report_usage", {"report": "users"}), ("fetch_bundle", {})])
    assert [row[0] for row in usage["rows"]] == ["bob"], "a user's token sees only what is its user's"
    assert [one["item_id"] for one in bundle["items"]] == [approved]
    assert code_of(served) == 401 and code_of(served, Authorization="Bearer nonsense") == 401
    assert code_of(served, Authorization=f"Bearer {token}", Host="evil.example:80") in (403, 421)
    assert code_of(served, Authorization=f"Bearer {token}", Origin="http://evil.example") == 403
    place.run("tokens", "revoke", "agents")
    with pytest.raises((MCPError, httpx2.HTTPError, ExceptionGroup)):
        over_http(served, token, [("fetch_bundle", {})])


def test_it_says_what_it_needs(place: Place) -> None:
    """One sentence each."""
    done = place.run("mcp", "--port", "0")
    assert done.returncode == 2 and "running service" in done.stderr and done.stderr.count("\n") == 1
    done = place.run("mcp", "--url", "http://127.0.0.1:1")
    assert done.returncode == 2 and re.search("--token-file", done.stderr) and done.stderr.count("\n") == 1
