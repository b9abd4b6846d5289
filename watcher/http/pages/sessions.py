"""Sessions: found, looked into, tried again, made anew and forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response

from processors.errors import reports as errors
from processors.usage.reports import reconcile, timeline
from processors.usage.reports.timeline import Moment
from watcher.errors import NoSuchSession
from watcher.http.pages import charts
from watcher.http.pages.layout import Frame, Visitor
from watcher.http.session_routes import ordered
from watcher.sessions import commands
from watcher.sessions import status as session_status

#: How many sessions a page shows at first, and when asked for more.
FIRST, MORE = 50, 500
#: How much of a session's course is shown at first, and when asked for all of it.
SOME, ALL = 300, 5000
#: A gap that people would call a pause.
PAUSE = timedelta(minutes=10)

Given = Annotated[str, Query(max_length=500)]
Key = Annotated[str, Query(min_length=1, max_length=20_000)]
_ASKS = {
    "retry": "is tried again",
    "reprocess": "is taken again from its start",
    "forget": "is forgotten",
}


def router(frame: Frame) -> APIRouter:
    """The pages for one service."""
    routes = APIRouter()
    core = frame.core

    @routes.get("/sessions", dependencies=frame.in_turn)
    def _list(
        request: Request,
        text: Given = "",
        processor: Given = "",
        status: Given = "",
        user: Given = "",
        more: Given = "",
    ) -> Response:
        visitor = frame.visitor(request)
        if visitor.only is not None:
            user = visitor.only
        if status not in ("", *session_status.STATUSES):
            raise HTTPException(400, f"status = {status[:50]}: {', '.join(session_status.STATUSES)} are accepted.")
        chosen = session_status.SessionFilter(processor, status, user, text.strip(), MORE if more else FIRST)
        found = session_status.whole(core.query, chosen)
        keys = [one["session"] for one in found["sessions"]]
        words = {"text": chosen.text, "processor": processor, "status": status, "user": user}
        return frame.show(
            request,
            "sessions.html",
            visitor,
            found=found,
            chosen=chosen,
            narrowed=any(words[name] for name in words if name != "user" or visitor.only is None),
            words=urlencode({name: value for name, value in words.items() if value}),
            processors=sorted({*core.pipelines, *([processor] if processor else [])}),
            statuses=session_status.STATUSES,
            glances=timeline.glances(core.query, keys) if keys and "usage" in core.pipelines else {},
            root=core.tree.root,
        )

    @routes.get("/sessions/one")
    def _one(request: Request, session: Key, whole: Given = "") -> Response:
        visitor = frame.visitor(request)
        found = known(visitor, session)
        most = ALL if whole else SOME
        counted = "usage" in core.pipelines
        moments = timeline.timeline(core.query, session, most + 1) if counted else []
        summary = timeline.summary(core.query, session) if counted else None
        related = timeline.related(core.query, summary) if summary is not None else {}
        theirs = {name: [key for key in keys if may_see(visitor, key)] for name, keys in related.items()}
        return frame.show(
            request,
            "session.html",
            visitor,
            found=found,
            summary=summary,
            stated=reconcile.of_session(core.query, session) if counted else None,
            related=theirs,
            course=_course(moments[:most]),
            left_out=len(moments) > most,
            most=most,
            whole=bool(whole),
            drawn=charts.drawn(frame, request, charts.course(moments[:most])),
            failures=errors.of_session(core.query, session) if "errors" in core.pipelines else {},
            counted=counted,
        )

    @routes.get("/sessions/forget")
    def _ask(request: Request, session: Key) -> Response:
        visitor = frame.reader(request)
        return frame.show(request, "forget.html", visitor, found=known(visitor, session))

    def may_see(visitor: Visitor, key: str) -> bool:
        return visitor.only is None or core.tree.username(key) == visitor.only

    def known(visitor: Visitor, key: str) -> dict[str, Any]:
        """What is known of a session that this visitor may see; one that is not theirs is not there."""
        if not may_see(visitor, key) or not session_status.is_known(core.query, core.tree, key):
            raise HTTPException(404, str(NoSuchSession(key[:200], [])))
        found = session_status.session(core.query, core.tree, core.versions(), key)
        nothing = dict.fromkeys(("status", "items_extracted", "processed_bytes", "processed_at"))
        return {**found, "processors": [{**nothing, **one} for one in found["processors"]]}

    def ordering(order: commands.Order) -> None:
        allowed = frame.acting(f"sessions_{order}")

        @routes.post(f"/sessions/{order}", name=f"page_sessions_{order}")
        def _order(
            request: Request,
            visitor: Visitor = Depends(allowed),
            session: Given = "",
            status: Given = "",
            processor: Given = "",
        ) -> Response:
            if status not in ("", "failed", "quarantined"):
                raise HTTPException(400, f"status = {status[:50]}: failed and quarantined are accepted.")
            named = [session] if session else []
            answers = ordered(request, lambda: core.sessions.order(order, named, status, processor))
            back = f"/sessions/one?{urlencode({'session': session})}" if session and order != "forget" else "/sessions"
            return frame.done(visitor, _told(order, answers), back)

    for order in commands.ORDERS:
        ordering(order)
    return routes


def _told(order: commands.Order, answers: list[commands.CommandResult]) -> str:
    """What came of an order, in a sentence or two."""
    done = sorted({answer.session for answer in answers if answer.done})
    refused = [answer for answer in answers if not answer.done]
    if len(done) == 1:
        by = ", ".join(answer.processor for answer in answers if answer.done)
        return f"{done[0]} {_ASKS[order]} ({by})."
    if done:
        return f"{len(done):,} sessions: each {_ASKS[order]}."
    if refused:
        return " ".join(f"{answer.processor}: {answer.message}." for answer in refused[:5])
    return "No session fits; nothing was done."


def _course(moments: list[Moment]) -> list[dict[str, Any]]:
    """What happened, with the pauses between, and with the day where another one begins."""
    told: list[dict[str, Any]] = []
    before, day = None, None
    for one in moments:
        gap = timedelta(0) if before is None or one.at is None else one.at - before
        new_day = None if one.at is None or one.at.date() == day else one.at.date()
        told.append({"moment": one, "pause": gap.total_seconds() if gap > PAUSE else None, "day": new_day})
        before, day = one.at or before, new_day or day
    return told
