"""The doctor: every fault that it looks for is really made, named with what to do, and the verdict fits."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.harness import Subject
from tests.support.processes import Place, call
from tests.support.stranger import install
from watcher.cli.doctor import examine
from watcher.settings.follow import Sources
from watcher.store.lock import Holder, StateLock
from watcher.store.wal import COMMIT

#: Words with which a person is told what to do, or that nothing is to be done.
WHAT_TO_DO = re.compile(
    r"\b(make|set|let|mend|install|see|stop|look at|retry|private|room|next start|move it away)\b",
    re.IGNORECASE,
)


class Patient:
    """Folders and settings, in which one thing after another is put out of order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sessions, self.state = folder / "sessions", folder / "state"
        self.sessions.mkdir()
        self.given: dict[str, Any] = {"health.min_free_disk": "1KB"}
        self.file: Path | None = None
        self.environ: dict[str, str] = {}

    def fill(self, **given: Any) -> None:
        """A session is taken, and the service stopped."""
        (self.sessions / "ann").mkdir(exist_ok=True)
        (self.sessions / "ann" / "a.jsonl").write_bytes(b" " * 4_000_000 + call("m1"))
        subject = Subject(self.sessions, self.state, given)
        subject.catch_up()
        subject.close()

    @property
    def database(self) -> Path:
        return self.state / "watcher.duckdb"

    def examine(self) -> dict[str, Any]:
        given = {"paths.sessions": self.sessions, "paths.state": self.state, **self.given}
        return examine(Sources(self.file, self.environ, given))

    def examine_as_nobody(self) -> dict[str, Any]:
        """The same by a user who owns nothing; root's rights would hide what is closed."""
        if os.geteuid() != 0:
            return self.examine()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgid(65534)
                os.setuid(65534)
                os.write(writing, json.dumps(self.examine()).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        os.waitpid(child, 0)
        found: dict[str, Any] = json.loads(said)
        return found


@pytest.fixture
def patient() -> Iterator[Patient]:
    folder = Path(tempfile.mkdtemp(prefix="session-watcher-doctor-"))
    folder.chmod(0o755)  # so that nobody may look into it
    yield Patient(folder)
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def found(report: dict[str, Any], name: str) -> list[tuple[str, str]]:
    """Level and message of what was found under a name."""
    return [(one["level"], one["message"]) for one in report["checks"] if one["name"] == name]


def wrong(report: dict[str, Any]) -> dict[str, str]:
    """What is not well, each with what to do."""
    said = {one["name"]: one["message"] for one in report["checks"] if one["level"] in ("warning", "unhealthy")}
    for name, message in said.items():
        assert WHAT_TO_DO.search(message), f"{name} does not say what to do: {message}"
    for one in report["checks"]:
        assert re.search(r"[^.?!][.?]$", one["message"]), f"not a sentence: {one['message']!r}"
    return said


def test_where_all_is_well_it_says_so(patient: Patient) -> None:
    """Before the first start and after it; and nothing was made or changed by looking."""
    before = patient.examine()
    assert (before["status"], wrong(before)) == ("ok", {}) and not patient.state.exists()
    assert "made at the first start" in found(before, "state")[0][1]
    patient.fill()
    kept = (patient.database.read_bytes(), sorted(path.name for path in patient.folder.rglob("*")))
    after = patient.examine()
    assert (after["status"], wrong(after)) == ("ok", {})
    names = {one["name"] for one in after["checks"]}
    assert names >= {"settings", "python", "dependencies", "processors", "sessions", "watch limit", "state", "clock",
                     "service", "database"}  # fmt: skip
    assert "2 state rows" in found(after, "database")[0][1]
    assert kept == (patient.database.read_bytes(), sorted(path.name for path in patient.folder.rglob("*")))


def no_sessions(patient: Patient) -> None:
    patient.sessions.rmdir()


def sessions_is_a_file(patient: Patient) -> None:
    patient.sessions.rmdir()
    patient.sessions.write_text("x")


def state_is_a_file(patient: Patient) -> None:
    patient.state.write_text("x")


def below_a_file(patient: Patient) -> None:
    (patient.folder / "file").write_text("x")
    patient.state = patient.folder / "file" / "state"


def damaged(patient: Patient) -> None:
    patient.fill()
    patient.database.write_bytes(b"\x00garbage" * 5000)


def cut_short(patient: Patient) -> None:
    patient.fill()
    with patient.database.open("r+b") as file:
        file.truncate(5000)


def a_folder(patient: Patient) -> None:
    patient.database.mkdir(parents=True)


def full(patient: Patient) -> None:
    patient.fill()
    patient.given["health.min_free_disk"] = "900000TB"


def log_set_aside(patient: Patient) -> None:
    patient.fill()
    (patient.state / "watcher.duckdb.wal.damaged-20260301T000000").write_text("x")


def with_a_log(patient: Patient) -> bytearray:
    """As it is when nobody closed it; what its write-ahead log holds."""
    patient.fill()
    log = patient.state / "watcher.duckdb.wal"
    with duckdb.connect(str(patient.database)) as live:
        for _ in range(3):
            live.execute("UPDATE session_processor_state SET processed_at = processed_at - INTERVAL 1 SECOND")
        kept = {path: path.read_bytes() for path in (patient.database, log)}
    for path, data in kept.items():
        path.write_bytes(data)
    return bytearray(kept[log])


def log_refused(patient: Patient) -> None:
    data = with_a_log(patient)
    data[data.index(COMMIT) + len(COMMIT) + 20] ^= 0xFF
    (patient.state / "watcher.duckdb.wal").write_bytes(data)


def log_played_in_part(patient: Patient) -> None:
    data = with_a_log(patient)
    data[:8] = b"\xff" * 8
    (patient.state / "watcher.duckdb.wal").write_bytes(data)


def open_token(patient: Patient) -> None:
    patient.fill()
    (patient.state / "token").write_text(secrets.token_urlsafe(32))
    (patient.state / "token").chmod(0o644)


def weak_token(patient: Patient) -> None:
    patient.fill()
    (patient.state / "token").write_text("sesame")
    (patient.state / "token").chmod(0o600)


def put_aside(patient: Patient) -> None:
    patient.fill(**{"processors.usage.memory_limit": "1KB", "retry.max_attempts": 1})


def dated_ahead(patient: Patient) -> None:
    patient.fill()
    with duckdb.connect(str(patient.database)) as database:
        database.execute("UPDATE session_processor_state SET processed_at = now() + INTERVAL 1 DAY")


def own_folder(patient: Patient) -> Path:
    """The sessions folder is somebody's own, with a session that was taken."""
    patient.sessions = patient.folder / ".claude" / "projects"
    patient.sessions.mkdir(parents=True)
    patient.fill()
    return patient.sessions / "ann"


def about_to_be_lost(patient: Patient) -> None:
    path = own_folder(patient) / "b.jsonl"
    path.write_bytes(call("m2"))
    os.utime(path, (time.time() - 29 * 86_400,) * 2)


def not_looked_at(patient: Patient) -> None:
    own_folder(patient)
    with duckdb.connect(str(patient.database)) as database:
        database.execute("UPDATE homes_visited SET visited_at = now() - INTERVAL 16 DAY")


def a_link_that_leads_back(patient: Patient) -> None:
    own_folder(patient).with_name("back").symlink_to(patient.folder)


def a_users_folder_that_is_a_link(patient: Patient) -> None:
    (patient.sessions / "bob").symlink_to(patient.folder)


FAULTS: list[tuple[Callable[[Patient], None], str, str, str]] = [
    (no_sessions, "unhealthy", "sessions", "no such folder"),
    (sessions_is_a_file, "unhealthy", "sessions", "no such folder"),
    (state_is_a_file, "unhealthy", "state", "is no folder"),
    (below_a_file, "unhealthy", "state", "is no folder"),
    (damaged, "unhealthy", "database", "cannot be opened"),
    (cut_short, "unhealthy", "database", "cannot be opened"),
    (a_folder, "unhealthy", "database", "cannot be opened"),
    (full, "degraded", "low_disk", "make room"),
    (log_set_aside, "degraded", "wal_set_aside", "damaged-20260301T000000"),
    (log_refused, "unhealthy", "database", "a start of the service sets that aside"),
    (log_played_in_part, "degraded", "wal_damaged", "at byte 0"),
    (open_token, "degraded", "token", "chmod 600"),
    (weak_token, "unhealthy", "token", "32 ASCII characters"),
    (dated_ahead, "degraded", "dated_ahead", "NTP"),
    (about_to_be_lost, "degraded", "transcripts_expire", "1 transcript was not taken by all processors"),
    (not_looked_at, "degraded", "visit_overdue", "16 days ago"),
    (a_link_that_leads_back, "degraded", "link_not_followed", "back is a link and is not followed: it leads back"),
    (a_users_folder_that_is_a_link, "degraded", "link_not_followed", "bob is a link"),
    (put_aside, "degraded", "quarantined", "sessions retry"),
]


@pytest.mark.parametrize(("make", "status", "name", "words"), FAULTS, ids=[fault[0].__name__ for fault in FAULTS])
def test_every_fault_is_named(
    patient: Patient, make: Callable[[Patient], None], status: str, name: str, words: str
) -> None:
    """With what to do about it, and nothing else is called wrong; the verdict is the worst of them."""
    make(patient)
    report = patient.examine()
    said = wrong(report)
    assert said.keys() == {name} and words in said[name], report
    assert report["status"] == status


@pytest.mark.parametrize(
    ("closed", "mode", "name", "words"),
    [
        ("sessions", 0o700, "sessions", "cannot be read"),
        ("sessions", 0o555, "sessions", "cannot be written"),
        ("state", 0o555, "state", "cannot be written"),
        ("", 0o555, "state", "cannot be made"),
    ],
    ids=["unreadable sessions", "read-only sessions", "read-only state", "no place for a state folder"],
)
def test_what_is_closed_to_this_user_is_named(patient: Patient, closed: str, mode: int, name: str, words: str) -> None:
    """And whose right is missing."""
    patient.sessions.chmod(0o777)
    if closed:
        patient.state.mkdir()
        patient.state.chmod(0o777)
    ours = mode if os.geteuid() == 0 else mode & 0o577 if closed != "sessions" or mode != 0o700 else 0
    (patient.folder / closed).chmod(ours)
    said = wrong(patient.examine_as_nobody())
    assert said.keys() == {name} and words in said[name] and "uid" in said[name]


def test_a_database_that_somebody_else_has_open_is_named(patient: Patient) -> None:
    """By the process that has it; a command that has the state folder is only worth knowing."""
    patient.fill()
    code = f"import duckdb; c = duckdb.connect({str(patient.database)!r}); print('open', flush=True); input()"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None and other.stdout.readline() == b"open\n"
        said = wrong(patient.examine())
        assert said.keys() == {"database"} and f"process {other.pid}" in said["database"]
    finally:
        other.communicate(b"\n", 20)
    lock = StateLock(patient.state).acquire(Holder(os.getpid(), "once"))
    try:
        report = patient.examine()
        assert wrong(report) == {} and f"Process {os.getpid()} (once)" in found(report, "service")[0][1]
    finally:
        lock.release()


def test_a_database_server_that_does_not_answer_is_named(patient: Patient) -> None:
    """Before the first start and after it; what is said of a file that could be moved away is not said of a server."""
    patient.given["database.url"] = f"postgresql://ann:sesame@/watcher?host={patient.folder}/nowhere"
    for _ in range(2):
        said = wrong(patient.examine())
        assert said.keys() == {"database"} and "does not answer" in said["database"]
        assert "database.url" in said["database"] and "move it" not in said["database"]
        assert "sesame" not in said["database"]
        patient.state.mkdir(exist_ok=True)


def test_a_dependency_that_is_missing_is_named(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that our own package asks for; what only an extra asks for is not missed."""
    ours = distribution("session-watcher")
    other = patient.folder / "installed" / "session_watcher-0.dist-info"
    other.mkdir(parents=True)
    asks = "Requires-Dist: no-such-package>=1.0\nRequires-Dist: nor-this-one; extra == 'more'\n"
    (other / "METADATA").write_text(f"Metadata-Version: 2.1\nName: session-watcher\nVersion: 0\n{asks}")
    (other / "entry_points.txt").write_text(ours.read_text("entry_points.txt") or "")
    assert wrong(patient.examine()) == {}
    monkeypatch.syspath_prepend(other.parent)
    report = patient.examine()
    said = wrong(report)
    assert report["status"] == "unhealthy" and said.keys() == {"dependencies"}
    assert "no-such-package" in said["dependencies"] and "nor-this-one" not in said["dependencies"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("[http]\nprot = 1", "did you mean http.port?"), ("[log]\nzzz = 1", "this table has"), ("[http", "is not TOML")],
)
def test_broken_settings_are_the_finding(patient: Patient, text: str, words: str) -> None:
    """The sentence that every command would say; nothing else can be looked at by wrong settings."""
    patient.file = patient.folder / "settings.toml"
    patient.file.write_text(text)
    report = patient.examine()
    (one,) = report["checks"]
    assert (report["status"], one["name"], one["level"]) == ("unhealthy", "settings", "unhealthy")
    assert words in one["message"] and not re.search(r"[.?!][.]$", one["message"])


def test_a_database_of_an_earlier_version_is_no_fault(patient: Patient) -> None:
    """The next start brings it up to date; the doctor does not."""
    patient.fill()
    with duckdb.connect(str(patient.database)) as database:
        database.execute("DELETE FROM schema_migrations WHERE owner = 'watcher' AND number = 2")
    report = patient.examine()
    assert report["status"] == "ok" and "earlier version" in found(report, "database")[0][1]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "sessions").mkdir()
    return Place(tmp_path / "sessions", tmp_path / "state")


def test_exit_codes_and_json(place: Place, tmp_path: Path) -> None:
    """0 if all is well, 1 if something is to be done; for people a line each, for programs the same as JSON."""
    fine = place.run("doctor")
    assert fine.returncode == 0 and fine.stdout.endswith("All in all: ok.\n") and fine.stderr == ""
    install(tmp_path / "more", "return nonsense +")
    place.environment = {"PYTHONPATH": str(tmp_path / "more")}
    place.sessions.rmdir()
    people, programs = place.run("doctor"), place.run("doctor", "--json")
    assert (people.returncode, programs.returncode) == (1, 1)
    report = json.loads(programs.stdout)
    assert wrong(report).keys() == {"processors", "sessions"} and "stranger" in wrong(report)["processors"]
    for one in report["checks"]:
        if one["name"] != "clock":
            assert f"{one['name']}: {one['message']}" in people.stdout
    assert people.stdout.endswith("All in all: unhealthy.\n")


def test_a_service_that_was_started_on_another_folder_is_asked_for_it(tmp_path: Path) -> None:
    """As by ``run --sessions FOLDER``: what the settings name is not what is looked at, and nothing is amiss."""
    (tmp_path / "sessions").mkdir()
    place = Place(tmp_path / "sessions", tmp_path / "state")
    elsewhere = Place(tmp_path / "nowhere", tmp_path / "state")
    assert any(one["name"] == "sessions" and one["level"] == "unhealthy" for one in elsewhere.json("doctor")["checks"])
    running = place.start()
    try:
        found = elsewhere.json("doctor")
        assert found["status"] == "ok", found
        (sessions,) = [one for one in found["checks"] if one["name"] == "sessions"]
        assert str(place.sessions) in sessions["message"]
    finally:
        running.kill()
