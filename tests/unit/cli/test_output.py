"""What people see: tables that fit the terminal, whole in a pipe, and text from transcripts that does nothing."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from rich.cells import cell_len

from processors.usage.reports import MEASURES
from watcher.cli import output, settings
from watcher.cli import usage_table as reports
from watcher.settings import load

Printed = Callable[..., str]
NUMBERS = {"sessions": 12, "calls": 3456, "input_tokens": 123_456_789, "output_tokens": 2_345_678,
           "cache_creation_tokens": 98_765_432, "cache_creation_1h_tokens": 1_234_567,
           "cache_read_tokens": 12_345_678_901, "web_search_requests": 5}  # fmt: skip
SESSION: dict[str, Any] = {
    "session_id": "01234567-89ab-cdef-0123-456789abcdef", "username": "ann", "project": "/home/ann/work",
    "last_at": "2026-03-01T10:20:30+00:00", "active_seconds": 12345.0, "human_turns": 12, "assistant_messages": 3456,
    "tool_calls": 78, "tool_errors": 9, "input_tokens": 123_456_789, "output_tokens": 2_345_678,
    "cache_creation_tokens": 98_765_432, "cache_read_tokens": 12_345_678_901, "cost_usd": 1234.567,
    "primary_model": "claude-opus-4-6", "title": "What is to be done about the invoices of last year",
    "repository": "~/src/team/a-long-name/work", "parent_session": None, "forked_from": "s-1", "asked_by": "person",
    "other_turns": 3, "subagent_calls": 17, "subagent_cost_usd": 12.345,
}  # fmt: skip
NO_MODELS = {"model": "", "calls": 0, "tokens": 0, "cost_usd": 0.0, "max_tokens_a_day": 0}
NOTHING: dict[str, Any] = {"service": None, "knowledge": None, "models": NO_MODELS, "processors": [], "troubled": []}
#: What a terminal, or a table's markup, would obey.
HOSTILE = "[bold]x[/bold][/] \x1b[2J\x1b]0;t\x07\r\n\t\x00\x9b31m\u202e\u2028[link=http://x]y"
HARMLESS = "[bold]x[/bold][/] "


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Printed:
    """What a function prints on a terminal of some width, or into a pipe; colours are taken off."""

    def run(function: Callable[[Any], None], found: Any, width: int | None = None) -> str:
        for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", "xterm-256color")
        if width is not None:
            monkeypatch.setenv("FORCE_COLOR", "1")
            monkeypatch.setenv("COLUMNS", str(width))
        capsys.readouterr()
        function(found)
        out = capsys.readouterr().out
        text = re.sub(r"\x1b\[[0-9;]*m", "", out) if width is not None else out
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]", text), repr(text)
        assert width is None or function is output.status or max(map(cell_len, text.splitlines())) <= width
        return text

    return run


def daily(**more: Any) -> dict[str, Any]:
    """The report by day: two days and their sum."""
    first: list[Any] = ["2026-03-01", *NUMBERS.values(), 1234.567]
    second: list[Any] = ["2026-03-02", *range(1, 9), None]
    return {
        "report": "daily", "columns": ["day", *MEASURES], "rows": [first, second], "unknown_models": [],
        "totals": {**{name: value + at for at, (name, value) in enumerate(NUMBERS.items(), 1)}, "cost_usd": 1234.567},
        **more,
    }  # fmt: skip


def sessions(**more: Any) -> dict[str, Any]:
    """The report by session: one of them."""
    row = {**SESSION, **more}
    return {
        "report": "sessions",
        "columns": list(row),
        "rows": [list(row.values())],
        "totals": {},
        "unknown_models": [],
    }


def status(**more: Any) -> dict[str, Any]:
    """How one processor stands, with a session in trouble."""
    entry = {"processor": "usage", "ok": 1_234_567, "failed": 12_345, "quarantined": 2345, "gone": 345_678,
             "items": 123_456_789, "bad_lines": 7654, "bytes": 123_456_789_012, "last_processed_at": None}  # fmt: skip
    trouble = {"processor": "usage", "session": "ann/s.jsonl", "status": "failed", "attempts": 1, "error": "no good",
               "next_attempt_at": None, "bad_lines": 0}  # fmt: skip
    return {
        "service": None,
        "knowledge": None,
        "models": NO_MODELS,
        "processors": [entry],
        "troubled": [{**trouble, **more}],
    }


def runs(**more: Any) -> list[dict[str, Any]]:
    """What one run did, with a session that failed."""
    done = {"processor": "usage", "scanned": 123_456_789, "processed": 98_765_432, "skipped": 87_654_321,
            "capped": 76_543_210, "errors": 65_432_109, "items_extracted": 54_321_098}  # fmt: skip
    return [{**done, "errors_detail": [{"session": "ann/s.jsonl", "error": "no good", **more}]}]


def test_on_a_wide_terminal_every_number_is_exact(printed: Printed) -> None:
    """All columns, each number to its last digit, and the sum below."""
    text = printed(reports.report, daily(), 200)
    head, first, second, last = (line for line in text.splitlines() if re.search("day|2026|all", line))
    assert len(head.split()) >= 9
    assert first.split() == ["2026-03-01", *(f"{value:,}" for value in NUMBERS.values()), "$1,234.57"]
    assert second.split() == ["2026-03-02", *"12345678", "-"]
    assert last.split()[:4] == ["all", "13", "3,458", "123,456,792"]
    text = printed(reports.report, sessions(), 400)
    assert all(word in text for word in (SESSION["session_id"], "/home/ann/work", "12,345,678,901", "claude-opus-4-6"))


@pytest.mark.parametrize("width", [40, 50, 60, 80, 100, 120])
def test_on_a_narrow_terminal_no_number_is_cut(printed: Printed, width: int) -> None:
    """Fewer columns and rounded numbers, but each one whole: a number that lost a digit is another number."""
    for found in (daily(), sessions()):
        exact = {value for row in found["rows"] for value in row if isinstance(value, (int, float))}
        exact |= set(found["totals"].values())
        text = printed(reports.report, found, width)
        for line in text.splitlines():
            for word in re.findall(r"(?<!\S)[$\d][\d,.$KMG-]*(?!\S)", line):
                if scaled := re.fullmatch(r"(\d+(?:\.\d+)?)([KMG])", word):
                    meant = float(scaled[1]) * {"K": 1e3, "M": 1e6, "G": 1e9}[scaled[2]]
                    assert any(abs(meant - value) <= value * 0.03 for value in exact), f"{width}: {word} in\n{text}"
                elif re.fullmatch(r"\d{4}-\d\d-\d\d|\d\d:\d\d", word):
                    continue
                else:
                    known = {f"{v:,}" for v in exact} | {f"${v:,.2f}" for v in exact} | {"3.4", "12345.0"}
                    assert word in known, f"{width}: {word} in\n{text}"
        assert "$1,234.57" in text, f"{width}: what it cost is what people look for"


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_whose_row_it_is_can_always_be_seen(printed: Printed, width: int) -> None:
    """Whatever script a name is in, its column is there and begins with it."""
    for name in ("ann", "日本語" * 8, "é" * 40, "😀" * 20):
        text = printed(reports.report, sessions(username=name), width)
        assert re.search(r"(^|\s)user(\s|$)", text, re.MULTILINE) and name[0] in text, f"{width}: {name}\n{text}"


def test_into_a_pipe_goes_all_of_a_report(printed: Printed) -> None:
    """Every column, every digit and every character, one row a line, whatever COLUMNS would be."""
    heading, *rows = (line.split() for line in printed(reports.report, daily()).splitlines())
    # On a terminal the headings may take two lines.
    terminal = [line.split() for line in printed(reports.report, daily(), 999).splitlines()]
    assert rows == terminal[-len(rows) :] and len(rows) == len(daily()["rows"]) + 1
    assert sorted(heading) == sorted(word for line in terminal[: -len(rows)] for word in line)
    long = {"username": "u" * 300, "project": "/" + "p" * 1500, "session_id": "s" * 200, "primary_model": "m" * 300}
    text = printed(reports.report, sessions(**long))
    (line,) = (line for line in text.splitlines() if "12,345,678,901" in line)
    assert set(long.values()) <= set(line.split())


@pytest.mark.parametrize(("function", "found"), [(output.status, status), (output.runs, runs)])
def test_into_a_pipe_goes_all_of_a_table(printed: Printed, function: Any, found: Callable[..., Any]) -> None:
    """One processor a line with whole numbers, one failure a line: what grep and awk are used to."""
    reason = "r" * 500
    lines = printed(function, found(error=reason)).splitlines()
    (line,) = (line for line in lines if line.startswith("usage "))
    entry = (found() if function is output.runs else found()["processors"])[0]
    wanted = {f"{value:,}" for value in entry.values() if isinstance(value, int) and value < 10**9}
    assert wanted <= set(line.split()), line
    assert [line for line in lines if reason in line and "ann/s.jsonl" in line]


def test_into_a_pipe_goes_every_setting(printed: Printed) -> None:
    """Name, value and source on one line, however long the value is."""
    found = settings.shown("", load(None, {"WATCHER_PATHS__STATE": "/a" * 150, "WATCHER_HTTP__HOST": HOSTILE}))
    lines = [line.split() for line in printed(output.settings, found).splitlines()]
    for row in found:
        wanted = [f"{row['table']}.{row['key']}", *output.plain(row["value"]).plain.split(), *row["source"].split()]
        assert [line for line in lines if line[: len(wanted)] == wanted], wanted


MOMENT = "2026-03-01T10:20:30+00:00"
#: Others that show what a transcript, or its name, may have put there.
SHOWN: list[tuple[Callable[..., None], Any]] = [
    (output.sessions, {"total": 1, "sessions": [
        {"session": HOSTILE, "processor": "usage", "status": "failed", "processed_at": MOMENT, "items": 1,
         "processed_bytes": 2, "file_size": None, "error": HOSTILE, "bad_lines": 0}]}),
    (output.session, {"session": HOSTILE, "user": HOSTILE, "file": None, "processors": [
        {"processor": "usage", "status": "ok", "meaning": HOSTILE, "processed_bytes": 1, "items_extracted": 2,
         "processed_at": MOMENT, "processor_version": 1}]}),
    (output.answers, [{"session": HOSTILE, "processor": "usage", "message": HOSTILE, "done": True}]),
    (output.job_runs, [{"started_at": MOMENT, "finished_at": MOMENT, "name": "job", "trigger": "clock",
                      "outcome": "failed", "error": HOSTILE, "stats": {}}]),
    (lambda found: output.stats("job", found), {"errors_detail": [{"session": HOSTILE}], "other": HOSTILE}),
    (output.tokens, [{"name": HOSTILE, "token_id": "t", "role": "admin", "username": HOSTILE, "created_at": MOMENT,
                    "revoked_at": None}]),
    (output.checks, {"status": "ok", "checks": [{"level": "ok", "name": "disk", "message": HOSTILE}]}),
]  # fmt: skip


@pytest.mark.parametrize(("function", "found"), SHOWN)
def test_text_is_only_text_wherever_it_is_shown(printed: Printed, function: Any, found: Any) -> None:
    """Sessions, answers, jobs, tokens and checks: nothing in them is obeyed (the fixture looks)."""
    assert HARMLESS in printed(function, found)


@pytest.mark.parametrize("width", [80, 400, None])
def test_text_from_transcripts_is_only_text(printed: Printed, width: int | None) -> None:
    """No markup, no control character, no escape sequence reaches the terminal or the pipe (the fixture looks)."""
    for name in ("username", "project", "repository", "title", "primary_model", "session_id"):
        text = printed(reports.report, sessions(**{name: HOSTILE}), width)
        if width != 80:
            assert HARMLESS in text, text
    assert HARMLESS in printed(reports.report, daily(unknown_models=[HOSTILE]), width)
    assert HARMLESS in printed(output.status, status(error=HOSTILE), width)
    assert HARMLESS in printed(output.status, status(session=HOSTILE), width)
    assert HARMLESS in printed(output.runs, runs(error=HOSTILE), width)
    assert HARMLESS in printed(output.runs, runs(session=HOSTILE), width)


def test_any_text_at_any_width(printed: Printed) -> None:
    """Random characters of every kind in every text column: printed without trouble, never wider than the terminal."""
    for seed in range(40):
        rng = random.Random(seed)
        word = "".join(chr(rng.choice([rng.randrange(0x20), rng.randrange(0x20, 0x3000), 0x1F600, 0x4E00, 0x5B, 0x5D,
                                       0x202E, 0x300])) for _ in range(rng.randrange(60)))  # fmt: skip
        names = rng.sample(["username", "project", "primary_model", "session_id"], 2)
        print(f"seed {seed}")
        printed(reports.report, sessions(**dict.fromkeys(names, word)), rng.randrange(40, 250))


def test_nothing_is_said_as_such(printed: Printed) -> None:
    """An empty report, no processor, no service: a sentence each."""
    assert printed(reports.report, daily(rows=[])).strip() == "Nothing was used in that time."
    text = printed(output.status, NOTHING)
    assert "not running" in text and "Nothing was processed yet" in text


def test_a_model_without_a_price_is_named(printed: Printed) -> None:
    """Its cost is missing above, and where to set it is said."""
    text = printed(reports.report, daily(unknown_models=["claude-next-1"]))
    assert re.search(r"claude-next-1.*\[processors\.usage\] prices", text)


def test_status_says_what_models_were_asked_today(printed: Printed) -> None:
    """Calls, tokens beside the limit, and cost; nothing where no model is set and none was asked."""
    found = status()
    assert "Models today" not in printed(output.status, found)
    asked = {"model": "anthropic:m", "calls": 3, "tokens": 4321, "cost_usd": 0.5, "max_tokens_a_day": 10_000}
    told = printed(output.status, {**found, "models": asked})
    assert "Models today: 3 calls, 4,321 of 10,000 tokens, $0.50 (anthropic:m)" in told
