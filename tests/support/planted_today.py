"""Planted sessions of today's client: gwen's with a workflow's subagent, and hal's, who forked it."""

from __future__ import annotations

from typing import Any

from tests.support.transcript_lines import HAIKU, OPUS, SONNET, Object, Talk, line, name, result, text, tool, usage

_G = Talk("5b1f0a52-0008-4c1e-9d61-000000000010", "/home/gwen/shop", "2.1.332", "fix-7")
_W = Talk(_G.session_id, "/home/gwen/shop/.claude/worktrees/wf-1", "2.1.332", "fix-7", True, "0c0ffee0")
_H = Talk("5b1f0a52-0009-4c1e-9d61-000000000011", "C:\\Users\\hal\\src\\shop", "2.1.332", "invoices")
_HUMAN = {"origin": {"kind": "human"}, "promptSource": "typed"}


def _d5(time: str) -> str:
    return f"2026-03-05T{time}.000Z"


def _says(model: str, input_tokens: int, output_tokens: int, creation: int, cost: float) -> Object:
    return {
        model: {
            "inputTokens": input_tokens,
            "outputTokens": output_tokens,
            "thinkingTokens": 0,
            "cacheCreationInputTokens": creation,
            "cacheReadInputTokens": 0,
            "webSearchRequests": 0,
            "costUSD": cost,
        }
    }


# --- gwen: an advisor, a queued sentence, a torn head, a pull request, and what the client says that it spent ---------

_ADVICE: list[Object] = [
    {"type": "advisor_message", "model": OPUS, "input_tokens": 40, "output_tokens": 3},
    {"type": "message", "input_tokens": 5, "output_tokens": 9},
]
_MADE: Object = {"requestedModel": "sonnet", "effort": "high", "attributionSkill": "rounding"}
_G_ASKS = _G.user(_d5("10:00:00"), "g asks", "Round the totals of the cart, please.", **_HUMAN)
_G1_LATE = _G.assistant(_d5("10:00:05"), "G1", text("I will."), usage(5, 1), SONNET, request=False, **_MADE)
_G1 = _G.assistant(
    _d5("10:00:06"),
    "G1",
    tool("toolu_01gEdit", "Edit", file_path="/home/gwen/shop/cart.PY"),
    {**usage(5, 9), "iterations": _ADVICE, "output_tokens_details": {"thinking_tokens": 4}},
    SONNET,
    **_MADE,
)
_G_EDITED = _G.gave(
    _d5("10:00:07"),
    "toolu_01gEdit",
    "The file was updated.",
    of_tool={"structuredPatch": [{"oldStart": 1, "lines": [" a", "-b", "+c", "+d"]}]},
    permissionDecision={"decision": "accept", "source": "config"},
)
_G_QUEUED = _G.record(
    "attachment",
    _d5("10:01:00"),
    "g queued",
    attachment={"type": "queued_command", "prompt": "whole cents", "origin": {"kind": "human"}},
)
_G_PEER = _G.record(
    "attachment",
    _d5("10:01:01"),
    "g peer",
    attachment={"type": "queued_command", "prompt": "The build is green", "origin": {"kind": "peer", "from": "b"}},
)
_G2 = _G.assistant(
    _d5("10:02:00"),
    "G2",
    text("In cents, then."),
    {
        "input_tokens": 7,
        "output_tokens": 2,
        "cache_creation_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
    },
    SONNET,
)
_CLEARS = _G.user(_d5("10:03:00"), "g clears", "<command-name>/clear</command-name>")
_REFUSED = (
    "The user doesn't want to proceed with this tool use. To tell you how to proceed, the user said:\nnet, not gross"
)


def _ran(time: str, command: str, parent: str) -> Object:
    run = {"command": command, "args": ""}
    return _G.record("system", _d5(time), "ran " + time, subtype="local_command", commandRun=run) | {
        "parentUuid": parent
    }


