"""Memory that was freed: the C library keeps it for the next burst, unless it is told to give it back."""

from __future__ import annotations

import ctypes
import gc
import sys

#: The option of ``mallopt`` for how many heaps there are (malloc.h).
_ARENA_MAX = -8


def one_heap() -> None:
    """Have all threads share one heap, for a process that lives long; before it has any.

    A heap for each is faster where many threads allocate at once, which here the interpreter's lock forbids, and what
    one burst leaves behind in each of them is never given back.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_ARENA_MAX, 1)


def give_back() -> None:
    """Hand what is free back to the system, where the C library can do that."""
    gc.collect()  # also empties the interpreter's lists of objects to be used again, each of which holds a megabyte
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
