"""Reading transcripts: from lines to records, and what is embedded in them.

The rules are those of docs/counting.md. A whole window is decoded at once where that
gives the same as line by line; otherwise each line is judged by itself.
"""

from __future__ import annotations

import json
import re
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from processors.contract import Lines
from processors.known import CLIENT_TYPES, RECORD_TYPES
from processors.records import STRICT, ClientRecord, EmbeddedRecord, Message, ProgressData, Record, Tokens

#: The model of messages that no model wrote: errors and limits.
SYNTHETIC = "<synthetic>"

#: Stored text is cut at this many characters.
LONGEST_TEXT = 2000

FIRST_YEAR, LAST_YEAR = 1970, 9998

#: So many places of a bad line are tried for the beginning of a whole record.
MOST_PLACES = 64

_OPEN, _CLOSE, _QUOTE = b'{}"'
#: An escape; in the named group a surrogate that is alone.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<alone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _fraction(digits: str) -> float:
    return min(float(digits), sys.float_info.max) if digits[0] != "-" else max(float(digits), -sys.float_info.max)


def _whole(digits: str) -> int:
    return int(digits[:20])  # longer ones are too large in any case, and slow


_decoder = msgspec.json.Decoder(Record)
_client_decoder = msgspec.json.Decoder(ClientRecord)
_loose = json.JSONDecoder(parse_constant=_refuse, parse_float=_fraction, parse_int=_whole)


def read(lines: Lines, start: int | None = None) -> tuple[list[Record], int]:
    """All records in order, and how many lines could not be read.

    ``start`` is where in the file the lines begin: a byte order mark at the very beginning is passed over.
    """
    records: list[Record] = []
    if start == 0 and lines.data.startswith(BOM_UTF8):
        lines = Lines(lines.data[len(BOM_UTF8) :], lines.utf8)
    if lines.utf8:  # what is skipped is not looked at so closely that this would be seen
        try:
            records = _decoder.decode_lines(lines.data)
            if _are_alone(lines, len(records)):
                rest = _neither_call_nor_user(records)
                ends = lines.ends
                for place in rest:
                    if records[place].type in CLIENT_TYPES:
                        line = lines.data[ends[place - 1] if place else 0 : ends[place]]
                        records[place] = _client_decoder.decode(line)
                if _are_good(records, rest):
                    return records, 0
        except (ValueError, RecursionError):
            pass
    records, bad, decode = [], 0, _decoder.decode
    for line in lines:
        try:
            if not lines.utf8:
                line.decode()
            # Called from the same depth as above: how deep nesting may be depends on that.
            record = decode(line)
            if record.type in CLIENT_TYPES:
                record = _client_decoder.decode(line)
        except (RecursionError, UnicodeDecodeError):
            bad += 1
            records += _rescued(line)
        except ValueError:
            try:
                records += _objects(line)
            except (ValueError, RecursionError):
                bad += 1
                records += _rescued(line)
        else:
            if _is_good(record):
                records.append(record)
            else:
                bad += 1
                records += _rescued(line)
    return records, bad


def _rescued(line: bytes) -> list[Record]:
    """The whole records at a bad line's end: what the next writer wrote behind a torn record or a run of NULs."""
    at = 0
    for _ in range(MOST_PLACES):
        at = line.find(b'{"', at + 1)
        if at < 0:
            break
        try:
            records = _objects(line[at:])
        except (ValueError, RecursionError):
            continue
        if all(record.type in RECORD_TYPES and record.sessionId is not None for record in records):
            return records
    return []


def _are_alone(lines: Lines, objects: int) -> bool:
    """Whether each of so many objects stands on a line of its own, from ``{`` to ``}``.

    Inside an object no ``}`` is followed by ``{``, so a line break between these stands between objects.
    """
    data, ends = lines.data, lines.ends
    closed = ends if data.endswith(b"\n") else ends[:-1]
    return (
        len(ends) == objects
        and {data[end - 2] for end in closed} <= {_CLOSE}
        and set(map(data.__getitem__, ends[:-1])) <= {_OPEN}
    )


def _objects(line: bytes) -> list[Record]:
    """One or more objects, each judged by its own type.

    Raises:
        ValueError: the line is something else (msgspec's and json's errors are such).
        RecursionError: it is nested too deeply.
    """
    if b"\\ud" in line or b"\\uD" in line:
        line = _ESCAPE.sub(_whole_character, line)
    text = line.decode()
    records: list[Record] = []
    at, end = 0, len(text)
    while True:
        while at < end and text[at] in " \t\r\n":
            at += 1
        if at == end:
            return records
        start = at
        value, at = _loose.raw_decode(text, at)
        if not isinstance(value, dict):
            raise ValueError("not an object")
        kind = value.get("type")
        decoder = _client_decoder if isinstance(kind, str) and kind in CLIENT_TYPES else _decoder
        try:
            record = decoder.decode(text[start:at])
        except msgspec.ValidationError:
            record = decoder.decode(json.dumps(_relevant(value)))
        if not _is_good(record):
            raise ValueError("its values cannot be")
        records.append(record)


