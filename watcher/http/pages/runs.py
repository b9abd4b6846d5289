"""The page of jobs: runs, buttons to run a job, and the audit."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response

from watcher.app import job_of
from watcher.errors import JobFailed, JobUnderWay, NoSuchJob, ProcessorUnconfigured
from watcher.http.pages.forms import day
from watcher.http.pages.layout import Frame, Visitor
from watcher.store import job_log

#: Rows of runs and entries shown at first, and after "more".
FIRST, MORE = 25, 500
#: Seconds for which the page waits for a run's end; afterwards the run continues in the background.
WAITED = 2.0
ADDRESS = "/admin/scheduler-runs"
OUTCOMES = ("running", "ok", "failed", "refused", "interrupted")

Given = Annotated[str, Query(max_length=200)]
#: Jobs that have an endpoint, and thus an action, of their own.
_OWN_ACTION = ("session-collector", "corporate-memory")


def router(frame: Frame) -> APIRouter:
    """Build the page's routes for one service."""
    routes = APIRouter()
    core = frame.core

    @routes.get(ADDRESS)
    def _runs(
        request: Request,
        name: Given = "",
        outcome: Given = "",
        asked: Given = "",
        actor: Given = "",
        refused: Given = "",
        since: Given = "",
        until: Given = "",
        more: Given = "",
    ) -> Response:
        visitor = frame.reader(request)
        if outcome not in ("", *OUTCOMES):
            raise HTTPException(400, f"outcome = {outcome[:50]}: {', '.join(OUTCOMES)} are accepted.")
        most = MORE if more else FIRST
        wanted = job_log.RunFilter(
            name=name,
            outcome=outcome,
            text=asked.strip(),
            actor=actor,
            status=400 if refused else 0,
            since=day("since", since),
            until=day("until", until),
            limit=most + 1,
        )
        runs, audit = job_log.runs(core.query, wanted), job_log.audit(core.query, wanted)
        days = {"since": since, "until": until}
        chosen = {"name": name, "outcome": outcome, "asked": asked, "actor": actor, "refused": refused, **days}
        left_out = max(len(runs), len(audit)) > most
        return frame.show(
            request,
            "runs.html",
            visitor,
            jobs=[{**job, "last": job["last"] and _timed(job["last"])} for job in frame.service.jobs()],
            runs=[_timed(run) for run in runs[:most]],
            audit=audit[:most],
            chosen=chosen,
            more=f"{ADDRESS}?{urlencode({**chosen, 'more': '1'})}" if left_out and not more else None,
            names=sorted({*core.jobs.names(), *([name] if name else [])}),
            outcomes=OUTCOMES,
            actors=job_log.actors(core.query),
        )

    @routes.post(f"{ADDRESS}/run")
    def _run(request: Request, name: Given, visitor: Visitor = Depends(frame.acting("run_job"))) -> Response:
        request.state.action = _action(name, [job_of(processor) for processor in core.pipelines])
        try:
            stats = _started(lambda: core.jobs.run(name, "asked"), name).result(WAITED)
        except TimeoutError:
            return frame.done(visitor, f"{name} runs; what it does will be among the runs below.", ADDRESS)
        except NoSuchJob as error:
            raise HTTPException(400, str(error)) from None
        except JobUnderWay as error:
            raise HTTPException(409, str(error)) from None
        except (JobFailed, ProcessorUnconfigured) as error:
            raise HTTPException(500, str(error)) from None
        return frame.done(visitor, f"{name} is done{_did(stats)}.", ADDRESS)

    return routes


def _action(job: str, sweeps: list[str]) -> str:
    """Return the action under which the API audits the same request."""
    if job in sweeps:
        return f"run_session_processor:{job.partition(':')[2]}"
    return f"run_{job.replace('-', '_')}" if job in _OWN_ACTION else f"run_job:{job}"


def _started(work: Any, name: str) -> Future[dict[str, Any]]:
    """Start the work on its own thread, so that no request has to wait for its end."""
    future: Future[dict[str, Any]] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001
            future.set_exception(error)  # raised to the waiting request; the run is recorded in any case

    threading.Thread(target=run, name=f"asked:{name}", daemon=True).start()
    return future


def _timed(run: dict[str, Any]) -> dict[str, Any]:
    """Add a run's duration in seconds, None while it runs."""
    began, ended = run["started_at"], run["finished_at"]
    took = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds() if ended else None
    return {**run, "took": took}


def _did(stats: dict[str, Any]) -> str:
    told = ", ".join(
        f"{name.replace('_', ' ')} {value}"
        for name, value in stats.items()
        if isinstance(value, (int, str)) and value not in ("", 0)
    )
    return f": {told[:300]}" if told else ""
