"""Project folders that are links, in somebody's own folder: taken like any other, by real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.operated import Operated
from tests.support.processes import call, lines, wait_for


@pytest.fixture
def place(tmp_path: Path) -> Operated:
    (tmp_path / ".claude" / "projects" / "here").mkdir(parents=True)
    (tmp_path / "disk" / "shop" / "1f" / "subagents").mkdir(parents=True)
    made = Operated(tmp_path / ".claude" / "projects", tmp_path / "state")
    made.write(processors__usage={"sweep_every": "500ms"})
    (made.sessions / "here" / "s.jsonl").write_bytes(lines(["m1"]))
    (tmp_path / "disk" / "shop" / "s.jsonl").write_bytes(lines(["m2", "m3"]))
    (tmp_path / "disk" / "shop" / "1f" / "subagents" / "agent-1.jsonl").write_bytes(lines(["m4"]))
    (made.sessions / "shop").symlink_to(tmp_path / "disk" / "shop")
    return made


def keys(place: Operated) -> set[str]:
    return {one["session"] for one in place.json("sessions", "list")["sessions"]}


def test_once_takes_what_lies_behind_a_link(place: Operated) -> None:
    """Under the link's name, each session once, whatever else leads there; what is not followed is named."""
    (place.sessions / "shop-again").symlink_to("shop")
    (place.sessions / "back").symlink_to("..")
    assert place.run("once", "-q").returncode == 0
    assert keys(place) == {"here/s.jsonl", "shop/s.jsonl", "shop/1f/subagents/agent-1.jsonl"}
    assert place.calls() == 4 and set(place.states("shop/s.jsonl").values()) == {"ok"}
    assert [one["name"] for one in place.json("doctor")["checks"] if one["level"] == "warning"] == ["link_not_followed"]


def test_the_service_follows_it_by_sweeps(place: Operated, tmp_path: Path) -> None:
    """What is appended, what is new, and what is gone once the link is."""
    running = place.start()

    def counted(calls: int) -> bool:
        return bool(sum(row[2] for row in place.ask("/api/usage/users").get("rows", [])) == calls)

    try:
        wait_for(lambda: counted(4), "what was there", running.log)
        with (tmp_path / "disk" / "shop" / "s.jsonl").open("ab") as file:
            file.write(call("m5"))
        (tmp_path / "disk" / "shop" / "t.jsonl").write_bytes(lines(["m6"]))
        wait_for(lambda: counted(6), "what was added behind the link", running.log)
        (place.sessions / "shop").unlink()
        wait_for(lambda: place.states("shop/s.jsonl")["usage"] == "gone", "it to be gone", running.log)
        assert counted(6) and place.states("here/s.jsonl")["usage"] == "ok"
        assert running.stop() == 0
    finally:
        running.kill()
