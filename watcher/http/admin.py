"""Admin endpoints: runs of jobs, backups and tokens."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request

from watcher.app import COLLECTOR, CORPORATE_MEMORY, job_of
from watcher.daemon import LiveService
from watcher.errors import JobFailed, JobUnderWay, NoSuchJob, ProcessorUnconfigured, TokenRefused, WatcherError
from watcher.http import schemas
from watcher.http.auth import Doorkeeper
from watcher.http.client import SENTENCE
from watcher.http.params import PLAIN, Name, OptionalName
from watcher.http.schemas import problems
from watcher.http.schemas_collector import CollectorRunOut
from watcher.jobs import housekeeping
from watcher.jobs.runner import Work
from watcher.store import legacy, tokens


def router(service: LiveService, keeper: Doorkeeper) -> APIRouter:
    """Build the admin endpoints of one service."""
    routes = APIRouter(prefix="/api/admin", tags=["admin"])
    refused = problems(400, 401, 403)
    core = service.core

    def run(request: Request, name: str, work: Work | None = None) -> dict[str, Any]:
        try:
            return core.jobs.run(name, "asked", work)
        except NoSuchJob as error:
            raise HTTPException(400, str(error)) from None
        except JobUnderWay as error:
            raise HTTPException(409, str(error)) from None
        except JobFailed as error:
            if not isinstance(error.__cause__, WatcherError):
                request.state.unhandled = error.reason
            raise HTTPException(500, error.reason) from None
        except ProcessorUnconfigured as error:
            raise HTTPException(500, str(error), {SENTENCE: "whole"}) from None

    @routes.post(
        "/run-session-processor",
        dependencies=[Depends(keeper.admin("run_session_processor"))],
        response_model=schemas.ProcessorRunOut,
        responses={**refused, **problems(409, 500)},
    )
    def run_session_processor(
        request: Request, processor: Annotated[str, Query(max_length=200, pattern=PLAIN, examples=["usage"])]
    ) -> dict[str, Any]:
        """Sweep and drain a processor within `[service] time_budget`; sessions that remain are processed later."""
        request.state.action = f"run_session_processor:{processor}"
        if processor not in core.pipelines:
            names = ", ".join(core.pipelines)
            raise HTTPException(400, f"no enabled processor is named {processor!r}; there are {names}")
        details = run(request, job_of(processor))
        return {"ok": details["errors"] == 0, "details": details}

    @routes.post(
        "/run-session-collector",
        dependencies=[Depends(keeper.admin("run_session_collector"))],
        response_model=CollectorRunOut,
        responses={**refused, **problems(409, 500)},
    )
    def run_session_collector(
        request: Request,
        dry_run: Annotated[bool, Query(description="Only tell what would be done.")] = False,
        verbose: Annotated[bool, Query(description="Log every file that is copied.")] = False,
    ) -> dict[str, Any]:
        """Run the collector and wait for its end, even if `[collector]` is not enabled."""
        details = run(request, COLLECTOR, lambda: core.collect(dry_run, verbose))
        return {"ok": details["errors"] == 0, "details": details}

    @routes.post(
        "/run-corporate-memory",
        dependencies=[Depends(keeper.admin("run_corporate_memory"))],
        response_model=schemas.NotesRunOut,
        responses={**refused, **problems(409, 500)},
    )
    def run_corporate_memory(request: Request) -> dict[str, Any]:
        """Read changed notes and wait for the end; the intake runs afterwards by itself."""
        details = run(request, CORPORATE_MEMORY)
        return {"ok": details["errors"] == 0, "details": details}

    @routes.post(
        "/run-job",
        dependencies=[Depends(keeper.admin("run_job"))],
        response_model=schemas.JobRunOut,
        responses={**refused, **problems(409, 500)},
    )
    def run_job(request: Request, name: Name) -> dict[str, Any]:
        """Run a job now and wait for its end."""
        request.state.action = f"run_job:{name}"
        return {"name": name, "stats": run(request, name)}

    @routes.post(
        "/backup",
        dependencies=[Depends(keeper.admin("backup"))],
        response_model=schemas.BackupOut,
        responses={**refused, **problems(500)},
    )
    def backup(request: Request) -> dict[str, Any]:
        """Back up the database in its committed state."""
        copy = housekeeping.back_up(core.database, core.backups)
        if copy is None:
            raise HTTPException(400, housekeeping.NO_FILE)
        request.state.resource = str(copy)
        return {"backup": str(copy), "bytes": copy.stat().st_size}

    @routes.post(
        "/import-legacy",
        dependencies=[Depends(keeper.admin("import_legacy"))],
        response_model=schemas.TakenInOut,
        responses={**refused, **problems(500)},
    )
    def import_legacy(
        request: Request,
        path: Annotated[str, Query(min_length=1, max_length=4096, pattern=PLAIN, examples=["/data/old.duckdb"])],
    ) -> dict[str, Any]:
        """Import what a legacy database, a file on the service's machine, holds of sessions."""
        request.state.resource = path
        try:
            return asdict(legacy.take_in(Path(path), core.database))
        except WatcherError as error:
            raise HTTPException(400, str(error)) from None

    @routes.get(
        "/tokens",
        dependencies=[Depends(keeper.admin("tokens_list"))],
        response_model=schemas.TokensOut,
        responses=refused,
    )
    def tokens_list() -> dict[str, Any]:
        """List all tokens, without their texts."""
        return {"tokens": tokens.listing(core.query)}

    @routes.post(
        "/tokens",
        dependencies=[Depends(keeper.admin("tokens_make"))],
        response_model=schemas.NewTokenOut,
        responses=refused,
    )
    def tokens_make(
        request: Request,
        name: Name,
        role: Annotated[str, Query(max_length=200, json_schema_extra={"enum": list(tokens.ROLES)})],
        username: OptionalName = None,
    ) -> dict[str, Any]:
        """Create a token (`role`: admin, reader, or user with a `username`); its text is shown only once."""
        request.state.resource = name
        try:
            return tokens.make(core.query, name, role, username)
        except TokenRefused as error:
            raise HTTPException(400, str(error)) from None

    @routes.post(
        "/tokens/revoke",
        dependencies=[Depends(keeper.admin("tokens_revoke"))],
        response_model=schemas.TokenOut,
        responses={**refused, **problems(404)},
    )
    def tokens_revoke(request: Request, which: Name) -> dict[str, Any]:
        """Revoke a token by name or id, effective at once."""
        request.state.resource = which
        try:
            return tokens.revoke(core.query, which)
        except TokenRefused as error:
            raise HTTPException(404, str(error)) from None

    return routes
