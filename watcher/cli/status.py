"""``status``: how every processor stands."""

from __future__ import annotations

from typing import Any

from watcher.cli.backend import has_data, reading, service_of
from watcher.health.summary import gather
from watcher.plugins import RefusedProcessor, discover
from watcher.settings.tables import Settings
from watcher.store.model_calls import spent_today


def status(settings: Settings) -> dict[str, Any]:
    """The standing as the API gives it; without a running service, ``service`` is None."""
    service = service_of(settings)
    if service is not None:
        answer: dict[str, Any] = service.get("/api/status")
        return answer
    if not has_data(settings):
        return {"processors": [], "troubled": [], "knowledge": None, "models": spent_today(settings), "service": None}
    with reading(settings) as query:
        return {**gather(query, enabled(settings)), "models": spent_today(settings), "service": None}


def enabled(settings: Settings) -> list[str]:
    """The processors that are to work."""
    return [
        name
        for name, processor in discover().items()
        if not isinstance(processor, RefusedProcessor) and settings.processor(name).enabled
    ]
