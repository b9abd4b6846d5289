"""`usage`: every report and filter against plain sums, the same with a service and without, in every form of output."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.harness import settings_for
from tests.support.processes import PATIENCE, Place, wait_for
from tests.support.terminal import ODD, ORDERS_TO_THE_TERMINAL, TOOLS, Told, history, on_a_terminal, write
from tests.support.transcript_lines import HAIKU
from watcher.cli.usage import day_of
from watcher.cli.usage import usage as ask_usage
from watcher.settings import load

REPORTS = (
    "daily",
    "monthly",
    "sessions",
    "models",
    "users",
    "projects",
    "asked_by",
    "tools",
    "mcp_servers",
    "mcp_tools",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place where it was all taken, and nothing runs."""
    folder = tmp_path_factory.mktemp("usage")
    made = Place(folder / "sessions", folder / "state")
    write(made.sessions, history())
    assert made.run("once", "--quiet").returncode == 0
    return made


@dataclass(frozen=True)
class Filters:
    """What a report is narrowed to."""

    since: str | None = None
    until: str | None = None
    user: str | None = None
    model: str | None = None

    def holds(self, one: Told) -> bool:
        return (
            (self.since is None or one.day.isoformat() >= self.since)
            and (self.until is None or one.day.isoformat() <= self.until)
            and self.user in (None, one.user)
            and self.model in (None, one.model)
        )

    def words(self) -> list[str]:
        return [
            word
            for name in ("since", "until", "user", "model")
            if (value := getattr(self, name)) is not None
            for word in (f"--{name}", value)
        ]


#: Every combination of filters.
FILTERS = [
    Filters(*chosen)
    for chosen in itertools.product((None, "2026-01-10"), (None, "2026-02-15"), (None, "zoë x"), (None, HAIKU))
] + [Filters(model="none"), Filters(user="nobody")]
KEYS: dict[str, Callable[[Told], str]] = {
    "projects": lambda one: "shop",
    "asked_by": lambda one: "unknown",
    "daily": lambda one: one.day.isoformat(),
    "monthly": lambda one: one.day.replace(day=1).isoformat(),
    "models": lambda one: one.model,
    "users": lambda one: one.user,
    "tools": lambda one: one.tool,
}


def sums(told: Sequence[Told]) -> tuple[int, ...]:
    """Sessions, calls and tokens of each kind."""
    tokens = [sum(one.tokens[at] for one in told) for at in range(4)]
    return (len({one.session for one in told}), len(told), *tokens)


Answers = dict[tuple[str, Filters], dict[str, Any]]


@pytest.fixture(scope="module")
def answers(place: Place) -> Iterator[dict[str, Answers]]:
    """What every report says by every filter, with a service and without."""
    settings = settings_for(place.sessions, place.state)
    by: dict[str, Answers] = {}

    def all_of_them() -> Answers:
        return {
            (report, one): ask_usage(settings, report, one.since, one.until, one.user, one.model)
            for report in REPORTS
            for one in FILTERS
        }

    by["stopped"] = all_of_them()
    service = place.start()
    try:
        wait_for(lambda: place.health()["status"] != "silent", "the service", service.log)
        by["running"] = all_of_them()
        assert service.stop() == 0
    finally:
        service.kill()
    yield by


def test_a_running_service_and_none_say_the_same(answers: dict[str, Answers]) -> None:
    """Every report, by every combination of filters."""
    assert len(answers["stopped"]) == len(REPORTS) * len(FILTERS) == 10 * 18
    for asked, found in answers["stopped"].items():
        assert answers["running"][asked] == found, asked


