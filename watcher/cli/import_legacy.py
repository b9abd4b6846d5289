"""``import-legacy``: what an earlier generation had processed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from watcher.cli.backend import order
from watcher.settings.tables import Settings
from watcher.store import legacy


def take_in(settings: Settings, path: Path) -> dict[str, Any]:
    """Take in its rows; how many there were, were taken in and were known."""
    found: dict[str, Any] = order(
        settings,
        "import-legacy",
        "/api/admin/import-legacy",
        lambda core: asdict(legacy.take_in(path.absolute(), core.database)),
        path=str(path.absolute()),
    )
    return found
