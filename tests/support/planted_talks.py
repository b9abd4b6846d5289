"""Planted sessions: a plain one, its fork, every kind of turn, and files with next to nothing in them."""

from __future__ import annotations

from typing import Any

from tests.support.transcript_lines import (
    HAIKU,
    SONNET,
    Object,
    Talk,
    image,
    line,
    message,
    name,
    text,
    thinking,
    tool,
    usage,
)

_A = Talk("5b1f0a52-0001-4c1e-9d61-00000000000a", "/home/alice/shop")
_B = Talk("5b1f0a52-0002-4c1e-9d61-00000000000b", "/home/bob/shop", version="2.1.62", branch="discounts")


def _d1(time: str) -> str:
    return f"2026-03-01T{time}.000Z"


def _d2(time: str) -> str:
    return f"2026-03-02T{time}.000Z"


# --- alice: repeats that are not adjacent, a missing requestId and message id, commands, questions, small kinds ---

_A_ASKS = _A.user(_d1("09:00:00"), "a asks", "Discounts must never go below the cost price, please check the cart.")
_A1_THINKS = _A.assistant(_d1("09:00:05"), "A1", thinking("Where is the cart?"), usage(10, 1, 100))
_A1_SAYS = _A.assistant(_d1("09:00:06"), "A1", text("I will read the cart."), usage(10, 3, 100))
_A1_READS = _A.assistant(
    _d1("09:00:07"), "A1", tool("toolu_01aRead", "Read", file_path="/home/alice/shop/cart.py"), usage(10, 20, 100)
)
_A_READ = _A.gave(_d1("09:00:09"), "toolu_01aRead", "1\tdef total(lines): ...", of_tool={"type": "text", "file": {}})
_A2_SKILL = _A.assistant(
    _d1("09:00:20"),
    "A2",
    tool("toolu_01aSkill", "Skill", skill="release-notes"),
    usage(5, 40, 200, 1000, one_hour=150, web_searches=2),
)
_A_SKILL = _A.gave(_d1("09:00:21"), "toolu_01aSkill", [text("Launching skill: release-notes")], is_error=False)
_A_REVIEW = _A.user(
    _d1("09:20:00"),
    "a review",
    "<command-name>/review</command-name>\n  <command-message>review</command-message>\n"
    "  <command-args>--fast</command-args>",
)
_A_NO_ID = _A.record(
    "assistant",
    _d1("09:06:00"),
    "A4 has no message id",
    message=message(None, text("Done with the list."), usage(3, 4), SONNET),
    requestId="req_011CA4",
)
_ALICE: list[Object] = [
    {"type": "summary", "summary": "Cart discounts", "leafUuid": name("leaf"), "message": "not read here"},
    {
        "type": "file-history-snapshot",
        "messageId": name("snapshot"),
        "snapshot": {"messageId": name("snapshot"), "trackedFileBackups": {}, "timestamp": _d1("08:59:59")},
        "isSnapshotUpdate": False,
    },
    _A.plain("permission-mode", permissionMode="default"),
    _A_ASKS,
    _A1_THINKS,
    _A1_SAYS,
    _A.progress(_d1("09:00:06"), "hook", type="hook_progress", hookEvent="PostToolUse", command="callback"),
    _A.user(_d1("09:00:06"), "a caveat", "Caveat: the messages below were generated.", isMeta=True),
    _A1_READS,
    _A_READ,
    _A2_SKILL,
    _A_SKILL,
    _A.user(_d1("09:05:00"), "a goes on", [text("Now look for open issues about rounding.")]),
    _A.assistant(
        _d1("09:05:10"),
        "A3",
        tool("toolu_01aMcp", "mcp__tracker__search_issues", query="rounding"),
        usage(7, 8, 0, 500),
        SONNET,
        request=False,
    ),
    _A.gave(_d1("09:05:40"), "toolu_01aMcp", "Request timed out after 30000 ms", is_error=True),
    _A_NO_ID,
    _A.assistant(
        _d1("09:06:10"),
        "limit",
        text("API Error: the service is overloaded"),
        usage(0, 0),
        "<synthetic>",
        request=False,
        isApiErrorMessage=True,
    ),
    _A.record("system", _d1("09:06:11"), "turn", subtype="turn_duration", durationMs=371000, isMeta=False),
    _A_REVIEW,
    _A.user(
        _d1("09:20:30"),
        "a deploy",
        "<command-message>shop:deploy is running…</command-message>\n<command-name>/shop:deploy</command-name>",
    ),
    _A.user(_d1("09:20:31"), "a stdout", "<local-command-stdout>deployed</local-command-stdout>"),
    _A.assistant(
        _d1("09:21:00"), "A5", tool("toolu_01aAsk", "AskUserQuestion", questions=[{"question": "Round?"}]), usage(2, 5)
    ),
    _A.assistant(_d1("09:21:01"), "A5", tool("toolu_01aLate", "Bash", command="make check"), usage(2, 6)),
    _A.gave(
        _d1("09:22:00"),
        "toolu_01aAsk",
        'User has answered your questions: "Round?"="Half up".',
        of_tool={"questions": [{"question": "Round?"}], "answers": {"Round?": "Half up"}},
    ),
    _A.plain("queue-operation", _d1("09:22:10"), operation="enqueue", content="also the invoices, please"),
    _A.record(
        "attachment", _d1("09:22:11"), "queued", attachment={"type": "queued_command", "prompt": "and the receipts"}
    ),
    _A.user(_d1("09:22:20"), "a stops", [text("[Request interrupted by user]")]),
    _A.plain("last-prompt", lastPrompt="and the receipts"),
    _A.plain("ai-title", aiTitle="Cart discounts"),
    _A.plain("pr-link", _d1("09:22:30"), prNumber=17, prUrl="https://example.org/shop/pull/17"),
    _A.plain("bridge-session", bridgeSessionId="bridge_1"),
    _A.plain("a-type-of-next-year", message=5, data="anything"),
]
ALICE = b"".join(map(line, _ALICE))

