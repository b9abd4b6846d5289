"""Memory that was freed: the C library keeps it for the next burst, unless it is told to give it back."""

from __future__ import annotations

import ctypes
import gc
import sys


def give_back() -> None:
    """Hand what is free back to the system, where the C library can do that."""
    gc.collect()  # also empties the interpreter's lists of objects to be used again, each of which holds a megabyte
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