def test_every_report_is_the_plain_sum(answers: dict[str, Answers]) -> None:
    """Rows and totals, by every combination of filters, against sums over what was written."""
    for (report, filters), found in answers["stopped"].items():
        told = [one for one in history() if filters.holds(one)]
        rows = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
        if report == "sessions":
            continue
        if report == "tools":
            expected = {
                name: (len(of), sum(one.failed for one in of), len({one.session for one in of}))
                for name in TOOLS
                if (of := [one for one in told if one.tool == name])
            }
            assert {row["tool_name"]: (row["calls"], row["errors"], row["sessions"]) for row in rows} == expected
            calls = sum(count for count, _, _ in expected.values())
            assert (found["totals"]["calls"] or 0) == calls, (report, filters)
            continue
        if report.startswith("mcp_"):
            used = [one for one in told if one.tool == "mcp__tracker__search"]
            names = {"mcp_servers": ("tracker",), "mcp_tools": ("tracker", "search")}[report]
            counts = (len(used), sum(one.failed for one in used), len({one.session for one in used}), 0)
            assert [tuple(row[: len(names) + 4]) for row in found["rows"]] == ([(*names, *counts)] if used else [])
            assert found["totals"]["uses"] == len(used) and found["totals"]["calls"] == 0
            continue
        key = found["columns"][0]
        measures = ("sessions", "calls", "input_tokens", "output_tokens", "cache_creation_tokens", "cache_read_tokens")
        groups: dict[str, list[Told]] = {}
        for one in told:
            groups.setdefault(KEYS[report](one), []).append(one)
        expected_rows = {name: sums(of) for name, of in groups.items()}
        assert {row[key]: tuple(row[name] for name in measures) for row in rows} == expected_rows, (report, filters)
        assert tuple(found["totals"][name] or 0 for name in measures) == sums(told), (report, filters)
        priced = [row["cost_usd"] for row in rows if row["cost_usd"] is not None]
        assert (found["totals"]["cost_usd"] or 0) == pytest.approx(sum(priced))
        if report == "models":
            assert {row["model"] for row in rows if row["cost_usd"] is None} == {ODD} & expected_rows.keys()
        # Of everybody's, or of the one user's whose report it is: others' models are nobody else's business.
        asked = any(one.model == ODD for one in history() if filters.user in (None, one.user))
        assert found["unknown_models"] == ([ODD] if asked else [])


def test_the_sessions_report_is_the_plain_sum(answers: dict[str, Answers]) -> None:
    """A row a session, by when it was last active, whose it is, and whether a model took part."""
    for (report, filters), found in answers["stopped"].items():
        if report != "sessions":
            continue
        groups: dict[str, list[Told]] = {}
        for one in history():
            groups.setdefault(one.session, []).append(one)
        expected: dict[str, tuple[Any, ...]] = {
            name: (of[0].user, len(of), sum(one.failed for one in of), *sums(of)[2:])
            for name, of in groups.items()
            if Filters(filters.since, filters.until, filters.user).holds(max(of, key=lambda one: one.day))
            and (filters.model is None or any(one.model == filters.model for one in of))
        }
        measures = ("username", "assistant_messages", "tool_errors", "input_tokens", "output_tokens",
                    "cache_creation_tokens", "cache_read_tokens")  # fmt: skip
        rows = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
        assert {row["session_id"]: tuple(row[name] for name in measures) for row in rows} == expected, filters
        for at, name in enumerate(measures[1:], start=1):
            assert (found["totals"][name] or 0) == sum(row[at] for row in expected.values()), (filters, name)


@pytest.mark.parametrize("report", ["daily", "sessions", "tools"])
def test_table_csv_and_json_hold_the_same_numbers(place: Place, report: str) -> None:
    """Into a pipe goes all of it, without a colour; the last row is the sum."""
    with_filters = Filters(since="2026-01-10", user="zoë x").words()
    found = place.json("usage", report, *with_filters)
    as_csv = place.run("usage", report, *with_filters, "--csv")
    head, *rows = list(csv.reader(io.StringIO(as_csv.stdout)))
    assert head == found["columns"]
    assert rows == [["" if value is None else str(value) for value in row] for row in found["rows"]]
    table = place.run("usage", report, *with_filters)
    assert (table.returncode, as_csv.returncode) == (0, 0) and "\x1b" not in table.stdout + as_csv.stdout
    _, *lines_of_it = [text for text in table.stdout.splitlines() if "No price is known" not in text]
    assert len(lines_of_it) == len(found["rows"]) + 1 and lines_of_it[-1].startswith("all")
    for text, row in zip(lines_of_it, found["rows"], strict=False):
        numbers = {f"{value:,}" for value in row if type(value) is int}
        if report != "sessions":
            assert numbers <= {*text.split()}, text
    totals = {
        f"{value:,}" for name, value in found["totals"].items() if type(value) is int and name != "active_seconds"
    }
    assert totals <= {*lines_of_it[-1].split()}
    assert ("No price is known for odd-model-7" in table.stdout) == (report != "tools")


COLOURS = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|38|4[0-7]|48|9[0-7]|10[0-7])(?:;\d+)*m")


def test_it_fits_a_wide_and_a_narrow_terminal(place: Place) -> None:
    """At 200 every number is exact; at 40 no line is longer, no number is cut, and whose row it is can be seen."""
    found = place.json("usage", "users")
    for width in (200, 40):
        shown = ORDERS_TO_THE_TERMINAL.sub("", on_a_terminal(place, width, ["usage", "users"]))
        table = shown.partition("No price")[0]
        assert all(len(text.rstrip()) <= width for text in table.splitlines()), table
        for name in ("ann", "bob", "zoë x", "all"):
            assert re.search(rf"^{name}\b", table, re.MULTILINE), table
        if width == 200:
            for row in found["rows"]:
                assert all(f"{value:,}" in table for value in row if type(value) is int), table
        assert f"${found['totals']['cost_usd']:,.2f}" in table


