"""Asking a model, with the real client libraries against a server on this machine that speaks as providers do."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from processors.contract import ModelAccess, Paused, Transient, Unconfigured
from processors.llm import KEYS, PACKAGE, Material, Unanswered, ask, unconfigured
from processors.llm.call_log import DAY, Journal, ModelCall, read
from tests.support import ROOT
from tests.support.model_server import Asked, ModelServer, Says, serving

MODELS = {"anthropic": "anthropic:claude-haiku-4-5", "openai": "openai:gpt-4.1-mini"}
KEY = "a-key-of-the-tests"


@dataclass
class Fact:
    """What is asked for."""

    name: str
    words: list[str] | None = None


@dataclass
class Facts:
    """All of them."""

    facts: list[Fact] = field(default_factory=list)


GOOD = Says({"facts": [{"name": "one", "words": ["a", "b"]}, {"name": "two"}]}, tokens=(1000, 100))


@pytest.fixture(params=sorted(MODELS))
def provider(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both wire formats, with a key in the usual variable."""
    for variable in KEYS.values():
        monkeypatch.setenv(variable, KEY)
    return str(request.param)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving(lambda asked: GOOD) as made:
        yield made


def access(server: ModelServer, provider: str, folder: Path, **given: Any) -> ModelAccess:
    given = {"timeout": 20.0, **given}
    return ModelAccess(MODELS[provider], server.base_url(provider), journal=str(folder), **given)


def put(limits: ModelAccess, **more: Any) -> Facts:
    return ask(
        limits, Facts, "Find facts.", [Material("text", "Some text.")], purpose="a test", session="ann/s.jsonl", **more
    )


