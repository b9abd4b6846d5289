"""People's words are found in each place where they may stand, once, in order, and nobody else's are taken for them."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from typing import Any

import pytest

from processors.contract import Lines
from processors.verification.sentences import LEFT_OUT, without_pastes
from processors.verification.turns import LONGEST_TURN, OURS, Turn, TurnReader
from processors.verification.window import next_window
from tests.support.transcript_lines import Object, image, result, text, thinking, tool

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


def attachment(words: Any, **more: Any) -> Object:
    return {"type": "attachment", "attachment": {"type": "queued_command", "prompt": words, **more}}


def client(version: str | None) -> Object:
    """A line that says which client writes the file, and nothing else."""
    return {"type": "system", "subtype": "informational", "version": version}


#: The last client that delivers a queued sentence without a line of its own, and the first that has one.
OLD, NEW = client("2.1.219"), client("2.1.220")


def asked(answers: Any, *labels: str, **more: Any) -> Object:
    options = [{"label": label, "description": f"about {label}"} for label in labels]
    asked = {"questions": [{"question": "Which?", "options": options}], "answers": answers, **more}
    return user([result("t", "User has answered")], toolUseResult=asked)


def turns(*records: Object | bytes) -> list[Turn]:
    reader, found = TurnReader(), list[Turn]()
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
        (user([result("t", "done"), text("Only in main.")]), ["Only in main."]),
        (attachment("go on"), ["go on"]),
        (attachment([text("go on")]), ["go on"]),
        (attachment("go on", origin={"kind": "human"}), ["go on"]),
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
        (user([result("t", "No.", True)], userFeedback="use cents", toolDenialKind="user-rejected"), ["use cents"]),
        (user([result("t", REJECTED + "use cents", True), text("use cents")]), ["use cents"]),
        (user("Implement the following plan:\n\nAll.\nUser feedback on this plan: use cents"), ["use cents"]),
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
        user('{"task_id": 1}'.replace(" ", "")),
        user('{"task_id":"b1","description":"never push to main","task_type":"local_bash"}'),
        user("Stop hook feedback:\n- never push to main"),
        user("Implement the following plan:\n\nWe never push to main."),
        user("We never push to main.", planContent="We never push to main."),
        user(f"{OURS}\n<turn>We never push to main.</turn>"),
        user([result("t", REJECTED + "The user wants to clarify these questions.\n    Take their response", True)]),
        user([result("t", REJECTED, True)]),
        attachment("<task-notification>done</task-notification>"),
        attachment(None),
        attachment([image()]),
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
    assert said(OLD, record) == []


@pytest.mark.parametrize(
    ("given", "theirs"),
    [
        ({"origin": {"kind": "human"}}, True),
        ({"origin": {"kind": "human"}, "promptSource": "sdk"}, True),
        ({"promptSource": "typed"}, True),
        ({"promptSource": "queued"}, True),
        ({"promptSource": "suggestion_accepted"}, True),
        ({"origin": 5, "promptSource": [1]}, True),
        ({"origin": {"kind": "peer"}}, False),
        ({"origin": {"kind": "coordinator"}, "promptSource": "typed"}, False),
        ({"origin": {"kind": "channel"}}, False),
        ({"origin": {"kind": "task-notification"}}, False),
        ({"origin": {"kind": "task-notification", "subkind": "scheduled-trigger"}}, False),
        ({"origin": {"kind": "auto-continuation"}}, False),
        ({"origin": {"kind": "something new"}}, False),
        ({"promptSource": "sdk"}, False),
        ({"promptSource": "system"}, False),
        ({"turnOrigin": "scheduled", "isMeta": True}, False),
        ({"turnOrigin": "peer", "isMeta": True}, False),
        ({"turnOrigin": "peer", "origin": {"kind": "human"}}, False),
    ],
)
def test_only_peoples_prompts_are_taken(given: Object, theirs: bool) -> None:
    """A peer's, a program's, a clock's and whatever is not known to be a person's is left out, and is no context."""
    assert [turn.text for turn in turns(user("use cents", **given))] == ["use cents"] * theirs


@pytest.mark.parametrize("kind", ["peer", "coordinator", "task-notification", "auto-continuation", "slack-ping"])
def test_only_peoples_queued_commands_are_taken(kind: str) -> None:
    """What another agent or the client sent while the agent worked."""
    assert turns(attachment("use cents", origin={"kind": kind})) == []


def test_a_queued_sentence_of_todays_clients_is_told_of_where_it_is_delivered() -> None:
    """However often it stands elsewhere: that it was queued, and taken out of the queue, is nothing."""
    removed = {"type": "queue-operation", "operation": "remove", "content": "use cents"}
    for before in ((), (NEW,), (OLD, NEW), (client("3.0.0"),), (client("odd"),)):
        assert said(*before, enqueue("use cents"), removed, attachment("use cents")) == ["use cents"]
        assert said(*before, enqueue("use cents"), removed, user("use cents")) == ["use cents"]
        assert said(*before, enqueue("use cents"), removed) == []


@pytest.mark.parametrize("old", [OLD, client("2.0.999"), client("1.0.5 (beta)")])
def test_a_queued_sentence_of_an_old_client_counts_once(old: Object) -> None:
    """It may come a second time when the agent takes it up, in whatever case and space; said anew it counts again."""
    assert said(old, enqueue("use cents")) == ["use cents"]
    assert said(old, enqueue("use cents"), user("Use  cents")) == ["use cents"]
    assert said(old, enqueue("use cents"), attachment("use cents")) == ["use cents"]
    assert said(old, enqueue("use cents"), user("use cents"), user("use cents")) == ["use cents", "use cents"]
    assert said(old, enqueue("use cents"), enqueue("use cents"), *[user("use cents")] * 2) == ["use cents"] * 2
    assert said(user("use cents"), user("use cents")) == ["use cents", "use cents"]
    # An answer that happens to be the same is not how it is delivered.
    answered = turns(old, enqueue("mine"), asked({"Which?": "mine"}, "A"), user("mine"))
    assert [turn.question for turn in answered] == [None, "Which?"]
    assert said(old, enqueue("<task-notification>done</task-notification>"), enqueue(f"{OURS} x")) == []
    assert said(old, enqueue("use cents"), NEW, enqueue("in March"), user("use cents")) == ["use cents"]


PASTE = "No, margins never include shipping."


@pytest.mark.parametrize(
    ("written", "left"),
    [
        (f"Look:\n<pasted_content>{PASTE}</pasted_content>", "Look:"),
        (f'Look: <pasted_content id="3130">\n{PASTE}\n</pasted_content id="3130"> at it', f"Look:\n{LEFT_OUT}\nat it"),
        (f'<pasted_content id="3130">{PASTE}</pasted_content> at it', "at it"),
        (f'<pasted_content id="1">a</pasted_content>{PASTE}</pasted_content id="1"> at it', "at it"),
        (f'<pasted_content id="1">{PASTE}</pasted_content id="2"> at it', "at it"),
        (f"a <pasted_content>{PASTE}</pasted_content><pasted_content>x</pasted_content> b", f"a\n{LEFT_OUT}\nb"),
        (f"Look: <pasted_content>{PASTE}", "Look:"),
        (f"<pasted_content>{PASTE}</pasted_content>", ""),
        ("what is pasted_content> or </pasted_content>?", "what is pasted_content> or </pasted_content>?"),
    ],
)
def test_what_is_pasted_is_not_said(written: str, left: str) -> None:
    """Wherever a person's words stand, with whatever end; what stood on its two sides is not one sentence."""
    assert without_pastes(written) == left
    for record in (
        user(written),
        user([text(written)]),
        attachment(written),
        user([result("t", "x", True)], userFeedback=written),
        asked({"Which?": written}, "A"),
    ):
        assert said(record) == ([left] if left else [])
    assert said(OLD, enqueue(written), user(written)) == ([left] if left else [])


