"""The oracle's sessions, repositories and pull requests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.oracle_repository import fits, project_of, repository_of
from tests.support.told import NEW, TALK, Row, at, copied, only, rows, said, spoke, table
from tests.support.transcript_lines import Object, Talk

# --- Sessions


def test_subagents_and_main_files() -> None:
    """A name that begins with ``agent-``, or a folder ``subagents``; the main file has the sums of the others."""
    keys = ["ann/s1.jsonl", "ann/s1/subagents/workflows/wf_1/x.jsonl", "ann/agent-1.jsonl", "ann/s2/s1.jsonl"]
    files = {key: [spoke(1, 2**n, key)] for n, key in enumerate(keys)}
    found = table("usage_sessions", files, price=lambda model, call: call.output_tokens / 4)
    assert [
        (row["session_file"], row["parent_session"], row["subagent_calls"], row["subagent_cost_usd"]) for row in found
    ] == [
        ("ann/agent-1.jsonl", "s1", 0, None),
        ("ann/s1.jsonl", None, 2, 1.5),
        ("ann/s1/subagents/workflows/wf_1/x.jsonl", "s1", 0, None),
        ("ann/s2/s1.jsonl", None, 0, None),
    ]


def test_a_subagents_place_is_its_sessions() -> None:
    """Repository and project of the main file's first folder, where there is one."""
    aside = [spoke(1, 1, "b", Talk("s1", "/elsewhere/tools"))]
    files = {"ann/s1.jsonl": [spoke(1, 1)], "ann/agent-1.jsonl": aside}
    found = table("usage_sessions", files)
    assert {(row["repository"], row["project"]) for row in found} == {("~/shop", "shop")}
    files = {"ann/s1.jsonl": [{"type": "summary", "sessionId": "s1"}], "ann/agent-1.jsonl": aside}
    assert [row["repository"] for row in table("usage_sessions", files)] == ["/elsewhere/tools", None]
    assert only("usage_messages", ann=aside)["repository"] == "/elsewhere/tools"


def test_forks() -> None:
    """Named by the last foreign line; up to it all is the parent's, but the wall's time."""
    records = [
        copied(spoke(0, 1), "s3", requestSessionId="s0"),
        said(1, "one"),
        copied(spoke(2, 1), "s3"),
        said(3, "two"),
        spoke(8, 1, "b"),
    ]
    row = only("usage_sessions", ann=records)
    assert (row["forked_from"], row["session_id"]) == ("s1", "s3")
    assert (row["wall_seconds"], row["active_seconds"]) == (480, 300)


@pytest.mark.parametrize(
    ("records", "title"),
    [
        ([], None),
        ([said(1, "so  it is")], "so it is"),
        ([said(1, "x" * 79 + " yz")], "x" * 79 + " "),
        ([said(1, "a job", promptSource="sdk"), said(2, "mine")], "mine"),
        ([{"type": "summary", "summary": "one"}, {"type": "summary", "summary": " two \n it"}], "two it"),
        ([{"type": "summary", "summary": "one"}, {"type": "summary", "summary": ""}], "one"),
        ([{"type": "summary", "summary": 5}, said(1, "so")], "so"),
        ([{"type": "ai-title", "aiTitle": "one"}, {"type": "summary", "summary": "two"}], "one"),
        ([{"type": "custom-title", "customTitle": "one"}, {"type": "ai-title", "aiTitle": "two"}], "one"),
        ([{"type": "custom-title", "customTitle": "x" * 201}], "x" * 200),
        ([{"type": "user", "customTitle": "one"}], None),
    ],
)
def test_titles(records: list[Object], title: str | None) -> None:
    """What a person called it, else what a model did, else what was said first."""
    assert only("usage_sessions", ann=[{"type": "mode"}, *records])["title"] == title


# --- Repositories


@pytest.mark.parametrize(
    ("cwd", "repository"),
    [
        ("/home/kim/shop", "~/shop"),
        ("/home/kim/shop///", "~/shop"),
        ("/Users/kim/work/shop", "~/work/shop"),
        ("/root/shop", "~/shop"),
        ("/rooted/shop", "/rooted/shop"),
        ("/srv/shop", "/srv/shop"),
        ("C:\\Users\\kim\\src\\shop", "~/src/shop"),
        ("C:\\Users\\kim\\src\\shop\\", "~/src/shop"),
        ("D:\\shop", "D:/shop"),
        ("c:/Users/kim/shop", "~/shop"),
        ("/mnt/c/Users/kim/shop", "~/shop"),
        ("/srv/odd\\name", "/srv/odd\\name"),
        ("/srv/shop/.claude/worktrees/a/b", "/srv/shop"),
        ("/srv/shop/.worktrees/a", "/srv/shop"),
        ("/srv/shop/.git/worktrees/a", "/srv/shop"),
        ("/srv/shop/.worktrees", "/srv/shop/.worktrees"),
        ("/srv/shop-worktrees/feature/x", "/srv/shop"),
        ("/srv/shop.worktrees/feature", "/srv/shop"),
        ("/srv/shop-worktrees", "/srv/shop-worktrees"),
        ("C:\\Users\\kim\\shop\\.claude\\worktrees\\x", "~/shop"),
        ("/home/kim", "~ann"),
        ("/root/", "~ann"),
        ("/home/kim/src", "~ann/src"),
        ("/home/kim/DESKTOP", "~ann/DESKTOP"),
        ("/home/kim/src/src", "~/src/src"),
        ("/src", "/src"),
        ("/tmp/123", "~ann/tmp/123"),
        ("/home/kim/123", "~ann/123"),
        ("/home/kim/shop/123", "~ann/shop/123"),
        ("/home/kim/v123", "~/v123"),
        ("/home", "/home"),
        ("/", "/"),
        ("", "/"),
        (None, None),
    ],
)
def test_repositories(cwd: str | None, repository: str | None) -> None:
    """A working folder in one form; places that hold no repository are one per user."""
    assert repository_of(cwd, "ann") == repository


