"""settings.toml and docs/settings.md, from the table of settings: ``python -m watcher.settings.text [page]``."""

from __future__ import annotations

import os
import sys
from itertools import groupby
from pathlib import Path

from watcher.settings.load import OPERATORS, Loaded, load
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


_PAGE = """\
# Settings

Every setting with its default, as in `settings.toml`; this page is written by `make settings`.

`WATCHER_<TABLE>__<KEY>` in the environment wins over the file (`WATCHER_PROCESSORS__<NAME>__<KEY>` for a
processor's own), the command line over both; lists and tables are given there as JSON. Unknown keys are errors.
Durations are written `"500ms"`, `"90s"`, `"15m"`, `"1h"` or `"1d"`, sizes `"512MB"` or `"1GB"`.

A changed file is taken up while the service runs; `[paths]`, `[node]`, `[database]`, `[observer]`, `[http]` and
`[log]` wait for the next start.

Variables of an earlier generation keep working and win over the file, in seconds: {operators}.

| setting | default | what it does |
|---|---|---|
"""


def page(loaded: Loaded) -> str:
    """The same as a page of the documentation."""
    listed = rows(loaded)
    there = {f"{row.table}.{row.key}" for row in listed}
    kept = [f"`{name}` (`{'.'.join(key)}`)" for name, key in OPERATORS.items() if ".".join(key) in there]
    lines = [_PAGE.format(operators=", ".join(kept))]
    for row in listed:
        told = row.help.replace("|", "\\|")
        lines.append(f"| `{row.table}.{row.key}` | `{row.default}` | {told} |\n")
    return "".join(lines)


if __name__ == "__main__":
    write = page if sys.argv[1:] == ["page"] else text
    # Only the program's own defaults: neither a file nor the environment.
    print(write(load(Path(os.devnull), {}, {})), end="")
