"""Shared layout of the pages: the visitor, the navigation and the templates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from watcher.charts.render import Easel
from watcher.daemon import LiveService
from watcher.errors import Unconfirmed
from watcher.http.auth import Doorkeeper
from watcher.http.login_sessions import COOKIE, LoginSession, Visits
from watcher.http.pages import filters
from watcher.http.pages.forms import SignInNeeded, fields, must_be_from_here, must_be_of
from watcher.store.tokens import Caller

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
#: Header sent by the refreshing script: it must not consume one-time messages.
REFRESHING = "x-refreshing"


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation."""

    address: str
    title: str
    #: The letter that leads there after g.
    key: str
    #: Whether users with a personal token see it.
    for_users: bool = False


#: In this order on every page. A new page is a line here, a module with a ``router`` and a template.
NAVIGATION = (
    Place("/", "Overview", "o"),
    Place("/usage", "Usage", "u", for_users=True),
    Place("/sessions", "Sessions", "s", for_users=True),
    Place("/knowledge", "Knowledge", "k", for_users=True),
    Place("/admin/scheduler-runs", "Runs", "r"),
)


@dataclass(frozen=True, slots=True)
class Visitor:
    """The signed-in person who requests a page."""

    visit: LoginSession
    caller: Caller

    @property
    def may_act(self) -> bool:
        """Whether buttons are enabled."""
        return self.caller.role == "admin"

    @property
    def only(self) -> str | None:
        """The user to whom the pages are restricted; None: unrestricted."""
        return self.caller.username if self.caller.role == "user" else None


class Frame:
    """Renders the pages of one service."""

    def __init__(self, service: LiveService, keeper: Doorkeeper) -> None:
        self.service = service
        self.core = service.core
        self.keeper = keeper
        #: Dependencies of a page with expensive reads.
        self.in_turn = [Depends(keeper.in_turn, scope="function")]
        self.visits = Visits(keeper.who)
        self.easel = Easel()
        self._pages = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._pages.filters |= filters.FILTERS

    def visitor(self, request: Request) -> Visitor:
        """Return the signed-in visitor.

        Raises:
            SignInNeeded: nobody is signed in.
            HTTPException: 400, the address contains characters that a database cannot store.
        """
        visitor = self._signed_in(request)
        if any("\0" in value for value in request.query_params.values()):
            raise HTTPException(400, "The address holds a NUL; no name has one.")
        return visitor

    def _signed_in(self, request: Request) -> Visitor:
        found = self.visits.find(request.cookies.get(COOKIE))
        if found is None:
            raise SignInNeeded
        return Visitor(*found)

    def reader(self, request: Request) -> Visitor:
        """Require a role that may read everything.

        Raises:
            SignInNeeded: nobody is signed in.
            HTTPException: 403 for a user's own token.
        """
        visitor = self.visitor(request)
        if visitor.only is not None:
            raise HTTPException(403, "Your token sees only what is your own: see Usage, Sessions and Knowledge.")
        return visitor

    def sending(self, request: Request, given: dict[str, str] = Depends(fields)) -> Visitor:
        """Require a visitor who has submitted one of our forms."""
        visitor = self.visitor(request)
        must_be_from_here(request)
        must_be_of(visitor.visit, given)
        return visitor

    def acting(self, action: str) -> Callable[..., Visitor]:
        """Require an admin who has submitted a form; it is audited as ``action``, like the API's request."""

        def allowed(request: Request, given: dict[str, str] = Depends(fields)) -> Visitor:
            visitor = self.visitor(request)
            request.state.caller, request.state.action = visitor.caller, action
            must_be_from_here(request)
            must_be_of(visitor.visit, given)
            if not visitor.may_act:
                raise HTTPException(403, f"An admin's token is needed for this; yours is a {visitor.caller.role}'s.")
            return visitor

        return allowed

    def show(
        self, request: Request, template: str, visitor: Visitor | None, answer: int = 200, **values: Any
    ) -> Response:
        """Render a page."""
        places = [place for place in NAVIGATION if visitor and (place.for_users or visitor.only is None)]
        notes: list[str] = []
        if visitor is not None and REFRESHING not in request.headers:
            notes, visitor.visit.notes = visitor.visit.notes, []
        path = request.url.path
        here = max((p.address for p in places if path == p.address or path.startswith(f"{p.address}/")), default="")
        text = self._pages.get_template(template).render(
            visitor=visitor, places=places, here=here, notes=notes, now=datetime.now(UTC), **values
        )
        return HTMLResponse(text, answer)

    def trouble(self, request: Request, status: int, message: str) -> Response:
        """Render an error page."""
        unknown: tuple[type[Exception], ...] = (SignInNeeded, *self.core.database.Error)
        try:
            visitor = self._signed_in(request)
        except unknown:
            visitor = None
        if status == 404 and message == "Not Found":
            message = "There is no such page."
        return self.show(request, "trouble.html", visitor, status, code=status, message=message[:2000])

    def unconfirmed(self, request: Request, error: Unconfirmed) -> Response:
        """Render the texts that agents would read, with a button that confirms and resends the form."""
        given = {name: value for name, value in request.state.fields.items() if name != "confirmed"}
        item = request.query_params.get("item")
        return self.show(
            request,
            "unconfirmed.html",
            self._signed_in(request),
            400,
            unread=error.unread,
            given=given,
            address=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            back=f"/knowledge/item?{urlencode({'item': item})}" if item else "/knowledge",
        )

    def done(self, visitor: Visitor, note: str, address: str) -> Response:
        """Redirect after an action to a page that shows its result and can be reloaded without repeating it."""
        visitor.visit.notes.append(note)
        return RedirectResponse(address, 303)

    def sign_in_address(self, request: Request) -> str:
        """Return the sign-in address that leads back to this page; a submitted form is not sent again."""
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return "/sign-in" if request.method != "GET" or wanted == "/" else f"/sign-in?{urlencode({'next': wanted})}"


def inside(address: str, otherwise: str = "/") -> str:
    """Return a requested local address; anything that a browser might resolve to another host is refused."""
    # What begins with one slash has no host; browsers read \\ as / and leave out line ends and tabs.
    ours = address.startswith("/") and not address.startswith("//") and "\\" not in address and address.isprintable()
    return address if ours else otherwise
