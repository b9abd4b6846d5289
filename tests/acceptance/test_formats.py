"""The next change of format, as people meet it: a name that is known no more is told by every face of the program."""

from __future__ import annotations

import json
import os
import random
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from processors import known
from tests.support.processes import Place, Running, wait_for
from tests.support.transcript_lines import Object, Talk, line, text, usage

#: The list in processors/known.py that a name is taken off, by kind.
LISTS = {
    "type": "RECORD_TYPES",
    "subtype": "SYSTEM_SUBTYPES",
    "attachment": "ATTACHMENT_TYPES",
    "iteration": "ITERATION_TYPES",
    "origin": "ORIGINS",
    "usage_field": "USAGE_FIELDS",
}
#: Python runs this before the program: an edition that does not know some names yet.
FORGETFUL = """
import json, os
from processors import known
for listed, name in json.loads(os.environ["FORGOTTEN"]).items():
    whole = getattr(known, listed)
    less = {key: whole[key] for key in whole if key != name} if isinstance(whole, dict) else whole - {name}
    setattr(known, listed, less)
"""
NOW = datetime.now(UTC).isoformat()
VERSION = "2.1.400"
MODEL = "model-of-tomorrow"
Row = tuple[str, str, str]


def chosen() -> dict[str, str]:
    """A name of each list."""
    rng = random.Random(seed := random.randrange(2**32))
    print(f"seed {seed}")
    return {kind: rng.choice(sorted(getattr(known, listed))) for kind, listed in LISTS.items()}


def records(names: dict[str, str], user: str) -> list[Object]:
    """A transcript that has all of them, and a model without a price."""
    talk = Talk(f"s-{user}", f"/home/{user}/shop", VERSION)
    used = {**usage(1, 2), "iterations": [{"type": names["iteration"], "input_tokens": 1}]}
    used.setdefault(names["usage_field"], None)
    return [
        talk.user(NOW, f"{user} a", "words", origin={"kind": names["origin"]}),
        talk.assistant(NOW, f"{user}-0", text("x"), used),
        talk.assistant(NOW, f"{user}-1", text("x"), usage(3, 4), model=MODEL),
        {"type": names["type"], "sessionId": talk.session_id, "version": VERSION, "timestamp": NOW},
        talk.record("system", NOW, f"{user} b", subtype=names["subtype"]),
        talk.record("attachment", NOW, f"{user} c", attachment={"type": names["attachment"]}),
    ]


@pytest.fixture(scope="module")
def names() -> dict[str, str]:
    return chosen()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, names: dict[str, str]) -> Place:
    """Ann's transcript, which was taken by an edition that does not know one name of each list."""
    folder = tmp_path_factory.mktemp("formats")
    made = Place(folder / "sessions", folder / "state")
    (made.sessions / "ann").mkdir(parents=True)
    (made.sessions / "ann" / "a.jsonl").write_bytes(b"".join(map(line, records(names, "ann"))) + b"no json\n")
    (folder / "edition").mkdir()
    (folder / "edition" / "sitecustomize.py").write_text(FORGETFUL)
    made.environment["FORGOTTEN"] = json.dumps({LISTS[kind]: name for kind, name in names.items()})
    path = made.surroundings().get("PYTHONPATH")
    made.environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder / "edition"), path]))
    assert made.run("once", "--quiet").returncode == 0
    return made


@pytest.fixture(scope="module")
def service(place: Place) -> Iterator[Running]:
    running = place.start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-3000:]


def told(found: dict[str, Any]) -> set[Row]:
    """Kind, name and version of all, each of one session, now."""
    assert found["total"] == len(found["formats"])
    assert {one["sessions"] for one in found["formats"]} <= {1} and all(one["means"] for one in found["formats"])
    assert {datetime.fromisoformat(one["last_at"]) for one in found["formats"]} <= {datetime.fromisoformat(NOW)}
    return {(one["kind"], one["name"], one["version"]) for one in found["formats"]}


def expected(names: dict[str, str]) -> set[Row]:
    return {(kind, name, VERSION) for kind, name in names.items()} | {("model", MODEL, VERSION)}


