"""The HTTP status of every error, the same for the API and the pages."""

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
    """Call a function and turn its error into an HTTP response.

    Raises:
        HTTPException: the call was refused; with the error's message and its status.
    """
    try:
        return work()
    except tuple(_STATUS) as error:
        raise HTTPException(_STATUS[type(error)], str(error)) from None
