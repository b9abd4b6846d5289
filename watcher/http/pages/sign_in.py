"""The sign-in and sign-out pages."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from watcher.http.login_sessions import COOKIE, LASTS
from watcher.http.pages.forms import SignInNeeded, fields, must_be_from_here, must_be_of
from watcher.http.pages.layout import Frame, inside

UNKNOWN = "This token is not known, or was revoked."


def router(frame: Frame) -> APIRouter:
    """Build the pages' routes for one service."""
    routes = APIRouter()

    def ask(request: Request, wanted: str, wrong: str = "", status: int = 200) -> Response:
        return frame.show(request, "sign_in.html", None, status, wanted=wanted, wrong=wrong)

    @routes.get("/sign-in")
    def _ask(request: Request) -> Response:
        wanted = inside(request.query_params.get("next", "/"))
        if frame.visits.find(request.cookies.get(COOKIE)) is not None:
            return RedirectResponse(wanted, 303)
        return ask(request, wanted)

    @routes.post("/sign-in")
    def _sign_in(request: Request, given: dict[str, str] = Depends(fields)) -> Response:
        must_be_from_here(request)
        wanted = inside(given.get("next", "/"))
        value = frame.visits.begin(given.get("token", "").strip())
        if value is None:
            frame.keeper.refuse(request, missing=False)
            return ask(request, wanted, UNKNOWN, 401)
        # A previous login session of this browser ends.
        frame.visits.end(request.cookies.get(COOKIE))
        response = RedirectResponse(wanted, 303)
        response.set_cookie(
            COOKIE, value, max_age=LASTS, httponly=True, samesite="strict", secure=request.url.scheme == "https"
        )
        return response

    @routes.post("/sign-out")
    def _sign_out(request: Request, given: dict[str, str] = Depends(fields)) -> Response:
        must_be_from_here(request)
        try:
            must_be_of(frame.visitor(request).visit, given)
        except SignInNeeded:
            pass  # it has ended already
        else:
            frame.visits.end(request.cookies.get(COOKIE))
        response = RedirectResponse("/sign-in", 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    return routes
