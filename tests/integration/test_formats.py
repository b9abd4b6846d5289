"""What is not known of the format: a name that is off its list is told, by the look through a folder and by health."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from processors import known
from processors.contract import Lines, Session
from processors.usage import accumulate, calls, formats
from processors.usage.reports import formats as reports
from processors.usage.reports import scan as scanning
from processors.usage.reports.scan import Scan
from tests.support.corpus import plant
from tests.support.harness import Subject, settings_for
from tests.support.transcript_lines import Object, Talk, line, text, usage
from watcher.cli import formats as command
from watcher.errors import SettingsError
from watcher.http.facts import of_formats
from watcher.sandbox import reader
from watcher.settings import load
from watcher.transcripts.sessions import open_session

TALK = Talk("s-1", "/home/ann/shop", "2.1.400")
AT = "2026-03-01T10:00:00Z"
SETTINGS = load(None, {}, {}).settings.processor("usage")
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def with_iteration(kind: str) -> Object:
    return {**usage(1, 2), "iterations": [{"type": kind, "input_tokens": 1}]}


#: A line that has a name, by kind.
LINES: dict[str, Callable[[str], Object]] = {
    "type": lambda name: {"type": name, "sessionId": "s-1", "version": "2.1.400", "timestamp": AT},
    "subtype": lambda name: TALK.record("system", AT, "x", subtype=name),
    "attachment": lambda name: TALK.record("attachment", AT, "x", attachment={"type": name}),
    "iteration": lambda name: TALK.assistant(AT, "m1", text("x"), with_iteration(name)),
    "origin": lambda name: TALK.user(AT, "x", "words", origin={"kind": name}),
    "usage_field": lambda name: TALK.assistant(AT, "m0", text("x"), {**usage(1, 2), name: None}),
}
#: Where the list of a kind is asked, and what it is called there.
ASKED: dict[str, tuple[Any, str]] = {
    "type": (accumulate, "RECORD_TYPES"),
    "subtype": (formats, "SYSTEM_SUBTYPES"),
    "attachment": (formats, "ATTACHMENT_TYPES"),
    "iteration": (calls, "ITERATION_TYPES"),
    "origin": (formats, "ORIGINS"),
    "usage_field": (formats, "USAGE_FIELDS"),
}


def scanned(*records: Object, key: str = "ann/s.jsonl") -> list[dict[str, Any]]:
    """What a look through one file of these records tells."""
    scan = Scan(SETTINGS)
    scan.take(Session(key, "ann"), [(0, Lines(b"".join(map(line, records))))])
    found: list[dict[str, Any]] = scan.unknown()["formats"]
    return found


@pytest.mark.parametrize("kind", LINES)
def test_every_name_that_is_taken_off_its_list_is_told(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them, with the version that wrote it and its time; while it is on the list nothing is."""
    module, listed = ASKED[kind]
    whole = getattr(module, listed)
    assert whole == getattr(known, listed) and reports.KINDS[kind].known == frozenset(whole)
    for name in sorted(whole):
        record = LINES[kind](name)
        assert scanned(record) == []
        monkeypatch.setattr(module, listed, whole.keys() - {name} if isinstance(whole, dict) else whole - {name})
        moment = "2026-03-01T10:00:00+00:00"
        assert scanned(record) == [
            {
                "kind": kind,
                "name": name,
                "version": "2.1.400",
                "sessions": 1,
                "first_at": moment,
                "last_at": moment,
                "means": reports.KINDS[kind].means,
            }
        ]
        monkeypatch.setattr(module, listed, whole)


def test_every_kind_says_what_it_means() -> None:
    """In words for people; those that are listed in known.py are all there."""
    assert set(ASKED) == set(reports.LISTED) and {"model", "several_requests"} == set(reports.KINDS) - set(ASKED)
    assert all(kind.title and kind.means and not kind.means.endswith(".") for kind in reports.KINDS.values())
    assert {name for name, kind in reports.KINDS.items() if not kind.costs} == {"subtype", "attachment", "origin"}


def test_a_version_is_that_of_the_last_line_before() -> None:
    """Where the line itself has none; and in however many pieces the file is read."""
    earlier, bare = TALK.user(AT, "a", "words"), {"type": "of-tomorrow", "sessionId": "s-1"}
    assert [one["version"] for one in scanned(earlier, bare)] == ["2.1.400"]
    scan = Scan(SETTINGS)
    first, second = line(earlier), line(bare)
    scan.take(Session("ann/s.jsonl", "ann"), [(0, Lines(first)), (len(first), Lines(second))])
    assert [one["version"] for one in scan.unknown()["formats"]] == ["2.1.400"]


