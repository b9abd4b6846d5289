"""Session endpoints: state rows of each processor, and commands on sessions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from watcher.daemon import LiveService
from watcher.errors import NoSuchSession
from watcher.http import schemas
from watcher.http.auth import NOT_THEIRS, Doorkeeper
from watcher.http.errors import answered
from watcher.http.params import PLAIN, Limit, Offset, Word
from watcher.http.schemas import problems
from watcher.sessions import commands
from watcher.sessions import status as session_status

#: The longest possible path, each byte percent-encoded, and a node's name.
_KEY = Field(max_length=20_000, pattern=PLAIN, examples=["0f4e7d2a"])
Status = Literal["", "ok", "failed", "quarantined", "gone"]


def ordered(request: Request, work: Callable[[], list[commands.CommandResult]]) -> list[commands.CommandResult]:
    """Return a command's results; the audit records its sessions."""
    given = answered(work)
    request.state.resource = ", ".join(sorted({answer.session for answer in given}))[:500]
    return given


def _older(
    older: Annotated[bool, Query(description="All that an earlier version of the processor has taken, too.")] = False,
) -> bool:
    return older


def _not_older() -> bool:
    return False


def router(service: LiveService, keeper: Doorkeeper) -> APIRouter:
    """Build the session endpoints of one service."""
    routes = APIRouter(prefix="/api/sessions", tags=["sessions"])
    refused = problems(400, 401, 403)
    core = service.core

    @routes.get("", response_model=schemas.SessionsOut, responses=refused)
    def sessions(
        only: str = Depends(keeper.only),
        processor: Word = "",
        status: Status = "",
        user: Word = "",
        text: Word = "",
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        """Sessions with their status, the latest first; a user's token sees its user's."""
        if only and user not in ("", only):
            raise HTTPException(403, NOT_THEIRS)
        chosen = session_status.SessionFilter(processor, status, only or user, text, limit, offset)
        return session_status.listing(core.query, chosen)

    @routes.get("/one", response_model=schemas.SessionOut, responses={**refused, **problems(404)})
    def session(
        session: Annotated[str, _KEY, Query(description="Any part of its key that means one session.")],
        only: str = Depends(keeper.only),
    ) -> dict[str, Any]:
        """All details of one session, with the reason for its status; a user's token sees its user's."""
        try:
            key = session_status.find(core.query, core.tree, session, only)
        except NoSuchSession as error:
            raise HTTPException(404, str(error)) from None
        return session_status.session(core.query, core.tree, core.versions(), key)

    def ordering(order: commands.Order, does: str) -> None:
        allowed = keeper.admin(f"sessions_{order}")

        @routes.post(
            f"/{order}",
            dependencies=[Depends(allowed)],
            name=f"sessions_{order}",
            description=does,
            response_model=schemas.OrderAnswersOut,
            responses={**refused, **problems(404, 500)},
        )
        def _order(
            request: Request,
            session: Annotated[
                list[Annotated[str, _KEY]] | SkipJsonSchema[None],
                Query(max_length=1000, description="Each by any part of its key that means one session."),
            ] = None,
            status: Literal["", "failed", "quarantined"] = "",
            processor: Word = "",
            older: bool = Depends(_older if order == "reprocess" else _not_older),
        ) -> dict[str, Any]:
            answers = ordered(request, lambda: core.sessions.order(order, session or [], status, processor, older))
            return {"answers": [asdict(answer) for answer in answers]}

    ordering("retry", "Retry failed and quarantined sessions.")
    ordering("reprocess", "Make sessions' rows anew from their files.")
    ordering("forget", "Erase sessions whose files are gone.")
    return routes
