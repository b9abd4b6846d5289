"""Projects: by repository, by what the settings call them, and told apart in a list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from processors.usage import reports
from processors.usage.reports import Filters, timeline
from processors.usage.reports.projects import labels
from tests.support.harness import PRICES, Subject, exact_price
from tests.support.oracle import COLUMNS, Oracle, normal
from tests.support.told import NEW, at, said, spoke
from tests.support.transcript_lines import Talk, line
from watcher.settings import load, of_views

#: Sessions by key, each with its folder and, where there is one, the remote of its pull request.
PLACES = {
    "ann/a.jsonl": ("/home/ann/src/shop", None),
    "ann/a/subagents/agent-1.jsonl": ("/home/ann/elsewhere", "other/remote"),
    "bob/b.jsonl": ("/home/bob/src/shop-next", None),
    "bob/c.jsonl": ("/srv/acme/100%_sure", "acme/shop"),
    "bob/d.jsonl": ("/srv/acme/100xysure", None),
    "cyd/e.jsonl": ("/home/cyd/it's; DROP TABLE \\ {projects} -- x", "acme/till"),
    "cyd/f.jsonl": (None, "acme/till"),
    "cyd/g.jsonl": (None, None),
    "cyd/agent-lost.jsonl": ("/home/cyd/lost", "acme/shop"),
}
NAMES: list[list[tuple[str, str]]] = [
    [],
    [("~/src/shop*", "Shop"), ("acme/shop", "Shop")],
    [("*", "all")],
    [("acme/*", "first"), ("~/src/shop", "second"), ("*sure", "third")],
    [("*sure", "third"), ("acme/*", "first"), ("~/src/shop", "second")],
    [("/srv/acme/100%_sure", "exact"), ("/srv/acme/100x_sure", "none"), ("~/%", "none")],
    [("*'s; DROP TABLE \\ {projects} -- *", 'it\'s "{timezone}" \\'), ("~/src/*o*", "o")],
    [("SHOP", "none"), ("shop", "none"), ("~/src/sho", "none"), ("~/SRC/*", "none")],
]


def plant(root: Path, oracles: list[Oracle]) -> None:
    """Write the sessions, and tell each oracle of them."""
    for minute, (key, (cwd, remote)) in enumerate(PLACES.items()):
        agent = "agent-" in key
        talk = Talk("a" if key.startswith("ann/") else key, cwd or "", NEW.version, sidechain=agent)
        records = [
            said(minute, f"do {key}", talk),
            spoke(minute + 0.1, 64 * (minute + 1), f"m{minute}", talk),
            *([talk.record("pr-link", at(minute + 0.2), key, prNumber=1, prRepository=remote)] if remote else []),
        ]
        if cwd is None:
            records = [{**record, "cwd": None} for record in records]
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(map(line, records)))
        for oracle in oracles:
            oracle.content(key, path.read_bytes(), True)


def by_project(subject: Subject) -> dict[str | None, float]:
    found = reports.REPORTS["projects"](subject.open().query, Filters())
    cost = found.columns.index("cost_usd")
    assert sum(row[cost] for row in found.rows) == found.totals["cost_usd"]
    return {row[0]: row[cost] for row in found.rows}


def test_names_from_the_settings_are_the_oracles(tmp_path: Path, database_url: str) -> None:
    """Patterns of repositories and remotes in their order, any characters in them, taken up and given up again live.

    Sessions that are gone have them too: nothing is read again.
    """
    oracles = [Oracle(price=exact_price, projects=names) for names in NAMES]
    plant(tmp_path / "sessions", oracles)
    more = {"database.url": database_url} if database_url else {}
    subject = Subject(tmp_path / "sessions", tmp_path / "state", more)
    try:
        subject.catch_up()
        (tmp_path / "sessions" / "bob" / "c.jsonl").unlink()
        subject.catch_up()
        given = {"paths.sessions": tmp_path / "sessions", "paths.state": tmp_path / "state", "http.port": 0, **more}
        for names, oracle in zip([*NAMES, NAMES[0]], [*oracles, oracles[0]], strict=True):
            settings = {**given, "processors.usage.prices": PRICES, "projects.names": dict(names)}
            subject.open().take(load(None, {}, settings).settings)
            tables = oracle.tables()
            for name in ("usage_messages", "usage_sessions"):
                found = normal(subject.open().query(f"SELECT {', '.join(COLUMNS[name])} FROM {name}", []))
                assert found == tables[name], (name, names)
            at, cost = COLUMNS["usage_messages"].index("project"), COLUMNS["usage_messages"].index("cost_usd")
            spent: dict[str | None, float] = {}
            for row in tables["usage_messages"]:
                spent[row[at]] = spent.get(row[at], 0) + row[cost]
            assert by_project(subject) == spent, names
    finally:
        subject.close()


def test_those_alike_are_told_apart(tmp_path: Path, database_url: str) -> None:
    """By the part before, in the lists of projects and of branches; a session names its project and repository."""
    for number, cwd in enumerate(("/srv/acme/shop", "/srv/beta/shop", "/srv/acme/till", "/srv/beta/shop")):
        path = tmp_path / "sessions" / "ann" / f"{number}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(line(spoke(number, 64 << number, f"m{number}", Talk(f"s{number}", cwd))))
    subject = Subject(tmp_path / "sessions", tmp_path / "state", {"database.url": database_url} if database_url else {})
    try:
        subject.catch_up()
        query = subject.open().query
        found = reports.REPORTS["projects"](query, Filters())
        assert [row[:4] for row in found.rows] == [
            ("beta/shop", "/srv/beta/shop", 2, 2),
            ("till", "/srv/acme/till", 1, 1),
            ("acme/shop", "/srv/acme/shop", 1, 1),
        ]
        branches = reports.REPORTS["branches"](query, Filters())
        assert [row[:3] for row in branches.rows] == [(*row[:2], "main") for row in found.rows]
        summary = timeline.summary(query, "ann/0.jsonl")
        assert summary is not None and (summary["project"], summary["repository"]) == ("shop", "/srv/acme/shop")
    finally:
        subject.close()


@pytest.mark.parametrize(
    ("repositories", "expected"),
    [
        (["~/src/shop"], ["shop"]),
        (["~/a/shop", "~/b/shop", "~/b/till"], ["a/shop", "b/shop", "till"]),
        (["~/acme/x/shop", "~/beta/x/shop", "~/y/shop"], ["acme/x/shop", "beta/x/shop", "y/shop"]),
        (["/shop", "~/shop", "/"], ["/shop", "~/shop", "/"]),
        (["/x/shop", "x/shop"], ["/x/shop", "x/shop"]),
    ],
)
def test_as_many_parts_as_tell_them_apart(repositories: list[str], expected: list[str]) -> None:
    """And no more; what the settings name, or earlier rules knew without a repository, keeps its name."""
    places: Any = [(one.rpartition("/")[2] or one, one) for one in repositories]
    named = labels([*places, (None, None)])
    assert [named[place] for place in places] == expected and named[None, None] is None
    beside = labels([*places, ("shop", None)])
    assert beside["shop", None] == "shop" and len({*beside.values()}) == len(places) + 1


def test_names_are_taken_in_the_order_written(tmp_path: Path) -> None:
    """In a table of its own or in one line, and in a variable; the views are given them so."""
    file, rows = tmp_path / "settings.toml", ((0, None, None), (1, "~/z*", "one"), (2, "acme/shop", "two"))
    for text in (
        '[projects.names]\n"~/z*" = "one"\n"acme/shop" = "two"',
        'projects.names = {"~/z*" = "one", "acme/shop" = "two"}',
    ):
        file.write_text(text)
        assert of_views(load(file, {}).settings, "usage")["projects"] == rows
    variable = {"WATCHER_PROJECTS__NAMES": '{"~/z*": "one", "acme/shop": "two"}'}
    assert of_views(load(None, variable).settings, "usage")["projects"] == rows
