"""``status``: how every processor stands."""

from __future__ import annotations

from typing import Any

from watcher.cli.backend import has_data, reading, refused_by, service_of
from watcher.health import rehearsal
from watcher.health.summary import gather
from watcher.plugins import RefusedProcessor, discover
from watcher.settings.tables import Settings
from watcher.store.model_calls import spent_today


def status(settings: Settings) -> dict[str, Any]:
    """The standing as the API gives it; without a running service, ``service`` is None."""
    service = service_of(settings)
    if service is not None:
        answer: dict[str, Any] = service.get("/api/status")
        return {**answer, "refused": refused_by(answer["service"])}
    if not has_data(settings):
        nothing: dict[str, Any] = {"processors": [], "troubled": [], "knowledge": None}
        return {**nothing, **_besides(settings, rehearsal.refused(settings))}
    with reading(settings) as query:
        return {**gather(query, enabled(settings)), **_besides(settings, rehearsal.refused(settings, query))}


def _besides(settings: Settings, refused: list[RefusedProcessor]) -> dict[str, Any]:
    return {"refused": [one.told() for one in refused], "models": spent_today(settings), "service": None}


def enabled(settings: Settings) -> list[str]:
    """The processors that are to work."""
    return [
        name
        for name, processor in discover().items()
        if not isinstance(processor, RefusedProcessor) and settings.processor(name).enabled
    ]
