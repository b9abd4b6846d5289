"""A processor that asks a model, in the service as people run it: not configured, short of tokens, killed."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from processors.verification import Verification
from tests.support.llm_answers import everything
from tests.support.model_server import Asked, ModelServer, Says, serving
from tests.support.operated import Operated
from tests.support.processes import call, wait_for
from tests.support.talk_lines import agent, say

LLM = {"extractor": "llm"}
SENTENCE = 'verification is not configured: no model is set: write [model] model, such as "anthropic:claude-haiku-4-5"'


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving(everything) as made:
        yield made


@pytest.fixture
def place(tmp_path: Path) -> Operated:
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    return Operated(
        tmp_path / "sessions", tmp_path / "state", {"ANTHROPIC_API_KEY": "a-key-of-the-tests", "OPENAI_API_KEY": ""}
    )


def model(server: ModelServer, **given: Any) -> dict[str, Any]:
    return {"model": "anthropic:claude-haiku-4-5", "base_url": server.url, **given}


def rows(state: Path, sql: str) -> list[tuple[Any, ...]]:
    """What the database says while nobody has it."""
    with duckdb.connect(str(state / "watcher.duckdb"), read_only=True) as database:
        return database.execute(sql).fetchall()


def standing(place: Operated) -> dict[str, Any]:
    """How verification stands."""
    (entry,) = [one for one in place.ask("/api/status")["processors"] if one["processor"] == "verification"]
    return entry  # type: ignore[no-any-return]


def test_without_a_model_it_waits_and_says_so_until_one_is_set(place: Operated, server: ModelServer) -> None:
    """Every trigger answers with the sentence, running or stopped; nothing is marked; the others go on."""
    path = place.sessions / "ann" / "a.jsonl"
    path.write_bytes(call("m1") + say("no, we bill in cents", 1))
    place.write(processors__verification=LLM)

    def triggers() -> None:
        once = place.run("once")
        assert (once.returncode, once.stdout.count(SENTENCE)) == (1, 1), once.stdout + once.stderr
        job = place.run("jobs", "run", "session-processor:verification")
        assert (job.returncode, job.stderr) == (2, f"session-watcher: {SENTENCE}\n")
        assert place.calls() == 1
        assert place.states("a.jsonl") == {"errors": "ok", "usage": "ok", "verification": "unknown"}

    triggers()
    running = place.start()
    try:
        triggers()
        assert place.said("unconfigured", "no model is set") and place.health()["status"] == "degraded"
        url = f"{place._url()}/api/admin/run-session-processor?processor=verification"
        headers = {"Authorization": f"Bearer {(place.state / 'token').read_text().strip()}"}
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(url, method="POST", headers=headers), timeout=30)
        assert refused.value.code == 500 and json.load(refused.value) == {"detail": SENTENCE}
        audited = place.ask("/api/admin/scheduler-runs")["audit"][0]
        assert (audited["action"], audited["status"]) == ("run_session_processor:verification", 500)
        assert server.asked == []
        # Live: a first call fits into the day's tokens, and then no other.
        (place.sessions / "ann" / "b.jsonl").write_bytes(say("no, we ship on Mondays", 2))
        (place.sessions / "ann" / "c.jsonl").write_bytes(say("no, we never call back", 3))
        place.write(processors__verification=LLM, model=model(server, max_tokens_a_day=6000))
        wait_for(lambda: place.said("processor_waits", "max_tokens_a_day"), "the day's tokens to be used up")
        assert not place.said("unconfigured") and len(server.asked) == 1
        entry = standing(place)
        assert (entry["ok"], entry["failed"], entry["quarantined"], entry["items"]) == (1, 0, 0, 1)
        status = place.run("status").stdout
        assert "Models today: 1 calls, 1,100 of 6,000 tokens, $0.00 (anthropic:claude-haiku-4-5)" in status
        place.write(processors__verification=LLM, model=model(server, max_tokens_a_day=100_000))
        wait_for(lambda: standing(place)["ok"] == 3, "the others, with more tokens")
        wait_for(lambda: place.health()["status"] == "ok", "health to say that it has passed")
    finally:
        assert running.stop() == 0
    quotes = rows(place.state, "SELECT user_quote, extractor FROM knowledge_inbox ORDER BY user_quote")
    assert quotes == [
        ("no, we bill in cents", "llm"),
        ("no, we never call back", "llm"),
        ("no, we ship on Mondays", "llm"),
    ]
    assert len(server.asked) == 3
    noted = rows(place.state, "SELECT processor_name, outcome, input_tokens, output_tokens FROM model_calls")
    assert noted == [("verification", "ok", 1000, 100)] * 3


def version(state: Path) -> list[int]:
    """The versions that made what verification has."""
    sql = "SELECT processor_version FROM session_processor_state WHERE processor_name = 'verification' ORDER BY 1"
    return [made for (made,) in rows(state, sql)]


def outdate(state: Path) -> None:
    """What was taken was taken by the version before."""
    with duckdb.connect(str(state / "watcher.duckdb")) as database:
        database.execute(
            "UPDATE session_processor_state SET processor_version = $1 WHERE processor_name = 'verification'",
            [Verification.version - 1],
        )


ALL_OLDER = ("sessions", "reprocess", "--processor", "verification", "--older")


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_a_new_version_asks_nobody_again_until_somebody_wants_it(
    place: Operated, server: ModelServer, running: bool
) -> None:
    """Health says what it would come to, what is added goes on, and a command takes all of it again."""
    now = Verification.version
    for n in range(2):
        (place.sessions / "ann" / f"{n}.jsonl").write_bytes(say(f"no, plant {n} ships on Mondays", n))
    place.write(processors__verification={**LLM, "quiet": "100ms"}, model=model(server))
    assert place.run("once").returncode == 0 and (len(server.asked), version(place.state)) == (2, [now, now])
    outdate(place.state)
    path = place.sessions / "ann" / "0.jsonl"
    path.write_bytes(path.read_bytes() + say("no, invoices go out on Fridays", 7))
    assert place.run("once").returncode == 0
    assert (len(server.asked), version(place.state)) == (3, [now - 1, now - 1])
    assert [words for name, _, words in server.asked[-1].turns if name] == ["no, invoices go out on Fridays"]
    assert rows(place.state, "SELECT count(*) FROM knowledge_inbox") == [(3,)]
    service = place.start()
    try:
        assert place.run("jobs", "run", "session-processor:verification").returncode == 0
        for words in ("2 sessions", "show about 3,000 tokens", " ".join(ALL_OLDER)):
            assert place.said("earlier_version", words), place.health()
        assert place.health()["status"] == "ok" and len(server.asked) == 3
        why = place.run("sessions", "show", "1.jsonl").stdout
        assert "Made by an earlier version" in " ".join(why.split()) and "reprocess" in why
        if not running:
            assert service.stop() == 0
        done = place.run(*ALL_OLDER)
        assert (done.returncode, done.stdout.count("again from its start")) == (0, 2), done.stdout + done.stderr
        if not running:
            assert len(server.asked) == 3
            service = place.start()
        wait_for(lambda: len(server.asked) == 5, "both to be asked about as a whole", service.log)
        wait_for(lambda: not place.said("earlier_version"), "nothing to be left of it", service.log)
        again = place.run(*ALL_OLDER)
        assert (again.returncode, again.stdout) == (1, "No session fits.\n")
    finally:
        assert service.stop() == 0
    assert version(place.state) == [now, now] and rows(place.state, "SELECT count(*) FROM knowledge_inbox") == [(3,)]


def test_by_rules_a_new_version_takes_all_again(place: Operated, server: ModelServer) -> None:
    """It costs nobody anything."""
    (place.sessions / "ann" / "a.jsonl").write_bytes(say("our plants never ship before noon", 1))
    place.write()
    assert place.run("once").returncode == 0
    outdate(place.state)
    assert place.run("once").returncode == 0
    assert version(place.state) == [Verification.version] and not server.asked


def test_no_more_calls_at_once_than_is_set(place: Operated, server: ModelServer) -> None:
    """With `concurrency = 2`, two sessions are asked about, and the others wait; other processors go on."""
    for n in range(5):
        (place.sessions / "ann" / f"{n}.jsonl").write_bytes(call(f"m{n}") + say(f"no, plant {n} ships on Mondays", n))
    go_on, count, under_way, most = threading.Event(), threading.Lock(), 0, 0

    def together(asked: Asked) -> Says:
        nonlocal under_way, most
        with count:
            under_way += 1
            most = max(most, under_way)
        assert go_on.wait(60)
        with count:
            under_way -= 1
        return everything(asked)

    server.behaviour = together
    place.write(processors__verification={**LLM, "concurrency": 2, "quiet": "100ms"}, model=model(server))
    running = place.start()
    try:
        wait_for(lambda: under_way == 2 and place.calls() == 5, "two calls, and all that asks no model", running.log)
        assert len(server.asked) == 2 and standing(place)["ok"] == 0
        go_on.set()
        wait_for(lambda: standing(place)["ok"] == 5, "the others", running.log)
    finally:
        go_on.set()
        assert running.stop() == 0
    assert (most, len(server.asked)) == (2, 5)


def test_killed_in_the_middle_of_a_call(place: Operated, server: ModelServer, tmp_path: Path) -> None:
    """At most one window is paid twice, every call is noted, and the candidates are those of an undisturbed run."""
    rules = [f"Our plant number {n} never ships before noon, because of its contract {n}." for n in range(120)]
    talk = b"".join(say(rule, n) + agent(f"Noted: {n}. " + "Words. " * 20) for n, rule in enumerate(rules))
    (place.sessions / "ann" / "a.jsonl").write_bytes(talk)
    settings = {**LLM, "window_chars": 4000}
    held, reached = threading.Event(), threading.Event()

    def hold_the_third(asked: Asked) -> Says:
        if len(server.asked) == 3:
            reached.set()
            held.wait(60)
        return everything(asked)

    server.behaviour = hold_the_third
    place.write(processors__verification=settings, model=model(server))
    running = place.start()
    assert reached.wait(60), running.log.read_text()
    running.kill()
    held.set()
    assert place.run("once").returncode == 0
    asked = Counter(one.text for one in server.asked)
    assert sorted(asked.values()) == [1] * (len(asked) - 1) + [2] and len(asked) > 5
    noted = rows(place.state, "SELECT outcome, count(*) FROM model_calls GROUP BY outcome ORDER BY 1")
    assert noted == [("ok", len(asked)), ("under_way", 1)]
    sql = "SELECT * FROM knowledge_inbox ORDER BY candidate_id"
    found = rows(place.state, sql)
    assert len(found) == len(rules)
    undisturbed = Operated(place.sessions, tmp_path / "other", place.environment)
    undisturbed.write(processors__verification=settings, model=model(server))
    assert undisturbed.run("once").returncode == 0
    assert rows(undisturbed.state, sql) == found
    assert Counter(one.text for one in server.asked) == asked + Counter(set(asked))