def test_colours_are_for_terminals_that_want_them(place: Place) -> None:
    """On a terminal there may be some; with NO_COLOR there is none, and on one that knows no orders nothing of them."""
    assert COLOURS.search(on_a_terminal(place, 200, ["usage", "users"])), "the test would not see a colour"
    assert not COLOURS.search(on_a_terminal(place, 200, ["usage", "users"], NO_COLOR="1"))
    assert "\x1b" not in on_a_terminal(place, 200, ["usage", "users"], TERM="dumb")


KINDS = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<svg", ".pdf": b"%PDF-"}


@pytest.mark.parametrize("kind", KINDS)
def test_plots_are_pictures(place: Place, tmp_path: Path, kind: str) -> None:
    """Of every kind that is promised, really drawn, beside the table."""
    target = tmp_path / f"x{kind}"
    done = place.run("usage", "daily", "--plot", str(target))
    assert done.returncode == 0 and done.stdout and done.stderr == "", done.stderr
    assert target.read_bytes().startswith(KINDS[kind]) and target.stat().st_size > 5000
    if kind == ".svg":
        assert "</svg>" in target.read_text() and "Usage by day" in target.read_text()


def test_a_plot_that_cannot_be_is_one_sentence(place: Place, tmp_path: Path) -> None:
    """Another kind, no such folder, or the extra is missing: what is accepted, or what to install; and no data."""
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "vl_convert.py").write_text("raise ImportError('not installed')")
    without = Place(place.sessions, place.state, {"PYTHONPATH": str(tmp_path / "without")})
    for at, target, said in (
        (place, "x.gif", ".png, .svg, .pdf"),
        (place, str(tmp_path / "no" / "x.png"), "x.png"),
        (without, str(tmp_path / "x.png"), "pip install vl-convert-python"),
    ):
        done = at.run("usage", "daily", "--plot", target)
        assert done.returncode == 2 and done.stdout == "" and said in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1 and not Path(target).exists()
    assert without.run("usage", "daily").returncode == 0, "who draws nothing needs nothing"


def test_today_and_yesterday_are_days(place: Place) -> None:
    """Those of the reports' zone, in which it may be another day than here."""
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        settings = load(None, {}, {"processors.usage.timezone": zone}).settings
        for name, days in (("today", 0), ("yesterday", 1)):
            before = datetime.now(ZoneInfo(zone)).date()
            given = day_of(settings, "--since", name)
            assert given in {one - timedelta(days) for one in (before, datetime.now(ZoneInfo(zone)).date())}
    assert place.run("usage", "users", "--since", "yesterday", "--until", "yesterday").returncode == 0
    done = place.run("usage", "--since", "tomorrow")
    assert done.returncode == 2 and "today or yesterday is accepted" in done.stderr


def test_nothing_in_that_time_is_no_failure(place: Place, tmp_path: Path) -> None:
    """A sentence for people, an empty table for programs, and a picture of nothing."""
    words = ("usage", "daily", "--since", "2031-01-01")
    assert place.run(*words).stdout == "Nothing was used in that time.\n"
    found = place.json(*words)
    assert found["rows"] == [] and found["totals"]["calls"] == 0
    assert len(place.run(*words, "--csv").stdout.splitlines()) == 1
    assert place.run(*words, "--plot", str(tmp_path / "x.png")).returncode == 0
    assert (tmp_path / "x.png").read_bytes().startswith(KINDS[".png"])


def completed(place: Place, *words: str) -> set[str]:
    """What bash offers when the last word is completed, by the script that the program gives for it."""
    script = """
        eval "$(session-watcher --show-completion bash)"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        $(complete -p session-watcher | sed 's/.*-F \\([^ ]*\\).*/\\1/') session-watcher
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    kept = {name: value for name, value in place.surroundings().items() if not name.startswith("WATCHER_")}
    done = subprocess.run(
        ["bash", "-c", script, "bash", "session-watcher", *words],
        env={**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stderr == ""
    return {*done.stdout.split()}


def test_bash_completes_commands_and_options(place: Place) -> None:
    """Commands, those of a group, and options; by the shell itself."""
    assert completed(place, "s") == {"status", "settings", "sessions"}
    assert completed(place, "sessions", "re") == {"retry", "reprocess"}
    assert completed(place, "usage", "--pl") == {"--plot"}
    assert json.dumps(sorted(completed(place, "tokens", ""))) == '["create", "list", "revoke"]'
