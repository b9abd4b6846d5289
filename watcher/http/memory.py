"""The knowledge base: what is known, with its proof; decisions about it; what is served to agents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Body, Depends, HTTPException, Path, Query, Request

from watcher.errors import ItemChanged, NoSuchContradiction, NoSuchItem, ReviewRefused
from watcher.http.auth import Doorkeeper
from watcher.knowledge import exchange, reading
from watcher.knowledge.bundle import bundle
from watcher.knowledge.review import DECISIONS, Decision, Edit
from watcher.live import LiveService
from watcher.store.tokens import Caller

T = TypeVar("T")

Name = Annotated[str, Path(max_length=40)]
Text = Annotated[str | None, Query(max_length=2000)]
Word = Annotated[str, Query(max_length=200)]
Status = Literal["", "pending", "approved", "mandatory", "rejected", "revoked", "expired", "superseded"]
Domain = Literal["", "finance", "engineering", "product", "data", "operations", "infrastructure"]


def router(service: LiveService, keeper: Doorkeeper) -> APIRouter:
    """The endpoints for one service."""
    routes = APIRouter(prefix="/api/memory")
    core = service.core
    review = core.knowledge.review

    @routes.get("/items")
    def _list(
        caller: Caller = Depends(keeper.known),
        status: Status = "",
        domain: Domain = "",
        text: Word = "",
        served: bool = False,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 50,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    ) -> dict[str, Any]:
        wanted = reading.Wanted(status, domain, text, served or caller.role == "user", limit, offset)
        return reading.items(core.query, wanted, caller.username)

    @routes.get("/items/{item}")
    def _show(item: Name, served: bool = False, caller: Caller = Depends(keeper.known)) -> dict[str, Any]:
        only_served = served or caller.role == "user"
        return answered(lambda: reading.item(core.query, item, caller.username, only_served))

    @routes.post("/items", dependencies=[Depends(keeper.admin("memory_add"))])
    def _add(
        request: Request,
        title: Text = None,
        content: Text = None,
        domain: Domain = "",
        entity: Annotated[list[str] | None, Query(max_length=20)] = None,
        audience: Text = None,
        valid_from: Text = None,
        valid_until: Text = None,
        mandatory: bool = False,
        reason: Text = None,
    ) -> dict[str, Any]:
        edit = Edit(title, content, domain or None, entity, audience, None, valid_from, valid_until)
        found = answered(lambda: review.add(_actor(request), edit, mandatory, reason))
        request.state.resource = found["item_id"]
        return found

    def deciding(decision: Decision) -> None:
        allowed = keeper.admin(f"memory_{decision}")

        @routes.post(f"/items/{{item}}/{decision}", dependencies=[Depends(allowed)], name=f"memory_{decision}")
        def _decide(request: Request, item: Name, reason: Text = None, seen: Text = None) -> dict[str, Any]:
            request.state.resource = item
            return answered(lambda: review.decide(decision, item, _actor(request), reason, seen))

    for decision in DECISIONS:
        deciding(decision)

    @routes.post("/items/{item}/edit", dependencies=[Depends(keeper.admin("memory_edit"))])
    def _edit(
        request: Request,
        item: Name,
        title: Text = None,
        content: Text = None,
        domain: Domain = "",
        entity: Annotated[list[str] | None, Query(max_length=20)] = None,
        audience: Text = None,
        valid_from: Text = None,
        valid_until: Text = None,
        reason: Text = None,
    ) -> dict[str, Any]:
        request.state.resource = item
        edit = Edit(title, content, domain or None, entity, audience, None, valid_from, valid_until)
        return answered(lambda: review.edit(item, _actor(request), edit, reason))

    @routes.post("/items/{item}/own")
    def _own(item: Name, personal: bool, caller: Caller = Depends(keeper.known)) -> dict[str, Any]:
        """Somebody makes what they alone have said their own, or everybody's again."""
        if caller.username is None:
            raise HTTPException(403, "a user's own token is needed: an item is made personal by whose it is")
        owner = caller.username if personal else ""
        edit = Edit(owner=owner)
        return answered(lambda: review.edit(item, caller.name, edit, None, caller.username))

    @routes.post("/items/{item}/vote")
    def _vote(
        item: Name, vote: Annotated[int, Query(ge=-1, le=1)], caller: Caller = Depends(keeper.known)
    ) -> dict[str, Any]:
        return answered(lambda: review.vote(item, caller.username or caller.name, vote))

    @routes.get("/contradictions", dependencies=[Depends(keeper.reader)])
    def _contradictions(resolved: bool = False) -> dict[str, Any]:
        return {"contradictions": reading.contradictions(core.query, resolved=resolved)}

    @routes.post("/contradictions/{which}/resolve", dependencies=[Depends(keeper.admin("memory_resolve"))])
    def _resolve(
        request: Request,
        which: Name,
        resolution: Literal["kept_a", "kept_b", "merge", "both_valid"],
        title: Text = None,
        content: Text = None,
        reason: Text = None,
    ) -> dict[str, Any]:
        request.state.resource = which
        return answered(lambda: review.resolve(which, resolution, _actor(request), title, content, reason))

    @routes.get("/bundle", dependencies=[Depends(keeper.known)])
    def _bundle(group: Annotated[list[str] | None, Query(max_length=50)] = None) -> dict[str, Any]:
        return bundle(core.query, group or [])

    @routes.get("/counts", dependencies=[Depends(keeper.reader)])
    def _counts() -> dict[str, Any]:
        return reading.counts(core.query)

    @routes.get("/export", dependencies=[Depends(keeper.reader)])
    def _export() -> dict[str, Any]:
        return exchange.export(core.query)

    @routes.post("/import", dependencies=[Depends(keeper.admin("memory_import"))])
    def _import(request: Request, given: Annotated[dict[str, Any], Body()], trusted: bool = False) -> dict[str, Any]:
        return answered(lambda: asdict(exchange.take_in(core.knowledge.writer, given, _actor(request), trusted)))

    return routes


def _actor(request: Request) -> str:
    caller = request.state.caller
    assert isinstance(caller, Caller)
    return caller.name


def answered(work: Callable[[], T]) -> T:
    """What was asked for, with the status that each refusal has."""
    try:
        return work()
    except (NoSuchItem, NoSuchContradiction) as error:
        raise HTTPException(404, str(error)) from None
    except ItemChanged as error:
        raise HTTPException(409, str(error)) from None
    except ReviewRefused as error:
        raise HTTPException(400, str(error)) from None
