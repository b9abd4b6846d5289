"""What the shared records leave out and human words may stand in, read from the line itself.

A line comes here only if the shared reader took it, and only if it holds one of `MARKS`: the
shared record stays small, and hardly any line is decoded twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

#: Without one of these a line holds no words that the shared record does not.
MARKS = (b'"queue-operation"', b'"queued_command"', b'"answers"', b'"userFeedback"')

#: What stands for a half of a character that is alone.
_REPLACED = "\ufffd"


class Extra(msgspec.Struct, gc=False):
    """The fields of a line that only this processor reads; each may hold anything."""

    type: Any = None
    operation: Any = None
    content: Any = None
    attachment: Any = None
    toolUseResult: Any = None
    userFeedback: Any = None


_decoder = msgspec.json.Decoder(Extra)
_loose = json.JSONDecoder()
_NOTHING = Extra()


def extras(line: bytes, count: int) -> list[Extra]:
    """What each of a line's ``count`` records holds beside the shared fields; empty ones where there is nothing."""
    if not any(mark in line for mark in MARKS):
        return [_NOTHING] * count
    try:
        return [_decoder.decode(line)] if count == 1 else _each(line, count)
    except (ValueError, RecursionError):
        # Several objects, or text that only the patient reader takes.
        return _each(line, count)


def _each(line: bytes, count: int) -> list[Extra]:
    found: list[Extra] = []
    text, at = line.decode("utf-8", "replace"), 0
    try:
        while (at := _past_space(text, at)) < len(text):
            value, at = _loose.raw_decode(text, at)
            found.append(Extra(**{name: whole(value.get(name)) for name in Extra.__struct_fields__}))
    except (ValueError, RecursionError, AttributeError):
        return [_NOTHING] * count
    return found if len(found) == count else [_NOTHING] * count


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def whole(value: Any) -> Any:
    """A value whose texts can be stored: halves of characters are replaced."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", _REPLACED)
    if isinstance(value, list):
        return [whole(one) for one in value]
    if isinstance(value, dict):
        return {whole(name): whole(one) for name, one in value.items()}
    return value


def queued(extra: Extra) -> str | None:
    """The message that was sent while the agent worked, if this record is one."""
    if extra.type == "queue-operation" and extra.operation == "enqueue":
        return _text(extra.content)
    attached = extra.attachment if extra.type == "attachment" else None
    if isinstance(attached, dict) and attached.get("type") == "queued_command":
        return _text(attached.get("prompt"))
    return None


def answers(extra: Extra) -> Iterator[tuple[str, str, bool]]:
    """What was answered to the agent's questions: question, answer, whether it is only a pick of what it offered."""
    result = extra.toolUseResult
    given = result.get("answers") if isinstance(result, dict) else None
    if not isinstance(given, dict):
        return
    offered = {fold(option) for option in _options(result.get("questions"))}
    for question, answer in given.items():
        words = _text(answer)
        if words is None and isinstance(answer, list):
            words = ", ".join(one for one in answer if isinstance(one, str))
        if words:
            yield str(question), words, _is_pick(words, offered)
    notes = result.get("annotations")
    for question, note in notes.items() if isinstance(notes, dict) else ():
        words = _text(note.get("notes")) if isinstance(note, dict) else _text(note)
        if words:
            yield str(question), words, _is_pick(words, offered)


def feedback(extra: Extra) -> str | None:
    """What a person said beside a tool's result."""
    inner = extra.toolUseResult
    return _text(extra.userFeedback) or (_text(inner.get("userFeedback")) if isinstance(inner, dict) else None)


def fold(text: str) -> str:
    """Text by which two are compared: white space folded, no matter how it is written."""
    return " ".join(text.split()).casefold()


def _is_pick(words: str, offered: set[str]) -> bool:
    """Whether an answer is one of the offered options, or several of them in a row."""
    left = fold(words)
    if left in offered:
        return True
    for option in sorted(offered, key=len, reverse=True):
        left = left.replace(option, "") if option else left
    return not left.strip(" ,;")


def _options(questions: Any) -> Iterator[str]:
    for question in questions if isinstance(questions, list) else ():
        options = question.get("options") if isinstance(question, dict) else None
        for option in options if isinstance(options, list) else ():
            if isinstance(option, str):
                yield option
            elif isinstance(option, dict):
                yield from (option[name] for name in ("label", "description") if isinstance(option.get(name), str))


def _text(value: Any) -> str | None:
    """A text, or the texts of a list of blocks."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        texts = [one["text"] for one in value if isinstance(one, dict) and isinstance(one.get("text"), str)]
        return "\n".join(texts) or None
    return None
