"""The oracle's reading of a session file, from bytes to records: docs/counting.md in the plainest code.

Nothing here is shared with the program that it judges.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NoReturn

WHITE = " \t\r\n"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MOST_PLACES = 64  # where a whole record is looked for in a damaged line
LONGEST_LINE = 128 * 1024 * 1024
LONGEST_TEXT = 2000
MOST_TOKENS = 10**12

Object = dict[str, Any]


class BadLine(Exception):
    """The line cannot be read: it is skipped whole and counted."""


@dataclass(frozen=True)
class Record:
    """One JSON object of a file and where it stood."""

    line: int  #: Number of its line in the file, from 0.
    place: int  #: Number of the record in the file, from 0, bad lines left out.
    fields: Object


# --- From bytes to records -------------------------------------------------------------------------------------------


def read_lines(data: bytes, settled: bool, known_types: frozenset[str] = frozenset()) -> tuple[list[Record], int]:
    """The records of a file's content and the number of its bad lines."""
    records: list[Record] = []
    bad_lines = 0
    taken = data[: taken_bytes(data, settled)].removeprefix(BYTE_ORDER_MARK)
    for number, line in enumerate(taken.split(b"\n")):
        try:
            objects = good_objects(line)
        except BadLine:
            bad_lines += 1
            objects = rescued(line, known_types)
        for fields in objects:
            records.append(Record(number, len(records), fields))
    return records, bad_lines


def good_objects(line: bytes) -> list[Object]:
    """The objects of a line, each with good fields. Raises BadLine for everything else."""
    found = objects_of(line)
    for fields in found:
        check_record(fields)
    return found


def rescued(line: bytes, known_types: frozenset[str]) -> list[Object]:
    """The records at the end of a bad line that are whole, behind what damaged it."""
    if len(line) > LONGEST_LINE:
        return []
    place = 0
    for _ in range(MOST_PLACES):
        place = line.find(b'{"', place + 1)
        if place < 0:
            return []
        try:
            found = good_objects(line[place:])
        except BadLine:
            continue
        if all(one.get("type") in known_types and isinstance(one.get("sessionId"), str) for one in found):
            return found
    return []


def taken_bytes(data: bytes, settled: bool) -> int:
    """How far a file is taken: to its last line end, or to its end where the torn tail has settled and is JSON."""
    complete = data.rfind(b"\n") + 1
    if not settled:
        return complete
    tail = data[complete:] if complete else data.removeprefix(BYTE_ORDER_MARK)
    try:
        return len(data) if objects_of(tail) else complete
    except BadLine:
        return complete


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Very long whole numbers are cut, since int() refuses them; what is left is still a whole number far beyond any count.
_JSON = json.JSONDecoder(parse_constant=_no_constant, parse_int=lambda digits: int(digits[:40]))


def objects_of(line: bytes) -> list[Object]:
    """The objects that stand on a line, none on a blank one. Raises BadLine for everything else."""
    if len(line) > LONGEST_LINE:
        raise BadLine("too long")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadLine("not UTF-8") from error
    objects: list[Object] = []
    at = _skip_white(text, 0)
    while at < len(text):
        try:
            value, at = _JSON.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise BadLine("not JSON") from error
        if not isinstance(value, dict):
            raise BadLine("not an object")
        objects.append(value)
        at = _skip_white(text, at)
    return objects


def _skip_white(text: str, at: int) -> int:
    while at < len(text) and text[at] in WHITE:
        at += 1
    return at


# --- The fields that are read ----------------------------------------------------------------------------------------


def _string(fields: Object, name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise BadLine(f"{name} is not a string")
    return value


def _boolean(fields: Object, name: str) -> bool:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadLine(f"{name} is not a boolean")
    return bool(value)


def _object(fields: Object, name: str) -> Object | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, dict):
        raise BadLine(f"{name} is not an object")
    return value


def _objects(fields: Object, name: str) -> list[Object]:
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadLine(f"{name} is not a list of objects")
    return value


def _count(fields: Object, name: str) -> int:
    value = fields.get(name)
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value <= MOST_TOKENS:  # a boolean is an int to Python, but no number
        raise BadLine(f"{name} is not a count")
    return value


_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|([+-])(\d\d):?(\d\d))?", re.ASCII
)


