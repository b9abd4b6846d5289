"""The token by which commands on the same machine are known to the service."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def token_of(state: Path, configured: str = "") -> str:
    """The token in force: the configured one, else the one in ``state/token``, made if need be (mode 0600)."""
    if configured:
        return configured
    path = state / "token"
    try:
        return path.read_text(encoding="ascii").strip() or _make(path)
    except FileNotFoundError:
        return _make(path)


def _make(path: Path) -> str:
    token = secrets.token_urlsafe(32)
    part = path.with_name(f"token.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
    os.replace(part, path)
    return token
