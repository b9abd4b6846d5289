"""Read endpoints: health, status, usage, jobs and settings."""

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
    """Return the service's detailed health, with findings of the reports."""
    found = service.health()
    core = service.core
    try:
        models = usage.unknown_models(core.query) if "usage" in core.pipelines else []
    except core.database.Error:
        return found  # already a finding of its own
    if models:
        message = f"No price is known for {', '.join(models[:10])}; set them under [processors.usage] prices."
        found["findings"].append(asdict(Finding("info", "unknown_models", message, {"models": models})))
    return found


def router(service: LiveService, keeper: Doorkeeper) -> APIRouter:
    """Build the read endpoints of one service."""
    routes = APIRouter(prefix="/api", tags=["reports"])
    reader = [Depends(keeper.reader)]
    in_turn = [Depends(keeper.known), Depends(keeper.in_turn, scope="function")]
    refused = problems(400, 401, 403)
    refused_or_none = {**refused, **problems(404)}
    core = service.core

    def theirs(only: str, user: str | None) -> str | None:
        """Restrict a report's `user` to ``only``, the user of a personal token."""
        if "usage" not in core.pipelines:
            raise HTTPException(404, "the processor usage is not enabled ([processors.usage] enabled)")
        if only and user not in (None, only):
            raise HTTPException(403, NOT_THEIRS)
        return only or user

    def told() -> dict[str, Any]:
        return {**standing(service), "sign_ins": asdict(keeper.refused)}

    @routes.get("/health", response_model=schemas.HealthOut, responses=problems(400))
    def health() -> dict[str, str]:
        """Health summary; needs no token."""
        return {"status": str(service.health()["status"])}

    @routes.get("/whoami", response_model=schemas.WhoamiOut, responses=problems(400, 401))
    def whoami(caller: Caller = Depends(keeper.known)) -> dict[str, Any]:
        """Show the caller's token and role."""
        return {"name": caller.name, "role": caller.role, "username": caller.username}

    @routes.get("/health/detailed", dependencies=reader, response_model=schemas.StandingOut, responses=refused)
    def health_detailed() -> dict[str, Any]:
        """Health findings, each with what to do."""
        return told()

    @routes.get("/status", dependencies=reader, response_model=schemas.StatusOut, responses=refused)
    def status() -> dict[str, Any]:
        """Status of every processor, with the sessions that failed."""
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
        """Unknown formats in transcripts, the latest first; a user's token sees its user's sessions."""
        return formats.unknown(core.query, since, theirs(only, user), limit, offset)

    @routes.get(  # before the other reports, whose path matches any name
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
        """Counted usage beside the clients' statements by day, what is not yet stated and what no line explains."""
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
        """Usage by day, model, user, project, tool, skill and more; a user's token sees its user's."""
        if report not in usage.REPORTS:
            raise HTTPException(404, f"there is no report {report[:100]!r}; there are {', '.join(usage.REPORTS)}")
        filters = usage.Filters(since, until, theirs(only, user), model)
        return usage.as_json(usage.part(core.query, report, filters, limit, offset))

    @routes.get("/jobs", dependencies=reader, response_model=schemas.JobsOut, responses=refused)
    def jobs() -> dict[str, Any]:
        """Jobs with their schedule, last run and next run."""
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
        """Runs of jobs (by `name` and `outcome`) and audit entries (by prefix of `action`, and `actor`)."""
        chosen = job_log.RunFilter(
            name=name, outcome=outcome, action=action, actor=actor, since=since, until=until, limit=limit, offset=offset
        )
        return job_log.latest(core.query, chosen)

    @routes.get("/settings", dependencies=reader, response_model=schemas.SettingsInForceOut, responses=refused)
    def settings() -> dict[str, Any]:
        """All settings in force; secrets are not shown."""
        return {"settings": [asdict(row) for row in rows(service.loaded)], "waiting": service.waiting_settings}

    return routes
