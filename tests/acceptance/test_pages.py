"""The pages, in a real browser against a service that runs: what people see, may press, and may not."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.support.browsed import FORMULA, HOSTILE, LONG_AGO, NOW, Site, entered, opened, served
from tests.support.processes import wait_for
from watcher.charts.render import Easel
from watcher.charts.spec import over_moments

ONE = "/sessions/one?session=ann%2Fa.jsonl"
PAGES = ("/", "/usage", "/sessions", ONE, "/knowledge", "/admin/scheduler-runs")


#: A page may be as late as that on a busy machine.


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service for everything that leaves it as it was."""
    with served(tmp_path_factory.mktemp("pages")) as (started, _):
        yield started


@pytest.fixture(scope="module")
def signed_in(browser: Browser, site: Site) -> Any:
    """What a browser keeps of an admin who has signed in by the form."""
    with entered(browser, site, site.token) as page:
        return page.context.storage_state()


def test_signing_in_and_out(browser: Browser, site: Site) -> None:
    """A wrong token is told; a right one leads to where one was going, by a cookie no script can read; then out."""
    with opened(browser, site) as page:
        page.goto("/usage?user=ann")
        assert page.url.endswith("/sign-in?" + urlencode({"next": "/usage?user=ann"}))
        before = site.turned_away()
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("not known")
        assert site.turned_away() == before + 1
        page.get_by_label("Token").fill(site.token)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/usage?user=ann")
        (cookie,) = page.context.cookies()
        assert cookie.get("httpOnly") and cookie.get("sameSite") == "Strict" and cookie.get("expires", -1) > 0
        assert site.token not in cookie.get("value", "")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/sign-in")
        assert page.context.cookies() == []
        page.context.add_cookies([{"name": cookie["name"], "value": cookie["value"], "url": site.url}])
        assert page.goto("/usage") and "/sign-in" in page.url, "a cookie from before signing out still opens"


def test_a_token_sees_and_does_what_its_role_may(browser: Browser, site: Site) -> None:
    """A reader has no buttons, and none of their forms is taken; a user sees their own alone; a revoked one nothing."""
    with entered(browser, site, site.new_token("watcher", "--role", "reader")) as page:
        page.goto("/admin/scheduler-runs")
        expect(page.get_by_role("button", name="Run now")).to_have_count(0)
        key = page.locator("input[name=form_key]").first.get_attribute("value") or ""
        answer = page.request.post(
            "/admin/scheduler-runs/run?name=housekeeping", form={"form_key": key}, headers={"Origin": site.url}
        )
        assert answer.status == 403 and "admin" in answer.text()
        assert site.audit("run_job:housekeeping") == []
        assert [entry for entry in site.audit("run_job") if entry[0] == "watcher"] == [("watcher", 403)]
    with entered(browser, site, site.new_token("ann's", "--role", "user", "--user", "ann")) as page:
        page.wait_for_url("**/usage")
        expect(page.get_by_role("navigation", name="Pages").get_by_role("link")).to_have_text(
            ["Usage", "Sessions", "Knowledge"]
        )
        assert "bob" not in page.content() and "claude-haiku" not in page.locator("main table").first.inner_text()
        page.goto("/sessions?user=bob")
        expect(page.locator("#list tbody tr")).to_have_count(1)
        assert "bob" not in page.locator("#list").inner_text()
        forbidden = ("/usage?user=bob", "/usage/users.csv?user=bob", "/admin/scheduler-runs")
        codes = [page.request.get(path).status for path in (*forbidden, ONE, ONE.replace("ann%2Fa", "bob%2Fb"))]
        assert codes == [403, 403, 403, 200, 404]
        for key in ("ann/../bob/b.jsonl", "ann/../../state/x.jsonl", "/etc/passwd", "ann/%00.jsonl", "ann", "%", ""):
            answer = page.request.get("/sessions/one?" + urlencode({"session": key}))
            assert answer.status in (404, 422), key
        assert site.run("tokens", "revoke", "ann's").returncode == 0
        page.goto("/usage")
        assert "/sign-in" in page.url


