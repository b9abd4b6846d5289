"""Planted sessions with subagents, in every place where versions of Claude Code have put them."""

from __future__ import annotations

from tests.support.transcript_lines import (
    HAIKU,
    SONNET,
    Object,
    Talk,
    embedded,
    line,
    message,
    name,
    result,
    text,
    tool,
    usage,
)

# --- carol: embedded in agent_progress lines (E0, E1), in a sibling file (S1), in a folder of the session (S2) --------

_C = Talk("5b1f0a52-0003-4c1e-9d61-00000000000c", "/srv/api", version="2.1.49", branch="HEAD")
_AGENT = "a1b2c3d4e5f607182"


def _d2(time: str) -> str:
    return f"2026-03-02T11:{time}.000Z"


def _d3(time: str) -> str:
    return f"2026-03-03T{time}.000Z"


def _e1(output: int) -> Object:
    return message("msg_01E1", tool("toolu_01cGrep", "Grep", pattern="Handler"), usage(6, output, 300), HAIKU)


_E0 = message("msg_01E0", text("I will look at the handlers."), usage(3, 3, 200), HAIKU)
_DENIED = {"role": "user", "content": [result("toolu_01cGrep", "Permission to use Grep has been denied.", True)]}
_TASK_SAYS = {"role": "user", "content": [text("Look through the handlers and name what they share.")]}
_CAROL: list[Object] = [
    _C.user(_d2("00:00"), "c asks", "Look through the handlers; every one of them must log the tenant."),
    _C.assistant(_d2("00:05"), "C1", tool("toolu_01cTask", "Task", subagent_type="Explore"), usage(4, 30, 1000)),
    _C.agent_progress(_d2("00:06"), "p1", embedded("user", _d2("00:06"), "e asked", _TASK_SAYS), agentId=_AGENT),
    _C.agent_progress(
        _d2("00:10"),
        "p2",
        embedded("assistant", _d2("00:10"), "e one", _e1(1), requestId="req_011CE1"),
        [
            embedded("user", _d2("00:06"), "e asked", _TASK_SAYS),
            embedded("assistant", _d2("00:08"), "e zero", _E0, requestId="req_011CE0"),
        ],
        agentId=_AGENT,
    ),
    _C.agent_progress(_d2("00:12"), "p3", embedded("user", _d2("00:12"), "e denied", _DENIED), agentId=_AGENT),
    _C.agent_progress(  # its own time and agent are missing: those of the line
        _d2("00:13"),
        "p4",
        embedded("assistant", None, "e one again", _e1(9), requestId="req_011CE1"),
        [embedded("assistant", _d2("00:10"), "e one", _e1(1), requestId="req_011CE1")],
    ),
    _C.agent_progress(_d2("00:14"), "p5", None),
    _C.agent_progress(_d2("00:14"), "p6", {"type": "system", "message": 3}),
    _C.progress(_d2("00:15"), "p7", type="bash_progress", output="", fullOutput="", elapsedTimeSeconds=3),
    _C.progress(_d2("00:15"), "p8", type="mcp_progress", status="started", message={"type": "assistant"}),
    _C.progress(
        _d2("00:16"),
        "p9",
        type="skill_progress",  # not agent_progress: its usage is nobody's
        message=embedded("assistant", _d2("00:16"), "e two", message("msg_01no", text(""), usage(7000, 7000))),
    ),
    _C.gave(
        _d2("00:30"),
        "toolu_01cTask",
        [text("They all take a tenant.")],
        of_tool={"status": "completed", "totalTokens": 521, "usage": usage(6000, 6000)},  # repeats what was counted
    ),
]
PROGRESS = b"".join(map(line, _CAROL))

_S = Talk(_C.session_id, "/srv/api", version="2.0.60", sidechain=True, agent_id="0a1b2c3d")
AGENT_FILE = b"".join(
    map(
        line,
        [
            _S.user(_d2("01:00"), "s task", "Run the handler tests."),
            _S.assistant(_d2("01:00"), "S1", tool("toolu_01cBash", "Bash", command="pytest"), usage(8, 12), SONNET),
            _S.gave(_d2("01:09"), "toolu_01cBash", "[Request interrupted by user for tool use]", is_error=True),
        ],
    )
)

_N = Talk(_C.session_id, "/srv/api", version="2.1.114", sidechain=True, agent_id="9f8e7d6c5b4a3210f")
_BAD_INPUT = "<tool_use_error>InputValidationError: Agent failed: prompt is missing</tool_use_error>"
SUBAGENT_FILE = b"".join(
    map(
        line,
        [
            _N.user(_d3("08:00:00"), "n task", "Review what was changed."),
            _N.assistant(
                _d3("08:00:01"),
                "S2",
                tool("toolu_01cAgent", "Agent", subagent_type="reviewer"),
                usage(1, 2, 0, 3000),
                HAIKU,
            ),
            _N.gave(_d3("08:00:05"), "toolu_01cAgent", _BAD_INPUT, is_error=True),
        ],
    )
)

# --- dave: an old version, with inline sidechains, glued objects, times out of order, and no newline at the end -------

_D = Talk("5b1f0a52-0004-4c1e-9d61-00000000000d", "/home/dave/legacy", version="1.0.53", branch=None)
_I = Talk(_D.session_id, _D.cwd, version="1.0.53", branch=None, sidechain=True)
_REJECTED = (
    "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was a file edit, the"
    " new_string was NOT written to the file). To tell you how to proceed, the user said:\nKeep the old names."
)
_DAVE: list[tuple[Object, ...]] = [
    ({"type": "summary", "summary": "Parser port", "leafUuid": name("old leaf")},),
    (_D.user(_d3("09:00:00"), "d asks", "Port the parser; dates are always day first."),),
    (_D.assistant(_d3("09:00:10"), "D1", text("I will."), usage(50, 5), SONNET),),
    (_I.user(_d3("09:00:11"), "i task", "Write the grammar file."),),
    (_I.assistant(_d3("09:00:12"), "D2", tool("toolu_01dWrite", "Write"), usage(30, 3), SONNET),),
    (_I.gave(_d3("09:00:13"), "toolu_01dWrite", "File has not been read yet. Read it first.", is_error=True),),
    (_D.record("tool_use_result", _d3("09:00:14"), "old result", tool_use_result={"stdout": "ok"}, message="old"),),
    (
        _D.assistant(_d3("09:01:00"), "D3", text("Glued to"), usage(1, 1), SONNET),
        _D.assistant(_d3("09:01:01"), "D4", tool("toolu_01dEdit", "Edit"), usage(2, 2), SONNET),
    ),
    (_D.gave(_d3("09:02:00"), "toolu_01dEdit", _REJECTED, is_error=True),),
    (_D.assistant(_d3("08:59:00"), "D5", text("Written late."), usage(1, 0), SONNET),),
]
_TORN = line(_D.assistant(_d3("09:03:00"), "D6", text("The end."), usage(1000, 1), SONNET)).rstrip(b"\n")
INLINE = b"".join(line(*glued) for glued in _DAVE) + _TORN
