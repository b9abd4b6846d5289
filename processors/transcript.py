"""Reading transcripts: from lines to records, what is embedded in them, and whose words they are.

The rules are those of docs/counting.md. A whole window is decoded at once where that
gives the same as line by line; otherwise each line is judged by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from processors.contract import Lines
from processors.records import EmbeddedRecord, Message, ProgressData, Record

#: The model of messages that no model wrote: errors and limits.
SYNTHETIC = "<synthetic>"

#: Stored text is cut at this many characters.
LONGEST_TEXT = 2000

FIRST_YEAR, LAST_YEAR = 1970, 9998

_BLANK = b" \t\r\n"
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_TAGS = (
    "command-name",
    "command-message",
    "command-args",
    "command-contents",
    "local-command-stdout",
    "local-command-stderr",
    "local-command-caveat",
    "task-notification",
    "bash-input",
    "bash-stdout",
    "bash-stderr",
    "system-reminder",
)
_NOT_A_PERSON = re.compile(r"\s*(?:<(?:" + "|".join(_TAGS) + r")>|\[Request interrupted by user|\Z)")
_COMMAND = re.compile(r"\s*(?:<command-message>.*?</command-message>\s*)?<command-name>(.*?)</command-name>", re.DOTALL)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _any_fraction(_: str) -> float:
    return 0.5  # nothing that we read is a fraction: that it is one is all that matters


_decoder = msgspec.json.Decoder(Record)
_loose = json.JSONDecoder(parse_constant=_refuse, parse_float=_any_fraction)


def read(lines: Lines) -> tuple[list[Record], int]:
    """All records in order, and how many lines could not be read."""
    data = lines.data
    if lines.utf8:
        try:
            records = _decoder.decode_lines(data)
        except (ValueError, RecursionError):
            pass
        else:
            # As many records as lines: none is blank, glued to another, or spread over two.
            if len(records) == _count_lines(data) and all(map(_is_good, records)):
                return records, 0
    records = list[Record]()
    bad = 0
    for line in lines:
        try:
            records += _line(line)
        except (ValueError, RecursionError):
            bad += 1
    return records, bad


def _line(line: bytes) -> list[Record]:
    """The records of one line.

    Raises:
        ValueError: it cannot be read (msgspec's and json's errors are such).
        RecursionError: it is nested too deeply.
    """
    text = line.decode()
    try:
        record = _decoder.decode(line)
    except (ValueError, RecursionError):
        return _glued(text)
    return [record] if _is_good(record) else _glued(text)


def _glued(text: str) -> list[Record]:
    """One or more objects, each judged by its own type."""
    records: list[Record] = []
    at, end = 0, len(text)
    while True:
        while at < end and text[at] in " \t\r\n":
            at += 1
        if at == end:
            return records
        value, at = _loose.raw_decode(text, at)
        if not isinstance(value, dict):
            raise ValueError("not an object")
        record = _decoder.decode(json.dumps(_cleaned(_relevant(value))))
        if not _is_good(record):
            raise ValueError("its values cannot be")
        records.append(record)


def embedded(data: ProgressData) -> Iterator[EmbeddedRecord]:
    """The records inside an ``agent_progress`` record's data, in order."""
    if data.message is not None:
        yield data.message
    yield from data.normalizedMessages or ()


def is_person(text: str) -> bool:
    """Whether a user record's text is a person's words, not a tag, an interruption or nothing."""
    return _NOT_A_PERSON.match(text) is None


def command_name(text: str) -> str | None:
    """The slash command that a user record's text stands for, None if it is none."""
    match = _COMMAND.match(text)
    return match[1].strip().removeprefix("/") if match else None


def text_of(raw: msgspec.Raw) -> str | None:
    """A raw JSON value if it is a string."""
    data = bytes(raw)
    if not data.lstrip(_BLANK).startswith(b'"'):
        return None
    try:
        return msgspec.json.decode(data, type=str)
    except ValueError:  # a lone surrogate
        return str(_cleaned(json.loads(data)))


def clean(text: str) -> str:
    """Text that any database can hold: no NUL, not too long (lone surrogates are gone since reading)."""
    if "\x00" in text or len(text) > LONGEST_TEXT:
        return text[:LONGEST_TEXT].replace("\x00", "\ufffd")
    return text


def _count_lines(data: bytes) -> int:
    # find goes four times as fast as count over lines of this length.
    find, count, at = data.find, 0, 0
    while at := find(b"\n", at) + 1:
        count += 1
    return count + (bool(data) and not data.endswith(b"\n"))


def _is_good(record: Record) -> bool:
    """Whether a record's values can be; brings its times to UTC."""
    at = record.timestamp
    if at is not None:
        if not FIRST_YEAR <= at.year <= LAST_YEAR:
            return False
        if at.tzinfo is not UTC:
            record.timestamp = _to_utc(at)
    if record.type == "assistant":
        return record.message is None or _has_name(record.message, record.uuid)
    if record.type == "progress" and record.data is not None and record.data.type == "agent_progress":
        return all(map(_is_good_inside, embedded(record.data)))
    return True


def _is_good_inside(inner: EmbeddedRecord) -> bool:
    at = inner.timestamp
    if at is not None:
        if not FIRST_YEAR <= at.year <= LAST_YEAR:
            return False
        inner.timestamp = _to_utc(at)
    return inner.type != "assistant" or inner.message is None or _has_name(inner.message, inner.uuid)


def _has_name(message: Message, uuid: str | None) -> bool:
    """Whether a call can be told from others; without that it could not be counted once."""
    return message.id is not None or uuid is not None or message.usage is None or message.model == SYNTHETIC


def _to_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _relevant(value: dict[str, Any]) -> dict[str, Any]:
    """A record without what its type makes meaningless, which may then be anything."""
    kind = value.get("type")
    if kind not in ("assistant", "user"):
        value.pop("message", None)
    if kind != "progress":
        value.pop("data", None)
    data = value.get("data")
    if isinstance(data, dict):
        if data.get("type") != "agent_progress":
            data = {"type": data.get("type")}
        else:
            inner = data.get("normalizedMessages")
            for record in [data.get("message"), *(inner if isinstance(inner, list) else [])]:
                if isinstance(record, dict) and record.get("type") not in ("assistant", "user"):
                    record.pop("message", None)
        value["data"] = data
    return value


def _cleaned(value: Any) -> Any:
    """A JSON value with lone surrogates replaced (a pair of escapes has become one character already)."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return value