def test_projects() -> None:
    """The first entry that fits a repository or a remote, else the last part."""
    entries = [("~/old-*", "Old"), ("acme/shop", "Shop"), ("*/shop", "Any shop")]
    assert project_of("~/old-shop", [], entries) == "Old"
    assert project_of("~/x", ["acme/shop"], entries) == "Shop"
    assert project_of("/srv/shop", ["acme/x"], entries) == "Any shop"
    assert (project_of("~/work/api", [], entries), project_of("~ann", [], []), project_of(None, [], [])) == (
        "api",
        "~ann",
        None,
    )
    assert fits("a.b/c", "a.*") and not fits("axb", "a.b") and not fits("xa", "a")
    linked = [spoke(1, 1), {"type": "pr-link", "prRepository": "acme/shop", "prNumber": 3, "sessionId": "s1"}]
    found = table("usage_messages", {"ann/s.jsonl": linked}, projects=[("acme/*", "Shop")])
    assert found[0]["project"] == "Shop"


# --- Pull requests


def link(minute: float | None, number: Any, **more: Any) -> Object:
    return {
        **NEW.plain("pr-link", prRepository="acme/shop", prNumber=number),
        "timestamp": minute and at(minute),
        **more,
    }


def on(branch: str | None, minute: float, label: str = "", session: str = "s1") -> Object:
    return spoke(minute, 1, f"{branch} {minute} {label}", Talk(session, "/x", branch=branch))


def requests(*records: Object) -> list[tuple[Any, ...]]:
    """The links' branches and the minutes from and up to which they have calls."""

    def minute(value: Any) -> Any:
        return None if value is None else value.minute

    return [
        (row["pull_request"][-1], row["git_branch"], minute(row["from_at"]), minute(row["until_at"]))
        for row in rows("usage_pull_requests", ann=list(records))
    ]


def test_a_branch_of_its_own() -> None:
    """The first link has what was before it; each has its branch up to the next link there."""
    records = [on("a", 1), link(2, 1), on("a", 3), on("b", 4), link(5, 2), on("a", 6), link(7, 3), on("a", 8)]
    assert requests(*records) == [("1", "a", None, 7), ("2", "b", None, None), ("3", "a", 7, None)]
    found = rows("usage_messages", ann=records, ben=[on("a", 4, "other", "s2"), on("b", 9, "later")])
    assert {row["message_id"][6:]: row["pull_request"] for row in found} == {
        "a 1 ": "acme/shop#1",
        "a 3 ": "acme/shop#1",
        "b 4 ": "acme/shop#2",
        "a 6 ": "acme/shop#1",
        "a 8 ": "acme/shop#3",
        "a 4 other": None,
        "b 9 later": "acme/shop#2",
    }


@pytest.mark.parametrize("branch", ["main", "master", "trunk", "HEAD", "", None])
def test_a_branch_that_is_shared(branch: str | None) -> None:
    """Only what was before a link, back to the last one of the session."""
    first = {"type": "mode"} if branch is None else on(branch, 1)
    records = [first, link(2, 1), on(branch, 3), link(4, 2), on(branch, 5)]
    assert requests(*records) == [("1", branch, None, 2), ("2", branch, 2, 4)]
    assert [row["pull_request"] and row["pull_request"][-1] for row in rows("usage_messages", ann=records[1:])] == [
        "2",
        None,
    ]


def test_links() -> None:
    """Lenient; dated by the latest time before; of those to one pull request the first."""
    assert requests(on("a", 3), on("a", 1), link(None, 1)) == [("1", "a", None, None)]
    assert requests(link(None, 1)) == []
    for odd in ({"prNumber": "1"}, {"prNumber": 1.0}, {"prNumber": -1}, {"prRepository": 5}, {"type": "mode"}):
        assert requests(on("a", 1), {**link(2, 1), **odd}) == []
    assert requests(on("a", 1), link(2, 1), link(2, 1)) == [("1", "a", None, None)]
    assert requests(on("a", 1), link(2, 1), link(4, 1)) == [("1", "a", None, None)]
    files = {"ann/s1.jsonl": [on("a", 1), link(2, 1)], "ann/agent-1.jsonl": [on("a", 3, "aside")]}
    assert {row["pull_request"] for row in table("usage_messages", files)} == {"acme/shop#1"}
    row: Row = only("usage_pull_requests", ann=[TALK.plain("pr-link", at(1), prRepository="a/b", prNumber=1)])
    assert (row["pull_request"], row["git_branch"], row["session_id"]) == ("a/b#1", None, "s1")
