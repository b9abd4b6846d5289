"""``settings``: every setting with its value, and where it came from."""

from __future__ import annotations

from typing import Any

from watcher.cli.backend import service_of
from watcher.errors import ServiceTrouble, SettingsError, StateInUse
from watcher.settings import Loaded, rows


def shown(what: str, loaded: Loaded) -> list[dict[str, Any]]:
    """Every setting; ``running`` is what a running service goes by, where that is another value.

    Raises:
        SettingsError: ``what`` is nothing that can be shown.
    """
    if what not in ("", "check"):
        raise SettingsError(f"settings {what}: there is only settings, and settings check")
    running = _running(loaded)
    return [
        {
            "table": row.table,
            "key": row.key,
            "value": row.value,
            "default": row.default,
            "source": row.source,
            "help": row.help,
            "running": running.get((row.table, row.key)) if running.get((row.table, row.key)) != row.value else None,
        }
        for row in rows(loaded)
    ]


def _running(loaded: Loaded) -> dict[tuple[str, str], str]:
    """The running service's values, if there is one that says."""
    try:
        service = service_of(loaded.settings)
        found = service.get("/api/settings")["settings"] if service is not None else []
    except (StateInUse, ServiceTrouble):
        return {}
    return {(row["table"], row["key"]): row["value"] for row in found}