def test_the_first_page_says_what_is_wrong_and_a_retry_frees_it(browser: Browser, tmp_path: Path) -> None:
    """From the finding by its link to the session, its reason and its button; then all is well, without reloading."""
    with served(tmp_path, memory="1KB") as (site, running), entered(browser, site, site.token) as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("The service is degraded.")
        finding = page.locator("#verdict li").filter(has_text="quarantined")
        expect(finding).to_contain_text("4 sessions are quarantined by usage")
        finding.get_by_role("link").click()
        expect(page.locator("#list tbody tr")).to_have_count(4)
        page.locator("#list").get_by_role("link", name="ann/a.jsonl").click()
        row = page.locator("#states tr").filter(has_text="usage")
        expect(row).to_contain_text("memory_limit")
        site.write("1GB")
        wait_for(lambda: site.memory() == '"1GB"', "the new limit", running.log)
        # The settings are told before every child has been started anew with them.
        wait_for(lambda: "settings_applied" in running.log.read_text(), "the processors to go on by it", running.log)
        row.get_by_role("button", name="Retry").click()
        expect(page.get_by_role("status")).to_have_text("ann/a.jsonl is tried again (usage).")
        expect(row.locator(".badge")).to_have_text("ok")
        expect(page.locator("#course")).to_contain_text("Exit code 1")
        page.goto("/sessions?status=quarantined")
        page.get_by_role("button", name="Retry all that are quarantined").click()
        expect(page.get_by_role("status")).to_have_text("3 sessions: each is tried again.")
        page.goto("/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Everything is OK.")
        assert site.audit("sessions_retry") == [("admin", 303), ("admin", 303)]
        # What is gone can be forgotten, after a question; what is there cannot.
        page.goto("/sessions/forget?session=bob%2Fold.jsonl")
        expect(page.get_by_role("button", name="Forget")).to_have_count(0)
        (site.sessions / "bob" / "old.jsonl").unlink()
        page.goto("/sessions/one?session=bob%2Fold.jsonl")
        page.get_by_role("link", name="Forget").click()
        page.get_by_role("button", name="Forget it for good").click()
        expect(page.get_by_role("status")).to_contain_text("bob/old.jsonl is forgotten")
        assert "bob/old.jsonl" not in {one["session"] for one in site.json("sessions", "list")["sessions"]}
        # Whoever looks on while the service ends is told so.
        page.goto("/")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0
        page.keyboard.press("r")
        expect(page.get_by_role("alert")).to_contain_text("does not answer")
        page.wait_for_load_state()


def test_the_first_page_tells_what_today_has_cost(browser: Browser, site: Site, signed_in: Any) -> None:
    """The tokens and dollars of the day's calls, and yesterday's, reckoned here from the prices of a million tokens."""

    def price(read: float, written: float, cached: float) -> float:
        return (1000 * read + 234 * written + 400_000 * cached) / 1e6

    opus, haiku = price(5, 25, 0.5), price(1, 5, 0.1)
    calls = [(NOW - timedelta(days=1, hours=1), opus), (NOW - timedelta(days=1), opus), (NOW, haiku), (NOW, opus)]
    with opened(browser, site, storage_state=signed_in) as page:
        page.goto("/")
        day = date.fromisoformat(page.locator("#today h2 .faint").inner_text())
        today, before = ([cost for at, cost in calls if at.date() == one] for one in (day, day - timedelta(1)))
        if not today:  # midnight has passed since they were planted
            expect(page.locator("#today")).to_contain_text("No call was made today so far.")
            return

        def figure(label: str) -> str:
            return page.locator("#today .figure").filter(has_text=label).inner_text()

        assert figure("Cost").split("\n") == ["Cost", f"${sum(today):.2f}", f"yesterday ${sum(before):.2f}"]
        assert figure("Calls").split("\n") == ["Calls", f"{len(today)}", f"yesterday {len(before)}"]
        assert figure("Tokens written").split("\n")[1] == f"{234 * len(today)}"
        assert figure("Tokens read").split("\n")[1:] == [f"{401_000 * len(today):,}", "99.8 % from caches"]


