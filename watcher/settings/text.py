"""settings.toml and docs/settings.md, from the table of settings: ``python -m watcher.settings.text [page]``."""

from __future__ import annotations

import os
import sys
from itertools import groupby
from pathlib import Path

from watcher.settings.load import OPERATORS, Loaded, load
from watcher.settings.rows import rows

_HEAD = """\
# Every setting with its default. Environment variables (WATCHER_<TABLE>__<KEY>,
# WATCHER_PROCESSORS__<NAME>__<KEY>; lists and tables as JSON) and the command line
# override this file.
# Durations: "500ms", "90s", "15m", "1h", "1d"; sizes: "512MB", "1GB".
# Relative paths are relative to this file.
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

Every setting with its default, as in `settings.toml`. `make settings` generates this page.

The environment variable `WATCHER_<TABLE>__<KEY>` overrides the file (`WATCHER_PROCESSORS__<NAME>__<KEY>` for a
processor's setting), and the command line overrides both. In variables, lists and tables are JSON. An unknown key
is an error; settings of a processor that is not installed are a warning. Durations are written `"500ms"`, `"90s"`,
`"15m"`, `"1h"` or `"1d"`, sizes `"512MB"` or `"1GB"`.

A running service applies a changed file. Changes of `[paths]`, `[node]`, `[database]`, `[observer]`, `[http]` and
`[log]` need a restart.

Variables of an earlier generation still override the file, in seconds: {operators}.

| setting | default | meaning |
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
