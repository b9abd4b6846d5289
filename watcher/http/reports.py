"""What can be read: health, status, usage, jobs and settings."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query

from processors.usage import reports as usage
from watcher.health import Finding
from watcher.http.auth import Doorkeeper
from watcher.live import LiveService
from watcher.settings import rows
from watcher.status import gather
from watcher.store import ledger
from watcher.store.tokens import Caller

Day = Annotated[date | None, Query(description="A day, as YYYY-MM-DD.")]
Name = Annotated[str | None, Query(max_length=500)]
Limit = Annotated[int, Query(ge=1, le=10_000)]


def standing(service: LiveService) -> dict[str, Any]:
    """What the service says of itself, and what its reports lack."""
    found = service.health()
    core = service.core
    try:
        models = usage.unknown_models(core.query) if "usage" in core.pipelines else []
    except core.database.Error:
        return found  # which has said so already
    if models:
        message = f"No price is known for {', '.join(models[:10])}; set them under [processors.usage] prices."
        found["findings"].append(asdict(Finding("info", "unknown_models", message, {"models": models})))
    return found


def router(service: LiveService, keeper: Doorkeeper) -> APIRouter:
    """The endpoints for one service."""
    routes = APIRouter(prefix="/api")
    reader = [Depends(keeper.reader)]
    core = service.core

    @routes.get("/health")
    def _health() -> dict[str, str]:
        return {"status": str(service.health()["status"])}

    @routes.get("/whoami")
    def _whoami(caller: Caller = Depends(keeper.known)) -> dict[str, Any]:
        return {"name": caller.name, "role": caller.role, "username": caller.username}

    @routes.get("/health/detailed", dependencies=reader)
    def _detailed() -> dict[str, Any]:
        return standing(service)

    @routes.get("/status", dependencies=reader)
    def _status() -> dict[str, Any]:
        return {**gather(core.query, list(core.pipelines)), "service": standing(service)}

    @routes.get("/usage/{report}")
    def _usage(
        report: str,
        caller: Caller = Depends(keeper.known),
        since: Day = None,
        until: Day = None,
        user: Name = None,
        model: Name = None,
    ) -> Any:
        if report not in usage.REPORTS:
            raise HTTPException(404, f"there is no report {report[:100]!r}; there are {', '.join(usage.REPORTS)}")
        if "usage" not in core.pipelines:
            raise HTTPException(404, "the processor usage is not enabled ([processors.usage] enabled)")
        if caller.role == "user":
            if user not in (None, caller.username):
                raise HTTPException(403, "this token sees only what is its user's own")
            user = caller.username
        return usage.as_json(usage.REPORTS[report](core.query, usage.Filters(since, until, user, model)))

    @routes.get("/jobs", dependencies=reader)
    def _jobs() -> dict[str, Any]:
        return {"jobs": service.jobs()}

    @routes.get("/admin/scheduler-runs", dependencies=reader)
    def _runs(name: Annotated[str, Query(max_length=200)] = "", limit: Limit = 50) -> dict[str, Any]:
        return {"runs": ledger.runs(core.query, name, limit), "audit": ledger.audit(core.query, limit)}

    @routes.get("/settings", dependencies=reader)
    def _settings() -> dict[str, Any]:
        return {"settings": [asdict(row) for row in rows(service.loaded)], "waiting": service.waiting_settings}

    return routes
