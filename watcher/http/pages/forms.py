"""Forms: parsed within bounds, and only from our own pages."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import date
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request

from watcher.http.login_sessions import LoginSession

#: The largest form, in bytes; our own stay far below.
LONGEST = 64_000
_MOST_FIELDS = 20


class SignInNeeded(Exception):
    """Nobody is signed in, or the login session has ended."""


async def fields(request: Request) -> dict[str, str]:
    """Return the fields of the submitted form.

    Raises:
        HTTPException: 413, 415 or 400, it is not a form of ours.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "A form is accepted here, as a browser sends it.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST:
            raise HTTPException(413, f"A form of at most {LONGEST:,} bytes is accepted here.")
    try:
        found = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise HTTPException(400, f"A form of at most {_MOST_FIELDS} fields is accepted here.") from None
    request.state.fields = found
    return found


def day(name: str, text: str) -> date | None:
    """Parse a day in an address; an empty one is None.

    Raises:
        HTTPException: 400, it is not a day.
    """
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HTTPException(400, f"{name} = {text[:50]}: a day such as 2026-01-31 is accepted.") from None


def must_be_from_here(request: Request) -> None:
    """Refuse requests that another site's page made a browser send.

    Raises:
        HTTPException: 403, the origin is foreign or missing.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:  # set by the browser itself, whatever a proxy between has made of the names
        ours = site == "same-origin"
    else:
        host = request.headers.get("host", "")
        ours = request.headers.get("origin") in (f"http://{host}", f"https://{host}")
    if not ours:
        raise HTTPException(403, "This form was not sent from a page of this service; nothing was done.")


def must_be_of(visit: LoginSession, given: Mapping[str, str]) -> None:
    """Refuse a form that was not made for this login session.

    Raises:
        HTTPException: 403.
    """
    if not hmac.compare_digest(given.get("form_key", "").encode("utf-8", "replace"), visit.form_key.encode()):
        raise HTTPException(
            403, "This form was made before you signed in, or elsewhere; nothing was done. Load the page again."
        )