def test_the_table_and_the_command_name_them(place: Place, names: dict[str, str]) -> None:
    """Without a service: from the database, and from the folder, which needs neither database nor state."""
    whole = expected(names)
    rows = place.json("formats")
    assert told(rows) == whole
    assert told(place.json("formats", "--since", "today")) == whole
    assert place.json("formats", "--since", "2999-01-01") == {"formats": [], "total": 0}
    elsewhere = Place(place.sessions, place.state.parent / "nothing", place.environment)
    found = elsewhere.json("formats", str(place.sessions))
    assert told(found) == whole and not elsewhere.state.exists()
    assert {key: found[key] for key in ("files", "bad_lines", "left_out", "unreadable")} == {
        "files": 1, "bad_lines": 1, "left_out": 0, "unreadable": [],
    }  # fmt: skip
    for words in ((), (str(place.sessions),)):
        said = place.run("formats", *words)
        assert said.returncode == 0 and not said.stderr
        assert all(name in said.stdout for name in (*names.values(), MODEL, VERSION))
        for means in ("are not counted", "cost is missing", "Update Session Watcher", "[processors.usage] prices"):
            assert means in said.stdout
    assert "Lines that could not be read: 1." in said.stdout


def test_the_table_is_there_for_sql(place: Place, names: dict[str, str]) -> None:
    """`unknown_records` has the same rows as the command."""
    with duckdb.connect(str(place.state / "watcher.duckdb"), read_only=True) as database:
        rows = database.execute("SELECT kind, name, version, sessions FROM unknown_records").fetchall()
    assert {row[:3] for row in rows} == expected(names) and {row[3] for row in rows} == {1}


def test_the_service_names_them(place: Place, service: Running, names: dict[str, str]) -> None:
    """Health warns at once with the name and the version, the command reads through the API, metrics count sessions."""
    (finding,) = [one for one in place.health()["findings"] if one["name"] == "unknown_formats"]
    assert finding["level"] == "warning" and place.health()["status"] == "degraded"
    assert place.ask("/api/health")["status"] == "degraded"
    assert VERSION in finding["message"] and "and 3 more" in finding["message"]
    assert {(one["kind"], one["name"]) for one in finding["details"]["names"]} == set(names.items())
    for kind in ("iteration", "usage_field", "type"):
        assert repr(names[kind]) in finding["message"]
    assert told(place.json("formats")) == expected(names)
    assert place.json("formats", "--since", "2999-01-01") == {"formats": [], "total": 0}
    assert place.run("jobs", "run", "health-check").returncode == 0
    assert "unknown_formats" in service.log.read_text()
    token = (place.state / "token").read_text().strip()
    request = urllib.request.Request(f"{place._url()}/metrics", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        metrics = answer.read().decode()
    for kind in (*LISTS, "model"):
        assert f'session_watcher_unknown_format_sessions{{kind="{kind}"}} 1.0' in metrics


def test_a_users_token_sees_what_is_in_that_users_sessions(
    place: Place, service: Running, names: dict[str, str]
) -> None:
    """Neither names nor numbers of others."""
    (place.sessions / "bob").mkdir()
    other = [{"type": "bobs-secret-type", "sessionId": "s-bob", "timestamp": NOW, "version": VERSION}]
    (place.sessions / "bob" / "b.jsonl").write_bytes(b"".join(map(line, [*records(names, "bob"), *other])))
    wait_for(lambda: "bobs-secret-type" in str(place.ask("/api/usage/formats")), "bob's session", service.log)

    def ask(user: str, query: str = "") -> tuple[int, Any]:
        token = place.json("tokens", "create", user + query, "--role", "user", "--user", user)["token"]
        request = urllib.request.Request(
            f"{place._url()}/api/usage/formats{query}", headers={"Authorization": f"Bearer {token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    assert told(ask("ann")[1]) == expected(names)
    assert told(ask("bob")[1]) == expected(names) | {("type", "bobs-secret-type", VERSION)}
    assert ask("ann", "?user=bob")[0] == 403
    whole = place.ask("/api/usage/formats")
    assert {one["sessions"] for one in whole["formats"]} == {1, 2} and whole["total"] == 8
    assert place.ask("/api/usage/formats?user=bob")["total"] == 8
    assert len(place.ask("/api/usage/formats?limit=3&offset=6")["formats"]) == 2


def test_this_edition_knows_them_all(place: Place, names: dict[str, str]) -> None:
    """Nothing but the model is told of the same transcript."""
    today = Place(place.sessions, place.state.parent / "today")
    assert told(today.json("formats", str(place.sessions / "ann"))) == {("model", MODEL, VERSION)}


def test_a_folder_that_is_none_is_one_sentence(place: Place) -> None:
    """A file, and what is not there: exit code 2."""
    for name, words in (("nowhere", "there is no such folder"), ("sessions/ann/a.jsonl", "this is no folder")):
        said = place.run("formats", name)
        assert (
            said.returncode == 2
            and not said.stdout
            and said.stderr
            == f"session-watcher: {name}: {words}" + ("; name the one that it lies in\n" if "a.jsonl" in name else "\n")
        )