def test_usage_is_drawn_filtered_and_handed_out(browser: Browser, site: Site, signed_in: Any) -> None:
    """Charts with axes and units, filters in the address, and every table as CSV and Parquet with the same figures."""
    with opened(browser, site, storage_state=signed_in) as page:
        page.goto("/usage")
        expect(page.locator(".chart svg")).to_have_count(6)
        for unit in ("tokens", "cost in dollars", "sessions", "active hours", "tool calls", "% of tool calls failed"):
            expect(page.locator(".chart svg text").get_by_text(unit, exact=True)).to_have_count(1)
        rows = page.locator("#users tbody tr")
        expect(rows).to_have_count(2)
        tools = page.locator("#tools tbody tr").filter(has_text="mcp__tracker__search")
        expect(tools.locator(".n")).to_have_text(["1", "1", "100.0 %", "1"])
        page.get_by_role("combobox", name="User").select_option("ann")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**user=ann**")
        expect(rows).to_have_count(1)
        expect(page.locator(".figure").filter(has_text="Calls").locator("dd")).to_have_text("2")
        expect(page.locator("#mcp_servers tbody tr th")).to_have_text("tracker")
        page.get_by_role("link", name="yesterday").click()
        page.wait_for_url(lambda url: "until=" in url and "user=ann" in url)
        asked = parse_qs(urlsplit(page.url).query)
        assert asked["since"] == asked["until"]
        ours = [NOW - timedelta(days=1, hours=1), NOW - timedelta(days=1)]
        there = [at for at in ours if f"{at:%Y-%m-%d}" == asked["since"][0]]
        calls = page.locator(".figure").filter(has_text="Calls").locator("dd")
        expect(calls).to_have_text(f"{len(there)}") if there else expect(calls).to_have_count(0)
        page.goto("/usage?since=")
        expect(page.locator(".figure").filter(has_text="Calls").locator("dd")).to_have_text("5")
        expect(page.locator(".figure").filter(has_text="Input").locator("dd")).to_have_text("5,000")
        with page.expect_download() as download:
            page.locator("#branches").get_by_role("link", name="CSV").click()
        assert download.value.suggested_filename == "usage-branches.csv"
        table = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
        assert sum(int(row["calls"]) for row in table) == 5
        branches = {row["git_branch"] for row in table}
        assert branches == {"main", f"'{FORMULA}"}, "a spreadsheet would run what a stranger named a branch"
        with page.expect_download() as download:
            page.locator("#users").get_by_role("link", name="Parquet").click()
        columns = "username, calls, input_tokens, typeof(cost_usd)"
        found = duckdb.connect().execute(f"SELECT {columns} FROM read_parquet('{download.value.path()}') ORDER BY 1")
        assert found.fetchall() == [("ann", 2, 2000, "DOUBLE"), ("bob", 3, 3000, "DOUBLE")]
        daily = page.request.get("/usage/daily.parquet?since=").body()
        (site.state / "daily.parquet").write_bytes(daily)
        days = duckdb.connect().execute(f"SELECT day FROM '{site.state / 'daily.parquet'}' ORDER BY 1").fetchall()
        assert days[0] == (LONG_AGO.date(),)
        answer = page.request.get("/usage?since=yesterday")
        assert answer.status == 400 and "a day such as 2026-01-31" in answer.text()
        page.goto("/usage?since=2001-01-01&until=2001-01-02")
        expect(page.locator("main")).to_contain_text(f"the latest of all was on {NOW.date()}")


def test_a_run_now_is_run_told_and_audited_once(browser: Browser, site: Site, signed_in: Any) -> None:
    """The button does what the API does, under the same name; loading the page again does not do it again."""
    with opened(browser, site, storage_state=signed_in) as page:
        page.goto("/admin/scheduler-runs")
        job = page.locator("#jobs tr").filter(has_text="session-processor:usage")
        job.get_by_role("button", name="Run now").click()
        expect(page.get_by_role("status")).to_contain_text(
            "session-processor:usage is done: processor usage, scanned 4"
        )
        page.reload()
        expect(page.get_by_role("status")).to_have_count(0)
        page.goto("/admin/scheduler-runs?name=session-processor%3Ausage")
        expect(page.locator("#run-list tbody tr").filter(has_text="asked")).to_have_count(1)
        assert site.audit("run_session_processor:usage") == [("admin", 303)]
        key = page.locator("input[name=form_key]").first.get_attribute("value") or ""
        answer = page.request.post(
            "/admin/scheduler-runs/run?name=nothing", form={"form_key": key}, headers={"Origin": site.url}
        )
        assert answer.status == 400 and "There is no job" in answer.text()
        page.goto("/admin/scheduler-runs?asked=nothing&refused=1")
        expect(page.locator("#audit-list tbody tr")).to_have_count(1)


