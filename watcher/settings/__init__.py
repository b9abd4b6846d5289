"""Settings: names, defaults and help in one place (`tables`), from which everything else follows."""

from watcher.settings.load import OPERATORS, Loaded, Source, load
from watcher.settings.rows import SettingRow, rows
from watcher.settings.tables import Settings, model_access, of_views, own, written

__all__ = [
    "OPERATORS",
    "Loaded",
    "SettingRow",
    "Settings",
    "Source",
    "load",
    "model_access",
    "of_views",
    "own",
    "rows",
    "written",
]
