"""Access tokens of people and programs; only their digests are stored."""

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
    """The authenticated caller: an ``admin`` may do everything, a ``reader`` read all, a ``user`` read their own."""

    name: str
    role: Role
    #: The user name, for the role ``user``.
    username: str | None = None


def make(query: Query, name: str, role: str, username: str | None) -> dict[str, Any]:
    """Create a token; its text is returned once and not stored.

    Raises:
        TokenRefused: role, name or user name is invalid, or the name is in use.
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
    """All tokens without their text; ready for JSON."""
    names = ("token_id", "name", "role", "username", "created_at", "revoked_at")
    return [named(names, row) for row in query(QUERIES["tokens"], [])]


def revoke(query: Query, which: str) -> dict[str, Any]:
    """Revoke a token by name or id.

    Raises:
        TokenRefused: no valid token matches.
    """
    found = [one for one in listing(query) if which in (one["token_id"], one["name"]) and one["revoked_at"] is None]
    if not found:
        raise TokenRefused(f"no token in force is named {which!r}; see tokens list")
    query(QUERIES["revoke_token"], [found[0]["token_id"], datetime.now(UTC)])
    return found[0]


def caller(query: Query, text: str) -> Caller | None:
    """The caller of a token; None if it is unknown or revoked."""
    for name, role, username in query(QUERIES["token_of"], [digest(text)]):
        return Caller(name, role, username)
    return None


def digest(text: str) -> str:
    """The stored digest of a token: SHA-256, sufficient as tokens are long and random."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