def test_many_pastes_take_no_longer_than_their_length() -> None:
    """Beginnings without an end, and ends of others."""
    odd = '<pasted_content id="1">' * 700 + '<pasted_content id="2"></pasted_content>' * 400
    assert without_pastes(odd * 50) == ""


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
    glued = json.dumps(attachment("one")).encode() + b" " + json.dumps(user("two")).encode()
    assert said(glued) == ["one", "two"]
    assert said(b'{"type":"user","userFeedback":"x","message":{"content":"a\\ud83db"}}') == ["a\ufffdb"]
    assert said(OLD, b'{"type":"queue-operation","operation":"enqueue","content":"a\\ud83db"}') == ["a\ufffdb"]
    assert [len(one) for one in said(user("x" * 100_000))] == [LONGEST_TURN]


def test_the_whole_end_of_a_damaged_line_gives_its_turns() -> None:
    """The next writer began on the line of one that was cut off, or behind a run of NUL; it is a bad line still."""
    whole = json.dumps(user("use cents", sessionId="s")).encode()
    for torn in (b'{"type":"user","message":{"content":"in Mar', b"\0" * 40):
        (turn,), bad = TurnReader().take(torn + whole)
        assert (turn.text, bad) == ("use cents", 1)


def test_a_byte_order_mark_is_nothing_where_the_file_begins() -> None:
    """And makes a line bad anywhere else."""
    line = BOM_UTF8 + json.dumps(user("use cents")).encode()
    for start, count in ((0, 1), (5, 0), (None, 0)):
        found, bad = TurnReader().take(line, start=start)
        assert (len(found), bad) == (count, 1 - count)
    for start, count in ((0, 1), (5, 0)):
        window = next_window(Lines(line + b"\n" + line + b"\n"), start, TurnReader(), 1000)
        assert (len(window.turns), window.bad_lines) == (count, 2 - count)


def test_a_bad_line_is_bad_here_too() -> None:
    """What the shared reader refuses gives no turns, even where words could be found in it."""
    for line in (b'{"type":"user","message":5,"userFeedback":"x"}', b'{"type":"user"} x', b"[1]", b"\xff"):
        assert TurnReader().take(line, utf8=False) == ([], 1)
    for odd in (5, "x", [1], {"answers": 5}, {"answers": {"a": 5}, "questions": 7}, {"answers": {"a": "b"}}):
        record = user("hi", toolUseResult=odd, userFeedback=odd, attachment=odd, operation=odd)
        assert TurnReader().take(json.dumps(record).encode())[1] == 0
