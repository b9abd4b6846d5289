"""The token that authenticates commands on the same machine."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from watcher.errors import SettingsError
from watcher.settings.tables import strong


def token_of(state: Path, configured: str = "") -> str:
    """Return the token in force: the configured one, else ``state/token``, created if missing (mode 0600).

    Raises:
        SettingsError: the token in the file is too easy to guess.
    """
    if configured:
        return configured
    path = state / "token"
    try:
        found = path.read_text(encoding="utf-8", errors="replace").strip()
        return strong(found) if found else _make(path)
    except FileNotFoundError:
        return _make(path)
    except ValueError as error:
        raise SettingsError(
            f"{path}: the token is weak: accepted is {error}; remove the file to have one made"
        ) from None


def _make(path: Path) -> str:
    token = secrets.token_urlsafe(32)
    part = path.with_name(f"token.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
    os.replace(part, path)
    return token
