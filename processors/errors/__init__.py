"""``errors``: which tool calls failed, how, for whom and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from processors.contract import Export, Extraction, Once, ProcessorSettings, Schema, Seconds, Table, Work, setting
from processors.errors.kinds import judged_text, kind_of
from processors.errors.pending_uses import Waiting
from processors.records import Message, Record
from processors.transcript import clean, earlier, embedded, read

#: So many characters of a failure's text are kept.
SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class ErrorsSettings(ProcessorSettings):
    """``[processors.errors]``."""

    quiet: Seconds = setting(Seconds(5), "Debounce: how long a session must be unchanged before it is read.")
    sweep_every: Seconds = setting(Seconds(900), "How often the tree is compared with the processed offsets.")
    timezone: str = setting("UTC", "Time zone of the days in reports, such as Europe/Berlin.")

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
    exports={"errors": Export("occurred_at", key=("tool_use_id",))},
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
            expires="seen_at",
        )
    },
)


class Errors:
    """The processor."""

    name = "errors"
    version = 2
    settings = ErrorsSettings
    schema = SCHEMA

    def extract(self, work: Work) -> Extraction:
        """See `processors.contract.Processor.extract`."""
        records, bad_lines = read(work.lines, work.start)
        waiting = Waiting(work.carry.get("waiting", {}))
        rows: dict[str, ErrorRow] = {}
        # Rises with every result, each of which takes more than one byte.
        position = work.start
        for record in records:
            for kind, message, at in _messages(record):
                content = message.content
                if content.__class__ is not list:
                    continue
                for block in content:
                    if kind == "assistant":
                        if block.type == "tool_use" and block.id is not None and block.name is not None:
                            waiting.add(block.id, block.name)
                    elif block.type == "tool_result" and block.tool_use_id is not None:
                        position += 1
                        tool = waiting.take(block.tool_use_id)
                        if block.is_error is not True:
                            continue
                        known = rows.get(block.tool_use_id)
                        if known is None or earlier(at, known.seen_at):
                            text = judged_text(block.content)
                            rows[block.tool_use_id] = ErrorRow(
                                clean(block.tool_use_id),
                                tool,
                                kind_of(text, tool, _denial(record)),
                                at,
                                clean(record.sessionId) if record.sessionId is not None else None,
                                work.session.username,
                                clean(text[:SHOWN]),
                                position,
                                True,
                            )
        return Extraction(
            rows={"error_results": list(rows.values())},
            items=len(rows),
            bad_lines=bad_lines,
            carry={"waiting": waiting.kept} if waiting.kept else {},
        )


def _messages(record: Record) -> Iterable[tuple[str, Message, datetime | None]]:
    """The messages of a record, main or embedded, with their kind and time."""
    if record.type in ("assistant", "user"):
        if record.message is not None:
            yield record.type, record.message, record.timestamp
    elif record.type == "progress" and record.data is not None and record.data.type == "agent_progress":
        for inner in embedded(record.data):
            if inner.message is not None and inner.type in ("assistant", "user"):
                at = inner.timestamp if inner.timestamp is not None else record.timestamp
                yield inner.type, inner.message, at


def _denial(record: Record) -> str | None:
    """What the client says of a call that did not run, on the line of its result."""
    return record.toolDenialKind if record.type == "user" else None
