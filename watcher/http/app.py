"""The API: its parts put together, and what holds for every request."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from watcher.http import admin, memory, metrics, pages, reports, sessions
from watcher.http.auth import Doorkeeper
from watcher.live import LiveService

log = structlog.get_logger("watcher.http")


def build(service: LiveService, token: str) -> FastAPI:
    """The application for one service."""
    app = FastAPI(title="Session Watcher", docs_url=None, redoc_url=None, openapi_url=None)
    keeper = Doorkeeper(token, service.core.query)
    for part in (reports, sessions, memory, admin, metrics):
        app.include_router(part.router(service, keeper))

    @app.middleware("http")
    async def audited(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        """What was asked of the service by somebody known is noted once, whatever came of it."""
        began = time.monotonic()
        unhandled: str | None = None
        try:
            response = await go_on(request)
        except Exception as error:
            log.exception("a request failed", path=request.url.path)
            unhandled = f"{type(error).__name__}: {error}"
            response = JSONResponse({"detail": unhandled}, 500)
        unhandled = unhandled or getattr(request.state, "unhandled", None)
        action, caller = getattr(request.state, "action", None), getattr(request.state, "caller", None)
        if action is not None and caller is not None:
            params: dict[str, Any] = {
                name: request.query_params.getlist(name) for name in sorted(set(request.query_params.keys()))
            }
            milliseconds = round((time.monotonic() - began) * 1000)
            resource = getattr(request.state, "resource", None)
            ledger = service.core.ledger
            ledger.audit(action, caller.name, resource, params, response.status_code, milliseconds, unhandled)
        return response

    @app.middleware("http")
    async def only_for_us(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        # A page elsewhere can make a browser send requests here, but under its own name.
        host = request.headers.get("host", "").rsplit(":", 1)[0]
        if host not in ("127.0.0.1", "localhost", "[::1]", service.core.settings.http.host):
            return JSONResponse({"detail": f"not served under the name {host[:100]!r}"}, 400)
        return await go_on(request)

    pages.install(app, service, keeper)  # last: what its middleware says is said of every answer
    return app
