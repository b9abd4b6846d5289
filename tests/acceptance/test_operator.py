"""The operator's hand: settings that live, sessions that are looked after, the same from a running service and none."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.command_line import LEAVES, Run
from tests.support.operated import Operated, in_force
from tests.support.processes import Running, call, lines, wait_for
from watcher.cli.options import GROUPS
from watcher.knowledge.ids import name_of
from watcher.sessions.commands import KNOWLEDGE

#: Every processor there is.
ALL = ("errors", "usage", "verification")


@pytest.fixture
def place(tmp_path: Path) -> Operated:
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    made = Operated(tmp_path / "sessions", tmp_path / "state")
    made.write()
    return made


@pytest.fixture
def service(place: Operated) -> Iterator[Running]:
    running = place.start()
    yield running
    if running.process.poll() is None:
        assert running.stop() == 0, running.log.read_text()[-3000:]


def test_from_a_session_that_is_not_counted_to_seeing_it_counted(place: Operated) -> None:
    """Find out why, change what was too little without a restart, try again, and it is there."""
    place.write(processors__usage={"memory_limit": "1KB"})
    running = place.start()
    try:
        (place.sessions / "ann" / "a.jsonl").write_bytes(lines(["m1", "m2"]))
        wait_for(lambda: place.said("quarantined"), "health to name it", running.log)
        listed = place.json("sessions", "list", "--status", "quarantined")
        assert [(one["session"], one["processor"]) for one in listed["sessions"]] == [("ann/a.jsonl", "usage")]
        why = place.run("sessions", "show", "a.jsonl").stdout
        assert "memory_limit" in why and "sessions retry" in why
        doctor = place.run("doctor")
        assert doctor.returncode == 1 and "sessions list --status quarantined" in doctor.stdout
        place.write()
        wait_for(lambda: in_force(place, "processors.usage", "memory_limit") == '"1GB"', "the new limit", running.log)
        retried = place.run("sessions", "retry", "a.jsonl")
        assert retried.returncode == 0 and "tried again" in retried.stdout
        wait_for(lambda: place.calls() == 2, "it to be counted", running.log)
        assert place.states("a.jsonl") == dict.fromkeys(ALL, "ok")
        assert not place.said("quarantined")
        # Nothing is left to try again, which is said, and is no success.
        again = place.run("sessions", "retry", "a.jsonl")
        assert again.returncode == 1 and "has not failed" in again.stdout
        assert running.stop() == 0
    finally:
        running.kill()


def waiting(place: Operated) -> dict[str, int]:
    """How many sessions wait for each processor that works."""
    return {one["processor"]: one["waiting"] for one in place.health()["processors"]}


def test_cadences_change_while_it_runs_and_nothing_that_waits_is_lost(place: Operated, service: Running) -> None:
    """quiet, concurrency, enabled and sweep_every are taken up within seconds."""
    place.write(processors__usage={"quiet": "1h", "max_wait": "2h"}, processors__errors={"enabled": False})
    wait_for(lambda: in_force(place, "processors.usage", "quiet") == '"1h"', "the longer quiet", service.log)
    wait_for(lambda: "errors" not in waiting(place), "errors to be put away", service.log)
    for n in range(20):
        (place.sessions / "ann" / f"{n}.jsonl").write_bytes(call(f"m{n}"))
    wait_for(lambda: waiting(place)["usage"] == 20, "all of them to wait", service.log)
    place.write(processors__usage={"quiet": "100ms", "concurrency": 3}, processors__errors={"enabled": True})
    wait_for(lambda: place.calls() == 20, "what waited", service.log, 20)
    wait_for(lambda: place.states("ann/7.jsonl")["errors"] == "ok", "errors to take them too", service.log, 20)
    place.write(processors__usage={"quiet": "1h", "max_wait": "2h", "sweep_every": "1s"})
    (place.sessions / "ann" / "late.jsonl").write_bytes(call("late"))

    def swept() -> bool:
        runs = place.json("jobs", "runs", "session-processor:usage")["runs"]
        return len([run for run in runs if run["trigger"] == "clock" and run["outcome"] == "ok"]) >= 2

    wait_for(swept, "sweeps at the new cadence", service.log, 20)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("broken", "is not TOML"),
        ("wrong", "a duration such as"),
        ("unknown", "did you mean"),
        ("emptied", "it is empty"),
        ("gone", "it has gone"),
        ("a folder", "is a folder"),
    ],
)
def test_a_file_that_cannot_be_changes_nothing(place: Operated, service: Running, how: str, said: str) -> None:
    """It is named in health and in the log, the service goes on as before, and a good file is taken up again."""
    good = place.file.read_text()
    if how == "broken":
        place.file.write_text(good + "[processors.usage\nquiet = ")
    elif how == "wrong":
        place.write(processors__usage={"quiet": "soon"})
    elif how == "unknown":
        place.write(processors__usage={"quite": "1s"})
    elif how == "emptied":
        place.file.write_text("")
    else:
        place.file.unlink()
        if how == "a folder":
            place.file.mkdir()
    wait_for(lambda: place.said("settings_refused", said), "health to name it", service.log)
    assert said in service.log.read_text()
    assert place.health()["status"] == "degraded"
    assert in_force(place, "processors.usage", "quiet") == '"100ms"'
    if place.file.is_dir():
        place.file.rmdir()
    place.write(processors__usage={"quiet": "150ms"})
    wait_for(lambda: in_force(place, "processors.usage", "quiet") == '"150ms"', "the good file", service.log)
    wait_for(lambda: not place.said("settings_refused"), "health to say no more of it", service.log)
    (place.sessions / "ann" / "a.jsonl").write_bytes(call("m1"))
    wait_for(lambda: place.calls() == 1, "work to go on", service.log)


def test_a_file_that_is_written_slowly_is_read_when_it_rests(place: Operated, service: Running) -> None:
    """Half a file is not taken for the whole: it is read once it does not change any more."""
    place.write(processors__usage={"quiet": "250ms"})
    text = place.file.read_text()
    with place.file.open("w") as file:
        for letter in text:
            file.write(letter)
            file.flush()
    wait_for(lambda: in_force(place, "processors.usage", "quiet") == '"250ms"', "the whole file", service.log)
    assert "settings_refused" not in service.log.read_text()


def test_what_cannot_change_while_it_runs_waits_for_the_next_start(place: Operated, service: Running) -> None:
    """It is named, and nothing of it is half in force."""
    place.write(observer={"cookie_interval": "7s"}, processors__usage={"quiet": "130ms"})
    wait_for(lambda: place.said("settings_wait", "observer.cookie_interval"), "health to name it", service.log)
    assert in_force(place, "processors.usage", "quiet") == '"130ms"'
    assert in_force(place, "observer", "cookie_interval") == '"30s"'
    assert place.health()["status"] == "ok"
    assert "the service runs with" in place.run("settings").stdout
    assert service.stop() == 0
    running = place.start()
    assert in_force(place, "observer", "cookie_interval") == '"7s"' and not place.said("settings_wait")
    assert running.stop() == 0


#: An item of the knowledge base: what it says, and how it is called.
SAID = ("Refunds", "Refunds keep the tax rate of their sale.")
REFUNDS = name_of(*SAID)

#: Commands that read, by their words.
READING: tuple[tuple[str, ...], ...] = (
    ("processors", "list"),
    ("status",),
    ("usage", "daily"),
    ("usage", "monthly", "--user", "ann"),
    ("usage", "tools", "--since", "2026-01-01"),
    ("usage", "reconcile"),
    ("formats",),
    ("sessions", "list"),
    ("sessions", "list", "a.jsonl", "--processor", "usage"),
    ("sessions", "show", "a.jsonl"),
    ("jobs", "list"),
    ("tokens", "list"),
    ("knowledge", "list"),
    ("knowledge", "search", "refunds"),
    ("knowledge", "show", REFUNDS),
    ("knowledge", "contradictions"),
    ("knowledge", "bundle"),
    ("sessions", "list", "--status", "gone"),
    ("jobs", "runs", "housekeeping"),
    ("settings",),
    ("settings", "check"),
    ("doctor",),
    ("jobs", "runs", "--limit", "3"),  # after whatever is audited
)


def test_commands_that_read_say_the_same_running_and_stopped(place: Operated, run: Run) -> None:
    """The user need not know who has the database; a mistake is one sentence, and the same."""
    (place.sessions / "ann" / "a.jsonl").write_bytes(lines(["m1", "m2"]) + b"not json\n")
    (place.sessions.parent / "outside.jsonl").write_bytes(call("secret"))
    assert place.run("tokens", "create", "ci", "--role", "reader").returncode == 0
    assert place.json("knowledge", "add", *SAID)["item_id"] == REFUNDS
    for job in ("housekeeping", "health-check"):  # so that the service does not run them meanwhile
        assert place.run("jobs", "run", job).returncode == 0
    running = place.start()
    assert place.json("once")["ok"] is True
    mistakes = {words: run(*words) for words in MISTAKES}
    while_running = {words: json.loads(run(*words, "--json").out) for words in READING}
    assert place.json("usage", "daily") == while_running["usage", "daily"]  # as people run it
    assert running.stop() == 0
    for words, before in while_running.items():
        assert plain(json.loads(run(*words, "--json").out)) == plain(before), words
        human = run(*words)
        assert human.out.strip() and "\x1b" not in human.out and not human.err, words
    stopped = {words: run(*words) for words in MISTAKES}
    assert {words: done for words, done in stopped.items() if done != mistakes[words]} == {}
    for words, done in mistakes.items():
        assert done.code == 2 and done.out == "" and done.err.count("\n") == 1, words
    assert place.calls() == 2, "nothing outside was taken"


MISTAKES: tuple[tuple[str, ...], ...] = (
    ("sessions", "show", "nobody"),
    ("sessions", "retry", "nobody"),
    ("sessions", "retry"),
    ("sessions", "reprocess", "a.jsonl", "--processor", "nobody"),
    ("sessions", "list", "--status", "lost"),
    ("jobs", "run", "nothing"),
    ("tokens", "create", "x", "--role", "king"),
    ("tokens", "create", "x", "--role", "user"),
    ("tokens", "create", "ci", "--role", "reader"),
    ("tokens", "revoke", "nobody"),
    ("import-legacy", "nowhere.duckdb"),
    ("usage", "weekly"),
    ("usage", "daily", "--since", "2026-02-30"),
    ("usage", "daily", "--user", os.fsdecode(b"\xff")),
    ("sessions", "show", ""),
    ("sessions", "show", os.fsdecode(b"ann/\xff.jsonl")),
    ("sessions", "show", "../state/watcher.duckdb"),
    ("sessions", "reprocess", "../outside.jsonl"),
    ("sessions", "retry", "--status", "ok"),
    ("sessions", "forget", "nobody"),
    ("jobs", "run", ""),
    ("jobs", "run", os.fsdecode(b"\xff")),
    ("tokens", "create", "", "--role", "reader"),
    ("tokens", "create", "x" * 150, "--role", "reader"),
    ("tokens", "create", "x", "--role", "reader", "--user", "ann"),
    ("tokens", "revoke", ""),
    ("once", "--processor", "nobody"),
    ("settings", "chek"),
    ("backup", "no/such/folder/x.duckdb"),
    ("knowledge", "list", "--status", "lost"),
    ("knowledge", "search", "refunds", "--domain", "cooking"),
    ("knowledge", "search", os.fsdecode(b"\xff")),
    ("knowledge", "show", "nobody"),
    ("knowledge", "show", ""),
    ("knowledge", "show", "../../usage/daily"),
    ("knowledge", "show", f"{REFUNDS}?served=true"),
    ("knowledge", "approve", "nobody"),
    ("knowledge", "mandate", "nobody"),
    ("knowledge", "reject", REFUNDS),
    ("knowledge", "revoke", "nobody"),
    ("knowledge", "add", *SAID),
    ("knowledge", "add", "", "x"),
    ("knowledge", "add", "x", "word " * 101),
    ("knowledge", "add", "x", "y", "--domain", "cooking"),
    ("knowledge", "add", "x", "y", "--audience", "nobody"),
    ("knowledge", "edit", REFUNDS),
    ("knowledge", "edit", REFUNDS, "--title", ""),
    ("knowledge", "edit", REFUNDS, "--valid-until", "soon"),
    ("knowledge", "edit", REFUNDS, "--valid-until", "0001-01-01T00:00+14:00"),
    ("knowledge", "resolve", "nobody", "both_valid"),
    ("knowledge", "resolve", "", "both_valid"),
    ("knowledge", "resolve", "nobody", "sideways"),
    ("knowledge", "import", "nowhere.json"),
    ("knowledge", "import", "outside.jsonl"),
    ("knowledge", "pull", "nowhere"),
    ("mcp", "--url", "http://127.0.0.1:1"),
)
#: Commands that change something: `test_commands_that_change_do_the_same_running_and_stopped`.
CHANGING = ("once", "sessions forget", "sessions reprocess", "sessions retry", "jobs run", "backup", "tokens create",
            "tokens revoke", "import-legacy")  # fmt: skip
#: Held to that in tests of their own: `test_knowledge_commands.decided`, `test_collector`, `test_mcp`.
_DECIDING = ("approve", "mandate", "reject", "revoke", "add", "edit", "resolve", "pull", "export", "import")
ELSEWHERE = (*(f"knowledge {name}" for name in _DECIDING), "collect", "mcp")
#: They are the service, have one of their own, or read files alone: `test_authors`.
ALONE = ("run", "demo", "processors new", "processors try")


def test_every_command_is_held_to_that() -> None:
    """A new command has its place among those that are tried with a service and without."""
    reading = {" ".join(words[: 2 if words[0] in GROUPS else 1]) for words in READING}
    assert {*reading, *CHANGING, *ELSEWHERE, *ALONE} == {*LEAVES}


def plain(found: Any) -> Any:
    """Without what only a running service can say (its health, and when jobs run next), and the time of day."""
    if isinstance(found, dict):
        left_out = {"service", "next_run_at", "running"}
        return {key: plain(value) for key, value in found.items() if key not in left_out}
    if isinstance(found, list):
        said = ("service", "database", "clock")
        rows = [one for one in found if not (isinstance(one, dict) and one.get("name") in said)]
        return [plain(one) for one in rows]
    return found


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_commands_that_change_do_the_same_running_and_stopped(place: Operated, running: bool, tmp_path: Path) -> None:
    """Orders, jobs, copies, tokens and imports: the same answers, and the same afterwards."""
    path = place.sessions / "ann" / "a.jsonl"
    path.write_bytes(lines(["m1", "m2"]))
    (place.sessions / "ann" / "gone.jsonl").write_bytes(call("m3"))
    assert place.run("once").returncode == 0
    (place.sessions / "ann" / "gone.jsonl").unlink()
    service = place.start() if running else None
    try:
        wait_for(lambda: place.json("once")["ok"] and set(place.states("gone.jsonl").values()) == {"gone"}, "the loss")
        refused = place.json("sessions", "forget", "a.jsonl")["answers"]
        assert {(one["done"], "still there" in one["message"]) for one in refused} == {(False, True)}
        forgotten = place.json("sessions", "forget", "gone.jsonl")["answers"]
        assert {one["processor"]: one["done"] for one in forgotten} == dict.fromkeys([*ALL, KNOWLEDGE], True)
        assert place.calls() == 2
        assert place.run("sessions", "show", "gone.jsonl").returncode == 2
        answers = place.json("sessions", "reprocess", "a.jsonl", "--processor", "usage")["answers"]
        assert [(one["processor"], one["done"]) for one in answers] == [("usage", True)]
        assert place.json("once")["ok"]
        wait_for(lambda: place.states("a.jsonl") == dict.fromkeys(ALL, "ok"), "it to be made anew")
        assert place.calls() == 2
        ran = place.json("jobs", "run", "session-processor:usage")
        assert ran["stats"]["scanned"] == 1 and ran["stats"]["errors"] == 0
        assert place.json("jobs", "run", "health-check")["stats"]["status"] == "ok"
        assert place.json("jobs", "run", "housekeeping")["stats"]["backup"].endswith(".duckdb")
        copy = place.json("backup", str(tmp_path / "copy.duckdb"))
        assert copy["backup"] == str(tmp_path / "copy.duckdb")
        with duckdb.connect(copy["backup"], read_only=True) as database:
            assert database.execute("SELECT count(*) FROM usage_messages").fetchone() == (2,)
        made = place.json("tokens", "create", "bot", "--role", "user", "--user", "ann")
        assert made["token"].startswith("sw_")
        assert place.json("tokens", "revoke", "bot")["name"] == "bot"
        assert [one["revoked_at"] is not None for one in place.json("tokens", "list")["tokens"]] == [True]
        legacy = legacy_database(tmp_path / "legacy.duckdb")
        assert place.json("import-legacy", str(legacy)) == {"found": 2, "taken": 2, "known": 0}
        assert place.json("import-legacy", str(legacy)) == {"found": 2, "taken": 0, "known": 2}
    finally:
        if service is not None:
            assert service.stop() == 0


def legacy_database(path: Path) -> Path:
    """What an earlier generation left."""
    with duckdb.connect(str(path)) as database:
        database.execute(
            "CREATE TABLE session_extraction_state (session_file VARCHAR PRIMARY KEY, username VARCHAR,"
            " processed_at TIMESTAMP, items_extracted INTEGER, file_hash VARCHAR)"
        )
        database.execute(
            "INSERT INTO session_extraction_state VALUES ('bob/x.jsonl', 'bob', now()::TIMESTAMP, 1, 'ab'),"
            " ('bob/y.jsonl', 'bob', NULL, NULL, NULL)"
        )
    return path


def test_no_legacy_database_is_one_sentence(place: Operated, tmp_path: Path) -> None:
    """Another kind of file, or a database without such a table."""
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE t (x)")
    empty = tmp_path / "empty.duckdb"
    duckdb.connect(str(empty)).close()
    for path, said in ((other, "cannot be read as"), (empty, "holds neither")):
        done = place.run("import-legacy", str(path))
        assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1


def test_a_restart_neither_refires_jobs_nor_forgets_them(place: Operated) -> None:
    """Last runs survive: what was run a moment ago is not run again, and a run cut short is called so."""
    running = place.start()
    place.json("jobs", "run", "housekeeping")
    place.json("jobs", "run", "health-check")
    before = {job["name"]: job["last"]["started_at"] for job in place.json("jobs", "list")["jobs"] if job["last"]}
    running.process.send_signal(signal.SIGKILL)
    running.process.wait(20)
    with duckdb.connect(str(place.state / "watcher.duckdb")) as database:
        database.execute(
            "INSERT INTO job_runs (run_id, name, trigger, started_at, outcome)"
            " VALUES ('cut', 'health-check', 'clock', now() - INTERVAL 1 HOUR, 'running')"
        )
    running = place.start()
    try:
        wait_for(lambda: place.json("jobs", "runs", "session-processor:usage")["runs"][0]["outcome"] == "ok", "a sweep")
        jobs = {job["name"]: job for job in place.json("jobs", "list")["jobs"]}
        for name in ("housekeeping", "health-check"):
            assert jobs[name]["last"]["started_at"] == before[name], name
        # A day, and five minutes, after the runs before the restart.
        assert jobs["housekeeping"]["next_run_at"] > jobs["health-check"]["next_run_at"]
        cut = [run for run in place.json("jobs", "runs", "health-check")["runs"] if run["run_id"] == "cut"]
        assert cut[0]["outcome"] == "interrupted"
        assert running.stop() == 0
    finally:
        running.kill()


def test_every_order_is_in_the_audit_once(place: Operated, service: Running) -> None:
    """Done, refused and mistaken alike; who is unknown is not in the database."""
    (place.sessions / "ann" / "a.jsonl").write_bytes(call("m1"))
    wait_for(lambda: place.calls() == 1, "the session", service.log)
    place.run("sessions", "reprocess", "a.jsonl")
    place.run("sessions", "retry", "nobody")
    place.run("jobs", "run", "nothing")
    audit = place.ask("/api/admin/scheduler-runs")["audit"]
    told = sorted((entry["action"], entry["status"], entry["actor"]) for entry in audit)
    assert told == [
        ("run_job:nothing", 400, "admin"),
        ("sessions_reprocess", 200, "admin"),
        ("sessions_retry", 404, "admin"),
    ]


def test_the_operators_variables_set_the_pace(place: Operated) -> None:
    """In seconds, over whatever the file says, also when it changes; a bad one is one sentence that names it."""
    jobs = {
        "session-processor:usage": "SCHEDULER_USAGE_PROCESSOR_INTERVAL",
        "session-processor:verification": "SCHEDULER_VERIFICATION_DETECTOR_INTERVAL",
        "health-check": "SCHEDULER_HEALTH_CHECK_INTERVAL",
    }
    place.environment = dict.fromkeys(jobs.values(), "1.5")
    place.write(health={"every": "1h"})
    running = place.start()

    def turns(job: str) -> int:
        runs = place.ask(f"/api/admin/scheduler-runs?name={job}")["runs"]
        return len([run for run in runs if run["trigger"] == "clock"])

    try:
        wait_for(lambda: all(turns(job) >= 2 for job in jobs), "two turns of each", running.log)
        place.write(processors__usage={"sweep_every": "2h", "quiet": "150ms"}, health={"every": "2h"})
        wait_for(lambda: in_force(place, "processors.usage", "quiet") == '"150ms"', "the other settings", running.log)
        assert in_force(place, "processors.usage", "sweep_every") == '"1.5s"'
        before = {job: turns(job) for job in jobs}
        wait_for(lambda: all(turns(job) >= before[job] + 2 for job in jobs), "two turns more", running.log)
        assert turns("session-processor:errors") == 0, "an hour has not passed"
        assert running.stop() == 0
    finally:
        running.kill()
    for name in jobs.values():
        place.environment = {name: "soon"}
        done = place.run("run")
        assert done.returncode == 2 and name in done.stderr and done.stderr.count("\n") == 1