def test_models_without_a_price_and_several_requests_are_told() -> None:
    """With the version beside them; prices of the settings are known."""
    odd = TALK.assistant(AT, "m1", text("x"), usage(1, 2), model="model-of-tomorrow")
    again = {**TALK.assistant("2026-03-01T11:00:00Z", "m2", text("x"), usage(1, 2)), "requestId": "another"}
    found = scanned(odd, TALK.assistant(AT, "m2", text("x"), usage(1, 2)), again)
    assert [(one["kind"], one["name"], one["version"], one["last_at"][11:13]) for one in found] == [
        ("model", "model-of-tomorrow", "2.1.400", "10"),
        ("several_requests", "msg_01m2", "", "10"),
    ]
    given = {"processors.usage.prices": {"model-of-tomorrow": {"input": 1.0}}}
    scan = Scan(load(None, {}, given).settings.processor("usage"))
    scan.take(Session("s", "ann"), [(0, Lines(line(odd)))])
    assert scan.unknown()["total"] == 0


def test_any_number_of_names_takes_no_more_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of something else may have a new name in every line: so many are told, and how many more there are."""
    monkeypatch.setattr(scanning, "MOST_NAMES", 3)
    scan = Scan(SETTINGS)
    for n in range(5):
        scan.take(Session(f"{n}", "ann"), [(0, Lines(line(LINES["type"](f"type-{n}"))))])
    assert scan.unknown()["total"] == 3 and scan.left_out == 2


def test_a_folder_tells_what_the_tables_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the planted corpus, read in small windows; nothing is written beside it."""
    root = tmp_path / "sessions"
    root.mkdir()
    plant(root, settled=True)
    (root / "ann").mkdir(exist_ok=True)
    news = [LINES[kind](f"{kind}-of-tomorrow") for kind in LINES]
    (root / "ann" / "new.jsonl").write_bytes(b"".join(map(line, news)))
    before = sorted(root.rglob("*"))
    subject = Subject(root, tmp_path / "state")
    try:
        done = subject.catch_up(["usage"])
        query = subject.open().query
        tables = reports.unknown(query)
        days = sorted({str(at)[:10] for (at,) in query("SELECT seen_at FROM usage_unknown_seen")})
        since = {day: reports.unknown(query, since=date.fromisoformat(day)) for day in days}
        bad_lines = query("SELECT sum(bad_lines) FROM session_processor_state WHERE processor_name = 'usage'")[0][0]
    finally:
        subject.close()
    for window in (reader.WINDOW, 997):
        monkeypatch.setattr(reader, "WINDOW", window)
        found = command.in_folder(settings_for(root, tmp_path / "elsewhere"), root, None)
        assert {"formats": found["formats"], "total": found["total"]} == tables
        assert found["files"] == done[0].processed and found["bad_lines"] == bad_lines and found["unreadable"] == []
    assert found["total"] > len(LINES) and sorted(root.rglob("*")) == before
    assert not (tmp_path / "elsewhere").exists()
    assert len(days) > 1 and since[days[-1]] != tables
    for day, told in since.items():
        found = command.in_folder(settings_for(root, tmp_path / "elsewhere"), root, day)
        assert {"formats": found["formats"], "total": found["total"]} == told


def test_a_file_that_cannot_be_read_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named with the reason, whether the disk has it or our own code; the others are told."""
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.jsonl").write_bytes(line(LINES["type"](f"type-{name}")) + b"no json\n")
    troubles: dict[bytes, Exception] = {b"a.jsonl": PermissionError(13, "Permission denied"), b"b.jsonl": KeyError("x")}

    def refuse(root: bytes, path: bytes, layout: Any) -> int:
        if path in troubles:
            raise troubles[path]
        return open_session(root, path, layout)

    monkeypatch.setattr("watcher.cli.formats.open_session", refuse)
    found = command.in_folder(settings_for(tmp_path, tmp_path / "state"), tmp_path, None)
    assert [one["name"] for one in found["formats"]] == ["type-c"] and found["files"] == 1 and found["bad_lines"] == 1
    assert sorted(found["unreadable"]) == ["a.jsonl: Permission denied", "b.jsonl: KeyError: 'x'"]


def test_a_line_that_is_too_long_is_a_bad_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what stands behind it is read."""
    monkeypatch.setattr(reader, "WINDOW", 100)
    monkeypatch.setattr(reader, "LONGEST_LINE", 500)
    long = {**LINES["type"]("too-long"), "more": "x" * 2000}
    (tmp_path / "a.jsonl").write_bytes(line(long) + line(LINES["type"]("behind-it")))
    found = command.in_folder(settings_for(tmp_path, tmp_path / "state"), tmp_path, None)
    assert [one["name"] for one in found["formats"]] == ["behind-it"] and found["bad_lines"] == 1


def test_what_is_no_folder_is_one_sentence(tmp_path: Path) -> None:
    """Neither a file nor nothing is looked through, and a day must be one."""
    settings = settings_for(tmp_path, tmp_path / "state")
    (tmp_path / "a.jsonl").write_bytes(b"")
    with pytest.raises(SettingsError, match="there is no such folder"):
        command.in_folder(settings, tmp_path / "nowhere", None)
    with pytest.raises(SettingsError, match=r"a\.jsonl: this is no folder"):
        command.in_folder(settings, tmp_path / "a.jsonl", None)
    with pytest.raises(SettingsError, match="--since soon"):
        command.in_folder(settings, tmp_path, "soon")


Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def query(tmp_path: Path) -> Iterator[Query]:
    """The tables of `usage`, empty."""
    (tmp_path / "sessions").mkdir()
    subject = Subject(tmp_path / "sessions", tmp_path / "state")
    yield subject.open().query
    subject.close()


