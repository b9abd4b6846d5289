"""What can be read: health, status, usage, jobs and settings."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Path

from processors.usage import reports as usage
from processors.usage.reports import formats, reconcile
from watcher.daemon import LiveService
from watcher.health.findings import Finding
from watcher.health.summary import gather
from watcher.http import schemas, schemas_usage
from watcher.http.auth import NOT_THEIRS, Doorkeeper
from watcher.http.params import Limit, Offset, OptionalName, Since, Until, Word
from watcher.http.schemas import problems
from watcher.http.schemas_formats import FormatsOut
from watcher.settings import rows
from watcher.store import job_log
from watcher.store.model_calls import spent_today
from watcher.store.tokens import Caller

Outcome = Literal["", "running", "ok", "failed", "refused", "interrupted"]


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
    routes = APIRouter(prefix="/api", tags=["reports"])
    reader = [Depends(keeper.reader)]
    in_turn = [Depends(keeper.known), Depends(keeper.in_turn, scope="function")]
    refused = problems(400, 401, 403)
    refused_or_none = {**refused, **problems(404)}
    core = service.core

    def theirs(only: str, user: str | None) -> str | None:
        """Whose usage is asked for, by somebody who may see that of `only` alone, if it is named."""
        if "usage" not in core.pipelines:
            raise HTTPException(404, "the processor usage is not enabled ([processors.usage] enabled)")
        if only and user not in (None, only):
            raise HTTPException(403, NOT_THEIRS)
        return only or user

    def told() -> dict[str, Any]:
        return {**standing(service), "sign_ins": asdict(keeper.refused)}

    @routes.get("/health", response_model=schemas.HealthOut, responses=problems(400))
    def health() -> dict[str, str]:
        """Whether the service is well; open to everybody."""
        return {"status": str(service.health()["status"])}

    @routes.get("/whoami", response_model=schemas.WhoamiOut, responses=problems(400, 401))
    def whoami(caller: Caller = Depends(keeper.known)) -> dict[str, Any]:
        """Whose token this is, and what it may do."""
        return {"name": caller.name, "role": caller.role, "username": caller.username}

    @routes.get("/health/detailed", dependencies=reader, response_model=schemas.StandingOut, responses=refused)
    def health_detailed() -> dict[str, Any]:
        """What is not as it should be, each with what to do about it."""
        return told()

    @routes.get("/status", dependencies=reader, response_model=schemas.StatusOut, responses=refused)
    def status() -> dict[str, Any]:
        """How every processor stands, and what failed."""
        asked = spent_today(core.settings)
        return {**gather(core.query, list(core.pipelines)), "models": asked, "service": told()}

    @routes.get("/usage/formats", dependencies=in_turn, response_model=FormatsOut, responses=refused_or_none)
    def unknown_formats(
        only: str = Depends(keeper.only),
        since: Since = None,
        user: OptionalName = None,
        limit: Limit = 1000,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        """What is not known of the transcripts' format, the latest first; a user's token has its user's sessions."""
        return formats.unknown(core.query, since, theirs(only, user), limit, offset)

    @routes.get(  # before the other reports, whose address has a place for any name
        "/usage/reconcile",
        dependencies=in_turn,
        response_model=schemas_usage.ReconciliationOut,
        responses=refused_or_none,
    )
    def usage_reconciled(
        by: schemas_usage.By = "sessions",
        only: str = Depends(keeper.only),
        since: Since = None,
        until: Until = None,
        user: OptionalName = None,
        model: OptionalName = None,
        limit: Limit = 1000,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        """What is counted beside what clients state (by its day), what is not yet stated, and what no line explains."""
        filters = usage.Filters(since, until, theirs(only, user), model)
        return reconcile.as_answer(reconcile.part(core.query, by, filters, limit, offset))

    @routes.get(
        "/usage/{report}",
        dependencies=in_turn,
        response_model=schemas.UsageReportOut,
        responses=refused_or_none,
    )
    def usage_report(
        report: Annotated[str, Path(json_schema_extra={"enum": list(usage.REPORTS)}, examples=["daily"])],
        only: str = Depends(keeper.only),
        since: Since = None,
        until: Until = None,
        user: OptionalName = None,
        model: OptionalName = None,
        limit: Limit = 1000,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        """Who used what, by day, model, user, project, tool, skill and more; a user's token has its user's."""
        if report not in usage.REPORTS:
            raise HTTPException(404, f"there is no report {report[:100]!r}; there are {', '.join(usage.REPORTS)}")
        filters = usage.Filters(since, until, theirs(only, user), model)
        return usage.as_json(usage.part(core.query, report, filters, limit, offset))

    @routes.get("/jobs", dependencies=reader, response_model=schemas.JobsOut, responses=refused)
    def jobs() -> dict[str, Any]:
        """What runs by the clock, how it last went, and when it runs next."""
        return {"jobs": service.jobs()}

    @routes.get(
        "/admin/scheduler-runs", dependencies=reader, response_model=schemas.SchedulerRunsOut, responses=refused
    )
    def scheduler_runs(
        name: Word = "",
        outcome: Outcome = "",
        action: Word = "",
        actor: Word = "",
        since: Since = None,
        until: Until = None,
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        """Runs of jobs (by `name` and `outcome`) and audit entries (by how `action` begins, and `actor`)."""
        chosen = job_log.RunFilter(
            name=name, outcome=outcome, action=action, actor=actor, since=since, until=until, limit=limit, offset=offset
        )
        return job_log.latest(core.query, chosen)

    @routes.get("/settings", dependencies=reader, response_model=schemas.SettingsInForceOut, responses=refused)
    def settings() -> dict[str, Any]:
        """Every setting in force; secrets are not shown."""
        return {"settings": [asdict(row) for row in rows(service.loaded)], "waiting": service.waiting_settings}

    return routes
