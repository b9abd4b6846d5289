"""The demonstration: told to its end, ended by Ctrl-C at any time, and nothing of it is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from tests.support.processes import Place, wait_for
from watcher.store.lock import holder


def begin(place: Place, log: Path, *words: str) -> subprocess.Popen[bytes]:
    """One that runs, with what it says in a file; its temporary files below ours."""
    place.sessions.mkdir(parents=True, exist_ok=True)
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("WATCHER_", "SCHED"))}
    with log.open("wb") as stream:
        return subprocess.Popen(
            place.command("demo", *words),
            env={**surroundings, "TMPDIR": str(log.parent)},
            cwd=log.parent,
            stdout=stream,
            stderr=stream,
        )


def test_it_tells_its_story_to_the_end(tmp_path: Path) -> None:
    """Sessions are written and counted, a bad one is put aside and freed; --keep leaves it all, and a picture."""
    kept, log = tmp_path / "kept", tmp_path / "said"
    place = Place(tmp_path / "elsewhere", tmp_path / "state")
    demo = begin(place, log, "--seconds", "40", "--keep", str(kept), "--picture", str(tmp_path / "last.svg"))
    try:
        wait_for(lambda: "That is all" in log.read_text() or demo.poll() is not None, "the end of the story", log)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(40) == 0, log.read_text()
    finally:
        demo.kill()
    said = log.read_text()
    counts = [int(line.split("(")[1].split()[0]) for line in said.splitlines() if "calls counted" in line]
    assert counts == sorted(counts) and counts[0] == 0 < counts[1] and "quarantined and recovered" in said
    assert "\x1b" not in said and "Traceback" not in said
    picture = (tmp_path / "last.svg").read_text()
    assert picture.startswith("<svg") and "@font-face" not in picture and "url(http" not in picture
    assert holder(kept / "state") is None, "its service has ended"
    # What it leaves can be looked at as it says.
    place.environment = {"WATCHER_PATHS__STATE": str(kept / "state"), "WATCHER_PATHS__SESSIONS": str(kept / "sessions")}
    freed = place.json("sessions", "show", "mallory/endless.jsonl")["processors"]
    assert {(one["status"], one["bad_lines"]) for one in freed} == {("ok", 1)}
    users = {row[0]: row[2] for row in place.json("usage", "users")["rows"]}
    assert users.keys() == {"ann", "bob", "carol", "dave", "mallory"} and users["mallory"] == 1


def test_ctrl_c_cleans_up(tmp_path: Path) -> None:
    """Whatever it is at: its service ends, its folder goes, and the exit code says that it was cut short."""
    log = tmp_path / "said"
    demo = begin(Place(tmp_path / "elsewhere", tmp_path / "state"), log)
    try:
        wait_for(lambda: "Four people" in log.read_text(), "it to begin", log)
        (folder,) = tmp_path.glob("session-watcher-demo-*")
        service = json.loads((folder / "state" / "lock").read_text())["pid"]
        demo.send_signal(signal.SIGINT)
        assert demo.wait(40) == 1, log.read_text()
    finally:
        demo.kill()
    assert "cut short" in log.read_text() and "Traceback" not in log.read_text()
    assert not folder.exists() and not Path(f"/proc/{service}").exists()


def test_what_it_cannot_is_one_sentence(tmp_path: Path) -> None:
    """A folder that is there already stays as it is; a picture has a kind."""
    (tmp_path / "there").mkdir()
    place = Place(tmp_path / "there", tmp_path / "state")
    for words, said in (
        (("--keep", str(tmp_path / "there")), "there already"),
        (("--picture", "x.png"), ".svg"),
    ):
        done = place.run("demo", *words)
        assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there"] and not list((tmp_path / "there").iterdir())