def _whole_character(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape.lastgroup else escape[0]


def embedded(data: ProgressData) -> Iterator[EmbeddedRecord]:
    """The records inside an ``agent_progress`` record's data, in order."""
    if data.message is not None:
        yield data.message
    yield from data.normalizedMessages or ()


def command_name(text: str) -> str | None:
    """The slash command that a user record's text stands for, None if it is none."""
    # Found step by step: one expression for all of it takes quadratic time over some texts.
    text = text.lstrip()
    if text.startswith("<command-message>"):
        text = text.partition("</command-message>")[2].lstrip()
    if not text.startswith("<command-name>"):
        return None
    name, closed, _ = text.removeprefix("<command-name>").partition("</command-name>")
    return name.strip().removeprefix("/") if closed else None


def text_of(raw: msgspec.Raw) -> str | None:
    """A raw JSON value if it is a string."""
    return msgspec.json.decode(raw, type=str) if memoryview(raw)[0] == _QUOTE else None


def clean(text: str) -> str:
    """Text that any database can hold: no NUL, not too long (lone surrogates are gone since reading)."""
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT]
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def _neither_call_nor_user(records: list[Record]) -> list[int]:
    """The places of all records but users' and of messages with a name: of those nothing is to be asked."""
    return [
        place
        for place, record in enumerate(records)
        if (kind := record.type) != "user"
        and (kind != "assistant" or (record.message is not None and record.message.id is None))
    ]


def _are_good(records: list[Record], rest: list[int]) -> bool:
    """Whether all these records' values can be; brings their times to UTC.

    Those that are not among the ``rest`` are cleared by their times alone.
    """
    times = [record.timestamp for record in records if record.timestamp is not None]
    if times and not ({at.tzinfo for at in times} == {UTC} and _can_be(min(times)) and _can_be(max(times))):
        return all(map(_is_good, records))
    return all(_has_names(records[place]) for place in rest)


def _is_good(record: Record) -> bool:
    """Whether a record's values can be; brings its times to UTC."""
    at = record.timestamp
    if at is not None:
        if not _can_be(at):
            return False
        if at.tzinfo is not UTC:
            record.timestamp = _to_utc(at)
    return _has_names(record)


def _has_names(record: Record) -> bool:
    """Whether the calls in it can be told from others, and the records inside it are good."""
    if record.type == "assistant":
        return record.message is None or _has_name(record.message, record.uuid)
    if record.type == "progress" and record.data is not None and record.data.type == "agent_progress":
        return all(map(_is_good_inside, embedded(record.data)))
    return True


def _is_good_inside(inner: EmbeddedRecord) -> bool:
    at = inner.timestamp
    if at is not None:
        if not _can_be(at):
            return False
        inner.timestamp = _to_utc(at)
    return inner.type != "assistant" or inner.message is None or _has_name(inner.message, inner.uuid)


def _can_be(at: datetime) -> bool:
    return FIRST_YEAR <= at.year <= LAST_YEAR


def _has_name(message: Message, uuid: str | None) -> bool:
    """Whether a call can be told from others; without that it could not be counted once."""
    return message.id is not None or uuid is not None or message.usage is None or message.model == SYNTHETIC


def _to_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _relevant(value: dict[str, Any]) -> dict[str, Any]:
    """A record without what its type makes meaningless, which may then be anything, and what is only read leniently."""
    kind = value.get("type")
    if kind not in ("assistant", "user"):
        value.pop("message", None)
    if kind != "progress":
        value.pop("data", None)
    data = value.get("data")
    messages = [value.get("message")]
    if isinstance(data, dict):
        if data.get("type") != "agent_progress":
            data = {"type": data.get("type")}
        else:
            inner = data.get("normalizedMessages")
            for record in [data.get("message"), *(inner if isinstance(inner, list) else [])]:
                if isinstance(record, dict):
                    if record.get("type") not in ("assistant", "user"):
                        record.pop("message", None)
                    messages.append(record.get("message"))
        value["data"] = data
    for message in messages:
        usage = message.get("usage") if isinstance(message, dict) else None
        if isinstance(usage, dict):
            _soften(usage, Tokens)
    _soften(value, ClientRecord)
    return value


def _soften(value: dict[str, Any], kind: type[msgspec.Struct]) -> None:
    """Take out of an object each lenient field of a struct that cannot be read."""
    for name, stated in _fields(kind).items():
        if name in value and name not in STRICT[kind]:
            value[name] = _lenient(value[name], stated)


def _lenient(value: Any, kind: Any) -> Any:
    """A value as far as it is of a kind; None where it is not."""
    if get_origin(kind) is UnionType:
        kinds = set(get_args(kind)) - {NoneType}
        wanted = {str: str, list: list}
        # Of several, the one that a value of this type is to be.
        fitting = [one for one in kinds if isinstance(value, wanted.get(get_origin(one) or one, dict))]
        kind = fitting[0] if fitting else next(iter(kinds))
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        if not isinstance(value, list) or (item is not msgspec.Raw and not all(isinstance(one, dict) for one in value)):
            return None
        return [_lenient(one, item) for one in value]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if not isinstance(value, dict):
            return None
        return {name: _lenient(value[name], inner) for name, inner in _fields(kind).items() if name in value}
    if kind is msgspec.Raw:
        return value
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None


@cache
def _fields(kind: type) -> dict[str, Any]:
    """The fields of a struct with their types, in order."""
    return get_type_hints(kind, include_extras=True)


def earlier(at: datetime | None, than: datetime | None) -> bool:
    """Whether a time comes before another; none is last."""
    return at is not None and (than is None or at < than)
