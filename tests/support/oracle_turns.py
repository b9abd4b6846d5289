"""The oracle's reading of turns: what was said to the agent in one session file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.support.oracle_lenient import a_string, an_object, objects
from tests.support.oracle_reading import Object, blocks_of, instant_of
from tests.support.oracle_rows import Found, Turn
from tests.support.oracle_text import clean, stored
from tests.support.oracle_words import asked_by, folded, joined, origin_of, words_in, words_of

MOST_WAITING = 50
#: From this version on a sentence that was queued stands where it is delivered.
DELIVERS = (2, 1, 220)
_ENDS_FEEDBACK = ("Note: The user's next message may contain", "[Request interrupted by user")

_Said = tuple[str, str, str]  # kind, whose, words


def find_turns(found: Found) -> None:
    """Put the turns of a file into ``found``, and whose turn was the latest before each record."""
    turns: list[Turn] = []
    waiting: list[Turn] = []  # what was queued by an old client and may still come as a prompt
    version: str | None = None
    for record in found.records:
        fields = record.fields
        for part, said in enumerate(said_in(fields, version)):
            kind, _, words = said
            turn = _turn(found, record.place, fields, said, part)
            turns.append(turn)
            found.heard.append(turn)
            if kind == "prompt":
                came = next((one for one in waiting if _same(one.words, words)), None)
                if came is not None:
                    waiting.remove(came)
                    turns.remove(came)
            if fields.get("type") == "queue-operation":
                waiting.append(turn)
                waiting = waiting[-MOST_WAITING:]
        version = fields.get("version") or version
    found.turns = turns
    whose, coming = "unknown", list(found.heard)
    for record in found.records:
        while coming and coming[0].record < record.place:
            whose = coming.pop(0).asked_by
        found.asked_by[record.place] = whose


def _turn(found: Found, place: int, fields: Object, said: _Said, part: int) -> Turn:
    kind, whose, words = said
    at: datetime | None = instant_of(fields)
    return Turn(
        kind=kind,
        asked_by=whose,
        words=words,
        at=at,
        is_copy=place <= found.copied_until,
        session_file=found.session_file,
        session_id=stored(fields.get("sessionId")),
        username=found.username,
        record=place,
        part=part,
    )


def _same(one: str, other: str) -> bool:
    return folded(one).lower() == folded(other).lower()


def said_in(record: Object, version: str | None) -> Iterator[_Said]:
    """What is said in a record: prompt, refusals, answers, or what was queued."""
    given = a_string(record, "turnOrigin") in ("scheduled", "peer")
    if record.get("isSidechain") or record.get("isCompactSummary") or (record.get("isMeta") and not given):
        return
    kind = record.get("type")
    if kind == "user":
        message = record.get("message") or {}
        words = words_of(message)
        if words is not None:
            plan = is_plan(record, words)
            whose = asked_by(record, origin_of(record), words)
            if plan:
                _, found, added = words.rpartition("\nUser feedback on this plan: ")
                words, whose = words_in(added) if found else None, "person"
            if words is not None and whose is not None:
                yield "prompt", whose, words
        for text in (*refusals(record, message), *answers(record)):
            words = words_in(text[1])
            if words is not None:
                yield text[0], "person", words
    elif kind == "attachment":
        attachment = an_object(record, "attachment")
        if attachment.get("type") == "queued_command":
            words = joined(words_in(text) for text in _prompt(attachment.get("prompt")))
            whose = asked_by(record, origin_of(record), words) if words is not None else None
            if words is not None and whose is not None:
                yield "queued", whose, words
    elif kind == "queue-operation" and record.get("operation") == "enqueue" and is_old(version):
        words = words_in(a_string(record, "content") or "")
        if words is not None:
            yield "queued", "person", words


def is_plan(record: Object, words: str) -> bool:
    """Whether the client put a plan in."""
    kind = a_string(origin_of(record), "kind")
    if a_string(record, "planContent") is not None or kind == "auto-continuation":
        return True
    nobody = kind is None and a_string(record, "promptSource") is None
    return nobody and words.startswith("Implement the following plan:")


def _prompt(prompt: Any) -> list[str]:
    if isinstance(prompt, str):
        return [prompt]
    blocks = prompt if isinstance(prompt, list) else []
    texts = [block for block in blocks if isinstance(block, dict) and block.get("type") == "text"]
    return [block["text"] for block in texts if isinstance(block.get("text"), str)]


def is_old(version: str | None) -> bool:
    """Whether a client delivers nothing of what it queues but as a prompt."""
    parts = re.match(r"(\d+)\.(\d+)\.(\d+)", version or "", re.ASCII)
    return parts is not None and tuple(map(int, parts.groups())) < DELIVERS


def refusals(record: Object, message: Object) -> Iterator[tuple[str, str]]:
    """What a person said while refusing a tool."""
    results = [
        block
        for block in blocks_of(message)
        if block.get("type") == "tool_result" and block.get("tool_use_id") is not None
    ]
    if not results:
        return
    feedback = a_string(record, "userFeedback")
    if feedback is None:
        feedback = a_string(an_object(record, "toolUseResult"), "userFeedback")
    if feedback is not None:
        yield "refusal", feedback
        return
    for block in results:
        text = _result_words(block)
        if block.get("is_error") is True and "the user said:" in text:
            first, *lines = text.partition("the user said:")[2].split("\n")
            kept = [first]
            for line in lines:
                if line.startswith(_ENDS_FEEDBACK):
                    break
                kept.append(line)
            yield "refusal", "\n".join(kept)


def _result_words(block: Object) -> str:
    content = block.get("content")
    if isinstance(content, list):
        pieces = [piece for piece in content if isinstance(piece, dict) and piece.get("type") == "text"]
        content = "\n".join(piece["text"] for piece in pieces if isinstance(piece.get("text"), str))
    return clean(content) if isinstance(content, str) else ""


def answers(record: Object) -> Iterator[tuple[str, str]]:
    """What a person wrote for an answer, instead of picking one."""
    given = an_object(record, "toolUseResult")
    offered = set()
    for question in objects(given, "questions") or []:
        options = question.get("options")
        for option in options if isinstance(options, list) else []:
            for name in ("label", "description") if isinstance(option, dict) else ():
                offered.add(folded(clean(a_string(option, name) or "")).lower())
            if isinstance(option, str):
                offered.add(folded(clean(option)).lower())
    offered.discard("")
    said = []
    for answer in an_object(given, "answers").values():
        if isinstance(answer, list):
            answer = ", ".join(one for one in answer if isinstance(one, str))
        said.append(answer)
    for note in an_object(given, "annotations").values():
        said.append(note.get("notes") if isinstance(note, dict) else note)
    for answer in said:
        words = words_in(answer) if isinstance(answer, str) else None
        if words is not None and not is_pick(folded(words).lower(), offered):
            yield "answer", words


def is_pick(answer: str, offered: set[str]) -> bool:
    """Whether an answer is one of the options, or several of them joined."""
    for option in offered:
        if answer == option:
            return True
        if answer.startswith(option):
            rest = answer[len(option) :].strip()
            if rest[:1] in (",", ";") and is_pick(rest[1:].strip(), offered):
                return True
    return False
