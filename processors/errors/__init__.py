"""``errors``: which tool calls failed, how, for whom and when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from processors.contract import Extraction, Once, ProcessorSettings, Schema, Seconds, Table, Work, setting
from processors.records import Message, Record
from processors.transcript import clean, embedded, read, text_of

#: Uses without a result that are remembered between passes; the oldest are forgotten.
MOST_OPEN = 500

_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.DOTALL))
    for kind, pattern in (
        ("rejected", r"The user doesn't want to"),
        ("interrupted", r"\[Request interrupted by user"),
        ("exit_code", r"(?:Error: Exit code |Exit code \d)"),
        ("not_read", r"File has (?:not been read yet|been modified since read)"),
        ("edit_mismatch", r"(?:String to replace not found|Found \d|No changes to make)"),
        ("not_found", r"(?:File does not exist|Path does not exist|ENOENT|.{0,191}not found)"),
        ("bad_input", r"(?:InputValidationError|Unknown skill)"),
        ("timeout", r".{0,191}timed out"),
        ("denied", r".{0,192}ermission"),
    )
)


@dataclass(frozen=True, kw_only=True)
class ErrorsSettings(ProcessorSettings):
    """``[processors.errors]``."""

    quiet: Seconds = setting(Seconds(5), "How long a session must be left alone before it is read.")
    sweep_every: Seconds = setting(Seconds(900), "How often the whole tree is compared with what was processed.")
    timezone: str = setting("UTC", "Whose days the reports go by, such as Europe/Berlin.")

    def __post_init__(self) -> None:
        """Refuse a zone that there is not."""
        super().__post_init__()
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            raise ValueError('timezone: a zone such as "UTC" or "Europe/Berlin"') from None


class ErrorRow(msgspec.Struct, gc=False):
    """A failed tool call, as one session shows it."""

    tool_use_id: str
    tool: str
    kind: str
    seen_at: datetime | None
    session_id: str | None
    username: str
    message: str
    position: int
    counted: bool


SCHEMA = Schema(
    package="processors.errors",
    tables={
        "error_results": Table(
            columns={
                "session_file": "text",
                "tool_use_id": "text",
                "tool": "text",
                "kind": "text",
                "seen_at": "timestamp",
                "session_id": "text",
                "username": "text",
                "message": "text",
                "position": "integer",
                "counted": "boolean",
            },
            once=Once(by=("tool_use_id",), best=("seen_at ASC NULLS LAST", "session_file", "position")),
        )
    },
)


class Errors:
    """The processor."""

    name = "errors"
    version = 1
    settings = ErrorsSettings
    schema = SCHEMA

    def extract(self, work: Work) -> Extraction:
        """See `processors.contract.Processor.extract`."""
        records, bad_lines = read(work.lines)
        #: Uses that have had no result yet, in the order in which they were seen.
        open_uses: dict[str, str] = dict(work.carry.get("open", {}))
        rows: list[ErrorRow] = []
        position = work.start
        for record in records:
            for kind, message, at in _messages(record):
                for block in message.content if isinstance(message.content, list) else ():
                    if (
                        kind == "assistant"
                        and block.type == "tool_use"
                        and block.id is not None
                        and block.name is not None
                    ):
                        open_uses.pop(block.id, None)
                        open_uses[block.id] = clean(block.name)
                        if len(open_uses) > MOST_OPEN:
                            del open_uses[next(iter(open_uses))]
                    elif kind == "user" and block.type == "tool_result" and block.tool_use_id is not None:
                        position += 1
                        tool = open_uses.pop(block.tool_use_id, "unknown")
                        if block.is_error:
                            text = judged_text(block.content)
                            rows.append(
                                ErrorRow(
                                    clean(block.tool_use_id),
                                    tool,
                                    kind_of(text),
                                    at,
                                    clean(record.sessionId) if record.sessionId is not None else None,
                                    work.session.username,
                                    clean(text[:200]),
                                    position,
                                    True,
                                )
                            )
        return Extraction(rows={"error_results": rows}, items=len(rows), bad_lines=bad_lines, carry={"open": open_uses})


def _messages(record: Record) -> list[tuple[str, Message, datetime | None]]:
    """The messages of a record, main or embedded, with their kind and time."""
    if record.type in ("assistant", "user") and record.message is not None:
        return [(record.type, record.message, record.timestamp)]
    if record.type == "progress" and record.data is not None and record.data.type == "agent_progress":
        return [
            (inner.type, inner.message, inner.timestamp or record.timestamp)
            for inner in embedded(record.data)
            if inner.message is not None and inner.type in ("assistant", "user")
        ]
    return []


class _TextBlock(msgspec.Struct, gc=False):
    type: object = None
    text: object = None


def judged_text(content: msgspec.Raw) -> str:
    """The text of a tool's result by which it is judged."""
    text = text_of(content)
    if text is None:
        try:
            blocks = msgspec.json.decode(content, type=list[_TextBlock | None])
        except ValueError:
            return ""
        text = "\n".join(b.text for b in blocks if b is not None and b.type == "text" and isinstance(b.text, str))
    return text.strip().removeprefix("<tool_use_error>").strip()


def kind_of(text: str) -> str:
    """The kind of failure that a result's text tells of."""
    return next((kind for kind, pattern in _KINDS if pattern.match(text)), "other")
