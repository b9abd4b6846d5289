"""The API itself: health, reports, and runs that somebody asks for."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse

from processors.usage import reports as usage
from watcher.errors import SweepUnderWay
from watcher.health import Finding
from watcher.live import LiveService
from watcher.status import gather

Day = Annotated[date | None, Query(description="A day, as YYYY-MM-DD.")]
Name = Annotated[str | None, Query(max_length=500)]


def build(service: LiveService, token: str, budget: float) -> FastAPI:
    """The application for one service."""
    app = FastAPI(title="Session Watcher", docs_url=None, redoc_url=None, openapi_url=None)
    expected = token.encode()

    def known(request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), expected):
            raise HTTPException(401, "a bearer token is needed: see state/token", {"WWW-Authenticate": "Bearer"})

    @app.middleware("http")
    async def only_for_us(request: Request, go_on: Callable[[Request], Awaitable[Any]]) -> Any:
        # A page elsewhere can make a browser send requests here, but under its own name.
        host = request.headers.get("host", "").rsplit(":", 1)[0]
        if host not in ("127.0.0.1", "localhost", "[::1]", service.core.settings.http.host):
            return JSONResponse({"detail": f"not served under the name {host[:100]!r}"}, 400)
        return await go_on(request)

    def standing() -> dict[str, Any]:
        found = service.health()
        if "usage" in service.core.pipelines and (models := usage.unknown_models(service.core.query)):
            message = f"No price is known for {', '.join(models[:10])}; set them under [processors.usage] prices."
            found["findings"].append(asdict(Finding("info", "unknown_models", message)))
        return found

    @app.get("/api/health")
    def _health() -> dict[str, str]:
        return {"status": str(service.health()["status"])}

    @app.get("/api/health/detailed", dependencies=[Depends(known)])
    def _detailed() -> dict[str, Any]:
        return standing()

    @app.get("/api/status", dependencies=[Depends(known)])
    def _status() -> dict[str, Any]:
        return {**gather(service.core.query), "service": standing()}

    @app.get("/api/usage/{report}", dependencies=[Depends(known)])
    def _usage(report: str, since: Day = None, until: Day = None, user: Name = None, model: Name = None) -> Any:
        if report not in usage.REPORTS:
            raise HTTPException(404, f"no report {report[:100]!r}; there are {', '.join(usage.REPORTS)}")
        if "usage" not in service.core.pipelines:
            raise HTTPException(404, "the processor usage is not enabled ([processors.usage] enabled)")
        return usage.as_json(usage.REPORTS[report](service.core.query, usage.Filters(since, until, user, model)))

    @app.post("/api/admin/run-session-processor", dependencies=[Depends(known)])
    def _run(processor: Annotated[str, Query(max_length=200)]) -> dict[str, Any]:
        pipeline = service.core.pipelines.get(processor)
        if pipeline is None:
            names = ", ".join(service.core.pipelines)
            raise HTTPException(400, f"no enabled processor is named {processor!r}; there are {names}")
        try:
            details = pipeline.run_now(budget)
        except SweepUnderWay as error:
            raise HTTPException(409, str(error)) from None
        return {"ok": details.errors == 0, "details": asdict(details)}

    return app
