"""Knowledge endpoints: items with their evidence, decisions about them, and the bundle for agents."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.concurrency import run_in_threadpool

from watcher.daemon import LiveService
from watcher.http import schemas_knowledge as answers
from watcher.http.auth import Doorkeeper
from watcher.http.errors import answered
from watcher.http.guard import IMPORT
from watcher.http.params import PLAIN, Identity, Limit, Offset, OptionalText, Word
from watcher.http.schemas import KnowledgeCountsOut, problems
from watcher.knowledge import import_export, queries
from watcher.knowledge.bundle import bundle
from watcher.knowledge.edits import DOMAINS, LONGEST_CONTENT, LONGEST_TITLE
from watcher.knowledge.judge import RESOLUTIONS
from watcher.knowledge.review import Decision, Edit
from watcher.store.tokens import Caller

Status = Literal["", "pending", "approved", "mandatory", "rejected", "revoked", "expired", "superseded"]
Domain = Literal["", "finance", "engineering", "product", "data", "operations", "infrastructure"]
Served = Annotated[bool, Query(description="Only items that are served to agents; always so for a user's token.")]
Title = Annotated[OptionalText, Query(description=f"At most {LONGEST_TITLE} characters.", examples=["VAT on books"])]
Content = Annotated[
    OptionalText,
    Query(
        description=f"At most {LONGEST_CONTENT} characters.", examples=["Books are taxed at the reduced rate of 7%."]
    ),
]
#: The review refuses other values itself, in the words used everywhere.
NewDomain = Annotated[
    str | SkipJsonSchema[None], Query(max_length=200, json_schema_extra={"enum": list(DOMAINS)}, examples=["finance"])
]
Resolution = Annotated[str, Query(max_length=200, json_schema_extra={"enum": list(RESOLUTIONS)}, examples=["kept_a"])]
Entities = Annotated[
    list[Annotated[str, Field(max_length=500, pattern=PLAIN)]] | SkipJsonSchema[None],
    Query(max_length=20, description="What it is about."),
]
Audience = Annotated[OptionalText, Query(description="`all`, or `group:<name>`.", examples=["all"])]
ValidFrom = Annotated[
    OptionalText, Query(description="The day or moment from which it holds; empty: always.", examples=["2026-01-31"])
]
ValidUntil = Annotated[
    OptionalText, Query(description="The day or moment until which it holds; empty: forever.", examples=["2027-01-31"])
]
Reason = Annotated[
    OptionalText, Query(description="Reason; kept in the history.", examples=["the tax adviser says so"])
]
Seen = Annotated[
    OptionalText,
    Query(description="The `digest` of the text that was read; if the text has changed since, nothing is done (409)."),
]
Confirmed = Annotated[
    bool,
    Query(
        description="That somebody has read what agents would be given, and its warnings: without that, what has some"
        " is refused, and the answer shows it (`unread`)."
    ),
]
Groups = Annotated[
    list[Annotated[str, Field(max_length=200, pattern=PLAIN)]] | SkipJsonSchema[None],
    Query(max_length=50, description="Also include items for these groups.", examples=[["tax"]]),
]
_FILE = {
    "requestBody": {
        "required": True,
        "description": "What `GET /api/knowledge/export` answers with.",
        "content": {"application/json": {"schema": answers.IMPORTED_FILE}},
    }
}


def _edit(
    title: Title = None,
    content: Content = None,
    domain: NewDomain = None,
    entity: Entities = None,
    audience: Audience = None,
    valid_from: ValidFrom = None,
    valid_until: ValidUntil = None,
) -> Edit:
    """Build an edit: an item's text, audience and validity."""
    return Edit(title, content, domain or None, entity, audience, None, valid_from, valid_until)


