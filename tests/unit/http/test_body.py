"""Bodies: whatever is sent, and in whatever pieces, it comes out whole or is refused before it takes room."""

from __future__ import annotations

import asyncio
import gzip
import io
import random

import pytest
from fastapi import HTTPException
from starlette.requests import Request
from starlette.types import Message

from watcher.errors import TooLong
from watcher.http.body import PIECE, receive


def received(body: bytes, longest: int, step: int, encoding: str = "gzip", whole: bool = True) -> bytes:
    """What becomes of a body that comes in pieces of so many bytes."""
    file = io.BytesIO()
    try:
        assert asyncio.run(_receive(body, longest, step, encoding, whole, file)) == len(file.getvalue())
    finally:
        assert len(file.getvalue()) <= longest, "more was taken than may be"
    return file.getvalue()


async def _receive(body: bytes, longest: int, step: int, encoding: str, whole: bool, file: io.BytesIO) -> int:
    pieces: list[Message] = [
        {"type": "http.request", "body": body[at : at + step], "more_body": True} for at in range(0, len(body), step)
    ]
    end: Message = {"type": "http.request", "body": b"", "more_body": False}
    pieces.append(end if whole else {"type": "http.disconnect"})

    async def next_piece() -> Message:
        return pieces.pop(0)

    scope = {"type": "http", "method": "PUT", "headers": [(b"content-encoding", encoding.encode())]}
    return await receive(Request(scope, next_piece), file, longest)


@pytest.mark.parametrize("seed", range(8))
def test_what_was_packed_comes_out(seed: int) -> None:
    """However it is cut, in one member or several; also where the packed bytes end before what they stand for."""
    rng = random.Random(seed)
    parts = [rng.choice([bytes(rng.randrange(3 * PIECE)), rng.randbytes(rng.randrange(500))]) for _ in range(3)]
    whole = b"".join(parts)
    for body in (gzip.compress(whole), b"".join(map(gzip.compress, parts))):
        for step in (rng.randrange(1, 50), PIECE, len(body)):
            assert received(body, len(whole), step) == whole, f"seed {seed}"
    assert received(whole, len(whole), PIECE, "identity") == whole


def test_a_bomb_is_stopped_before_it_goes_off() -> None:
    """It takes no more room than it may, whatever it would unpack to."""
    bomb = gzip.compress(bytes(20_000_000))
    assert len(bomb) < 25_000
    with pytest.raises(TooLong):
        received(bomb, 100_000, 1000)
    with pytest.raises(TooLong):
        received(bytes(200_000), 100_000, 1000, "identity")


@pytest.mark.parametrize("cut", [0, 1, 5, 12, -1, -8])
def test_what_is_packed_by_half_is_refused(cut: int) -> None:
    """Nothing of it counts, wherever it ends."""
    with pytest.raises(HTTPException) as refused:
        received(gzip.compress(b"{}\n" * 1000)[:cut], 10_000, 7)
    assert refused.value.status_code == 400


def test_what_cannot_be_unpacked_or_does_not_come_whole_is_refused() -> None:
    """Other encodings, other bytes, garbage after the end, somebody who goes away."""
    for body, encoding, whole, status in (
        (b"x", "br", True, 415),
        (b"no gzip", "gzip", True, 400),
        (gzip.compress(b"{}\n") + b"garbage", "gzip", True, 400),
        (gzip.compress(b"{}\n"), "gzip", False, 400),
        (b"{}\n", "identity", False, 400),
    ):
        with pytest.raises(HTTPException) as refused:
            received(body, 10_000, 7, encoding, whole)
        assert refused.value.status_code == status
