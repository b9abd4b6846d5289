"""What clients say that they spent, beside what is counted: by the command, over the API, and on the pages."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, expect

from processors.usage.reports.reconcile import BY, SIDES
from tests.support.browsed import Site, entered
from tests.support.harness import settings_for
from tests.support.planted_statements import (
    BRANCH,
    DAYS,
    FORK,
    LATER,
    NEGATIVE,
    ORPHAN,
    REST,
    SAID,
    SILENT,
    SILENT_COST,
    USERS,
    plant_statements,
)
from tests.support.processes import Place, wait_for
from tests.support.terminal import ORDERS_TO_THE_TERMINAL, on_a_terminal
from tests.support.transcript_lines import HAIKU, SONNET
from watcher.cli.usage import usage as ask_usage

#: Since, until, user and model.
FILTERS: tuple[tuple[str | None, str | None, str | None, str | None], ...] = (
    (None, None, None, None),
    ("2026-03-02", None, None, None),
    (None, "2026-03-02", "lou", None),
    ("2026-03-01", "2026-03-01", None, SONNET),
    (None, None, "nobody", None),
    (None, None, None, HAIKU),
)
WORDS = "usage", "reconcile"


class Stated(Site):
    """A place where clients state what they spent."""

    surroundings = Place.surroundings


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Stated:
    """What was planted is taken, and nothing runs."""
    folder = tmp_path_factory.mktemp("stated")
    made = Stated(folder / "sessions", folder / "state")
    plant_statements(made.sessions)
    assert made.run("once", "--quiet").returncode == 0
    return made


@pytest.fixture(scope="module")
def without(place: Stated) -> dict[Any, Any]:
    """What the command says of everything while nothing runs."""
    return everything(place)


@pytest.fixture(scope="module")
def site(place: Stated, without: dict[Any, Any]) -> Iterator[Stated]:
    """The service, after everything was asked without it."""
    running = place.start()
    try:
        wait_for(lambda: place.health()["status"] != "silent", "the service", running.log)
        yield place
        assert running.stop() == 0
    finally:
        running.kill()


def everything(place: Place) -> dict[Any, Any]:
    """Every kind of the report by every filter."""
    settings = settings_for(place.sessions, place.state)
    return {(by, one): ask_usage(settings, "reconcile", *one, by=by) for by in BY for one in FILTERS}


def rows_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    """By the names of the columns."""
    return [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]


def told(row: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Input tokens and cost of each side."""
    return [(row[f"{side}_input_tokens"], row[f"{side}_cost_usd"]) for side in SIDES]


def added(sessions: Sequence[str]) -> list[tuple[int, float]]:
    """What sessions come to."""
    sides = zip(*(SAID[one] for one in sessions), strict=True)
    return [(sum(one[0] or 0 for one in side), round(sum(one[1] or 0 for one in side), 9)) for side in sides]


KNOWN = [one for one in SAID if one != ORPHAN]
APART = [
    {"reason": "no statement", "sessions": 1, "cost_usd": SILENT_COST},
    {"reason": "parent unknown", "sessions": 1, "cost_usd": 0.03},
]


def test_each_session_has_its_line(without: dict[Any, Any]) -> None:
    """The largest unexplained cost first, whatever its sign; a fork's own; what is not known last, and in no sum."""
    found = without["sessions", FILTERS[0]]
    rows = rows_of(found)
    assert [row["session_id"] for row in rows] == [REST, NEGATIVE, FORK, BRANCH, LATER, ORPHAN]
    for row in rows:
        assert told(row) == list(SAID[row["session_id"]]), row["session_id"]
        assert row["username"] == USERS[row["session_id"]]
        assert row["session_file"] == f"{row['username']}/{row['session_id']}.jsonl"
        assert row["reason"] == ("parent unknown" if row["session_id"] == ORPHAN else None)
    assert told(found["totals"]) == added(KNOWN) and found["totals"]["sessions"] == 5
    assert found["total_rows"] == 6 and found["apart"] == APART and found["unknown_models"] == []


def test_users_days_and_models_add_up(without: dict[Any, Any]) -> None:
    """By the statement's day; each comes to the same totals, with the same apart."""
    users = {row["username"]: row for row in rows_of(without["users", FILTERS[0]])}
    for name, row in users.items():
        own = [one for one in KNOWN if USERS[one] == name]
        assert (told(row), row["sessions"]) == (added(own), len(own))
    assert list(users) == ["kim", "lou"]
    days = {row["day"]: row for row in rows_of(without["days", FILTERS[0]])}
    assert list(days) == list(DAYS)
    for day, sessions in DAYS.items():
        assert (told(days[day]), days[day]["sessions"]) == (added(sessions), len(sessions))
    models = {row["model"]: row for row in rows_of(without["models", FILTERS[0]])}
    assert told(models[HAIKU]) == [(0, 0.0), (5_000, 0.005), (0, 0.0), (5_000, 0.005)]
    # The fork has it too: what it inherited is taken away, and nothing is left.
    assert set(models) == {SONNET, HAIKU} and models[HAIKU]["sessions"] == 2
    for by in BY:
        assert without[by, FILTERS[0]]["totals"] == without["sessions", FILTERS[0]]["totals"]
        assert without[by, FILTERS[0]]["apart"] == APART