def test_runs_and_the_audit_are_filtered(browser: Browser, site: Site, signed_in: Any) -> None:
    """By job, outcome, who, what and refusals; the filter is in the address, and nothing else is shown."""
    site.run("jobs", "run", "health-check")
    assert site.run("jobs", "run", "nothing").returncode == 2
    with opened(browser, site, storage_state=signed_in) as page:
        page.goto("/admin/scheduler-runs")
        page.get_by_role("combobox", name="Job").select_option("health-check")
        page.get_by_role("combobox", name="Outcome").select_option("ok")
        page.get_by_role("button", name="Show").first.click()
        page.wait_for_url("**name=health-check&outcome=ok**")
        assert {*page.locator("#run-list td[data-label=Job]").all_inner_texts()} == {"health-check"}
        assert {*page.locator("#run-list td[data-label=Outcome]").all_inner_texts()} == {"ok"}
        page.get_by_role("combobox", name="Outcome").select_option("interrupted")
        page.get_by_role("button", name="Show").first.click()
        expect(page.locator("#run-list")).to_have_text("No run fits.")
        page.get_by_label("Action or resource contains").fill("run_job")
        page.get_by_role("combobox", name="By").select_option("admin")
        page.get_by_label("only refused or failed").check()
        page.get_by_role("button", name="Show").last.click()
        page.wait_for_url("**asked=run_job&actor=admin&refused=1**")
        expect(page.locator("#run-list")).to_have_text("No run fits.")  # it is still of what was chosen above
        rows = page.locator("#audit-list tbody tr")
        expect(rows.first).to_contain_text("run_job:nothing")
        answers = rows.locator("td[data-label=Answer]").all_inner_texts()
        assert answers and all(answer.startswith("4") for answer in answers), answers
        page.get_by_label("only refused or failed").uncheck()
        page.get_by_role("button", name="Show").last.click()
        expect(rows.filter(has_text="run_job:health-check").first).to_contain_text("200")
        page.get_by_role("combobox", name="Outcome").select_option("ok")
        page.get_by_role("button", name="Show").first.click()
        page.wait_for_url("**outcome=ok**")
        assert {*page.locator("#run-list td[data-label=Job]").all_inner_texts()} == {"health-check"}
        for row in rows.all():  # and this is of what was chosen below
            expect(row).to_contain_text("run_job")
        first, later = (f"{NOW + timedelta(days):%Y-%m-%d}" for days in (0, 2))
        page.get_by_label("From").first.fill(first)
        page.get_by_label("To").first.fill(later)
        page.get_by_role("button", name="Show").first.click()
        page.wait_for_url(f"**since={first}&until={later}**")
        assert page.locator("#run-list tbody tr").count() and rows.count()
        page.get_by_label("From").last.fill(later)
        page.get_by_role("button", name="Show").last.click()
        expect(page.locator("#run-list")).to_have_text("No run fits.")
        expect(page.locator("#audit-list")).to_have_text("No entry fits.")
        answer = page.request.get("/admin/scheduler-runs?until=yesterday")
        assert answer.status == 400 and "a day such as 2026-01-31" in answer.text()


