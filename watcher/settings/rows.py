"""Settings as rows, for people: the value, the default, a line of help, and where the value came from."""

from __future__ import annotations

from dataclasses import dataclass

from watcher.settings.load import Loaded, Source, model
from watcher.settings.tables import SECRET, known, written


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting, for people."""

    table: str
    key: str
    #: As it is written in the file.
    value: str
    default: str
    help: str
    source: Source


def rows(loaded: Loaded) -> list[SettingRow]:
    """Every setting with its value, default, help and source, in the file's order; secrets are not shown."""
    defaults = {key: value for key, value, _ in known(model()())}
    listed = []
    for key, value, help_line in known(loaded.settings):
        shown = '"(set)"' if key in SECRET and value else written(value)
        given = (origin for place, origin in loaded.sources.items() if place[: len(key)] == key)
        source: Source = next(given, "default")
        listed.append(SettingRow(".".join(key[:-1]), key[-1], shown, written(defaults[key]), help_line, source))
    return listed