def test_filters_are_by_the_statement(without: dict[Any, Any]) -> None:
    """Days, user and model; sessions without a statement are those with calls in these days."""
    _, later, lous, first, nobody, haiku = (without["sessions", one] for one in FILTERS)
    assert {row["session_id"] for row in rows_of(later)} == {NEGATIVE, BRANCH, LATER, ORPHAN}
    assert {row["session_id"] for row in rows_of(lous)} == {LATER, ORPHAN} and lous["apart"] == APART[1:]
    assert {row["session_id"] for row in rows_of(first)} == {REST, FORK} and first["apart"] == []
    assert nobody["rows"] == [] and nobody["apart"] == [] and nobody["totals"]["sessions"] == 0
    assert {row["session_id"] for row in rows_of(haiku)} == {REST, FORK} and haiku["apart"] == []


def test_a_running_service_and_none_say_the_same(site: Stated, without: dict[Any, Any]) -> None:
    """Every kind, by every filter."""
    assert everything(site) == without


def test_pages_of_rows(site: Stated, without: dict[Any, Any]) -> None:
    """So many rows behind so many; the totals are those of all, also behind the last."""
    whole = without["sessions", FILTERS[0]]
    for limit, offset in ((2, 0), (2, 3), (4, 4), (5, 100)):
        found = site.ask(f"/api/usage/reconcile?limit={limit}&offset={offset}")
        assert found == {**whole, "rows": whole["rows"][offset : offset + limit]}


def test_a_users_token_sees_its_own(site: Stated, browser: Browser) -> None:
    """Over the API and on the page; another's is refused."""
    token = site.new_token("lous", "--role", "user", "--user", "lou")
    with entered(browser, site, token) as page:
        answer = page.request.get("/api/usage/reconcile", headers={"Authorization": f"Bearer {token}"})
        assert {row["username"] for row in rows_of(answer.json())} == {"lou"} and answer.json()["apart"] == APART
        refused = page.request.get("/api/usage/reconcile?user=kim", headers={"Authorization": f"Bearer {token}"})
        assert refused.status == 403
        page.goto("/usage?since=")
        shown = page.locator("#reconcile").inner_text()
        assert NEGATIVE[:13] in shown and REST[:13] not in shown and "kim" not in shown


def test_the_table_names_what_is_apart(place: Stated) -> None:
    """Into a pipe goes all of it; a negative rest is shown as one; then what is in no sum."""
    done = place.run(*WORDS)
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["session", "file", "user", "stated"]
    (negative,) = (one for one in lines if one.startswith(NEGATIVE))
    assert {"-10,000", "-$0.03", "60,000", "$0.18"} <= set(negative.split())
    (orphan,) = (one for one in lines if one.startswith(ORPHAN))
    assert "parent unknown" in orphan
    assert lines[-3].startswith("all") and "$0.05" in lines[-3]
    assert lines[-2] == "1 session without a statement, in no sum: $0.21 counted there."
    assert lines[-1] == "1 fork whose parent is unknown, in no sum: $0.03 counted there."
    head, *rows = csv.reader(io.StringIO(place.run(*WORDS, "--by", "users", "--csv").stdout))
    assert head[:2] == ["username", "sessions"] and [row[0] for row in rows] == ["kim", "lou"]


@pytest.mark.parametrize("by", BY)
def test_it_fits_a_terminal(place: Stated, by: str) -> None:
    """At 80 columns: whose row it is, and every side's cost, none of it cut."""
    words = [*WORDS, "--by", by]
    shown = ORDERS_TO_THE_TERMINAL.sub("", on_a_terminal(place, 80, words)).partition("1 session")[0]
    assert all(len(one.rstrip()) <= 80 for one in shown.splitlines()), shown
    names = {"sessions": [one[:8] for one in SAID], "users": ["kim", "lou"], "days": list(DAYS), "models": [SONNET]}
    for name in (*names[by], "all"):
        assert re.search(rf"^{name}", shown, re.MULTILINE), shown
    for word in ("counted", "client", "not yet", "unexplained", "$0.81", "$0.86", "$0.09", "$0.05"):
        assert word in shown, shown
    assert by != "sessions" or ("-$0.03" in shown and "unknown" in shown), shown


