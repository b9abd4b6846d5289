"""Control of the C library's allocator, which otherwise keeps freed memory for later use."""

from __future__ import annotations

import ctypes
import gc
import sys

#: M_ARENA_MAX of ``mallopt``: the number of heaps (malloc.h).
_ARENA_MAX = -8


def one_heap() -> None:
    """Make all threads of a long-lived process share one heap; call it before any thread starts.

    A heap per thread is faster for concurrent allocation, which the interpreter's lock rules out here, and the memory
    that a burst leaves in each heap is never returned.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_ARENA_MAX, 1)


def give_back() -> None:
    """Return free memory to the system, where the C library supports it."""
    gc.collect()  # also clears the interpreter's free lists, which hold about a megabyte each
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
