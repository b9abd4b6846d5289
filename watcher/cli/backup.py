"""``backup``: a copy of the database."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from watcher.app import Application
from watcher.cli.backend import has_data, order
from watcher.errors import SettingsError
from watcher.jobs import housekeeping
from watcher.settings.tables import Settings


def back_up(settings: Settings, to: Path | None) -> dict[str, Any]:
    """Copy the database; where the copy is, and how large.

    Raises:
        SettingsError: there is nothing to copy, or no place for it.
    """
    if to is not None and not (to if to.is_dir() else to.absolute().parent).is_dir():
        raise SettingsError(f"{to}: there is no such folder; make it, or name another")
    if not has_data(settings):
        raise SettingsError(f"there is no database in {settings.paths.state} yet; use run or once first")
    found: dict[str, Any] = order(settings, "backup", "/api/admin/backup", _local)
    if to is not None:
        copy = Path(found["backup"])
        target = to / copy.name if to.is_dir() else to
        shutil.move(copy, target)
        found["backup"] = str(target)
    return found


def _local(core: Application) -> dict[str, Any]:
    copy = housekeeping.back_up(core.database, core.backups)
    if copy is None:
        raise SettingsError(housekeeping.NO_FILE)
    return {"backup": str(copy), "bytes": copy.stat().st_size}
