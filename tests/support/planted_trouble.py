"""A planted session full of lines that cannot be read, among some that only look so."""

from __future__ import annotations

from typing import Any

from tests.support.transcript_lines import HAIKU, Object, Talk, embedded, line, message, text, tool, usage

_T = Talk("5b1f0a52-0005-4c1e-9d61-00000000000e", "/home/erin/notes", version="2.1.237")
_DEEP = 100_000


def _at(time: str) -> str:
    return f"2026-03-04T12:{time}.000Z"


def _call(**more: Any) -> Object:
    """A call of 9000 tokens that must not count, with some of its fields replaced."""
    return {**_T.assistant(_at("00:00"), "bad", text("never counted"), usage(9000, 0), HAIKU), **more}


def _said(**more: Any) -> Object:
    says = message("msg_01bad", text("never counted"), usage(9000, 0), HAIKU)
    return _call(message={**says, **more})


def _block(**more: Any) -> Object:
    return _said(content=[{"type": "tool_use", "id": "toolu_01bad", "name": "Bash", "input": {}, **more}])


def _inner(**more: Any) -> Object:
    says = message("msg_01bad", text("never counted"), usage(9000, 0), HAIKU)
    return _T.agent_progress(_at("00:01"), "bad", {**embedded("assistant", None, "bad", says), **more})


def _nameless(record: Object) -> Object:
    says = {key: value for key, value in record["message"].items() if key != "id"}
    return {**{key: value for key, value in record.items() if key != "uuid"}, "message": says}


#: Lines that are no JSON objects: 12.
_NO_OBJECTS: list[bytes] = [
    b'{"type":"user","message":{"role":"user","content":"\xff\xfe"}}\n',
    b'\xef\xbb\xbf{"type":"user"}\n',
    b'{"type":"user","message":{"role":"user"\n',
    b"[1]\n",
    b"3\n",
    b'"x"\n',
    b"null\n",
    b"some words\n",
    b'{"type":"user","score":NaN}\n',
    b'{"type":"user","score":-Infinity}\n',
    b'{"type":"user","deep":' + b"[" * _DEEP + b"]" * _DEEP + b"}\n",
    line(_call()).rstrip(b"\n") + b" and more\n",
]

#: Objects with a field of the wrong type or an impossible value: 34.
_WRONG: list[Object] = [
    _call(type=5),
    _call(sessionId=7),
    _call(cwd=["/"]),
    _call(gitBranch=False),
    _call(version=2),
    _call(uuid={}),
    _call(requestId=1),
    _call(agentId=1),
    _call(isSidechain="true"),
    _call(isMeta=0),
    _call(timestamp="yesterday"),
    _call(timestamp=1772625600),
    _call(timestamp="2026-02-30T12:00:00Z"),
    _call(timestamp="9999-01-01T00:00:00Z"),
    _call(timestamp="1969-12-31T23:59:59Z"),
    _call(message="words"),
    _said(id=1),
    _said(model=["m"]),
    _said(content=5),
    _said(content=["words"]),
    _block(id=5),
    _block(name={}),
    _block(is_error="yes"),
    _said(usage=[1]),
    _said(usage=usage(9000, 0) | {"input_tokens": 3.0}),
    _said(usage=usage(9000, -1)),
    _said(usage=usage(9000, True)),
    _said(usage=usage(9000, 10**12 + 1)),
    _said(usage=usage(9000, 0) | {"cache_creation": {"ephemeral_1h_input_tokens": "5"}}),
    _said(usage=usage(9000, 0) | {"server_tool_use": 1}),
    _T.record("progress", _at("00:02"), "bad data", data="agent_progress"),
    _inner(message="words"),
    _nameless(_call()),
    _T.agent_progress(_at("00:03"), "bad list", None, normalizedMessages={"type": "assistant"}),
]

_GOOD_LINES: list[bytes] = [
    b" \t\r\n",  # blank
    line({"type": "summary", "message": "no object, and need not be", "data": 4}),
    line(_T.user(_at("00:04"), "odd data", "<bash-input>ls</bash-input>", data=5)),
    line({"type": "of-next-year", "message": [1], "timestamp": _at("00:05")}),
    line({"message": "no type at all"}),
    b"  " + line(_T.assistant(_at("00:10"), "T1", tool("toolu_01eBash", "Bash"), usage(11, 1), HAIKU))[:-1] + b" \r\n",
    b'{"type":"user","sessionId":"'
    + _T.session_id.encode()
    + b'","uuid":null,"timestamp":"2026-03-04T13:00:20+01:00","isMeta":null,"message":{"role":"user","content":'
    b'[{"type":"tool_result","tool_use_id":"toolu_01eBash","is_error":true,"content":"boom \\ud83d\\u0000"}]}}\n',
    line(
        _T.assistant(
            _at("00:25"),
            "T2",
            text("half a face: \ud83d"),
            {"input_tokens": None, "output_tokens": 5, "cache_creation": None, "server_tool_use": None},
            HAIKU,
            request=False,
            requestId=None,
        )
    ),
    line(_T.user(_at("00:30"), "e says", "A price without a sign \ud83d is in euros.\u0000")),
]

_TORN = b'{"type":"assistant","uuid":"0b1e","message":{"id":"msg_01torn","usage":{"input_tokens":9000'

TROUBLE = (
    b"".join(_GOOD_LINES[:6])
    + b"".join(_NO_OBJECTS)
    + b"".join(map(line, _WRONG))
    + line(_call(), _call(type=5))  # glued: the good one is skipped with the bad one
    + b"".join(_GOOD_LINES[6:])
    + _TORN
)
