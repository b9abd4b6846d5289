"""Settings: four sources in order, a sentence for every mistake, and one table that the file is written from."""

from __future__ import annotations

import json
import random
import re
import runpy
import sys
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from processors.contract import Bytes, Seconds
from tests.support import ROOT
from watcher.errors import SettingsError
from watcher.settings import OPERATORS, Loaded, SettingRow, load, rows, written
from watcher.settings.text import text

#: The table of DESIGN 9: what each key is where nobody says otherwise.
STATED = {
    "paths.sessions": "/data/user_sessions", "paths.state": "/data/state", "paths.layout": "auto", "node.name": "",
    "service.stop_timeout": "30s", "service.time_budget": "150s", "database.url": "", "observer.kind": "auto",
    "observer.poll_interval": "5s", "observer.cookie_interval": "30s", "queue.max_pending": 100_000,
    "queue.settle": "60s", "retry.first": "30s", "retry.longest": "1h", "retry.max_attempts": 8,
    "processors.usage.enabled": True, "processors.usage.quiet": "2s", "processors.usage.max_wait": "30s",
    "processors.usage.sweep_every": "10m", "processors.usage.concurrency": 1, "processors.usage.deadline": "5m",
    "processors.usage.memory_limit": "1GB", "http.enabled": True, "http.port": 8750, "http.host": "127.0.0.1",
    "http.token": "", "log.format": "auto", "log.level": "info",
    "processors.verification.quiet": "2m", "processors.verification.max_wait": "15m", "health.every": "5m",
    "processors.verification.sweep_every": "15m", "processors.verification.deadline": "15m",
    "processors.verification.extractor": "rules", "collector.every": "10m", "corporate_memory.every": "17m",
}  # fmt: skip
#: Keys of the same table that it gives no default.
NAMED = {
    "processors.usage.timezone", "processors.verification.include_users", "processors.verification.exclude_users",
    "processors.verification.window_chars", "processors.verification.context_turns", "model.model", "model.base_url",
    "model.timeout", "model.requests_per_minute", "model.max_tokens_a_day", "collector.enabled", "collector.sources",
    "corporate_memory.enabled", "corporate_memory.sources", "corporate_memory.extractor", "health.min_free_disk",
    "housekeeping.every", "housekeeping.keep_events", "housekeeping.keep_runs", "housekeeping.keep_audit",
    "housekeeping.backups", "housekeeping.export",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own: no settings.toml is found by chance."""
    monkeypatch.chdir(tmp_path)


def given(toml: str | bytes, environ: Mapping[str, str] | None = None, **overrides: Any) -> Loaded:
    Path("given.toml").write_bytes(toml if isinstance(toml, bytes) else toml.encode())
    return load(Path("given.toml"), environ or {}, {key.replace("__", "."): value for key, value in overrides.items()})


#: Settings that an error does not repeat either.
SECRET = {"http.token", "database.url"}


def mistake(toml: str | bytes = "", environ: Mapping[str, str] | None = None) -> str:
    """What is said of it: one sentence."""
    with pytest.raises(SettingsError) as caught:
        given(toml, environ)
    said = str(caught.value)
    assert said and not re.search(r"[\x00-\x1f\x7f]", said), f"not one sentence: {said!r}"
    return said


def listed(loaded: Loaded) -> dict[str, SettingRow]:
    return {f"{row.table}.{row.key}": row for row in rows(loaded)}


@cache
def usual() -> dict[str, Any]:
    """Every setting with its default."""
    loaded = load(None, {})
    return {name: attrgetter(name)(loaded.settings) for name in listed(loaded)}


def variable(name: str) -> str:
    return "WATCHER_" + name.upper().replace(".", "__")


def other(now: Any) -> str:
    """Another value of the kind, as it is written in the file; the same where there is no plain one."""
    plain = [(bool, written(now is False)), (Seconds, '"77s"'), (Bytes, '"77MB"'), (Path, '"/elsewhere"'), (int, "3")]
    return next((value for kind, value in plain if isinstance(now, kind)), written(now))


def test_what_the_design_states_is_the_default() -> None:
    """Every key of the design's table has the default that stands there, and each has a line of help."""
    assert {*STATED, *NAMED} <= set(usual())
    for name, stated in STATED.items():
        found = usual()[name]
        wanted = type(found).parse(stated) if isinstance(found, (Seconds, Bytes)) else stated
        assert found == (Path(str(stated)) if isinstance(found, Path) else wanted), name
    for name, row in listed(load(None, {})).items():
        assert len(row.help.split()) > 2 and row.help.endswith(".") and row.source == "default", name


def test_the_later_source_wins() -> None:
    """Default, then file, then environment, then command line; and each value's source is known."""
    file, environ = "[http]\nport = 1001", {"WATCHER_HTTP__PORT": "1002"}
    sources = [
        (given(""), 8750, "default"), (given(file), 1001, "file"), (given("", environ), 1002, "environment"),
        (given(file, environ), 1002, "environment"), (given(file, environ, http__port=1003), 1003, "command line"),
        (given(file, {}, http__port=1003), 1003, "command line"),
    ]  # fmt: skip
    for loaded, port, source in sources:
        assert loaded.settings.http.port == port
        sources_of = {name: row.source for name, row in listed(loaded).items()}
        assert sources_of.pop("http.port") == source and set(sources_of.values()) == {"default"}


def test_every_setting_can_be_set_in_the_file_and_in_the_environment() -> None:
    """Each one that there is, by its own name, with the same result."""
    values = {name: other(now) for name, now in usual().items()}
    plain = {name: tomllib.loads(f"x = {value}")["x"] for name, value in values.items()}
    told = {variable(name): x if isinstance(x, str) else json.dumps(x) for name, x in plain.items()}
    by_file, by_variable = given("\n".join(f"{name} = {value}" for name, value in values.items())), given("", told)
    assert by_file.settings.model_dump() == by_variable.settings.model_dump()
    for loaded, source in ((by_file, "file"), (by_variable, "environment")):
        for name, row in listed(loaded).items():
            assert (row.source, row.value) == (source, values[name]), name


#: File, environment, and the words that must be said.
MISTAKES: list[tuple[str, dict[str, str], list[str]]] = [
    ("[http]\nprot = 1", {}, ["given.toml", "http.prot", "did you mean http.port"]),
    ("[htp]\n", {}, ["given.toml", "htp"]),
    ("[nothing_like_it]\nx = 1", {}, ["given.toml", "nothing_like_it", "the tables are", "paths"]),
    ("[processors.usag]\nquiet = '1s'", {}, ["given.toml", "processors.usag"]),
    ("[processors.usage]\nquite = '1s'", {}, ["processors.usage.quite", "did you mean processors.usage.quiet"]),
    ("[log]\nzzzzzz = 1", {}, ["log.zzzzzz", "format", "level"]),
    ("[[http]]\nport = 1", {}, ["given.toml", "http"]),
    ("", {"WATCHER_HTTP__PROT": "1"}, ["WATCHER_HTTP__PROT", "did you mean http.port"]),
    ("", {"WATCHER_HTTP": "1"}, ["WATCHER_HTTP"]),
    ("", {"WATCHER_PROCESSORS__USAGE__QUITE": "1s"}, ["WATCHER_PROCESSORS__USAGE__QUITE", "quiet"]),
    ("", {"WATCHER_HTTP__PORT": "a\nb\x1b"}, ["WATCHER_HTTP__PORT", "http.port"]),
    ("[http]\nport = 99999", {}, ["given.toml", "http.port", "99999", "65535"]),
    ("[observer]\nkind = 'psychic'", {}, ["given.toml", "observer.kind", "psychic", "'native'", "'polling'"]),
    ("[queue]\nmax_pending = 0", {}, ["given.toml", "queue.max_pending", "= 0"]),
    ("[processors.usage]\nconcurrency = 0", {}, ["given.toml", "processors.usage.concurrency", "= 0", "1"]),
    ("[processors.usage]\nsweep_every = '0s'", {}, ["processors.usage.sweep_every", "more than 0"]),
    (
        "[collector]\nsources = ['/home/ann/*.jsonl']",
        {},
        ["given.toml", "collector.sources", "/home/*/sessions/*.jsonl"],
    ),
    ("[processors.usage]\ntimezone = 'Mars'", {}, ["processors.usage.timezone", "Mars", "Europe/Berlin"]),
    ("[projects]\nnames = {'acme/shop' = ''}", {}, ["given.toml", "projects.names", "one line", "acme/shop"]),
    ("[projects.names]\n'acme/shop' = 3", {}, ["given.toml", "projects.names.acme/shop", "string"]),
    ("", {"WATCHER_PROJECTS__NAMES": '{"a\\u0000": "b"}'}, ["WATCHER_PROJECTS__NAMES", "projects.names", "one line"]),
    ("[model]\nmodel = 'gpt-4'", {}, ["given.toml", "model.model", "gpt-4", "anthropic:<name>", "openai:<name>"]),
    ("", {"WATCHER_MODEL__MODEL": "mars:m"}, ["WATCHER_MODEL__MODEL", "model.model", "mars:m", "openai:<name>"]),
    ("[model]\nbase_url = 'localhost'", {}, ["model.base_url", "localhost", "http://"]),
    ("[model]\nrequests_per_minute = 0", {}, ["model.requests_per_minute", "= 0", "1"]),
    ("[processors.verification]\nextractor = 'magic'", {}, ["processors.verification.extractor", "'rules' or 'llm'"]),
    ("[processors.usage]\nprices = {m = {input = -1}}", {}, ["processors.usage.prices", "-1", "0 or more"]),
    (
        "[[processors.usage.price_factors]]\nmodel = 'm'\nspeeed = 'fast'\nfactor = 2",
        {},
        ["given.toml", "processors.usage.price_factors", "entry 1", "speed", "(not speeed)"],
    ),
    (
        "",
        {"WATCHER_PROCESSORS__USAGE__PRICE_FACTORS": '[{"model": "m", "factor": -2}]'},
        ["WATCHER_PROCESSORS__USAGE__PRICE_FACTORS", "entry 1", "-2", "0 or more"],
    ),
]


@pytest.mark.parametrize(("toml", "environ", "words"), MISTAKES)
def test_a_mistake_is_one_sentence(toml: str, environ: dict[str, str], words: list[str]) -> None:
    """Unknown keys (a near miss is told what was meant) and values out of range, in the file or a variable of ours."""
    said = mistake(toml, {**environ, "WATCHERS": "nobody's business", "HTTP__PORT": "x"})
    assert all(word in said for word in words), said


WRONG: dict[type, list[str]] = {
    bool: ['"perhaps"', "7", "[true]", "{ a = 1 }", "1979-05-27"], int: ['"many"', "1.5", "[1]", "{}", "true"],
    str: ["1", "true", "[1]", "{ a = 1 }"], Path: ["1", "true", "[1]", "{ a = 1 }"],
    Seconds: ["5", '"5"', "true", '"5 parsecs"', '"-5s"', "{ a = 1 }", '""'],
    Bytes: ["5", '"5"', "true", '"5 stones"', '"-5MB"', "[1]", "{ a = 1 }"],
    dict: ["1", '"x"', "[1]", "true"], list: ["1", '"x"', "{ a = 1 }", "true"],
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_value_of_the_wrong_kind_is_one_sentence(kind: type) -> None:
    """For every setting: where, which key, what it was, what is accepted; in words that say what to write."""
    names = [
        name
        for name, now in usual().items()
        if next(k for k in (bool, Seconds, Bytes, *WRONG) if isinstance(now, k)) is kind
    ]
    for at, value in enumerate(WRONG[kind] * (1 + len(names) // len(WRONG[kind])) if names else []):
        name = names[at % len(names)]
        said = mistake(f"{name} = {value}")
        head, colon, accepted = said.partition(": accepted is ")
        shown = "(not shown)" if name in SECRET else written(tomllib.loads(f"x = {value}")["x"])
        assert colon and head == f"given.toml: {name} = {shown}", said
        assert not re.search(r"<class|not (a )?valid", accepted), said


def test_a_value_where_a_table_is_wanted_is_told_as_such() -> None:
    """It is not said that there is no such table; file, name and value are."""
    for name in ("http", "processors", "processors.usage"):
        assert mistake(f"{name} = 3").startswith(f"given.toml: {name} = 3: ")


def test_a_file_that_cannot_be_read_is_named() -> None:
    """Missing, a folder, broken, not UTF-8: said with the file's name; no named file and none there is no mistake."""
    assert load(None, {}).sources == {}
    for path, word in (("missing.toml", "no such file"), (".", "folder")):
        with pytest.raises(SettingsError, match=word):
            load(Path(path), {})
    for broken in ("[node", "x = ", b"[node]\nname = '\xff'", "\ufeff[node"):
        assert "given.toml" in mistake(broken)
    Path("settings.toml").write_text("[http]\nport = 1234\n")
    assert load(None, {}).settings.http.port == 1234


@pytest.mark.parametrize("value", ["", " ", "soon", "0", "-5", "inf", "-inf", "nan", "1e999", "1e300", "10m"])
def test_an_operators_variable_must_be_a_number_of_seconds(value: str) -> None:
    """Empty, not a number or not more than 0 is an error that names the variable."""
    meant = [name for name, key in OPERATORS.items() if ".".join(key) in usual()]
    assert "SCHEDULER_USAGE_PROCESSOR_INTERVAL" in meant
    for name, said in ((name, mistake("", {name: value})) for name in meant):
        assert name in said and repr(value) in said and "seconds" in said


def test_an_operators_variable_wins() -> None:
    """Over file and our own variable, in whatever order they come."""
    both = {"WATCHER_PROCESSORS__USAGE__SWEEP_EVERY": "2h", "SCHEDULER_USAGE_PROCESSOR_INTERVAL": "90"}
    for environ in (both, dict(reversed(both.items()))):
        loaded = given("processors.usage.sweep_every = '1h'", environ)
        assert loaded.settings.processor("usage").sweep_every == Seconds(90)


def test_each_of_the_operators_variables_is_a_cadence() -> None:
    """The five that there are, each of the job that it names."""
    meant = {
        "SCHEDULER_VERIFICATION_DETECTOR_INTERVAL": "processors.verification.sweep_every",
        "SCHEDULER_USAGE_PROCESSOR_INTERVAL": "processors.usage.sweep_every",
        "SCHEDULER_SESSION_COLLECTOR_INTERVAL": "collector.every",
        "SCHEDULER_CORPORATE_MEMORY_INTERVAL": "corporate_memory.every",
        "SCHEDULER_HEALTH_CHECK_INTERVAL": "health.every",
    }
    before, after = given("", {}), given("", dict.fromkeys(meant, "77"))
    changed = {f"{row.table}.{row.key}": row.value for row in rows(after) if row not in rows(before)}
    assert changed == dict.fromkeys(meant.values(), '"77s"')


def test_paths_are_relative_to_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the file to its folder, in the environment to where the command runs; ~ is somebody's home."""
    (tmp_path / "etc").mkdir()
    written = "[paths]\nstate = 'st'\nsessions = '/abs'\n[housekeeping]\nexport = 'old'\n"
    (tmp_path / "etc" / "w.toml").write_text(written)
    loaded = load(tmp_path / "etc" / "w.toml", {}).settings
    found = loaded.paths
    assert (found.state, found.sessions) == (tmp_path / "etc" / "st", Path("/abs"))
    assert loaded.housekeeping.export == str(tmp_path / "etc" / "old")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert given("[paths]\nstate = '~/st'").settings.paths.state == tmp_path / "me" / "st"
    assert given("", {"WATCHER_PATHS__STATE": "~/st"}).settings.paths.state == tmp_path / "me" / "st"


def test_the_home_of_nobody_is_a_mistake() -> None:
    """A path that begins with ~ and the name of no user is told like any other wrong value."""
    assert "paths.state" in mistake("[paths]\nstate = '~nobody-of-that-name/st'")
    assert "WATCHER_PATHS__STATE" in mistake("", {"WATCHER_PATHS__STATE": "~nobody-of-that-name/st"})


def test_secrets_are_not_shown() -> None:
    """Neither token nor database address is in what the command or the page would print."""
    token = "sesame-0123456789abcdef0123456789"
    loaded = given(f"[http]\ntoken = '{token}'", {"WATCHER_DATABASE__URL": "postgresql://u:sesame@h/x"})
    assert loaded.settings.http.token == token
    assert not [row for row in rows(loaded) if "sesame" in repr(row)]
    assert {"database.url", "http.token"} == {name for name, row in listed(loaded).items() if "(set)" in row.value}


def test_the_repositorys_file_is_the_programs_own_table() -> None:
    """settings.toml holds every setting with its default and its line of help, and nothing else."""
    ours = (ROOT / "settings.toml").read_text(encoding="utf-8")
    assert ours == text(load(None, {})), "run make settings"
    read = listed(given(ours))
    assert {name: row.value for name, row in read.items()} == {name: written(now) for name, now in usual().items()}
    assert {row.source for row in read.values()} == {"file"}


def test_make_settings_writes_the_programs_table_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What stands in the old file, or in the environment, does not get into the new one."""
    Path("settings.toml").write_text("[http]\nport = 1\ntoken = 'sesame'\n")
    (module,) = re.findall(r"python -m (\S+) > settings\.toml", (ROOT / "Makefile").read_text(encoding="utf-8"))
    monkeypatch.delitem(sys.modules, module, raising=False)
    runpy.run_module(module, run_name="__main__")
    assert capsys.readouterr().out == (ROOT / "settings.toml").read_text(encoding="utf-8")


def test_durations_and_sizes_are_written_as_they_are() -> None:
    """What is shown is what was set, to the millisecond and the byte, and can be read back."""
    for span in map(Seconds.parse, ("0s", "1ms", "1.5s", "0.25s", "90m", "36h", "1234567ms", "100000.5s", "7d")):
        assert Seconds.parse(str(span)) == pytest.approx(span, rel=1e-9)
    for size in map(Bytes.parse, ("0KB", "1KB", "77MB", "1.5GB", "2TB", "1.234567MB")):
        assert Bytes.parse(str(size)) == size


def test_the_file_can_be_written_with_any_text_in_it() -> None:
    """Quotes, backslashes, line breaks and any other character come back as they were."""
    for seed in range(20):
        rng = random.Random(seed)
        name = "".join(rng.choice("\"\\'\n\t\r\x01\x7f\u2028a#=[]é😀") for _ in range(rng.randrange(8)))
        loaded = load(None, {"WATCHER_NODE__NAME": name})
        assert given(text(loaded)).settings.node.name == name, f"seed {seed}"


def test_garbage_is_never_more_than_a_mistake() -> None:
    """Whatever stands in the file and in the environment: settings, or one sentence."""
    names = list(usual())
    bent = [name[cut:] + more for name in names for cut in (0, 0, 1) for more in ("", "", ".x", "\x00", " ''")]
    atoms = ["1", "-1", "1e400", "nan", "true", '""', "'x'", "'\\u0000'", '"\\u0000"', "[]", "[[1]]", "{}", "[{}]", "@"]
    atoms += ["{ a = { b = 1 } }", "1979-05-27T07:32:00Z", "9" * 30, f'"9{"9" * 30}s"', "'1s'"]
    for seed in range(60):
        rng = random.Random(seed)
        lines = [f"{rng.choice(bent)} = {rng.choice(atoms)}" for _ in range(rng.randrange(1, 4))]
        told = rng.choice(["", "\x00", "[" * 99, "9" * 5000, "\udcff", "{", "a\nb", "1"])
        environ = {variable(rng.choice(names)): told} if seed % 3 == 0 else {}
        try:
            with suppress(SettingsError):
                given("\n".join(lines), environ)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {lines} {environ}"[:500]) from error


@pytest.mark.parametrize(
    ("toml", "told"), [("x = " + "[" * 5000, ""), ("x = " + "1" * 5000, ""), ("", "[" * 100_000)], ids=str.__len__
)
def test_what_the_parser_gives_up_on_is_a_mistake(toml: str, told: str) -> None:
    """Too deep or too long, in the file or in a variable: told like any other."""
    name = "WATCHER_PROCESSORS__USAGE__PRICES"
    assert (name if told else "given.toml") in mistake(toml, {name: told} if told else {})