def seen(query: Query, kind: str, name: str, ago: float | None, version: str = "2.1.400", user: str = "ann") -> None:
    """A session of its own in which a name was written so many days ago; None: it has no time, and the session has."""
    key = f"{user}/{os.urandom(8).hex()}.jsonl"
    at = NOW - timedelta(ago or 0)
    query(
        "INSERT INTO usage_files (session_file, session_id, username, last_at, active_seconds, human_turns)"
        " VALUES ($1, $1, $2, $3, 0, 0)",
        [key, user, at],
    )
    told = None if ago is None else at
    query("INSERT INTO usage_unknown VALUES ($1, $2, $3, $4, $5, $5, 1)", [key, kind, name, version, told])


def test_health_warns_of_what_may_cost_tokens(query: Query) -> None:
    """Named with its kind and client version, and with what to do; other names are for information."""
    assert of_formats(query, NOW.timestamp()) == []
    seen(query, "subtype", "odd", 0)
    (info,) = of_formats(query, NOW.timestamp())
    assert info.level == "info" and "system subtype 'odd'" in info.message and "No tokens are missing" in info.message
    for kind, name in (("iteration", "dream"), ("usage_field", "dreams"), ("type", "hologram")):
        query("DELETE FROM usage_unknown")
        seen(query, "subtype", "odd", 0)
        seen(query, kind, name, 1)
        (warning,) = of_formats(query, NOW.timestamp())
        assert (warning.level, warning.name) == ("warning", "unknown_formats")
        assert f"{reports.KINDS[kind].title} {name!r} and system subtype 'odd'" in warning.message
        for words in ("Claude Code 2.1.400", "Tokens and cost of it may be missing", "session-watcher formats"):
            assert words in warning.message
        assert warning.details["names"][0] == {"kind": kind, "name": name} and warning.details["count"] == 2


def test_a_few_are_named_and_the_rest_is_counted(query: Query) -> None:
    """The latest first, newer client versions first, by number; a long name is cut."""
    for n in range(6):
        seen(query, "type", f"type-{n}" + "x" * 100, n, f"2.1.{97 + n}")
    (warning,) = of_formats(query, NOW.timestamp())
    assert "'type-0" in warning.message and "'type-2" in warning.message and "'type-3" not in warning.message
    assert "and 3 more" in warning.message and "Claude Code 2.1.102, 2.1.101, 2.1.100 and 3 more" in warning.message
    assert len(warning.message) < 600 and warning.details["count"] == 6


def test_what_was_written_long_ago_degrades_nothing(query: Query) -> None:
    """It stays named; a name without a time is as old as its session."""
    seen(query, "type", "of-old", 31)
    (info,) = of_formats(query, NOW.timestamp())
    assert info.level == "info" and "none was written in the last 30 days" in info.message
    seen(query, "origin", "martian", 0)
    assert of_formats(query, NOW.timestamp())[0].level == "info"
    seen(query, "type", "without-a-time", None)
    assert of_formats(query, NOW.timestamp())[0].level == "warning"


def test_a_name_that_is_known_by_now_is_told_nowhere(query: Query) -> None:
    """Rows of sessions that are gone stay as the rules of their time made them."""
    rng = random.Random(seed := random.randrange(2**32))
    print(f"seed {seed}")
    for kind in reports.LISTED:
        seen(query, kind, rng.choice(sorted(reports.KINDS[kind].known or ())), 0)
    assert of_formats(query, NOW.timestamp()) == [] and reports.unknown(query) == {"formats": [], "total": 0}
    assert set(reports.sessions_by_kind(query).values()) == {0}
    seen(query, "type", "system'); --", 0)
    assert reports.sessions_by_kind(query)["type"] == 1 == reports.unknown(query)["total"]


def test_the_table_is_paged_and_narrowed(query: Query) -> None:
    """The latest first; by day and user; its number is that of all."""
    for n in range(5):
        seen(query, "type", f"type-{n}", n, user="bob" if n % 2 else "ann")
    seen(query, "type", "type-4", 9)
    whole = reports.unknown(query)
    assert [one["name"] for one in whole["formats"]] == [f"type-{n}" for n in range(5)] and whole["total"] == 5
    assert whole["formats"][4]["sessions"] == 2 and whole["formats"][4]["first_at"][:10] == "2026-02-21"
    pages = [reports.unknown(query, limit=2, offset=n) for n in (0, 2, 4, 6)]
    assert [row for page in pages for row in page["formats"]] == whole["formats"]
    assert {page["total"] for page in pages} == {5}
    recent = reports.unknown(query, since=date(2026, 3, 1))
    assert [one["name"] for one in recent["formats"]] == ["type-0", "type-1"] and recent["total"] == 2
    assert [one["name"] for one in reports.unknown(query, user="bob")["formats"]] == ["type-1", "type-3"]
