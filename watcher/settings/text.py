"""settings.toml, written from the table of settings: ``python -m watcher.settings.text``."""

from __future__ import annotations

from itertools import groupby

from watcher.settings.load import Loaded, load
from watcher.settings.rows import rows

_HEAD = """\
# Every setting with its default. What stands in the environment as WATCHER_<TABLE>__<KEY>
# (and WATCHER_PROCESSORS__<NAME>__<KEY>; lists and tables as JSON), or on the command line,
# wins over this file.
# Durations are written "500ms", "90s", "15m", "1h" or "1d", sizes "512MB" or "1GB";
# relative paths are relative to this file.
"""


def text(loaded: Loaded) -> str:
    """The file, with the values that these settings have."""
    parts = [_HEAD]
    for table, entries in groupby(rows(loaded), key=lambda row: row.table):
        parts.append(f"\n[{table}]\n")
        for row in entries:
            parts.append(f"# {row.help}\n{row.key} = {row.value}\n")
    return "".join(parts)


if __name__ == "__main__":
    print(text(load(None, {}, {})), end="")
