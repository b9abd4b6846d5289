"""Upload endpoints: whole transcripts, or what was appended to them."""

from __future__ import annotations

import base64
import tempfile
from typing import Annotated, BinaryIO, cast

from fastapi import APIRouter, Depends, Header, HTTPException, Path, Request
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from watcher.daemon import LiveService
from watcher.errors import NoFolder, NoRoom, OffsetMismatch, PathRefused, TooLong
from watcher.http.auth import NOT_THEIRS, Doorkeeper
from watcher.http.body import receive
from watcher.http.guard import UPLOADS
from watcher.http.schemas import OffsetProblemOut, UploadedOut, problems
from watcher.http.upload_store import Uploads, parts_of
from watcher.store.tokens import Caller
from watcher.transcripts.sessions import key_of

#: Bodies up to this size, in bytes, are kept in memory.
IN_MEMORY = 1 << 20

#: Names that are certain to be accepted; most others are, too.
_NAME = "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}"
_PATH = Path(
    description="`<user>/<path>.jsonl`, relative to the sessions folder; slashes may be encoded.",
    examples=["ann/-home-ann-shop/0f4e7d2a-8a4c-4a57-9d0c-3c5a2b1d9e10.jsonl"],
    json_schema_extra={"pattern": rf"^({_NAME}/){{1,6}}{_NAME}\.jsonl$"},
)
_OFFSET = Header(
    alias="Upload-Offset",
    description="The body follows this many bytes of the stored transcript. Without it, it is the whole transcript.",
)
_BODY = {
    "requestBody": {
        "required": True,
        "description": "The transcript's bytes; with `Content-Encoding: gzip`, packed.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_HELD = {
    "Upload-Offset": {"description": "How many bytes are there.", "schema": {"type": "integer"}},
    "Repr-Digest": {"description": "SHA-256 of these bytes: `sha-256=:<base64>:`.", "schema": {"type": "string"}},
}


def router(service: LiveService, keeper: Doorkeeper) -> APIRouter:
    """Build the upload endpoints of one service."""
    routes = APIRouter(prefix="/api", tags=["uploads"])
    core = service.core
    uploads = Uploads(core.tree, int(core.settings.http.max_upload))

    def place(request: Request, caller: Caller) -> tuple[str, ...]:
        """Parse the raw path: the server's decoded path no longer shows what was encoded."""
        try:
            parts = parts_of(request.scope["raw_path"].partition(UPLOADS.encode())[2])
        except PathRefused as error:
            raise HTTPException(400, str(error)) from None
        if caller.role == "user" and parts[0] != caller.username:
            raise HTTPException(403, NOT_THEIRS)
        return parts

    @routes.head(
        "/upload/{path:path}",
        responses={200: {"headers": _HELD}, **problems(400, 401, 403, 404, 503)},
        response_class=Response,
    )
    def upload_held(request: Request, path: Annotated[str, _PATH], caller: Caller = Depends(keeper.known)) -> Response:
        """Return the size and hash of a stored transcript, so that a client can send only the rest."""
        try:
            held = uploads.held(place(request, caller))
        except PathRefused as error:
            raise HTTPException(400, str(error)) from None
        except NoFolder as error:
            raise HTTPException(503, str(error)) from None
        if held is None:
            raise HTTPException(404, "no such transcript is here")
        digest = base64.b64encode(held.digest).decode()
        return Response(headers={"Upload-Offset": str(held.size), "Repr-Digest": f"sha-256=:{digest}:"})

    @routes.put(
        "/upload/{path:path}",
        response_model=UploadedOut,
        responses={
            201: {"model": UploadedOut, "description": "It was not there before."},
            409: {"model": OffsetProblemOut, "description": "It does not go on from what is there."},
            **problems(400, 401, 403, 408, 413, 415, 422, 503, 507),
        },
        openapi_extra=_BODY,
    )
    async def upload(
        request: Request,
        path: Annotated[str, _PATH],
        caller: Caller = Depends(keeper.acting("upload", "admin", "user")),
        offset: Annotated[Annotated[int, Field(ge=0, le=2**63 - 1)] | SkipJsonSchema[None], _OFFSET] = None,
    ) -> Response:
        """Store a whole transcript, or append the bytes after an offset; repeating an upload changes nothing."""
        parts = place(request, caller)
        key = key_of("/".join(parts).encode(), core.tree.node)
        request.state.resource = key
        with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(core.settings.paths.state)) as spool:
            try:
                body = cast("BinaryIO", spool)
                length = await receive(request, body, uploads.longest)
                request.state.params = {"offset": offset, "bytes": length}
                taken = await run_in_threadpool(uploads.take, parts, body, length, offset)
            except OffsetMismatch as error:
                answer = {"detail": str(error), "size": error.size}
                return JSONResponse(answer, 409, {"Upload-Offset": str(error.size)})
            except (PathRefused, NoFolder, TooLong, NoRoom) as error:
                raise HTTPException(_STATUS[type(error)], str(error)) from None
        answer = {"session": key, "size": taken.size, "changed": taken.changed}
        return JSONResponse(answer, 201 if taken.made else 200, {"Upload-Offset": str(taken.size)})

    return routes


_STATUS: dict[type[Exception], int] = {PathRefused: 400, TooLong: 413, NoFolder: 503, NoRoom: 507}
