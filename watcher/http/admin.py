"""What an admin asks for: runs of jobs, copies of the database, tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request

from watcher import housekeeping
from watcher.errors import JobFailed, JobUnderWay, NoSuchJob, TokenRefused, WatcherError
from watcher.http.auth import Doorkeeper
from watcher.live import LiveService
from watcher.service import COLLECTOR, job_of
from watcher.store import legacy, tokens

Word = Annotated[str, Query(max_length=200)]


def router(service: LiveService, keeper: Doorkeeper) -> APIRouter:
    """The endpoints for one service."""
    routes = APIRouter(prefix="/api/admin")
    core = service.core

    def run(name: str, work: Callable[[], Mapping[str, Any]] | None = None) -> dict[str, Any]:
        try:
            return core.jobs.run(name, "asked", work)
        except NoSuchJob as error:
            raise HTTPException(400, str(error)) from None
        except JobUnderWay as error:
            raise HTTPException(409, str(error)) from None
        except JobFailed as error:
            raise HTTPException(500, error.reason) from None

    @routes.post("/run-session-processor", dependencies=[Depends(keeper.admin("run_session_processor"))])
    def _sweep(request: Request, processor: Annotated[str, Query(max_length=200)]) -> dict[str, Any]:
        request.state.action = f"run_session_processor:{processor}"
        if processor not in core.pipelines:
            names = ", ".join(core.pipelines)
            raise HTTPException(400, f"no enabled processor is named {processor!r}; there are {names}")
        details = run(job_of(processor))
        return {"ok": details["errors"] == 0, "details": details}

    @routes.post("/run-session-collector", dependencies=[Depends(keeper.admin("run_session_collector"))])
    def _collect(dry_run: bool = False, verbose: bool = False) -> dict[str, Any]:
        details = run(COLLECTOR, lambda: core.collect(dry_run, verbose))
        return {"ok": details["errors"] == 0, "details": details}

    @routes.post("/run-job", dependencies=[Depends(keeper.admin("run_job"))])
    def _job(request: Request, name: Word) -> dict[str, Any]:
        request.state.action = f"run_job:{name}"
        return {"name": name, "stats": run(name)}

    @routes.post("/backup", dependencies=[Depends(keeper.admin("backup"))])
    def _backup(request: Request) -> dict[str, Any]:
        copy = housekeeping.back_up(core.database, core.backups)
        if copy is None:
            raise HTTPException(400, housekeeping.NO_FILE)
        request.state.resource = str(copy)
        return {"backup": str(copy), "bytes": copy.stat().st_size}

    @routes.post("/import-legacy", dependencies=[Depends(keeper.admin("import_legacy"))])
    def _import(request: Request, path: Annotated[str, Query(min_length=1, max_length=4096)]) -> dict[str, Any]:
        request.state.resource = path
        try:
            return asdict(legacy.take_in(Path(path), core.database))
        except WatcherError as error:
            raise HTTPException(400, str(error)) from None

    @routes.get("/tokens", dependencies=[Depends(keeper.admin("tokens_list"))])
    def _tokens() -> dict[str, Any]:
        return {"tokens": tokens.listing(core.query)}

    @routes.post("/tokens", dependencies=[Depends(keeper.admin("tokens_make"))])
    def _make(
        request: Request, name: Word, role: Word, username: Annotated[str | None, Query(max_length=200)] = None
    ) -> dict[str, Any]:
        request.state.resource = name
        try:
            return tokens.make(core.query, name, role, username)
        except TokenRefused as error:
            raise HTTPException(400, str(error)) from None

    @routes.post("/tokens/revoke", dependencies=[Depends(keeper.admin("tokens_revoke"))])
    def _revoke(request: Request, which: Word) -> dict[str, Any]:
        request.state.resource = which
        try:
            return tokens.revoke(core.query, which)
        except TokenRefused as error:
            raise HTTPException(404, str(error)) from None

    return routes