def test_a_form_from_elsewhere_does_nothing(browser: Browser, site: Site, signed_in: Any) -> None:
    """Without the visit's key, with another's, from another origin or none: 403, and nothing was run."""
    with opened(browser, site, storage_state=signed_in) as page:
        page.goto("/admin/scheduler-runs")
        key = page.locator("input[name=form_key]").first.get_attribute("value") or ""
        before, refused = site.runs("health-check"), len(site.audit("run_job"))
        tries: list[tuple[dict[str, str | float | bool], dict[str, str]]] = [
            ({}, {"Origin": site.url}),
            ({"form_key": "wrong"}, {"Origin": site.url}),
            ({"form_key": key[:-1]}, {"Origin": site.url}),
            ({"form_key": key}, {"Origin": "https://evil.example"}),
            ({"form_key": key}, {"Origin": "null"}),
            ({"form_key": key}, {"Sec-Fetch-Site": "cross-site"}),
            ({"form_key": key}, {"Sec-Fetch-Site": "same-site", "Origin": site.url}),
            ({"form_key": key}, {}),
        ]
        for form, headers in tries:
            answer = page.request.post("/admin/scheduler-runs/run?name=health-check", form=form, headers=headers)
            assert answer.status == 403, (form, headers)
        # What says that it comes from elsewhere is refused before anybody looks whose cookie it brings.
        ours = [headers for _, headers in tries if headers in ({}, {"Origin": site.url})]
        assert len(site.audit("run_job")) - refused == len(ours) == 4 and site.runs("health-check") == before
        assert page.request.get("/admin/scheduler-runs/run?name=health-check").status == 405
        long = page.request.post("/sign-in", form={"token": "x" * 100_000}, headers={"Origin": site.url})
        assert long.status == 413
        elsewhere = page.request.post(
            "/sign-in", form={"token": site.token}, headers={"Origin": "https://evil.example"}
        )
        assert elsewhere.status == 403
        answer = page.request.post(
            "/admin/scheduler-runs/run?name=health-check", form={"form_key": key}, headers={"Origin": site.url}
        )
        assert answer.status == 200 and site.runs("health-check") == before + 1, "the form itself is taken"
    with opened(browser, site) as page:
        answer = page.request.post(
            "/sessions/retry?status=failed", form={"form_key": key}, headers={"Origin": site.url}, max_redirects=0
        )
        assert answer.status == 303 and answer.headers["location"] == "/sign-in"


def test_nothing_but_ours_may_run(browser: Browser, site: Site, signed_in: Any) -> None:
    """A strict policy on every answer, hostile names are text, and the browser has nothing to complain of."""
    with opened(browser, site, storage_state=signed_in) as page:
        for path in (*PAGES, "/nowhere", "/static/pages.js", "/api/health", "/sign-in"):
            headers = page.request.get(path).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, path
            assert "unsafe" not in policy and "http" not in policy, path
            assert headers["x-content-type-options"] == "nosniff", path
            assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store"), path
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(site.url, headers={"Host": "evil.example"}), timeout=20)
        assert refused.value.code == 400 and "default-src 'none'" in refused.value.headers["Content-Security-Policy"]
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url))
        for path in (*PAGES, "/usage?since=", "/sessions/one?" + urlencode({"session": f"bob/{HOSTILE}.jsonl"})):
            page.goto(path)
            page.wait_for_load_state()
            assert page.locator("img[src=x], main script").count() == 0, path
        assert {url for url in sent if not url.startswith(site.url)} == set()
        expect(page.get_by_role("heading", level=1)).to_have_text(f"bob/{HOSTILE}.jsonl")
        assert "application/json" in page.request.get("/api/nowhere").headers["content-type"]
        assert "There is no such page" in page.request.get("/nowhere").text()
        assert page.request.get("/api/status").status == 401, "the cookie is for pages, not for the API"


def test_no_address_is_too_odd(browser: Browser, site: Site, signed_in: Any) -> None:
    """What cannot be is refused in a sentence on a page, and never a failure of the service."""
    odd = ("%00", "%", "'", '"; DROP TABLE job_runs; --', "a" * 5000, "\U0001f600", "%ff", "../..", "-1", "9" * 30)
    names = ("since", "until", "user", "model", "text", "status", "processor", "session", "name", "outcome", "more")
    with opened(browser, site, storage_state=signed_in) as page:
        for path in ("/usage", "/usage/models.csv", "/sessions", "/sessions/one", "/admin/scheduler-runs", "/"):
            for value in odd:
                raw = value if value.startswith("%") else quote(value)
                answer = page.request.get(f"{path}?" + "&".join(f"{name}={raw}" for name in names))
                assert answer.status in (200, 400, 404, 414, 422), (path, value, answer.status)
        for days in ("since=0001-01-01", "until=9999-12-31", "since=9999-12-31", "since=0001-01-01&until=9999-12-31"):
            assert page.request.get(f"/usage?{days}").status == 200, days
        page.goto("/usage?since=0001-01-01&until=9999-12-31")
        expect(page.locator(".figure").filter(has_text="Calls").locator("dd")).to_have_text("5")
        expect(page.locator(".chart svg")).to_have_count(6)


