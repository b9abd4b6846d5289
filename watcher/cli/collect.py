"""``collect``: copy transcripts from people's homes; through the running service where there is one."""

from __future__ import annotations

from typing import Any

from watcher import logs
from watcher.app import COLLECTOR, Application
from watcher.cli.backend import order
from watcher.settings.tables import Settings

PATH = "/api/admin/run-session-collector"
#: A first run copies all that there is, and may take so long; seconds.
PATIENCE = 6 * 3600.0


def collect(settings: Settings, dry_run: bool, verbose: bool) -> dict[str, Any]:
    """What a run did, as in the API's answer."""
    if verbose:
        logs.configure(settings.log.format, "info")

    def local(core: Application) -> dict[str, Any]:
        details = core.jobs.run(COLLECTOR, "asked", lambda: core.collect(dry_run, verbose))
        return {"ok": details["errors"] == 0, "details": details}

    asked = {"dry_run": str(dry_run).lower(), "verbose": str(verbose).lower()}
    found: dict[str, Any] = order(settings, "collect", PATH, local, timeout=PATIENCE, **asked)
    return found
