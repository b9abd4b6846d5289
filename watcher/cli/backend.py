"""How a command gets at the data: through the running service, or by opening the database itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watcher.errors import SettingsError, StateInUse
from watcher.http.client import Client, Value
from watcher.http.local_token import token_of
from watcher.settings.tables import Settings
from watcher.store.lock import holder
from watcher.store.migrations import is_current
from watcher.store.open import FILE, open_database
from watcher.store.sql import Query

if TYPE_CHECKING:
    from watcher.app import Application

#: How many seconds an order to the service may take.
TIMEOUT = 120.0


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


def refused_by(health: Mapping[str, Any]) -> list[dict[str, str]]:
    """The processors that a service cannot use, by what it says of itself."""
    return [finding["details"] for finding in health["findings"] if finding["name"] == "processor_refused"]


def elsewhere(url: str, token_file: Path | None) -> Client:
    """A service on another machine, with the token that a file holds.

    Raises:
        SettingsError: there is no such file, or no token is named.
    """
    if token_file is None:
        raise SettingsError("--url needs --token-file: a file that holds a token for that service")
    try:
        token = token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--token-file {token_file}: {getattr(error, 'strerror', None) or error}") from None
    return Client(url.rstrip("/"), token)


def ask(settings: Settings, path: str, local: Callable[[Query], Any], /, **query: Value) -> Any:
    """What the running service answers, or else what the database says.

    Raises:
        SettingsError: there is no database yet, or a word is no text.
        ServiceTrouble: the service refuses, or does not answer.
    """
    _must_be_text(query)
    service = service_of(settings)
    if service is not None:
        return service.get(path, **query)
    if not has_data(settings):
        raise SettingsError(f"nothing was processed yet into {settings.paths.state}; use run or once first")
    with reading(settings) as execute:
        return local(execute)


def order(
    settings: Settings,
    command: str,
    path: str,
    local: Callable[[Application], Any],
    /,
    timeout: float = TIMEOUT,
    **query: Value,
) -> Any:
    """What becomes of an order: the running service carries it out, or else we do, with the state folder locked.

    Raises:
        SettingsError: a word is no text.
        StateInUse: another command has the state folder.
        ServiceTrouble: the service refuses, or does not answer.
    """
    _must_be_text(query)
    service = service_of(settings)
    if service is not None:
        return service.post(path, timeout, **query)
    core = _core(settings, command)
    try:
        return local(core)
    finally:
        core.stop()


def _core(settings: Settings, command: str) -> Application:
    # Loaded when used: it is most of the program, and commands that only read start without it.
    from watcher.app import Application

    return Application(settings, command, live=False)


def _must_be_text(query: Mapping[str, Value]) -> None:
    for value in query.values():
        for word in value if isinstance(value, list) else [value]:
            try:
                str(word).encode()
            except UnicodeEncodeError:
                raise SettingsError(f"{word!a} is no text: UTF-8 is accepted") from None


def has_data(settings: Settings) -> bool:
    """Whether there is a database to read."""
    return bool(settings.database.url) or (settings.paths.state / FILE).exists()


@contextmanager
def reading(settings: Settings) -> Iterator[Query]:
    """A way to read while no service runs; an older database is brought up to date first."""
    database = open_database(settings, read_only=True)
    try:
        current = is_current(database)
        if current:
            connection = database.connect()
            try:
                yield connection.execute
            finally:
                connection.close()
    finally:
        database.close()
    if not current:
        core = _core(settings, "upgrade")
        try:
            yield core.query
        finally:
            core.stop()
