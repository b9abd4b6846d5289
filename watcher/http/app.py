"""FastAPI application: endpoints, error handlers and middleware."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from watcher.daemon import LiveService
from watcher.http import admin, knowledge_routes, metrics, pages, reports, session_routes, uploads
from watcher.http.audit import Audited
from watcher.http.auth import Doorkeeper
from watcher.http.guard import RequestGate
from watcher.http.schemas import problems
from watcher.store.tokens import Caller

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_ABOUT = """What Session Watcher knows, and what can be asked of it.

Every request but `/api/health` needs `Authorization: Bearer <token>`. A reader's token reads everything, a user's own
token what is that user's, an admin's may do everything; what needs an admin's token is written into the audit."""


def build(service: LiveService, token: str) -> FastAPI:
    """Build the application of one service."""
    app = FastAPI(
        title="Session Watcher",
        version="1",
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    keeper = Doorkeeper(token, service.core.query)
    for part in (reports, session_routes, knowledge_routes, admin, uploads, metrics):
        app.include_router(part.router(service, keeper))

    @app.get("/api/openapi.json", tags=["reports"], responses=problems(400, 401))
    def openapi(caller: Caller = Depends(keeper.known)) -> dict[str, Any]:
        """Return this description."""
        return described(app)

    @app.exception_handler(405)
    async def no_such_method(request: Request, error: HTTPException) -> Response:
        """List all methods of a path, not only those of its first endpoint."""
        there = [name for name in _METHODS if _is_served(app, request, name)]
        return JSONResponse({"detail": error.detail}, 405, {"Allow": ", ".join(there)})

    host = service.core.settings.http
    app.add_middleware(Audited, job_log=service.core.job_log)
    app.add_middleware(RequestGate, names=[host.host, *host.names])
    pages.install(app, service, keeper)  # last, so that its headers are on every answer
    return app


def described(app: FastAPI) -> dict[str, Any]:
    """Build the OpenAPI description, with the authentication scheme."""
    found = app.openapi()
    found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{"token": []}]
    found["paths"]["/api/health"]["get"]["security"] = []
    return found


def _is_served(app: FastAPI, request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in app.router.routes)
