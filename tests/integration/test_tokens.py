"""Tokens: shown once, stored as digests, known until they are revoked, and each may do what its role may."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import database_in
from watcher.errors import SettingsError, TokenRefused
from watcher.http.local_token import token_of
from watcher.settings import load
from watcher.settings.tables import strong
from watcher.store import tokens
from watcher.store.database import Connection
from watcher.store.duck import DuckDatabase
from watcher.store.tokens import Caller

#: Short, of few characters, with a space, not ASCII.
WEAK = [
    "sesame",
    "0123456789abcdef0123456789abcde",
    "0123456" * 9,
    "0123456789 0123456789 0123456789",
    "ä" + "0123456789" * 4,
]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[DuckDatabase]:
    made = database_in(tmp_path)
    yield made
    made.close()


@pytest.fixture
def connection(database: DuckDatabase) -> Connection:
    return database.connect()


def test_a_token_is_shown_once_and_stored_hashed(
    database: DuckDatabase, connection: Connection, tmp_path: Path
) -> None:
    """Its text stands nowhere: neither in a table, nor in the list, nor in the file."""
    made = tokens.make(connection.execute, "ci", "reader", None)
    text = made["token"]
    assert text.startswith("sw_") and len(text) > 40
    (row,) = connection.execute("SELECT * FROM api_tokens")
    assert text not in repr(row) and hashlib.sha256(text.encode()).hexdigest() in row
    assert text not in repr(tokens.listing(connection.execute))
    database.checkpoint()
    for path in tmp_path.iterdir():
        assert text.encode() not in path.read_bytes(), path
    others = {tokens.make(connection.execute, f"t{n}", "reader", None)["token"] for n in range(20)}
    assert len({text, *others}) == 21


@pytest.mark.parametrize(("role", "user"), [("admin", None), ("reader", None), ("user", "ann")])
def test_who_has_a_token_is_known_by_it(connection: Connection, role: str, user: str | None) -> None:
    """With name, role and user, until it is revoked; a part of it, or its digest, is nobody's."""
    made = tokens.make(connection.execute, "bot", role, user)
    text = made["token"]
    found = tokens.caller(connection.execute, text)
    assert found == Caller("bot", role, user)  # type: ignore[arg-type]
    for other in (text[:-1], text + "x", text.upper(), tokens.digest(text), made["token_id"], "bot", "", "\udcff", "%"):
        assert tokens.caller(connection.execute, other) is None, other
    assert tokens.revoke(connection.execute, "bot")["token_id"] == made["token_id"]
    assert tokens.caller(connection.execute, text) is None
    (listed,) = tokens.listing(connection.execute)
    assert listed["revoked_at"] >= listed["created_at"] and listed["role"] == role


def test_names_are_free_again_when_revoked(connection: Connection) -> None:
    """One in force of a name; revoked by name or identity; the other tokens go on."""
    first = tokens.make(connection.execute, "ci", "admin", None)
    other = tokens.make(connection.execute, "other", "admin", None)
    with pytest.raises(TokenRefused, match="already"):
        tokens.make(connection.execute, "ci", "reader", None)
    tokens.revoke(connection.execute, first["token_id"])
    second = tokens.make(connection.execute, "ci", "reader", None)
    assert tokens.caller(connection.execute, first["token"]) is None
    for one in (second, other):
        assert tokens.caller(connection.execute, one["token"]) is not None
    tokens.revoke(connection.execute, "ci")
    for which in ("ci", first["token_id"], "nobody", "", "%"):
        with pytest.raises(TokenRefused, match="no token in force"):
            tokens.revoke(connection.execute, which)
    assert tokens.caller(connection.execute, other["token"]) is not None
    assert [one["revoked_at"] is None for one in tokens.listing(connection.execute)] == [False, True, False]


@pytest.mark.parametrize(
    ("name", "role", "user", "words"),
    [
        ("x", "king", None, "admin, reader, user"),
        ("x", "", None, "admin, reader, user"),
        ("x", "user", None, "--user"),
        ("x", "user", "", "--user"),
        ("x", "admin", "ann", "--user"),
        ("", "reader", None, "name"),
        ("  \t", "reader", None, "name"),
        ("x" * 101, "reader", None, "name"),
    ],
)
def test_a_token_that_cannot_be_is_refused(
    connection: Connection, name: str, role: str, user: str | None, words: str
) -> None:
    """With what is accepted, and none is made."""
    with pytest.raises(TokenRefused, match=words):
        tokens.make(connection.execute, name, role, user)
    assert tokens.listing(connection.execute) == []


def test_any_name_is_only_a_name(connection: Connection) -> None:
    """Quotes, wildcards and control characters find themselves alone."""
    rng = random.Random(11)
    names = {"".join(rng.choice("'\"%_;\\ -\tab😀") for _ in range(rng.randrange(1, 9))) for _ in range(40)}
    names = {name for name in names if name.strip()}
    made = {name: tokens.make(connection.execute, name, "reader", None) for name in names}
    for name, one in made.items():
        assert tokens.caller(connection.execute, one["token"]) == Caller(name, "reader")
    gone = min(names)
    tokens.revoke(connection.execute, gone)
    in_force = {one["name"] for one in tokens.listing(connection.execute) if one["revoked_at"] is None}
    assert in_force == names - {gone}


def test_the_services_own_token_is_private_and_stays(tmp_path: Path) -> None:
    """Mode 0600 from its first byte, the same at every start, made anew where the file is empty; settings win."""
    first = token_of(tmp_path)
    assert len(first) > 30 and (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert (
        token_of(tmp_path) == first and token_of(tmp_path, "the one from the settings") == "the one from the settings"
    )
    (tmp_path / "token").write_text("")
    second = token_of(tmp_path)
    assert second != first and token_of(tmp_path) == second
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


def test_what_the_program_and_openssl_make_is_strong(connection: Connection) -> None:
    """Random tokens are never refused, in whatever alphabet; the shortest is 32 hexadecimal digits."""
    rng = random.Random(5)
    for n in range(50):
        assert strong(tokens.make(connection.execute, f"t{n}", "reader", None)["token"])
    for _ in range(10_000):
        assert strong(f"{rng.getrandbits(128):032x}")


@pytest.mark.parametrize("token", WEAK)
def test_a_weak_token_in_the_state_folder_is_refused(tmp_path: Path, token: str) -> None:
    """With the file and what is accepted, without the token; the file stays as it is."""
    (tmp_path / "token").write_text(token + "\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="32 ASCII characters or more") as refused:
        token_of(tmp_path)
    assert str(tmp_path / "token") in str(refused.value) and token not in str(refused.value)
    assert (tmp_path / "token").read_text(encoding="utf-8") == token + "\n"


@pytest.mark.parametrize("token", WEAK)
def test_a_weak_token_in_the_settings_is_refused(token: str) -> None:
    """With the file or variable and what is accepted, without the token."""
    with pytest.raises(SettingsError, match=r"WATCHER_HTTP__TOKEN: http\.token = \(not shown\).* 32 ASCII") as refused:
        load(None, {"WATCHER_HTTP__TOKEN": token})
    assert token not in str(refused.value)
