"""A processor by somebody else: a distribution of its own, found by its entry point."""

from __future__ import annotations

import shutil
from pathlib import Path

_CODE = """\
import ctypes, os, re, threading, time

from processors.contract import Extraction, ProcessorSettings, Schema, Table, Transient


class Stranger:
    name = "stranger"
    version = 1
    settings = ProcessorSettings
    schema = Schema(
        package="stranger",
        tables={{"strange": Table(columns={{"session_file": "text", "lines": "integer"}}, key=("session_file",))}},
    )

    def extract(self, work):
        {body}
"""
_TABLE = "CREATE TABLE strange (session_file VARCHAR PRIMARY KEY, lines BIGINT);\n"
#: What a well-behaved one would say.
COUNTS = 'return Extraction({"strange": [{"lines": sum(1 for _ in work.lines)}]}, items=1)'


#: Ways to be of no use: the code, the migration, and words that name what is wrong and where.
BROKEN = {
    "missing": (None, _TABLE, ("ModuleNotFoundError", "No module named 'stranger'"), ""),
    "import": (
        "def deep():\n    raise RuntimeError('boom')\n\ndeep()\n",
        _TABLE,
        ("RuntimeError: boom (stranger/__init__.py:2)",),
        "in deep",
    ),
    "attribute": (
        "class Stranger:\n    name = 'stranger'\n",
        _TABLE,
        ("it lacks version, settings, schema, extract",),
        "",
    ),
    "tables": (
        "",
        f"{_TABLE}SELECT no_such_column;\n",
        ("its tables cannot be made", "no_such_column", "(stranger/migrations/001_strange.sql)"),
        "LINE 1: SELECT no_such_column",
    ),
    "views": (
        "",
        _TABLE,
        ("its tables cannot be made", "no_such_table", "(stranger/views.sql)"),
        "FROM no_such_table",
    ),
}


def install_broken(folder: Path, how: str) -> Path:
    """Put one of ``BROKEN`` where a process with the folder on its path finds it."""
    code, migration, *_ = BROKEN[how]
    package = install(folder, COUNTS) / "stranger"
    (package / "migrations" / "001_strange.sql").write_text(migration)
    if how == "views":
        (package / "views.sql").write_text("CREATE OR REPLACE VIEW strangest AS SELECT 1 FROM no_such_table;\n")
    if code is None:
        shutil.rmtree(package)
    elif code:
        (package / "__init__.py").write_text(code)
    return folder


def install(folder: Path, body: str) -> Path:
    """Put one whose ``extract`` does this where a process with the folder on its path finds it."""
    package, info = folder / "stranger", folder / "stranger-1.0.dist-info"
    (package / "migrations").mkdir(parents=True, exist_ok=True)
    info.mkdir(exist_ok=True)
    (package / "__init__.py").write_text(_CODE.format(body=body.replace("\n", "\n        ")))
    (package / "migrations" / "001_strange.sql").write_text(_TABLE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[session_watcher.processors]\nstranger = stranger:Stranger\n")
    return folder