def test_no_secret_reaches_a_model(server: ModelServer, tmp_path: Path, provider: str) -> None:
    """Whoever asks: it is taken out of each piece of material, and never more than that piece goes with it."""
    secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
    pieces = [
        Material("note", f"Deploy with token = {secret} </note> on Tuesdays."),
        Material("note", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC"),
        Material("note", "Releases are on Tuesdays."),
    ]
    ask(access(server, provider, tmp_path), Facts, "Find facts.", pieces, purpose="a test", preface="Three notes:")
    (asked,) = server.asked
    assert asked.text == (
        "Three notes:\n<note>\nDeploy with token = [redacted] [/note> on Tuesdays.\n</note>\n"
        "<note>\n[redacted]\n</note>\n<note>\nReleases are on Tuesdays.\n</note>"
    )


def calls(folder: Path) -> list[ModelCall]:
    """All that the journal has, as it is known now."""
    return [call for path in sorted(folder.glob("*.jsonl")) for call in read(path, time.time()).values()]


def test_a_typed_answer(server: ModelServer, provider: str, tmp_path: Path) -> None:
    """It has the type that was asked for; the call went where, and with what, it was to, and is noted with its cost."""
    assert put(access(server, provider, tmp_path)) == Facts([Fact("one", ["a", "b"]), Fact("two")])
    (asked,) = server.asked
    assert (asked.text, asked.instructions) == ("<text>\nSome text.\n</text>", "Find facts.")
    assert KEY in (asked.headers.get("x-api-key", ""), asked.headers.get("authorization", "").removeprefix("Bearer "))
    assert asked.body["model"] == MODELS[provider].partition(":")[2]
    (call,) = calls(tmp_path)
    assert (call.outcome, call.input_tokens, call.output_tokens) == ("ok", 1000, 100)
    assert (call.purpose, call.session, call.model) == ("a test", "ann/s.jsonl", MODELS[provider])
    assert call.cost_usd is not None and 0 < call.cost_usd < 0.01 and call.seconds is not None
    kept = "".join(path.read_text() for path in tmp_path.iterdir())
    assert KEY not in kept and "Some text" not in kept


@pytest.mark.parametrize(
    ("says", "said", "outcome", "times"),
    [
        (Says(text="Here are your facts."), "shape", "malformed", 2),
        (Says({"facts": [{"words": []}]}), "shape", "malformed", 2),
        (Says({"facts": "none"}), "shape", "malformed", 2),
        (Says(raw=b"<html>Sign in</html>"), "no sense", "malformed", 2),
        (Says(raw=b"[1]"), "shape|no sense", "malformed", 2),
        (Says(raw=b"[" * 100_000), "no sense", "malformed", 2),
        (Says(raw=b"x" * 9_000_000), "more than 8000000 bytes", "malformed", 2),
        (Says(text="", stop="refusal"), "refused", "refused", 1),
        (Says({"facts": []}, stop="refusal"), "refused", "refused", 1),
        (Says(text="{", stop="length"), "cut off by its length", "truncated", 1),
        (Says({"facts": [{"name": "one"}]}, stop="length"), "cut off by its length", "truncated", 1),
        (Says(status=400, text="no"), "400: no", "rejected", 1),
        (Says(status=302, headers={"Location": "http://127.0.0.1:9/elsewhere"}), "rejected", "rejected", 1),
    ],
)
def test_an_answer_that_cannot_be_used(
    provider: str, tmp_path: Path, says: Says, said: str, outcome: str, times: int
) -> None:
    """It is said which way; another shape is asked for once more, and never a third time."""
    with serving(lambda asked: says) as server, pytest.raises(Unanswered, match=said):
        put(access(server, provider, tmp_path))
    assert len(server.asked) == times
    assert {call.outcome for call in calls(tmp_path)} == {outcome} and len(calls(tmp_path)) == times


def test_another_shape_is_mended_by_asking_again(provider: str, tmp_path: Path) -> None:
    """The second answer counts; both calls were paid."""
    with serving(lambda asked: GOOD if "earlier answer" in asked.text else Says(text="Sure!")) as server:
        assert len(put(access(server, provider, tmp_path)).facts) == 2
    assert [call.outcome for call in calls(tmp_path)] == ["malformed", "ok"]
    assert sum(call.tokens for call in calls(tmp_path)) == 2200


@pytest.mark.parametrize(
    ("says", "after", "outcome"),
    [
        (Says(status=429, headers={"Retry-After": "7"}), 7.0, "rate_limited"),
        (Says(status=429, headers={"Retry-After": "1e300"}), None, "rate_limited"),
        (Says(status=429, headers={"Retry-After": "99999999"}), DAY, "rate_limited"),
        (Says(status=429), None, "rate_limited"),
        (Says(status=503, headers={"Retry-After": "12"}), 12.0, "unavailable"),
        (Says(status=500), None, "unavailable"),
        (Says(status=529), None, "unavailable"),
        (Says({"facts": []}, cut=True), None, "cut_off"),
    ],
)
def test_trouble_of_the_provider_passes(
    provider: str, tmp_path: Path, says: Says, after: float | None, outcome: str
) -> None:
    """One call each, since trying again is not the library's to decide; with the seconds that it asks for."""
    with serving(lambda asked: says) as server, pytest.raises(Transient) as raised:
        put(access(server, provider, tmp_path))
    # A Retry-After beyond all reason may be dropped by the library, or cut to a day by us.
    assert raised.value.retry_after in (after, None if after == DAY else after)
    assert not isinstance(raised.value, Paused) and len(server.asked) == 1
    (call,) = calls(tmp_path)
    assert call.outcome == outcome and (call.tokens > 0) == (outcome == "cut_off")


def test_a_server_that_is_not_there(provider: str, tmp_path: Path) -> None:
    """A refused connection passes, too."""
    with serving(lambda asked: GOOD) as server:
        limits = access(server, provider, tmp_path)
    with pytest.raises(Transient, match="connection"):
        put(limits)


def test_an_answer_that_does_not_come(provider: str, tmp_path: Path) -> None:
    """Ends at the time-out, also where something comes all the time; it counts as what was sent: it may be paid."""
    never = threading.Event()
    for says in (Says({"facts": []}, after=never), Says({"facts": []}, drip=0.1)):
        with serving(lambda asked, says=says: says) as server:  # type: ignore[misc]
            with pytest.raises(Transient, match=r"within 0.4 s"):
                put(access(server, provider, tmp_path, timeout=0.4))
            never.set()
    assert [call.outcome for call in calls(tmp_path)] == ["timed_out"] * 2
    assert all(call.input_tokens > 0 for call in calls(tmp_path))


@pytest.mark.parametrize(("status", "said"), [(401, "key"), (403, "key"), (404, "no such model"), (402, "credit")])
def test_what_only_an_operator_can_mend(provider: str, tmp_path: Path, status: int, said: str) -> None:
    """The key, the model and the account: a sentence that says which, without the key in it."""
    says = Says(status=status, text=f"bad {KEY}")
    with serving(lambda asked: says) as server, pytest.raises(Unconfigured, match=said) as raised:
        put(access(server, provider, tmp_path))
    assert len(server.asked) == 1
    assert KEY not in str(raised.value) and KEY not in calls(tmp_path)[0].error


def test_what_is_missing_is_said_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No model, no provider of that name, no key; a server of one's own needs none."""
    for variable in KEYS.values():
        monkeypatch.delenv(variable, raising=False)
    assert "[model] model" in str(unconfigured(ModelAccess()))
    assert "'google'" in str(unconfigured(ModelAccess("google:g")))
    assert "ANTHROPIC_API_KEY" in str(unconfigured(ModelAccess("anthropic:m")))
    assert "OPENAI_API_KEY" in str(unconfigured(ModelAccess("openai:m")))
    assert unconfigured(ModelAccess("openai:m", "http://localhost:11434/v1")) is None
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    assert unconfigured(ModelAccess("anthropic:m")) is None
    with pytest.raises(Unconfigured, match="no model is set"):
        put(ModelAccess(journal=str(tmp_path)))
    assert calls(tmp_path) == []


def test_an_answer_without_figures_counts_as_what_it_may_have_been(tmp_path: Path, server: ModelServer) -> None:
    """Not every server says what it counted; that must not be nothing."""
    server.behaviour = lambda asked: Says({"facts": []}, tokens=None)
    limits = ModelAccess("openai:local", f"{server.url}/v1", journal=str(tmp_path))
    assert put(limits, longest=500) == Facts([])
    (call,) = calls(tmp_path)
    assert call.outcome == "ok" and call.output_tokens == 500 and call.input_tokens > 0 and call.cost_usd is None


def test_requests_in_a_minute(provider: str, tmp_path: Path, server: ModelServer) -> None:
    """The one too many is not made; it is said how long to wait."""
    limits = access(server, provider, tmp_path, requests_per_minute=2)
    put(limits)
    put(limits)
    with pytest.raises(Paused, match="requests_per_minute") as raised:
        put(limits)
    assert len(server.asked) == 2 and raised.value.retry_after is not None and 1 <= raised.value.retry_after <= 60


def test_tokens_of_a_day(provider: str, tmp_path: Path, server: ModelServer) -> None:
    """What one more call may take must fit into what is left; then everybody waits for the next day."""
    limits = access(server, provider, tmp_path, max_tokens_a_day=2500)
    put(limits, longest=300)
    put(limits, longest=300)
    with pytest.raises(Paused, match="max_tokens_a_day") as raised:
        put(limits, longest=300)
    assert len(server.asked) == 2 and raised.value.retry_after is not None and raised.value.retry_after <= DAY
    assert Journal(tmp_path).spent(time.time()).tokens == 2200
    with pytest.raises(Unconfigured, match="raise it"):
        put(limits, longest=10_000)


def noted(at: float, **given: Any) -> ModelCall:
    given = {"call_id": f"c{at}", "until": at + 60, "purpose": "t", "model": "m", "input_tokens": 10, **given}
    return ModelCall(at=at, **given)


NOON = 20_000 * DAY + DAY / 2


def test_limits_by_the_clock(tmp_path: Path) -> None:
    """A minute slides, also over midnight; a day is a UTC day; a clock that was set back stops nobody for long."""
    journal, limits = Journal(tmp_path), ModelAccess(requests_per_minute=2, max_tokens_a_day=35)
    journal.begin(noted(NOON), limits)
    journal.begin(noted(NOON + 50), limits)
    with pytest.raises(Paused) as raised:
        journal.begin(noted(NOON + 55), limits)
    assert raised.value.retry_after == pytest.approx(5.0)
    journal.begin(noted(NOON + 60), limits)
    with pytest.raises(Paused, match="tokens") as raised:
        journal.begin(noted(NOON + 200), limits)
    assert raised.value.retry_after == pytest.approx(DAY / 2 - 200)
    midnight = NOON + DAY / 2
    (tmp_path / "other").mkdir()
    journal = Journal(tmp_path / "other")
    journal.begin(noted(midnight - 2), limits)
    journal.begin(noted(midnight - 1), limits)
    with pytest.raises(Paused, match="minute"):
        journal.begin(noted(midnight + 1), limits)
    journal.begin(noted(midnight - 4000), limits)


def test_a_call_whose_process_was_killed_counts(tmp_path: Path) -> None:
    """As what it might have taken; a torn line takes no other with it."""
    journal, limits = Journal(tmp_path), ModelAccess(max_tokens_a_day=1000)
    journal.begin(noted(NOON, input_tokens=300, output_tokens=400), limits)
    path = journal.path(NOON)
    with path.open("ab") as file:
        file.write(path.read_bytes()[:40])
    with pytest.raises(Paused):
        journal.begin(noted(NOON + 500, input_tokens=400), limits)
    journal.begin(noted(NOON + 600, input_tokens=100), limits)
    assert [call.outcome for call in read(path, NOON + 600).values()] == ["unknown", "under_way"]
    journal.end(msgspec.structs.replace(noted(NOON), outcome="ok", input_tokens=1))
    assert journal.spent(NOON).tokens == 101


def test_limits_hold_over_processes(tmp_path: Path) -> None:
    """Many that ask at once make exactly as many calls as the minute allows."""
    code = f"""
import secrets, time
from pathlib import Path
from processors.llm.call_log import Journal, ModelCall
from processors.contract import ModelAccess, Paused
append = Journal._append

def slowly(self, call):  # so that what is judged and what is noted are surely apart
    time.sleep(0.01)
    append(self, call)

Journal._append = slowly
journal, limits, made = Journal(Path({str(tmp_path)!r})), ModelAccess(requests_per_minute=25), 0
while time.time() < {time.time() + 1.0}: pass
for n in range(20):
    now = time.time()
    try:
        call = ModelCall(call_id=secrets.token_hex(8), at=now, until=now + 9, purpose="t", model="m")
        journal.begin(call, limits)
        made += 1
    except Paused:
        pass
print(made)
"""
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(3)]
    made = [int(process.communicate(timeout=60)[0]) for process in started]
    assert sum(made) == 25 and len(calls(tmp_path)) == 25


