"""The first page: findings, processing, and the cost of today."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from processors.usage import reports
from watcher.health.summary import gather
from watcher.http.pages import charts as drawing
from watcher.http.pages.layout import Frame
from watcher.http.reports import standing

#: So many days are drawn.
DAYS = 14
_ORDER = {"unhealthy": 0, "warning": 1, "info": 2}
_VERDICTS = {
    "ok": ("Everything is OK.", "No action is needed."),
    "degraded": ("The service is degraded.", "Sessions are still processed. Fix this when you can:"),
    "unhealthy": ("The service is unhealthy.", "Sessions may not be processed until this is fixed:"),
}
_WHERE = {
    "quarantined": ("/sessions?status=quarantined", "See these sessions"),
    "lag": ("/admin/scheduler-runs", "See the runs"),
    "never_taken": ("/admin/scheduler-runs", "See the runs"),
    "job_failed": ("/admin/scheduler-runs?outcome=failed", "See the failed runs"),
    "job_hangs": ("/admin/scheduler-runs?outcome=running", "See what runs"),
    "unknown_models": ("/usage#models", "See the models"),
}


def router(frame: Frame) -> APIRouter:
    """The page for one service."""
    routes = APIRouter()
    core = frame.core

    @routes.get("/", dependencies=frame.in_turn)
    def _overview(request: Request) -> Response:
        visitor = frame.visitor(request)
        if visitor.only is not None:
            return RedirectResponse("/usage", 303)
        service = standing(frame.service)
        findings = [
            {**one, "link": _link(one)} for one in sorted(service["findings"], key=lambda one: _ORDER[one["level"]])
        ]
        status: dict[str, Any] | None = None
        usage: dict[str, Any] | None = None
        with suppress(*core.database.Error):  # then a finding says why
            status, usage = gather(core.query, list(core.pipelines)), _usage(frame, request)
        live = {entry["processor"]: entry for entry in service["processors"]}
        heading, sentence = _VERDICTS[service["status"]]
        return frame.show(
            request,
            "overview.html",
            visitor,
            service=service,
            heading=heading,
            sentence=sentence,
            findings=findings,
            status=status,
            live=live,
            usage=usage,
            uptime=service["uptime_seconds"],
        )

    return routes


def _link(finding: dict[str, Any]) -> tuple[str, str] | None:
    found = _WHERE.get(finding["name"])
    if found is not None and finding["name"] == "quarantined":
        return f"{found[0]}&{urlencode({'processor': finding['details']['processor']})}", found[1]
    return found


def _usage(frame: Frame, request: Request) -> dict[str, Any] | None:
    """Today's figures, and the last days as a picture; None where usage is not counted."""
    core = frame.core
    if "usage" not in core.pipelines:
        return None
    today = reports.today(core.query, datetime.now(UTC))
    first = today - timedelta(DAYS - 1)
    report = reports.daily(core.query, reports.Filters(since=first))
    days = {row[0]: dict(zip(report.columns, row, strict=True)) for row in report.rows}
    charts = drawing.cost_and_tokens(list(days.values()), (first, today))
    return {
        "today": days.get(today),
        "yesterday": days.get(today - timedelta(1)),
        "day": today,
        "any": bool(days),
        "drawn": drawing.drawn(frame, request, charts),
        "last": None if days else reports.last_day(core.query),
    }
