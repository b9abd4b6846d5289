"""How a command gets at the data: through the running service, or by opening the database itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from watcher.errors import StateInUse
from watcher.http.client import Client
from watcher.http.token import token_of
from watcher.lock import holder
from watcher.settings import Settings
from watcher.store.database import Connection
from watcher.store.open import FILE, open_database


def service_of(settings: Settings) -> Client | None:
    """The running service on this state folder, None if there is none.

    Raises:
        StateInUse: something without an API uses the state folder just now.
    """
    other = holder(settings.paths.state)
    if other is None:
        return None
    if other.url is None:
        raise StateInUse(str(settings.paths.state), other.pid)
    return Client(other.url, token_of(settings.paths.state, settings.http.token))


def has_data(settings: Settings) -> bool:
    """Whether there is a database to read."""
    return bool(settings.database.url) or (settings.paths.state / FILE).exists()


@contextmanager
def reading(settings: Settings) -> Iterator[Connection]:
    """A connection for reading, while no service runs."""
    database = open_database(settings, read_only=True)
    try:
        connection = database.connect()
        try:
            yield connection
        finally:
            connection.close()
    finally:
        database.close()