# --- bob: a fork of alice's session that goes on, with results that belong to uses of hers ----------------------------


def _forked(record: Object) -> Object:
    return {**record, "sessionId": _B.session_id, "cwd": _B.cwd, "gitBranch": _B.branch}


_EDIT_FAILED = "<tool_use_error>String to replace not found in file.\nString: total</tool_use_error>"
_BOB: list[Object] = [
    *map(_forked, [_A_ASKS, _A1_THINKS, _A1_SAYS, _A1_READS, _A_READ]),
    _B.assistant(_d1("09:00:08"), "A1", text("There it is."), usage(10, 25, 100)),
    *map(_forked, [_A2_SKILL, _A_SKILL, _A_REVIEW]),
    _B.user(_d2("10:00:00"), "b asks", "Prices are stored in cents, so compare whole numbers."),
    _B.assistant(_d2("10:00:10"), "B1", tool("toolu_01bEdit", "Edit", old_string="total"), usage(100, 50)),
    _B.gave(_d2("10:00:12"), "toolu_01bEdit", _EDIT_FAILED, is_error=True),
    _B.assistant(_d2("10:01:00"), "B2", tool("toolu_01bBash", "Bash", command="make"), usage(20, 4), HAIKU),
    _B.assistant(_d2("10:01:01"), "B2", tool("toolu_01bRead", "Read", file_path="/nope"), usage(20, 10), HAIKU),
    _B.gave(_d2("10:01:05"), "toolu_01bBash", "Exit code 2\nmake: *** [check] Error 1", is_error=True),
    _B.gave(_d2("10:01:06"), "toolu_01bRead", "File does not exist.", is_error=True),
    _B.gave(_d2("10:02:00"), "toolu_01aLate", "Exit code 1\n2 tests failed", is_error=True),
    _B.gave(_d2("10:02:01"), "toolu_01aMcp", "3 issues", is_error=False),
]
BOB = b"".join(map(line, _BOB))

# --- frank: every kind of turn that is a person's, and every kind that is not -----------------------------------------

_F = Talk("5b1f0a52-0006-4c1e-9d61-00000000000f", "/home/frank/offers", version="2.1.114")


def _turns() -> list[Object]:
    human: list[Any] = [
        "We always round half up.",
        [text("In our reports a week begins on Monday.")],
        [text("<system-reminder>be brief</system-reminder>"), text("Use the second chart.")],
        [text("This is the chart I mean."), image()],
        "\n   Indented words are words, too.",
        "What does <command-name> mean in the log?",
        [{"tool_use_id": "toolu_01fNone", "type": "tool_result", "content": "fine"}, text("beside a result")],
    ]
    machine: list[Any] = [
        "<command-message>only a message</command-message>",
        "<command-args>x</command-args>",
        "<command-contents>x</command-contents>",
        "<local-command-stdout>x</local-command-stdout>",
        "<local-command-stderr>x</local-command-stderr>",
        "<local-command-caveat>x</local-command-caveat>",
        "<task-notification>x</task-notification>",
        "<bash-input>ls</bash-input>",
        "<bash-stdout>a b</bash-stdout>",
        "<bash-stderr>x</bash-stderr>",
        "<system-reminder>x</system-reminder>",
        "[Request interrupted by user for tool use]",
        "",
        "  \n",
        None,
        [],
        [image()],
        "\n <command-name>/clear</command-name>",  # a command: clear
        [text("<command-name>/compact</command-name>"), text("<command-name>cost</command-name>")],  # two of them
    ]
    turns = [_F.user(f"2026-03-04T13:00:{n:02}.000Z", f"turn {n}", said) for n, said in enumerate(human + machine)]
    at = "2026-03-04T13:05:00.000Z"
    words = "<command-name>/hidden</command-name>"
    no_uuid = _F.user(at, "no uuid", words)
    del no_uuid["uuid"]
    return [
        *turns,
        _F.record("system", at, "boundary", subtype="compact_boundary", compactMetadata={"preTokens": 155202}),
        _F.user(at, "compacted", "This session is being continued: we round half up.", isCompactSummary=True),
        _F.user(at, "compacted command", words, isCompactSummary=True),
        _F.user(at, "meta command", words, isMeta=True),
        {**_F.user(at, "aside", "A subagent's task."), "isSidechain": True},
        {**_F.record("user", at, "nothing"), "message": None},
        _F.record("system", at, "local", subtype="local_command", content=words),
        no_uuid,  # a command by its time: hidden
    ]


TURNS = b"".join(map(line, _turns()))

#: A result without a use, and a last line that is JSON but cannot be read.
_LOST = Talk("5b1f0a52-0007-4c1e-9d61-00000000000f", "/home/frank/offers")
ORPHAN = (
    line(_LOST.gave("2026-03-04T14:00:00.000Z", "toolu_01gone", "The disk is on fire", is_error=True))
    + b'{"type":"user","message":7}'
)

#: No sessionId and no time anywhere.
SUMMARY_ONLY = line({"type": "summary", "summary": "Nothing else was kept", "leafUuid": name("lost leaf")})
