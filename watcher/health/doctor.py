"""The doctor: looks at everything that a service stands on, whether one runs or not."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Literal

from watcher.errors import DatabaseTrouble, StateInUse, ended
from watcher.health import expiring, findings, rehearsal
from watcher.plugins import RefusedProcessor, discover
from watcher.settings.tables import Settings, strong
from watcher.store.database import Database, read
from watcher.store.lock import holder
from watcher.store.migrations import is_current
from watcher.store.open import FILE, open_database
from watcher.store.sql import QUERIES
from watcher.transcripts.expiry import after_visit
from watcher.transcripts.sessions import Tree
from watcher.watch import inotify, mounts

Level = Literal["ok", "info", "warning", "unhealthy"]

_PACKAGE = "session-watcher"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    level: Level
    #: What was found and, where it is not well, what to do.
    message: str
    #: Where a plug-in failed: the last lines.
    traceback: str = ""


def examine(settings: Settings) -> list[Check]:
    """Look at everything; nothing is changed but for probes that are removed again."""
    checks: list[Check] = []
    for name, look in _LOOKS:
        try:
            checks += look(settings)
        except Exception as error:  # noqa: BLE001 — one look that fails is a finding, and the others go on
            checks.append(Check(name, "unhealthy", f"This could not be looked at: {type(error).__name__}: {error}."))
    return checks


def as_json(checks: list[Check]) -> list[dict[str, Any]]:
    """The checks for a program."""
    return [asdict(check) for check in checks]


def worst(checks: list[Check]) -> str:
    """``ok``, ``degraded`` or ``unhealthy``."""
    levels = {check.level for check in checks}
    return "unhealthy" if "unhealthy" in levels else "degraded" if "warning" in levels else "ok"


def _python(_settings: Settings) -> Iterator[Check]:
    yield Check("python", "ok", f"Python {platform.python_version()} on {platform.system()} {platform.release()}.")


def _dependencies(_settings: Settings) -> Iterator[Check]:
    missing = []
    for line in requires(_PACKAGE) or ():
        requirement, _, marker = line.partition(";")
        if "extra" in marker:
            continue
        name = requirement.strip()
        for at, letter in enumerate(name):
            if not (letter.isalnum() or letter in "-_."):
                name = name[:at]
                break
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Check("dependencies", "unhealthy", f"{', '.join(missing)} are missing; install the package again.")
    else:
        yield Check(
            "dependencies", "ok", f"All are installed; DuckDB {version('duckdb')}, watchdog {version('watchdog')}."
        )


def _processors(settings: Settings) -> Iterator[Check]:
    refused = {one.name: one for one in rehearsal.refused(settings)}
    for name, processor in discover().items():
        if (one := refused.get(name)) is not None:
            message = f"{name}: {ended(one.reason)} Mend or uninstall it; the others go on."
            yield Check("processors", "warning", message, one.trace)
        elif isinstance(processor, RefusedProcessor):
            continue  # among the refused
        elif settings.processor(name).enabled:
            yield Check("processors", "ok", f"{name} is enabled, version {processor.version}.")
        else:
            yield Check("processors", "info", f"{name} is not enabled ([processors.{name}] enabled).")


def _sessions(settings: Settings) -> Iterator[Check]:
    root = settings.paths.sessions
    if not root.is_dir():
        yield Check("sessions", "unhealthy", f"{root}: there is no such folder; make it, or set paths.sessions.")
        return
    if not os.access(root, os.R_OK | os.X_OK):
        yield Check("sessions", "unhealthy", f"{root} cannot be read; let this user ({_user()}) read it.")
        return
    if not os.access(root, os.W_OK):
        yield Check(
            "sessions",
            "warning",
            f"{root} cannot be written, so whether events arrive cannot be proven, and more is swept; let this user "
            f"({_user()}) write into it.",
        )
    else:
        yield Check("sessions", "ok", f"{root} can be read and written.")
    kind = mounts.file_system(os.path.realpath(root))
    if mounts.is_network(kind):
        yield Check(
            "file system",
            "info",
            f"{root} lies on {kind}, which may change without an event here: it is polled every "
            f"{settings.observer.poll_interval}.",
        )
    elif kind is not None:
        yield Check("file system", "ok", f"{root} lies on {kind}; changes are told by the kernel.")


def _watches(settings: Settings) -> Iterator[Check]:
    limit = inotify.sysctl(inotify.MAX_WATCHES)
    if "=" not in limit or not settings.paths.sessions.is_dir():
        return
    allowed = int(limit.rpartition("=")[2])
    directories = inotify.directories(os.fsencode(settings.paths.sessions))
    if directories * 1.2 > allowed:
        yield Check(
            "watch limit",
            "warning",
            f"There are {directories:,} directories to watch and {limit} for all programs together; raise it "
            f"(sysctl {inotify.MAX_WATCHES}={max(524288, directories * 4)}).",
        )
    else:
        yield Check("watch limit", "ok", f"{directories:,} directories to watch; {limit}.")


def _state(settings: Settings) -> Iterator[Check]:
    state = settings.paths.state
    if (blocked := next((path for path in (state, *state.parents) if path.exists()), state)) and not blocked.is_dir():
        yield Check("state", "unhealthy", f"{state}: {blocked} is no folder; move it away, or set paths.state.")
        return
    if not state.is_dir():
        above = next((parent for parent in state.parents if parent.is_dir()), Path("/"))
        if os.access(above, os.W_OK):
            yield Check("state", "info", f"{state} is not there yet; it is made at the first start.")
        else:
            yield Check(
                "state",
                "unhealthy",
                f"{state} is not there and cannot be made by this user ({_user()}); make it, and let this user write "
                "into it.",
            )
        return
    if not os.access(state, os.W_OK | os.X_OK):
        yield Check("state", "unhealthy", f"{state} cannot be written; let this user ({_user()}) write into it.")
        return
    kind = mounts.file_system(os.path.realpath(state))
    if mounts.is_network(kind) and not settings.database.url:
        yield Check(
            "state",
            "warning",
            f"{state} lies on {kind}, where a lock may not keep another machine away from the database, which that "
            "would damage; set paths.state to a disk of this machine, or database.url to PostgreSQL.",
        )
    else:
        yield Check("state", "ok", f"{state} can be written.")
    for finding in findings.of_disk(state, settings.health.min_free_disk) + findings.of_damage(state):
        yield Check(finding.name, finding.level, finding.message)
    token = state / "token"
    if token.exists() and token.stat().st_mode & 0o077:
        yield Check("token", "warning", f"{token} can be read by others; make it private (chmod 600 {token}).")
    try:
        if found := token.read_text(encoding="utf-8", errors="replace").strip():
            strong(found)
    except ValueError as error:
        refused = f"{token} holds a weak token, and the service does not start: accepted is {error}"
        message = f"{refused}. Set another, or move it away."
        yield Check("token", "unhealthy", message)
    except OSError:  # none yet, or not for this user to read
        pass


def _clock(settings: Settings) -> Iterator[Check]:
    folder = settings.paths.sessions
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return
    with tempfile.NamedTemporaryFile(prefix=".session-watcher-clock-", dir=folder) as probe:
        before = time.time()
        os.utime(probe.name)
        skew = os.stat(probe.name).st_mtime - before
    if abs(skew) > findings.SKEW:
        yield Check(
            "clock",
            "warning",
            f"The clock of {folder} is {skew:+.0f} s off from this machine's; set both by NTP, or lag is misjudged.",
        )
    else:
        yield Check("clock", "ok", f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, as in the sessions folder.")


def _database(settings: Settings) -> Iterator[Check]:
    if not settings.paths.state.is_dir() and not settings.database.url:
        yield Check("service", "info", "It is not running, and there is no database yet.")
        return
    other = holder(settings.paths.state)
    if other is not None and other.url is not None:
        yield Check("service", "ok", f"It runs as process {other.pid} and answers at {other.url}.")
        return
    if other is not None:
        yield Check("service", "info", f"Process {other.pid} ({other.command}) has the state folder just now.")
        return
    yield Check("service", "info", "It is not running.")
    if not settings.database.url and not (settings.paths.state / FILE).exists():
        yield Check("database", "info", "There is none yet; it is made at the first start.")
        return
    try:
        database = open_database(settings, read_only=True)
    except StateInUse as error:
        yield Check("database", "unhealthy", f"{error}.")
        return
    except DatabaseTrouble as error:
        remedy = "restore a backup, or move it away: a new one is filled from the transcripts that are still there"
        if settings.database.url:
            remedy = "start its server, or set database.url to where it is"
        yield Check("database", "unhealthy", f"{error}; {remedy}.")
        return
    try:
        for notice in database.notices:
            yield Check("wal_damaged", "warning", notice)
        if not is_current(database):
            yield Check("database", "info", "It is of an earlier version; the next start brings it up to date.")
            return
        tallies = read(database, QUERIES["tallies"])
        endangered = _endangered(settings, database, time.time())
    finally:
        database.close()
    sessions = sum(row[2] for row in tallies)
    yield Check("database", "ok", f"It opens, and holds {sessions:,} state rows.")
    for finding in findings.of_sessions(tallies) + findings.of_clock(tallies, time.time()) + endangered:
        yield Check(finding.name, finding.level, finding.message)


def _endangered(settings: Settings, database: Database, now: float) -> list[findings.Finding]:
    """What is about to be lost in homes; in a person's own folder as it is now."""
    tree = _tree(settings)
    known = expiring.known(partial(read, database), tree, settings)
    if expiring.is_own(tree) and tree.root.is_dir():
        found = discover().items()
        enabled = [
            name for name, one in found if not isinstance(one, RefusedProcessor) and settings.processor(name).enabled
        ]
        here = expiring.own_home(database, tree, settings, tree.list(), enabled, None, now)
        known = [after_visit(next(iter(known), None), here)]
    return expiring.findings_of(known, now, expiring.is_own(tree))


def _links(settings: Settings) -> Iterator[Check]:
    other = holder(settings.paths.state) if settings.paths.state.is_dir() else None
    if (other is not None and other.url is not None) or not settings.paths.sessions.is_dir():
        return  # a service that runs says it
    listing = _tree(settings).list()
    for finding in findings.of_links(listing.links, listing.links_count):
        yield Check(finding.name, finding.level, finding.message)


def _tree(settings: Settings) -> Tree:
    return Tree(settings.paths.sessions.resolve(), settings.paths.layout, settings.node.name)


def _user() -> str:
    return f"uid {os.geteuid()}"


_LOOKS: tuple[tuple[str, Callable[[Settings], Iterator[Check]]], ...] = (
    ("python", _python),
    ("dependencies", _dependencies),
    ("processors", _processors),
    ("sessions", _sessions),
    ("watch limit", _watches),
    ("links", _links),
    ("state", _state),
    ("clock", _clock),
    ("database", _database),
)