def instant_of(fields: Object) -> datetime | None:
    text = _string(fields, "timestamp")
    if text is None:
        return None
    match = _INSTANT.fullmatch(text)
    if not match:
        raise BadLine("timestamp is not RFC 3339")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    zone: timezone = UTC
    try:
        if match[9]:
            if int(match[10]) > 23 or int(match[11]) > 59:
                raise BadLine("timestamp has no such zone")
            ahead = timedelta(hours=int(match[10]), minutes=int(match[11]))
            zone = timezone(ahead if match[9] == "+" else -ahead)
        # To the nearest microsecond, half of one up.
        fraction = (match[7] or "") + "0000000"
        micro = int(fraction[:6]) + (fraction[6] >= "5")
        moment = datetime(year, month, day, hour, minute, second, 0, zone) + timedelta(microseconds=micro)
    except ValueError as error:
        raise BadLine("timestamp is no instant") from error
    if not 1970 <= year <= 9998:
        raise BadLine("timestamp is out of range")
    return moment.astimezone(UTC)


def check_record(record: Object) -> None:
    """Raises BadLine where a field that is read has the wrong type or an impossible value."""
    for name in ("type", "sessionId", "cwd", "gitBranch", "version", "uuid", "requestId", "agentId"):
        _string(record, name)
    for name in ("isSidechain", "isMeta", "isCompactSummary"):
        _boolean(record, name)
    instant_of(record)
    for part in parts_of(record):
        check_message(part.message)
        if is_call(part) and part.message.get("id") is None and part.uuid is None:
            raise BadLine("a call without a name")


def check_message(message: Object) -> None:
    """Raises BadLine where a message cannot be read."""
    _string(message, "id")
    _string(message, "model")
    usage = _object(message, "usage")
    if usage is not None:
        for name in ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"):
            _count(usage, name)
        lifetimes = _object(usage, "cache_creation") or {}
        _count(lifetimes, "ephemeral_5m_input_tokens")
        _count(lifetimes, "ephemeral_1h_input_tokens")
        _count(_object(usage, "server_tool_use") or {}, "web_search_requests")
    for block in blocks_of(message):
        for name in ("type", "id", "name", "tool_use_id"):
            _string(block, name)
        _boolean(block, "is_error")


def blocks_of(message: Object) -> list[Object]:
    """The blocks of a message; none where its content is a string."""
    return [] if isinstance(message.get("content"), str) else _objects(message, "content")


# --- Parts: the messages of a record, its own or embedded ones -------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """An assistant or user message, of a record itself or embedded in one, with what it has from the record."""

    role: str
    message: Object
    embedded: bool
    uuid: str | None
    request_id: str | None
    at: datetime | None
    agent_id: str | None
    outer: Object


def parts_of(record: Object) -> Iterator[Part]:
    """The messages that a record holds, in order. Raises BadLine for embedded fields that cannot be read."""
    kind = record.get("type")
    if kind in ("assistant", "user"):
        yield Part(
            role=kind,
            message=_object(record, "message") or {},
            embedded=False,
            uuid=_string(record, "uuid"),
            request_id=_string(record, "requestId"),
            at=instant_of(record),
            agent_id=_string(record, "agentId"),
            outer=record,
        )
    elif kind == "progress":
        data = _object(record, "data") or {}
        if _string(data, "type") != "agent_progress":
            return
        agent_id = _string(data, "agentId")
        message = _object(data, "message")
        for inner in [message] * (message is not None) + _objects(data, "normalizedMessages"):
            assert inner is not None
            role, uuid = _string(inner, "type"), _string(inner, "uuid")
            request_id, at = _string(inner, "requestId"), instant_of(inner)
            if role in ("assistant", "user"):
                yield Part(
                    role=role,
                    message=_object(inner, "message") or {},
                    embedded=True,
                    uuid=uuid,
                    request_id=request_id,
                    at=at or instant_of(record),
                    agent_id=agent_id if agent_id is not None else _string(record, "agentId"),
                    outer=record,
                )


def is_call(part: Part) -> bool:
    """Whether this is one line of an API call."""
    return (
        part.role == "assistant"
        and part.message.get("usage") is not None
        and part.message.get("model") != "<synthetic>"
    )
