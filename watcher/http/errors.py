"""What is refused, and with what status: the same for the API and the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fastapi import HTTPException

from watcher.errors import (
    ItemChanged,
    NoSuchContradiction,
    NoSuchItem,
    NoSuchSession,
    OrderFailed,
    OrderRefused,
    ReviewRefused,
    WatcherError,
)

T = TypeVar("T")

_STATUS: dict[type[WatcherError], int] = {
    NoSuchSession: 404,
    NoSuchItem: 404,
    NoSuchContradiction: 404,
    OrderRefused: 400,
    ReviewRefused: 400,
    ItemChanged: 409,
    OrderFailed: 500,
}


def answered(work: Callable[[], T]) -> T:
    """What was asked for.

    Raises:
        HTTPException: it was refused; with the sentence, and the status that this refusal has everywhere.
    """
    try:
        return work()
    except tuple(_STATUS) as error:
        raise HTTPException(_STATUS[type(error)], str(error)) from None