def test_what_is_not_known_is_one_sentence(place: Stated, tmp_path: Path) -> None:
    """Another kind, a kind of another report, a picture."""
    for words, said in (
        ((*WORDS, "--by", "weeks"), "--by weeks: sessions, users, days, models are accepted"),
        (("usage", "daily", "--by", "users"), "only usage reconcile takes it"),
        ((*WORDS, "--plot", str(tmp_path / "x.svg")), "reconcile is not drawn"),
    ):
        done = place.run(*words)
        assert done.returncode == 2 and done.stdout == "" and said in done.stderr and done.stderr.count("\n") == 1
    nothing = place.run(*WORDS, "--since", "2031-01-01")
    assert (nothing.returncode, nothing.stdout) == (0, "No client has stated anything in that time.\n")


def cells(row: Locator) -> list[str]:
    """What stands in a row, but for times that pass."""
    return [text.strip() for text in row.locator("th, td").all_inner_texts()]


def test_the_page_of_usage(site: Stated, browser: Browser) -> None:
    """Sums, sessions with the largest unexplained cost first, and what is in no sum; the page's filters apply."""
    with entered(browser, site, site.token) as page:
        page.goto("/usage?since=")
        part = page.locator("#reconcile")
        expect(part.get_by_role("heading")).to_have_text("Counted, and reported by the client")
        sums, sessions = part.locator("table").all()
        assert [cells(row)[:2] for row in sums.locator("tbody tr").all()] == [
            ["Counted", "$0.81"], ["The client says", "$0.86"], ["Unexplained", "$0.05"],
            ["Counted, not yet stated", "$0.09"],
        ]  # fmt: skip
        rows = [cells(row) for row in sessions.locator("tbody tr").all()]
        assert [row[0] for row in rows] == [f"{one[:13]}…" for one in (REST, NEGATIVE, FORK, BRANCH, LATER, ORPHAN)]
        assert rows[1][2:6] == ["$0.18", "$0.15", "-$0.03", "$0.00"]
        assert rows[-1][2:6] == ["$0.03", "–", "parent unknown", "$0.00"]
        expect(part).to_contain_text("1 session without a statement, in no sum: $0.21 counted there.")
        expect(part).to_contain_text("1 fork whose parent is unknown, in no sum: $0.03 counted there.")
        found = page.request.get("/usage/reconcile.csv?since=")
        assert [f"{row['session_id'][:13]}…" for row in csv.DictReader(io.StringIO(found.text()))] == [
            row[0] for row in rows
        ]
        assert page.request.get("/usage/reconcile.parquet?since=").body()[:4] == b"PAR1"
        assert not Axe().run(page, context="#reconcile").response["violations"]
        page.goto("/usage?since=2026-03-03&until=2026-03-03")
        assert [cells(row)[0] for row in part.locator("table").nth(1).locator("tbody tr").all()] == [
            f"{NEGATIVE[:13]}…"
        ]
        page.goto(f"/usage?since=2026-03-03&until=2026-03-03&model={HAIKU}")
        expect(part).to_have_count(0)  # no call at all was made with it
        page.goto("/usage?since=2026-03-01&until=2026-03-01&user=kim")
        part.get_by_role("link", name=FORK[:13]).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(f"kim/{FORK}.jsonl")


def test_the_page_of_a_session(site: Stated, browser: Browser) -> None:
    """Its line, the reason where the rest is not known, and a sentence where the client has stated nothing."""
    with entered(browser, site, site.token) as page:
        shown = page.locator("#stated")
        for session, unexplained in ((FORK, "$0.02"), (NEGATIVE, "-$0.03"), (ORPHAN, "–"), (LATER, "$0.00")):
            page.goto(f"/sessions/one?session={USERS[session]}%2F{session}.jsonl")
            expect(shown.locator("tbody tr").nth(2).locator("td").first).to_have_text(unexplained)
            assert ("parent unknown" in shown.inner_text()) == (session == ORPHAN)
        assert not Axe().run(page, context="#stated").response["violations"]
        page.goto(f"/sessions/one?session=lou%2F{SILENT}.jsonl")
        expect(shown.locator("p")).to_have_text("The client reported no totals for this session.")


def test_a_page_without_a_statement(tmp_path: Path, browser: Browser) -> None:
    """A sentence, and how many sessions are without one."""
    made = Stated(tmp_path / "sessions", tmp_path / "state")
    plant_statements(made.sessions)
    for path in made.sessions.glob("*/*.jsonl"):
        if path.stem != SILENT:
            path.unlink()
    assert made.run("once", "--quiet").returncode == 0
    running = made.start()
    try:
        with entered(browser, made, made.token) as page:
            page.goto("/usage?since=")
            expect(page.locator("#reconcile .card")).to_have_text("No client has stated anything in that time.")
            expect(page.locator("#reconcile")).to_contain_text("1 session without a statement")
        assert running.stop() == 0
    finally:
        running.kill()
