"""HTML pages with the API's content, rendered on the server; a small script refreshes parts of them."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from watcher.daemon import LiveService
from watcher.errors import Unconfirmed, first_line
from watcher.http.auth import Doorkeeper
from watcher.http.pages import knowledge, overview, runs, sessions, sign_in, usage
from watcher.http.pages.forms import SignInNeeded
from watcher.http.pages.headers import Headers
from watcher.http.pages.layout import STATIC, Frame

#: Paths for programs: their errors stay JSON.
_FOR_PROGRAMS = ("/api/", "/metrics")


def install(app: FastAPI, service: LiveService, keeper: Doorkeeper) -> None:
    """Add the pages to the API's application."""
    frame = Frame(service, keeper)
    for part in (sign_in, overview, usage, sessions, knowledge, runs):
        app.include_router(part.router(frame), include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Headers)

    def for_a_program(request: Request) -> bool:
        return request.url.path.startswith(_FOR_PROGRAMS)

    def to_sign_in(request: Request, _error: Exception) -> Response:
        return RedirectResponse(frame.sign_in_address(request), 303)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if for_a_program(request):
            return await http_exception_handler(request, error)
        return frame.trouble(request, error.status_code, str(error.detail))

    async def impossible(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        if for_a_program(request):
            return await request_validation_exception_handler(request, error)
        wrong = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
        return frame.trouble(request, 422, f"{wrong}.")

    def unreadable(request: Request, error: Exception) -> Response:
        if for_a_program(request):
            raise error
        reason = first_line(error)
        request.state.unhandled = f"{type(error).__name__}: {reason}"
        return frame.trouble(
            request, 503, f"The database cannot be read: {reason}. See to the disk, or restore a backup."
        )

    async def unconfirmed(request: Request, error: Exception) -> Response:
        assert isinstance(error, Unconfirmed)
        if for_a_program(request):
            unread = [{"text": text, "warnings": warnings} for text, warnings in error.unread]
            return JSONResponse({"detail": str(error), "unread": unread}, 400)
        return frame.unconfirmed(request, error)

    no_such_method = app.exception_handlers[405]

    async def other_method(request: Request, error: Exception) -> Response:
        if for_a_program(request):
            return await no_such_method(request, error)  # type: ignore[misc,no-any-return]
        return frame.trouble(request, 405, "This page cannot be asked for that way.")

    app.add_exception_handler(405, other_method)
    app.add_exception_handler(Unconfirmed, unconfirmed)
    app.add_exception_handler(SignInNeeded, to_sign_in)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, impossible)
    for kind in service.core.database.Error:
        app.add_exception_handler(kind, unreadable)