def test_it_fits_a_phone(browser: Browser, site: Site, signed_in: Any) -> None:
    """Nothing has to be moved sideways, at the width of a small phone as in between."""
    for width in (340, 720, 1000, 1100):
        with opened(browser, site, storage_state=signed_in, viewport={"width": width, "height": 700}) as page:
            for path in (*PAGES, "/usage?since="):
                page.goto(path)
                over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert over <= 0, (width, path)
                cut = page.evaluate(
                    "[...document.querySelectorAll('.flush:not(.scroll)')].filter(e => e.scrollWidth > e.clientWidth)"
                    ".length"
                )
                assert cut == 0, (width, path, "a table is cut off")
                nav = page.get_by_role("navigation", name="Pages")
                hidden = nav.evaluate("nav => nav.scrollWidth - nav.clientWidth")
                assert hidden <= 0, (width, path, "a page cannot be seen in the navigation")


#: Of each chart the size of its smallest text, in pixels, and the texts that are cut off or lie on others.
LOOK = """charts => charts.map(chart => {
    const seen = text => text.textContent.trim() && getComputedStyle(text).opacity !== "0";
    const texts = [...chart.querySelectorAll("text")].filter(seen), scale = chart.getScreenCTM().a;
    const boxes = [chart, ...texts].map(one => one.getBoundingClientRect()), edge = boxes.shift();
    const cut = box => box.left < edge.left - 1 || box.right > edge.right + 1;
    const meet = (a, b) => a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom;
    const wrong = (box, at) => cut(box) || boxes.some((other, place) => place !== at && meet(box, other));
    return [Math.min(...texts.map(text => parseFloat(getComputedStyle(text).fontSize) * scale)),
            texts.filter((text, at) => wrong(boxes[at], at)).map(text => text.textContent)];
})"""
PHONE: Any = {"width": 390, "height": 800}


def test_charts_can_be_read_on_a_phone(browser: Browser, site: Site, signed_in: Any) -> None:
    """Their text is as large there as a page's small print; none of it is cut off, or lies on another."""
    with opened(browser, site, storage_state=signed_in, viewport=PHONE) as page:
        for path, charts in (("/", 2), ("/usage", 6), ("/usage?since=", 6), (ONE, 2)):
            page.goto(path)
            found = page.locator(".chart svg").evaluate_all(LOOK)
            assert len(found) == charts and all(size >= 12 and not wrong for size, wrong in found), (path, found)


def test_whenever_a_session_began_its_course_can_be_read(browser: Browser) -> None:
    """Also where the first moment is one that the clock's axis names: no text lies on another."""
    begins = [datetime(2026, 3, 1, 21, minute, second) for minute in (0, 14, 59) for second in (0, 1, 53, 56, 59)]
    lengths = [
        timedelta(seconds=1),
        timedelta(seconds=5),
        timedelta(seconds=20),
        timedelta(seconds=40),
        timedelta(minutes=20),
        timedelta(hours=3),
        timedelta(3),
    ]
    specs = [
        over_moments(
            [{"at": (begin + part * length / 4).isoformat() + "Z", "value": part} for part in range(5)],
            unit="tokens a call",
            ink="black",
        )
        for begin in begins
        for length in lengths
    ]
    with closing(Easel()) as easel, closing(browser.new_page(viewport=PHONE)) as page:
        drawn = [
            picture.decode().replace("<svg ", '<svg style="width:100%;height:auto" ', 1)
            for picture in easel.draw(specs)
        ]
        page.set_content("".join(drawn))
        found = page.locator("svg").evaluate_all(LOOK)
    assert len(found) == len(specs) and not [wrong for _, wrong in found if wrong], found


def test_it_works_without_a_script(browser: Browser, site: Site) -> None:
    """Signing in, charts, filters, a button and its answer: all of it."""
    with entered(browser, site, site.token, java_script_enabled=False) as page:
        expect(page.locator("#now tbody tr")).to_have_count(2)
        page.get_by_role("link", name="Usage").click()
        expect(page.locator(".chart svg")).to_have_count(6)
        page.get_by_role("link", name="Sessions", exact=True).click()
        page.get_by_label("Name contains").fill("ann/")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#list tbody tr")).to_have_count(1)
        page.get_by_role("link", name="ann/a.jsonl").click()
        page.locator("#states tr").filter(has_text="usage").get_by_role("button", name="Reprocess").click()
        expect(page.get_by_role("status")).to_have_text("ann/a.jsonl is taken again from its start (usage).")
        page.get_by_role("button", name="Sign out").click()
        assert page.url.endswith("/sign-in")