_GWEN: list[bytes] = [
    b"\xef\xbb\xbf" + line(_G.plain("ai-title", aiTitle="Rounding  the cart")),
    line(_G.plain("api-request-blob", message={"role": "user", "content": "Round the totals of the cart, please."})),
    line(_G_ASKS),
    line(_G1_LATE),
    line(_G1),
    line(_G_EDITED),
    line(_G.plain("queue-operation", _d5("10:00:59"), operation="enqueue", content="whole cents")),
    line(_G.plain("queue-operation", _d5("10:01:00"), operation="remove", content="whole cents", reason="absorbed")),
    line(_G_QUEUED),
    line(_G_PEER),
    line(_G_ASKS)[:120] + line(_G2),  # a torn head: a bad line
    line(_G.plain("pr-link", _d5("10:02:30"), prNumber=7, prRepository="acme/shop")),
    line(_CLEARS),
    line(_ran("10:03:01", "clear", name("g clears"))),  # the same command: no event
    line(_ran("10:03:05", "rename", name("g clears"))),
    line(
        _G.plain(
            "cost-state",
            totalCostUSD=3.375,
            modelUsage={
                **_says(SONNET, 12, 11, 30, 53 / 64),
                **_says(OPUS, 42, 7, 0, 49 / 64),
                **_says(HAIKU, 100, 20, 0, 120 / 64),  # a title: on no line
            },
        )
    ),
    line(_G.record("attachment", _d5("10:04:00"), "g new", attachment={"type": "of_next_year"})),
    line(_G.user(_d5("10:19:00"), "g job", "Sum up the day.", promptSource="sdk")),
    line(_G.assistant(_d5("10:20:00"), "G3", tool("toolu_01gWrite", "Write", file_path="sums"), usage(1, 1), HAIKU)),
    line(
        _G.user(
            _d5("10:21:00"),
            "g refuses",
            [result("toolu_01gWrite", _REFUSED, True)],
            toolDenialKind="user-rejected",
            userFeedback="net, not gross",
            permissionDecision={"decision": "reject", "source": "user_reject"},
        )
    ),
]
TODAY = b"".join(_GWEN)

WORKFLOW_FILE = b"".join(
    (
        line(_W.user(_d5("10:02:05"), "w task", "Look at the rounding.")),
        # a side question repeats the call of its parent under another request
        line(_W.assistant(_d5("10:02:06"), "G1", text("I will."), usage(5, 9), SONNET) | {"requestId": "req_aside"}),
        line(_W.assistant(_d5("10:02:10"), "G4", text("Half up."), usage(2, 4), OPUS, attributionAgent="Explore")),
    )
)

JOURNAL = line({"type": "launched"}) + line(_W.assistant(_d5("10:02:11"), "G5", text("no line"), usage(5000, 0)))

# --- hal: a fork of gwen's session up to her second call, with new uuids, that goes on behind a run of NUL ------------


def _copied(record: Object) -> Object:
    copy: Object = {**record, "sessionId": _H.session_id, "uuid": name("hal's " + record["uuid"])}
    if record["type"] == "assistant":
        copy["requestSessionId"] = record["sessionId"]
    return copy


_COPIES: list[Any] = [_G_ASKS, _G1_LATE, _G1, _G_EDITED, _G_QUEUED, _G_PEER, _G2]
FORK = b"".join(
    (
        *(line(_copied(record)) for record in _COPIES),
        b"\0" * 40 + line(_H.user(_d5("11:00:00"), "h asks", "And the invoices?", **_HUMAN)),  # a bad line
        line(_H.assistant(_d5("11:00:10"), "H1", text("They, too."), usage(3, 3), SONNET)),
        line(
            _H.plain(
                "cost-state",
                totalCostUSD=5.0,
                modelUsage={
                    **_says(SONNET, 15, 14, 30, 59 / 64),
                    **_says(OPUS, 42, 7, 0, 49 / 64),
                    **_says(HAIKU, 150, 25, 0, 175 / 64),
                },
            )
        ),
    )
)
