"""Sessions: what each processor has of them, and what people ask for them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request

from watcher import orders, standing
from watcher.errors import NoSuchSession, OrderFailed, OrderRefused
from watcher.http.auth import Doorkeeper
from watcher.live import LiveService
from watcher.store.tokens import Caller

Word = Annotated[str, Query(max_length=500)]
Key = Annotated[str, Query(max_length=20_000)]
Status = Literal["", "ok", "failed", "quarantined", "gone"]


def router(service: LiveService, keeper: Doorkeeper) -> APIRouter:
    """The endpoints for one service."""
    routes = APIRouter(prefix="/api/sessions")
    core = service.core

    @routes.get("")
    def _list(
        caller: Caller = Depends(keeper.known),
        processor: Word = "",
        status: Status = "",
        user: Word = "",
        text: Word = "",
        limit: Annotated[int, Query(ge=1, le=10_000)] = 50,
    ) -> dict[str, Any]:
        if caller.role == "user":
            if user not in ("", caller.username):
                raise HTTPException(403, "this token sees only what is its user's own")
            user = caller.username or ""
        return standing.listing(core.query, standing.Chosen(processor, status, user, text, limit))

    @routes.get("/one", dependencies=[Depends(keeper.reader)])
    def _show(session: Key) -> dict[str, Any]:
        try:
            key = standing.find(core.query, core.tree, session)
        except NoSuchSession as error:
            raise HTTPException(404, str(error)) from None
        return standing.session(core.query, core.tree, core.versions(), key)

    def ordering(order: orders.Order) -> None:
        allowed = keeper.admin(f"sessions_{order}")

        @routes.post(f"/{order}", dependencies=[Depends(allowed)], name=f"sessions_{order}")
        def _order(
            request: Request,
            session: Annotated[list[str] | None, Query(max_length=1000)] = None,
            status: Literal["", "failed", "quarantined"] = "",
            processor: Word = "",
        ) -> dict[str, Any]:
            try:
                answers = core.order(order, session or [], status, processor)
            except NoSuchSession as error:
                raise HTTPException(404, str(error)) from None
            except OrderRefused as error:
                raise HTTPException(400, str(error)) from None
            except OrderFailed as error:
                raise HTTPException(500, str(error)) from None
            request.state.resource = ", ".join(sorted({answer.session for answer in answers}))[:500]
            return {"answers": [asdict(answer) for answer in answers]}

    for order in orders.ORDERS:
        ordering(order)
    return routes
