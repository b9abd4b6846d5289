"""``doctor``: everything that the service stands on, and what it says of itself if it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from watcher import logs
from watcher.cli.backend import service_of
from watcher.errors import SettingsError, StateInUse, ended
from watcher.health import doctor
from watcher.settings.follow import Sources


def examine(sources: Sources) -> dict[str, Any]:
    """Every check, the service's findings among them, and the verdict over all."""
    try:
        loaded = sources.load()
        settings = loaded.settings
    except SettingsError as error:
        checks = [doctor.Check("settings", "unhealthy", ended(str(error)))]
        return {"status": doctor.worst(checks), "checks": doctor.as_json(checks)}
    logs.configure(settings.log.format, "warning")
    checks = [doctor.Check("settings", "ok", "They are good; settings shows them with where they are from.")]
    checks += [doctor.Check("settings", "warning", ended(told)) for told in loaded.unused]
    try:
        service = service_of(settings) if settings.paths.state.is_dir() else None
    except StateInUse:
        service = None
    health = service.get("/api/health/detailed") if service is not None else None
    if health is not None:  # it may have been started on another folder than the settings name
        paths = settings.paths.model_copy(update={"sessions": Path(health["sessions"])})
        settings = settings.model_copy(update={"paths": paths})
    checks += doctor.examine(settings)
    if health is not None:
        checks += [
            doctor.Check(one["name"], one["level"], one["message"], one["details"].get("traceback", ""))
            for one in health["findings"]
        ]
    return {"status": doctor.worst(checks), "checks": doctor.as_json(checks)}
