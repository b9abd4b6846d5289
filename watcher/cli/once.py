"""``once``: collect, sweep, drain and exit; through the running service where there is one."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from watcher.app import COLLECTOR, CORPORATE_MEMORY, INTAKE, Application
from watcher.cli.backend import has_data, refused_by, service_of
from watcher.cli.collect import PATH, PATIENCE
from watcher.cli.signals import Stop
from watcher.errors import JobFailed, ServiceTrouble, SettingsError
from watcher.http.client import Client
from watcher.pipeline.pipeline import RunDetails
from watcher.settings.tables import Settings

NOTES = "/api/admin/run-corporate-memory"
#: A plain progress line comes this often where there is no terminal.
PLAIN_EVERY = 5.0


def once(settings: Settings, names: list[str], quiet: bool) -> dict[str, Any]:
    """Whether all went well, what enabled jobs did, and each processor's run, as the API tells it."""
    service = service_of(settings)
    if service is not None:
        collected = {}
        if settings.collector.enabled:
            collected = _collected(lambda: dict(_posted(service, PATH, PATIENCE)["details"]))
        health = service.get("/api/health/detailed")
        refused = [one for one in refused_by(health) if one["processor"] in names or not names]
        out = {one["processor"] for one in refused}
        wanted = [name for name in names or [one["processor"] for one in health["processors"]] if name not in out]
        answers = _side_by_side(service, wanted, settings.service.time_budget + 30.0)
        noted = {}
        if settings.corporate_memory.enabled:
            noted = _collected(lambda: dict(_posted(service, NOTES, PATIENCE)["details"]))
        _take_in(service)
        return _together(collected, noted, answers + _of_refused(refused))
    if not settings.paths.sessions.is_dir():
        raise SettingsError(f"{settings.paths.sessions}: there is no such folder; name one with --sessions")
    core = Application(settings, "once", live=False, early=not names and not has_data(settings))
    try:
        refused = [one.told() for one in core.refused if one.name in names or not names]
        out = {one["processor"] for one in refused}
        if unknown := [name for name in names if name not in core.pipelines and name not in out]:
            raise SettingsError(f"no enabled processor is named {unknown[0]!r}; there are {', '.join(core.pipelines)}")
        collected = _collected(lambda: core.jobs.run(COLLECTOR, "once")) if settings.collector.enabled else {}
        stop = Stop()
        core.start()
        with _Progress(core, quiet):
            chosen = [name for name in names or core.pipelines if name not in out]

            def over() -> bool:
                return stop() or any(core.pipelines[name].stuck() for name in chosen)

            details = core.run_now(chosen, float("inf"), over)
            for name in chosen:
                if trouble := core.pipelines[name].stuck():
                    raise ServiceTrouble(f"{name} gets nowhere, and nothing was marked as done: {trouble}")
            noted = {}
            if not stop() and settings.corporate_memory.enabled:
                noted = _collected(lambda: core.jobs.run(CORPORATE_MEMORY, "once"))
            if not stop():
                core.knowledge.drain()
    finally:
        core.stop()
    return _together(collected, noted, [asdict(detail) for detail in details] + _of_refused(refused))


def _collected(collect: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a job did; that it failed does not keep what is there from being taken."""
    try:
        return collect()
    except (JobFailed, ServiceTrouble) as error:
        return {"errors": 1, "failed": str(error)}


def _together(collected: dict[str, Any], noted: dict[str, Any], details: list[dict[str, Any]]) -> dict[str, Any]:
    jobs = {name: did for name, did in (("collector", collected), ("corporate_memory", noted)) if did}
    well = not any(did.get("errors") for did in jobs.values()) and not any(detail["errors"] for detail in details)
    return {"ok": well, **jobs, "processors": details}


def _of_refused(refused: list[dict[str, str]]) -> list[dict[str, Any]]:
    """A run for each processor that cannot be used: it failed as a whole."""
    return [
        asdict(
            RunDetails(
                one["processor"],
                errors=1,
                errors_detail=[
                    {"session": "", "error": f"{one['processor']}: {one['error']}", "traceback": one["traceback"]}
                ],
            )
        )
        for one in refused
    ]


def _posted(service: Client, path: str, patience: float, **query: str) -> dict[str, Any]:
    """What the service answers, once no other run of the same is under way."""
    while True:
        try:
            found: dict[str, Any] = service.post(path, timeout=patience, **query)
            return found
        except ServiceTrouble as error:
            if error.code != 409:
                raise
            time.sleep(0.2)  # another run of it is under way: ours follows


def _asked(service: Client, name: str, patience: float) -> dict[str, Any]:
    """A run by the service, again until nothing was left for later for want of time."""
    while True:
        try:
            found = _posted(service, "/api/admin/run-session-processor", patience, processor=name)
        except ServiceTrouble as error:
            if error.code == 500:  # this processor's trouble, and the others go on
                return asdict(RunDetails(name, errors=1, errors_detail=[{"session": "", "error": str(error)}]))
            raise
        details: dict[str, Any] = found["details"]
        # One that waits for trouble outside would be asked forever.
        if details["capped"] == 0 or (details["errors"] and not details["processed"]):
            return details
        _line(f"{name}: {details['processed']} sessions, {details['capped']} to go")


def _side_by_side(service: Client, names: list[str], patience: float) -> list[dict[str, Any]]:
    """Every processor's run: together they take as long as the slowest, and look at the tree once."""
    found: dict[str, dict[str, Any] | ServiceTrouble] = {}

    def ask(name: str) -> None:
        try:
            found[name] = _asked(service, name, patience)
        except ServiceTrouble as error:
            found[name] = error

    # Daemons: an interrupt ends the command, whatever the service still does.
    threads = [threading.Thread(target=ask, args=(name,), name=f"ask:{name}", daemon=True) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers: list[dict[str, Any]] = []
    for name in names:
        answer = found[name]
        if isinstance(answer, ServiceTrouble):
            raise answer
        answers.append(answer)
    return answers


def _take_in(service: Client) -> None:
    """What the runs have put into the inbox becomes knowledge."""
    try:
        service.post("/api/admin/run-job", timeout=600.0, name=INTAKE)
    except ServiceTrouble as error:
        if error.code != 409:  # under way: it takes in everything that waits
            raise


class _Progress:
    """Says how far it is: one moving line on a terminal, a plain line now and then elsewhere."""

    def __init__(self, core: Application, quiet: bool) -> None:
        self._core = core
        self._quiet = quiet
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="progress", daemon=True)

    def __enter__(self) -> None:
        if not self._quiet:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if not self._quiet:
            self._thread.join()

    def _follow(self) -> None:
        terminal = sys.stderr.isatty()
        show: Callable[[str], None] = _rewrite if terminal else _line
        while not self._done.wait(0.2 if terminal else PLAIN_EVERY):
            show(self._say())
        if terminal:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()

    def _say(self) -> str:
        parts = []
        for name, pipeline in self._core.pipelines.items():
            tally = pipeline.tally()
            left = len(pipeline.queue) + pipeline.queue.running
            parts.append(f"{name}: {tally.processed} sessions, {tally.bytes / 1e6:.0f} MB, {left} to go")
        return " · ".join(parts)


def _rewrite(text: str) -> None:
    sys.stderr.write(f"\r\x1b[2K{text}")
    sys.stderr.flush()


def _line(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
