"""Tokens by which people and programs are known; only their digests are stored."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from watcher.errors import TokenRefused
from watcher.store.sql import QUERIES, Query, named

Role = Literal["admin", "reader", "user"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an ``admin`` may do everything, a ``reader`` see everything, a ``user`` see what is theirs."""

    name: str
    role: Role
    #: Whose token a user's is.
    username: str | None = None


def make(query: Query, name: str, role: str, username: str | None) -> dict[str, Any]:
    """A new token; its text is shown now and never again.

    Raises:
        TokenRefused: such a token cannot be.
    """
    if role not in ROLES:
        raise TokenRefused(f"the role {role!r} is none; there are {', '.join(ROLES)}")
    if (role == "user") != bool(username):
        raise TokenRefused("a token of the role user needs --user, and no other may have it")
    if not name.strip() or len(name) > 100:
        raise TokenRefused("a token needs a name of 1 to 100 letters, by which it is known in lists and audit")
    if query(QUERIES["token_named"], [name]):
        raise TokenRefused(f"there is a token named {name!r} already; revoke it first, or choose another name")
    token, text = secrets.token_hex(4), f"sw_{secrets.token_urlsafe(32)}"
    query(QUERIES["make_token"], [token, name, role, username, digest(text), datetime.now(UTC)])
    return {"token_id": token, "name": name, "role": role, "username": username, "token": text}


def listing(query: Query) -> list[dict[str, Any]]:
    """Every token, without its text; ready for JSON."""
    names = ("token_id", "name", "role", "username", "created_at", "revoked_at")
    return [named(names, row) for row in query(QUERIES["tokens"], [])]


def revoke(query: Query, which: str) -> dict[str, Any]:
    """End a token, by its name or identity.

    Raises:
        TokenRefused: there is none that is in force.
    """
    found = [one for one in listing(query) if which in (one["token_id"], one["name"]) and one["revoked_at"] is None]
    if not found:
        raise TokenRefused(f"no token in force is named {which!r}; see tokens list")
    query(QUERIES["revoke_token"], [found[0]["token_id"], datetime.now(UTC)])
    return found[0]


def caller(query: Query, text: str) -> Caller | None:
    """Whose token this is, None if it is nobody's or was revoked."""
    for name, role, username in query(QUERIES["token_of"], [digest(text)]):
        return Caller(name, role, username)
    return None


def digest(text: str) -> str:
    """What is stored of a token. They are long and random, so a plain hash cannot be guessed back."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
