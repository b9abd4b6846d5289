"""A processor by somebody else: a distribution of its own, found by its entry point."""

from __future__ import annotations

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
