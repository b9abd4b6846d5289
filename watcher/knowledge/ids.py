"""How things of the knowledge base are named: by what they say, so that the same has the same name everywhere."""

from __future__ import annotations

import hashlib
import re


def name_of(title: str, content: str) -> str:
    """An item's identity: ``kv_`` and 12 hex digits."""
    return "kv_" + _hex(f"{title}:{content}", 12)


def evidence_of(item: str, session: str, turn: str | None, quote: str) -> str:
    """The identity of what was said once about an item.

    A line keeps its own name in every copy (forks, resumed sessions): with it, copies are the same event.
    """
    place = f"turn:{turn}" if turn is not None else f"session:{session}"
    return "ev_" + _hex("\0".join([item, place, " ".join(quote.split())]), 16)


def contradiction_of(one: str, other: str) -> str:
    """The identity of a pair of items that cannot both hold, whichever was first."""
    return "kc_" + _hex("\0".join(sorted([one, other])), 12)


def may_be_a_name(text: str) -> bool:
    """Whether something could be called so: what could not is never put into an address."""
    return re.fullmatch(r"[A-Za-z0-9_]{1,200}", text) is not None


def _hex(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:digits]
