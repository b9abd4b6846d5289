"""Audit middleware: records each authenticated request once, whatever its result, before the answer is sent."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watcher.logs import Log
from watcher.store.job_log import JobLog

log = Log()


class Audited:
    """ASGI middleware that adds an audit entry to every request whose endpoint has named an ``action``."""

    def __init__(self, app: ASGIApp, job_log: JobLog) -> None:
        self._app, self._job_log = app, job_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        state: dict[str, Any] = scope.setdefault("state", {})
        answered = False

        def note(status: int) -> None:
            if "action" in state and "caller" in state:
                params = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
                self._job_log.audit(
                    state["action"],
                    state["caller"].name,
                    state.get("resource"),
                    {**params, **state.get("params", {})},
                    status,
                    round((time.monotonic() - began) * 1000),
                    state.get("unhandled"),
                )

        async def noted(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                if "action" in state:
                    await run_in_threadpool(note, message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            log.exception("request_failed", path=scope["path"])
            if answered:  # nothing can be sent any more: the connection is closed
                raise
            state["unhandled"] = f"{type(error).__name__}: {error}"
            # Unauthenticated clients are told no internals.
            told = state["unhandled"] if "caller" in state else "it failed; see the service's log"
            await JSONResponse({"detail": told}, 500)(scope, receive, noted)
        except BaseException as error:  # the service stops and does not wait for it any longer
            if not answered:
                state["unhandled"] = f"the service ended meanwhile ({type(error).__name__})"
                note(503)
            raise