def test_keys_lead_around_and_what_changes_is_shown(browser: Browser, site: Site, signed_in: Any) -> None:
    """With the script: keys that can be turned off, and a new session without loading the page again."""
    with opened(browser, site, storage_state=signed_in) as page:
        page.goto("/")
        page.keyboard.press("g")
        page.keyboard.press("s")
        page.wait_for_url("**/sessions")
        page.keyboard.press("/")
        expect(page.get_by_label("Name contains")).to_be_focused()
        page.keyboard.type("g u new.jsonl")
        expect(page.get_by_label("Name contains")).to_have_value("g u new.jsonl")
        page.goto("/sessions?text=new.jsonl")
        expect(page.locator("#list")).to_contain_text("No session fits")
        # Somebody else's, in which nothing is counted: the other tests find what was planted.
        new = site.sessions / "eve" / "new.jsonl"
        new.parent.mkdir()
        new.write_text('{"type": "summary", "summary": "nothing"}\n')
        try:
            expect(page.locator("#list").get_by_role("link", name="eve/new.jsonl")).to_be_visible()
        finally:
            new.unlink()
        page.keyboard.press("?")
        page.get_by_role("dialog").get_by_label("These keys work").uncheck()
        page.get_by_role("button", name="Close").click()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_have_count(0)


#: Marks what can be pressed or filled in, and answers how much there is.
TO_BE_REACHED = """() => {
    const shown = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
        .filter(one => !one.disabled && one.type !== "hidden" && one.checkVisibility());
    shown.forEach(one => { one.dataset.reach = ""; });
    return shown.length;
}"""
#: Where the keyboard is, and whether that is seen.
FOCUSED = """() => {
    const one = document.activeElement, style = getComputedStyle(one);
    const first = "reach" in one.dataset && one.dataset.reach === "";
    one.dataset.reach = "1";
    const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
    return [first, seen, one.outerHTML.slice(0, 120)];
}"""


def test_the_keyboard_alone_reaches_everything(browser: Browser, site: Site, signed_in: Any) -> None:
    """By Tab from the top: every link, button and field of every page, and one sees where one is."""
    with opened(browser, site, storage_state=signed_in) as page:
        for path in (*PAGES, "/sessions/forget?session=ann%2Fa.jsonl", "/nowhere"):
            page.goto(path)
            left = page.evaluate(TO_BE_REACHED)
            assert left > 8, path
            for _ in range(3 * left):  # a field for a day is several stops
                page.keyboard.press("Tab")
                first, seen, what = page.evaluate(FOCUSED)
                left -= first
                assert seen or what.startswith("<body"), (path, what)
                if not left:
                    break
            assert not left, (path, page.evaluate("document.querySelector('[data-reach=\"\"]').outerHTML"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_used_by_everybody(browser: Browser, site: Site, signed_in: Any, scheme: Any) -> None:
    """axe finds nothing on any page: contrast, names, structure, the keyboard's way."""
    found = {}
    with opened(browser, site, storage_state=signed_in, color_scheme=scheme) as page:
        paths = (*PAGES, "/usage?since=", "/sessions/forget?session=ann%2Fa.jsonl", "/usage?since=x", "/sign-in")
        for path in paths:
            if path == "/sign-in":
                page.context.clear_cookies()
            page.goto(path)
            for problem in Axe().run(page).response["violations"]:
                found[path, problem["id"]] = [node["html"][:200] for node in problem["nodes"]][:3]
    assert not found


def test_the_library_of_charts_may_be_missing(browser: Browser, tmp_path: Path) -> None:
    """Then the tables stay, and a sentence says what to install."""
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "vl_convert.py").write_text("raise ImportError('not here')\n")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(tmp_path / "without")
    try:
        with served(tmp_path / "place") as (site, _), entered(browser, site, site.token) as page:
            page.goto("/usage")
            assert re.search(r"pip install vl-convert-python", page.locator("main").inner_text())
            expect(page.locator("#models tbody tr")).to_have_count(2)
            expect(page.locator(".chart")).to_have_count(0)
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
