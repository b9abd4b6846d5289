"""A new processor's folder: a package that works, its table, view, setting and migration, and its test."""

from __future__ import annotations

from pathlib import Path

_PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "session-watcher-@DASHED"
version = "0.1.0"
description = "A processor for Session Watcher."
requires-python = ">=3.11"
dependencies = ["session-watcher"]

[project.optional-dependencies]
test = ["pytest>=8"]

[project.entry-points."session_watcher.processors"]
@NAME = "@NAME:@CLASS"

[tool.setuptools]
packages = ["@NAME"]

[tool.setuptools.package-data]
@NAME = ["*.sql", "migrations/*.sql"]

[tool.pytest.ini_options]
testpaths = ["tests"]
"""

_CODE = '''\
"""Which tools a session used: one row for each call."""

from dataclasses import dataclass

from processors.contract import Extraction, ProcessorSettings, Schema, Table, Work, setting
from processors.transcript import read


@dataclass(frozen=True, kw_only=True)
class Settings(ProcessorSettings):
    """Under [processors.@NAME]."""

    least: int = setting(1, "Tools with fewer calls than this are not shown in @NAME_by_tool.")


class @CLASS:
    """Raise ``version`` when ``extract`` gives other rows than before: every session is taken again."""

    name = "@NAME"
    version = 1
    settings = Settings
    schema = Schema(
        {
            "@NAME_calls": Table(
                {"session_file": "text", "tool_use_id": "text", "tool": "text", "called_at": "timestamp"},
                key=("session_file", "tool_use_id"),
            )
        },
        package="@NAME",
    )

    def extract(self, work: Work) -> Extraction:
        records, bad_lines = read(work.lines, work.start)
        rows = []
        for record in records:
            content = record.message.content if record.message else None
            for block in content if isinstance(content, list) else []:
                if block.type == "tool_use" and block.id and block.name:
                    rows.append({"tool_use_id": block.id, "tool": block.name, "called_at": record.timestamp})
        return Extraction({"@NAME_calls": rows}, items=len(rows), bad_lines=bad_lines)
'''

_MIGRATION = """\
CREATE TABLE @NAME_calls (
    session_file VARCHAR NOT NULL,
    tool_use_id  VARCHAR NOT NULL,
    tool         VARCHAR,
    called_at    TIMESTAMPTZ,
    PRIMARY KEY (session_file, tool_use_id)
);
"""

_VIEWS = """\
CREATE OR REPLACE VIEW @NAME_by_tool AS
SELECT tool, count(*) AS calls, count(DISTINCT session_file) AS sessions
FROM @NAME_calls
GROUP BY tool
HAVING count(*) >= CAST({least} AS BIGINT);
"""

_TEST = '''\
from @NAME import @CLASS, Settings
from processors.contract import Lines, Session, Work
from processors.testing import ProcessorContract


class Test@CLASS(ProcessorContract):
    """Everything that a processor must keep."""

    processor = @CLASS


def test_a_tool_call_is_a_row() -> None:
    line = (
        b'{"type":"assistant","timestamp":"2026-03-01T08:00:00Z","message":{"id":"msg_1","content":'
        b'[{"type":"tool_use","id":"toolu_1","name":"Bash","input":{"command":"ls"}}]}}\\n'
    )
    found = @CLASS().extract(Work(Session("ann/a.jsonl", "ann"), Lines(line), 0, {}, Settings()))
    (row,) = found.rows["@NAME_calls"]
    assert (row["tool_use_id"], row["tool"]) == ("toolu_1", "Bash")
'''

_README = """\
# @NAME

A processor for Session Watcher. Install it into the environment of the service:

    pip install -e '.[test]'
    pytest                                                # all that a processor must keep
    session-watcher processors try @NAME FILE.jsonl       # the rows of one transcript; nothing is stored

The service runs it from its next start: tables `@NAME_calls` and `@NAME_by_tool`, settings `[processors.@NAME]`.
"""


def write(folder: Path, name: str) -> list[Path]:
    """Write it into a new folder; its files, relative to that."""
    texts = {
        "pyproject.toml": _PYPROJECT,
        "README.md": _README,
        f"{name}/__init__.py": _CODE,
        f"{name}/views.sql": _VIEWS,
        f"{name}/migrations/001_calls.sql": _MIGRATION,
        f"tests/test_{name}.py": _TEST,
    }
    title = "".join(part.capitalize() for part in name.split("_"))
    for path, text in texts.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        text = text.replace("@NAME", name).replace("@CLASS", title).replace("@DASHED", name.replace("_", "-"))
        file.write_text(text, encoding="utf-8")
    return [Path(path) for path in texts]
