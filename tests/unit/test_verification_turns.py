"""Human words are found in each place where they may stand, once, in order, and nothing else is taken for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from processors.verification.turns import LONGEST_TURN, Reader, Turn
from tests.transcript_lines import Object, image, result, text, thinking, tool

REJECTED = (
    "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was a file edit, the"
    " new_string was NOT written to the file). To tell you how to proceed, the user said:\n"
)


def user(content: Any, **more: Any) -> Object:
    return {"type": "user", "message": {"role": "user", "content": content}, **more}


def assistant(*blocks: Object, **more: Any) -> Object:
    return {"type": "assistant", "uuid": "u", "message": {"id": "m", "role": "assistant", "content": blocks}, **more}


def enqueue(words: Any) -> Object:
    return {"type": "queue-operation", "operation": "enqueue", "content": words}


def attachment(words: Any) -> Object:
    return {"type": "attachment", "attachment": {"type": "queued_command", "prompt": words}}


def asked(answers: Any, *labels: str, **more: Any) -> Object:
    options = [{"label": label, "description": f"about {label}"} for label in labels]
    asked = {"questions": [{"question": "Which?", "options": options}], "answers": answers, **more}
    return user([result("t", "User has answered")], toolUseResult=asked)


def turns(*records: Object | bytes) -> list[Turn]:
    reader, found = Reader(), list[Turn]()
    for record in records:
        found += reader.take(record if isinstance(record, bytes) else json.dumps(record).encode())[0]
    return found


def said(*records: Object | bytes) -> list[str]:
    return [turn.text for turn in turns(*records) if turn.human and not turn.pick]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (user("Weeks begin on Monday."), ["Weeks begin on Monday."]),
        (user([text("One."), image(), text("Two.")]), ["One.\nTwo."]),
        (user("<system-reminder>be brief</system-reminder>\nWe use cents."), ["We use cents."]),
        (user("We use cents.\n<ide_selection>some code</ide_selection>"), ["We use cents."]),
        (enqueue("also the docs"), ["also the docs"]),
        (enqueue([text("also"), text("the docs")]), ["also\nthe docs"]),
        (attachment("go on"), ["go on"]),
        (attachment([text("go on")]), ["go on"]),
        (user([result("t", REJECTED + "not in main", True)]), ["not in main"]),
        (user([result("t", [text(REJECTED + "not in main")], True)]), ["not in main"]),
        (
            user([result("t", REJECTED + "no\n\nNote: The user's next message may contain a correction", True)]),
            ["no"],
        ),
        (asked({"Which?": "the one of finance"}, "A", "B"), ["the one of finance"]),
        (asked({"Which?": "A"}, "A", annotations={"Which?": {"notes": "but only in March"}}), ["but only in March"]),
        (user([result("t", "done")], userFeedback="use cents"), ["use cents"]),
        (user([result("t", "done")], toolUseResult={"userFeedback": "use cents"}), ["use cents"]),
        (user([result("t", REJECTED + "use cents", True)], userFeedback="use cents"), ["use cents"]),
    ],
)
def test_words_are_found_in_every_place(record: Object, words: list[str]) -> None:
    """Typed, queued, said while turning a tool down, answered in one's own words, noted beside a result."""
    assert said(record) == words


@pytest.mark.parametrize(
    "record",
    [
        user([result("t", "the user said: nothing", False)]),
        user([result("t", "a tool's result")]),
        user("words", isMeta=True),
        user("words", isCompactSummary=True),
        user("words", isSidechain=True),
        user("<command-name>/clear</command-name>"),
        user("<local-command-stdout>ok</local-command-stdout>"),
        user("<task-notification>done</task-notification>"),
        user("[Request interrupted by user for tool use]"),
        user("<system-reminder>be brief</system-reminder>"),
        user("This session is being continued from a previous conversation that ran out of context."),
        user("  \n"),
        user([image()]),
        enqueue("<task-notification>done</task-notification>"),
        enqueue(None),
        {"type": "queue-operation", "operation": "dequeue", "content": "words"},
        {"type": "attachment", "attachment": {"type": "file", "prompt": "words"}},
        asked({"Which?": "A"}, "A", "B"),
        asked({"Which?": "about A"}, "A"),
        asked({"Which?": "B, A"}, "A", "B"),
        {"type": "summary", "summary": "words", "content": "words"},
        assistant(text("words")),
    ],
)
def test_nothing_else_is_anybodys_words(record: Object) -> None:
    """Results, tags, summaries, side chains, and options that the agent wrote."""
    assert said(record) == []


def test_what_was_queued_counts_once() -> None:
    """It comes a second time when the agent takes it up, as a line or as an attachment; said anew it counts again."""
    assert said(enqueue("use cents"), user("use  cents")) == ["use cents"]
    assert said(enqueue("use cents"), attachment("use cents")) == ["use cents"]
    assert said(enqueue("use cents"), user("use cents"), user("use cents")) == ["use cents", "use cents"]
    assert said(user("use cents"), user("use cents")) == ["use cents", "use cents"]


def test_the_agent_is_heard_too() -> None:
    """Its text, not its thoughts, its tools, its errors or its side chains."""
    spoken = turns(
        assistant(text("I did it."), thinking("hm"), tool("t", "Bash", command="ls"), text("All of it.")),
        assistant(text("inner"), isSidechain=True),
        {"type": "assistant", "message": {"model": "<synthetic>", "content": [text("API Error")]}},
        user("thanks"),
    )
    assert [(turn.human, turn.text) for turn in spoken] == [(False, "I did it.\nAll of it."), (True, "thanks")]


def test_whose_and_when_is_kept() -> None:
    """Time, session and the line's own name go with a turn; an answer goes with its question."""
    (turn,) = turns(user("hi", uuid="u1", sessionId="s1", timestamp="2026-03-01T08:00:00Z"))
    assert (turn.turn_id, turn.session_id, str(turn.at)) == ("u1", "s1", "2026-03-01 08:00:00+00:00")
    (answer,) = turns(asked({"Which?": "mine"}, "A"))
    assert answer.question == "Which?"


def test_glued_and_odd_lines() -> None:
    """Objects on one line each give their turns; halves of characters are replaced; a huge text is cut."""
    glued = json.dumps(enqueue("one")).encode() + b" " + json.dumps(user("two")).encode()
    assert said(glued) == ["one", "two"]
    assert said(b'{"type":"queue-operation","operation":"enqueue","content":"a\\ud83db\\u0000"}') == ["a\ufffdb\ufffd"]
    assert [len(one) for one in said(user("x" * 100_000))] == [LONGEST_TURN]


def test_a_bad_line_is_bad_here_too() -> None:
    """What the shared reader refuses gives no turns, even where words could be found in it."""
    for line in (b'{"type":"user","message":5,"userFeedback":"x"}', b'{"type":"user"} x', b"[1]", b"\xff"):
        assert Reader().take(line, utf8=False) == ([], 1)
    for odd in (5, "x", [1], {"answers": 5}, {"answers": {"a": 5}, "questions": 7}, {"answers": {"a": "b"}}):
        record = user("hi", toolUseResult=odd, userFeedback=odd, attachment=odd, operation=odd)
        assert Reader().take(json.dumps(record).encode())[1] == 0
