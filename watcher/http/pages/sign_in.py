"""The way in and out."""

from __future__ import annotations

import time

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from watcher.http.auth import address_of
from watcher.http.login_sessions import COOKIE, LASTS
from watcher.http.pages.forms import SignInNeeded, fields, must_be_from_here, must_be_of
from watcher.http.pages.layout import Frame, inside
from watcher.logs import Log

log = Log()

TOO_MANY = "Too many wrong tokens came from your address. Try again in a while."
UNKNOWN = "This token is not known, or was revoked."


def router(frame: Frame) -> APIRouter:
    """The pages for one service."""
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
        address, token, guesses = address_of(request), given.get("token", "").strip(), frame.keeper.guesses
        seconds = guesses.wait(address, token)
        if seconds is None:
            return ask(request, wanted, TOO_MANY, 429)
        time.sleep(seconds)
        value = frame.visits.begin(token)
        if value is None:
            guesses.wrong(address, token)
            log.warning("a token was refused at the sign-in page", client=address)
            return ask(request, wanted, UNKNOWN, 401)
        guesses.right(address, token)
        # Whoever was signed in here before is not any more.
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