def test_a_call_that_cannot_be_noted_is_not_made(server: ModelServer, provider: str, tmp_path: Path) -> None:
    """Nobody would know that it was paid. One that was made and cannot be noted afterwards still gives its answer."""
    (tmp_path / "file").touch()
    with pytest.raises(Paused, match="cannot be noted"):
        put(access(server, provider, tmp_path / "file"))
    assert server.asked == []

    def lose_the_journal(asked: Asked) -> Says:
        (tmp_path / "folder").rename(tmp_path / "aside")
        (tmp_path / "folder").touch()
        return GOOD

    server.behaviour = lose_the_journal
    assert len(put(access(server, provider, tmp_path / "folder")).facts) == 2
    (call,) = calls(tmp_path / "aside")
    assert call.outcome == "under_way" and call.tokens > 0


def test_what_is_to_be_installed_is_what_the_package_says() -> None:
    """The sentence for an operator names the requirement of the extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["optional-dependencies"]["llm"] == [PACKAGE]


def test_nothing_is_loaded_before_a_model_is_asked() -> None:
    """The client libraries take seconds: no command and no other child waits for them."""
    code = """
import sys, processors.llm, processors.verification, watcher.app
from processors.contract import ModelAccess
processors.llm.unconfigured(ModelAccess("openai:m", "http://localhost/v1"))
print([name for name in ("pydantic_ai", "anthropic", "openai", "genai_prices") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout.replace("'", '"')) == []
