"""The knowledge pages: items for review with their evidence, contradictions, and the bundle for agents."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response

from processors.verification.reports import around
from watcher.http.errors import answered
from watcher.http.pages.forms import fields
from watcher.http.pages.layout import Frame, Visitor, inside
from watcher.knowledge import queries
from watcher.knowledge.bundle import bundle
from watcher.knowledge.edits import BLANK, DOMAINS
from watcher.knowledge.index import SERVED
from watcher.knowledge.review import DECISIONS, Decision, Edit

#: Items shown at first, and after "more".
FIRST, MORE = 25, 100

Given = Annotated[str, Query(max_length=200)]
Name = Annotated[str, Query(min_length=1, max_length=40)]
#: The message after a decision.
_DONE = {"approve": "is approved", "mandate": "is mandatory", "reject": "is rejected", "revoke": "is revoked"}


def router(frame: Frame) -> APIRouter:
    """Build the pages' routes for one service."""
    routes = APIRouter()
    core = frame.core
    review = core.knowledge.review

    @routes.get("/knowledge")
    def _list(request: Request, status: Given = "", domain: Given = "", text: Given = "", more: Given = "") -> Response:
        visitor = frame.visitor(request)
        for name, value, accepted in (("status", status, queries.STATUSES), ("domain", domain, DOMAINS)):
            if value not in ("", *accepted):
                raise HTTPException(400, f"{name} = {value[:50]}: {', '.join(accepted)} are accepted.")
        served = visitor.only is not None
        wanted = queries.ItemFilter(status, domain, text.strip(), served, MORE if more else FIRST)
        found = queries.items(core.query, wanted, visitor.caller.username)
        words = {"status": status, "domain": domain, "text": text.strip()}
        return frame.show(
            request,
            "knowledge.html",
            visitor,
            items=queries.with_proof(core.query, found["items"]),
            total=found["total"],
            chosen=wanted,
            narrowed=any(words.values()),
            words=urlencode({name: value for name, value in words.items() if value}),
            back=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            statuses=queries.STATUSES,
            domains=DOMAINS,
            counts=None if served else queries.counts(core.query),
            contradictions=[] if served else queries.contradictions(core.query),
            bundle=bundle(core.query),
            blank=BLANK,
        )

    @routes.get("/knowledge/item")
    def _one(request: Request, item: Name) -> Response:
        visitor = frame.visitor(request)
        caller = visitor.caller
        found = answered(lambda: queries.item(core.query, item, caller.username, visitor.only is not None))
        back = address_of(item)
        votes = {one["username"]: one["vote"] for one in found["votes"]}
        return frame.show(
            request,
            "knowledge_item.html",
            visitor,
            item=found,
            back=back,
            domains=DOMAINS,
            vote=votes.get(caller.username or caller.name, 0),
            alone={one["username"] for one in found["evidence"]} == {caller.username},
        )

    @routes.get("/knowledge/context")
    def _context(request: Request, item: Name, evidence: Name) -> Response:
        visitor = frame.visitor(request)
        only_served = visitor.only is not None
        found = answered(lambda: queries.item(core.query, item, visitor.caller.username, only_served))
        said = next((one for one in found["evidence"] if one["evidence_id"] == evidence), None)
        if said is None or visitor.only not in (None, said["username"]):
            raise HTTPException(404, f"There is no evidence {evidence!r} that you may see of this item.")
        turns = around(core.tree.lines(said["session_file"]), said["turn_id"]) if said["turn_id"] else []
        return frame.show(request, "knowledge_context.html", visitor, item=found, said=said, turns=turns)

    def deciding(decision: Decision) -> None:
        allowed = frame.acting(f"knowledge_{decision}")

        @routes.post(f"/knowledge/{decision}", name=f"page_knowledge_{decision}")
        def _decide(
            request: Request, item: Name, visitor: Visitor = Depends(allowed), given: dict[str, str] = Depends(sent)
        ) -> Response:
            request.state.resource = item
            seen = given.get("seen", "")
            if not seen:
                raise HTTPException(400, "The form does not say which text was read; nothing was done.")
            reason = given.get("reason") or None
            told = answered(
                lambda: review.decide(decision, item, visitor.caller.name, reason, seen, was_confirmed(given))
            )
            return frame.done(visitor, f"“{told['title']}” {_DONE[decision]}.", inside(given.get("back", "/knowledge")))

    for decision in DECISIONS:
        deciding(decision)

    @routes.post("/knowledge/add")
    def _add(
        request: Request,
        visitor: Visitor = Depends(frame.acting("knowledge_add")),
        given: dict[str, str] = Depends(sent),
    ) -> Response:
        edit = written(given)
        mandatory, reason = given.get("mandatory") == "1", given.get("reason") or None
        told = answered(lambda: review.add(visitor.caller.name, edit, mandatory, reason, was_confirmed(given)))
        request.state.resource = told["item_id"]
        return frame.done(visitor, f"“{told['title']}” is {told['status']}.", address_of(told["item_id"]))

    @routes.post("/knowledge/edit")
    def _edit(
        request: Request,
        item: Name,
        visitor: Visitor = Depends(frame.acting("knowledge_edit")),
        given: dict[str, str] = Depends(sent),
    ) -> Response:
        request.state.resource = item
        edit = written(given)
        reason, seen = given.get("reason") or None, given.get("seen")
        told = answered(
            lambda: review.edit(
                item, visitor.caller.name, edit, reason, visitor.caller.username, seen, was_confirmed(given)
            )
        )
        return frame.done(visitor, f"“{told['title']}” is changed.", address_of(item))

    @routes.post("/knowledge/resolve")
    def _resolve(
        request: Request,
        which: Name,
        visitor: Visitor = Depends(frame.acting("knowledge_resolve")),
        given: dict[str, str] = Depends(sent),
    ) -> Response:
        request.state.resource = which
        words = (given.get("title") or None, given.get("content") or None, given.get("reason") or None)
        resolution = given.get("resolution", "")
        told = answered(lambda: review.resolve(which, resolution, visitor.caller.name, *words, was_confirmed(given)))
        merged = told["merged_item"]
        back = address_of(merged) if merged else "/knowledge#contradictions"
        return frame.done(visitor, f"The contradiction is settled: {resolution.replace('_', ' ')}.", back)

    # The following actions are open to everybody and, as in the API, not audited: the item records votes and history.
    @routes.post("/knowledge/vote")
    def _vote(item: Name, visitor: Visitor = Depends(frame.sending), given: dict[str, str] = Depends(sent)) -> Response:
        caller = visitor.caller
        vote = {"1": 1, "-1": -1, "0": 0}.get(given.get("vote", ""))
        if vote is None:
            raise HTTPException(400, "vote: 1, -1 and 0 (to take it back) are accepted.")
        seen_by_them(visitor, item)
        answered(lambda: review.vote(item, caller.username or caller.name, vote))
        return frame.done(visitor, "Your vote is noted.", address_of(item))

    @routes.post("/knowledge/own")
    def _own(item: Name, visitor: Visitor = Depends(frame.sending), given: dict[str, str] = Depends(sent)) -> Response:
        caller = visitor.caller
        if caller.username is None:
            raise HTTPException(403, "A user's own token is needed: an item is made personal by whose it is.")
        seen_by_them(visitor, item)
        owner = caller.username if given.get("personal") == "1" else ""
        told = answered(lambda: review.edit(item, caller.name, Edit(owner=owner), None, caller.username))
        kept = told["owner"] is not None or told["status"] in SERVED
        note = "It is yours alone now." if owner else "It is everybody's again."
        return frame.done(visitor, note, address_of(item) if kept else "/knowledge")

    def seen_by_them(visitor: Visitor, which: str) -> None:
        """Refuse an action on an item that the visitor cannot see."""
        answered(lambda: queries.item(core.query, which, visitor.caller.username, visitor.only is not None))

    return routes


def address_of(item: str) -> str:
    """Return an item's address."""
    return f"/knowledge/item?{urlencode({'item': item})}"


def written(given: dict[str, str]) -> Edit:
    """Build an edit from a form."""
    words = (given.get("title"), given.get("content"), given.get("domain"))
    return Edit(
        *words,
        audience=given.get("audience"),
        valid_from=given.get("valid_from"),
        valid_until=given.get("valid_until"),
    )


def was_confirmed(given: dict[str, str]) -> bool:
    """Whether the visitor has confirmed reading the warnings."""
    return given.get("confirmed") == "1"


def sent(given: dict[str, str] = Depends(fields)) -> dict[str, str]:
    """Return a form's fields.

    Raises:
        HTTPException: 400, a field contains a NUL, which not every database stores.
    """
    if any("\0" in value for value in given.values()):
        raise HTTPException(400, "The form holds a NUL; no text has one.")
    return given