def router(service: LiveService, keeper: Doorkeeper) -> APIRouter:
    """Build the knowledge endpoints of one service."""
    routes = APIRouter(prefix="/api/knowledge", tags=["knowledge"])
    known, refused = problems(400, 401), problems(400, 401, 403)
    served = {**refused, 400: {**refused[400], "model": answers.KnowledgeProblemOut}}
    reader = [Depends(keeper.reader)]
    core = service.core
    review = core.knowledge.review

    def person(request: Request) -> Caller:
        """Return the user of a personal token."""
        caller = keeper.known(request)
        if caller.username is None:
            raise HTTPException(403, "a user's own token is needed: an item is made personal by whose it is")
        return caller

    @routes.get("/items", response_model=answers.KnowledgeItemsOut, responses=known)
    def knowledge_list(
        caller: Caller = Depends(keeper.known),
        status: Status = "",
        domain: Domain = "",
        text: Word = "",
        served: Served = False,
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        """List items, those that wait for review first; `text` holds words that must all occur."""
        wanted = queries.ItemFilter(status, domain, text, served or caller.role == "user", limit, offset)
        return queries.items(core.query, wanted, caller.username)

    @routes.get("/items/{item}", response_model=answers.KnowledgeItemOut, responses={**known, **problems(404)})
    def knowledge_show(
        item: Identity, served: Served = False, caller: Caller = Depends(keeper.known)
    ) -> dict[str, Any]:
        """Show one item: the text that agents read, its evidence and its history."""
        only_served = served or caller.role == "user"
        return answered(lambda: queries.item(core.query, item, caller.username, only_served))

    @routes.post(
        "/items",
        dependencies=[Depends(keeper.admin("knowledge_add"))],
        response_model=answers.KnowledgeItemOut,
        responses=served,
    )
    def knowledge_add(
        request: Request,
        edit: Edit = Depends(_edit),
        mandatory: bool = False,
        reason: Reason = None,
        confirmed: Confirmed = False,
    ) -> dict[str, Any]:
        """Add an item by hand; it is served at once. It needs a `title` and a `content`."""
        found = answered(lambda: review.add(_actor(request), edit, mandatory, reason, confirmed))
        request.state.resource = found["item_id"]
        return found

    def deciding(decision: Decision, does: str) -> None:
        allowed = keeper.admin(f"knowledge_{decision}")

        @routes.post(
            f"/items/{{item}}/{decision}",
            dependencies=[Depends(allowed)],
            name=f"knowledge_{decision}",
            description=does,
            response_model=answers.KnowledgeItemOut,
            responses={**served, **problems(404, 409)},
        )
        def _decide(
            request: Request, item: Identity, reason: Reason = None, seen: Seen = None, confirmed: Confirmed = False
        ) -> dict[str, Any]:
            request.state.resource = item
            return answered(lambda: review.decide(decision, item, _actor(request), reason, seen, confirmed))

    deciding("approve", "Let agents read an item.")
    deciding("mandate", "Make every agent read an item, whatever else there is room for.")
    deciding("reject", "Say that an item is not to be known; the same, said again, does not come back.")
    deciding("revoke", "Take back an approval: no agent is given the item any more.")

    @routes.post(
        "/items/{item}/edit",
        dependencies=[Depends(keeper.admin("knowledge_edit"))],
        response_model=answers.KnowledgeItemOut,
        responses={**served, **problems(404, 409)},
    )
    def knowledge_edit(
        request: Request,
        item: Identity,
        edit: Edit = Depends(_edit),
        reason: Reason = None,
        seen: Seen = None,
        confirmed: Confirmed = False,
    ) -> dict[str, Any]:
        """Edit an item's text, audience or validity; its id stays. Omitted values stay unchanged."""
        request.state.resource = item
        return answered(lambda: review.edit(item, _actor(request), edit, reason, None, seen, confirmed))

    @routes.post("/items/{item}/own", response_model=answers.KnowledgeItemOut, responses={**refused, **problems(404)})
    def knowledge_own(item: Identity, personal: bool, caller: Caller = Depends(person)) -> dict[str, Any]:
        """Make an item that only you have stated personal, or shared again; it needs a token of your own."""
        edit = Edit(owner=caller.username if personal else "")
        return answered(lambda: review.edit(item, caller.name, edit, None, caller.username))

    @routes.post("/items/{item}/vote", response_model=answers.KnowledgeItemOut, responses={**known, **problems(404)})
    def knowledge_vote(
        item: Identity,
        vote: Annotated[
            int, Query(ge=-1, le=1, description="Right (1), wrong (-1) or vote withdrawn (0).", examples=[1])
        ],
        caller: Caller = Depends(keeper.known),
    ) -> dict[str, Any]:
        """Vote on whether an item is right; reviewers see the votes and decide."""
        return answered(lambda: review.vote(item, caller.username or caller.name, vote))

    @routes.get("/contradictions", dependencies=reader, response_model=answers.ContradictionsOut, responses=refused)
    def knowledge_contradictions(
        resolved: Annotated[bool, Query(description="Also include resolved contradictions.")] = False,
    ) -> dict[str, Any]:
        """List contradictions: pairs of items that cannot both hold; `item_a` is the newer one."""
        return {"contradictions": queries.contradictions(core.query, resolved=resolved)}

    @routes.post(
        "/contradictions/{which}/resolve",
        dependencies=[Depends(keeper.admin("knowledge_resolve"))],
        response_model=answers.ContradictionOut,
        responses={**served, **problems(404)},
    )
    def knowledge_resolve(
        request: Request,
        which: Identity,
        resolution: Resolution,
        title: Title = None,
        content: Content = None,
        reason: Reason = None,
        confirmed: Confirmed = False,
    ) -> dict[str, Any]:
        """Resolve a contradiction: the item not kept is superseded at once; `merge` makes one item of both."""
        request.state.resource = which
        return answered(lambda: review.resolve(which, resolution, _actor(request), title, content, reason, confirmed))

    @routes.get("/bundle", dependencies=[Depends(keeper.known)], response_model=answers.BundleOut, responses=known)
    def knowledge_bundle(group: Groups = None) -> dict[str, Any]:
        """Return the bundle for agents: all mandatory items, then approved ones up to the size limit."""
        return bundle(core.query, group or [])

    @routes.get("/counts", dependencies=reader, response_model=KnowledgeCountsOut, responses=refused)
    def knowledge_counts() -> dict[str, Any]:
        """Count items by status, and the candidates and checks that wait."""
        return queries.counts(core.query)

    @routes.get("/export", dependencies=reader, response_model=answers.ExportedOut, responses=refused)
    def knowledge_export() -> dict[str, Any]:
        """Export all items that are not personal, with their evidence."""
        return import_export.export(core.query)

    @routes.post(
        IMPORT.removeprefix(routes.prefix),
        dependencies=[Depends(keeper.admin("knowledge_import"))],
        response_model=answers.ImportedOut,
        responses={**served, **problems(408, 413)},
        openapi_extra=_FILE,
    )
    async def knowledge_import(
        request: Request,
        trusted: Annotated[bool, Query(description="Items keep their status; otherwise they wait for review.")] = False,
        confirmed: Confirmed = False,
    ) -> dict[str, Any]:
        """Import the items of an export that are missing here, all or none of them."""
        body = await request.body()  # only now: the body of an unauthorised request is not read

        def work() -> dict[str, Any]:
            try:
                given = json.loads(body)
            except (ValueError, RecursionError) as error:
                raise HTTPException(400, f"the body is not JSON: {error}") from None
            return asdict(import_export.take_in(core.knowledge.writer, given, _actor(request), trusted, confirmed))

        return await run_in_threadpool(answered, work)

    return routes


def _actor(request: Request) -> str:
    caller = request.state.caller
    assert isinstance(caller, Caller)
    return caller.name
