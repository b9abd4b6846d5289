"""Seeded random session lines: plausible ones of every kind, some shared between sessions, some that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.support.random_today import adorn, spliced, today
from tests.support.transcript_lines import (
    HAIKU,
    OPUS,
    SONNET,
    Object,
    Talk,
    embedded,
    line,
    message,
    name,
    text,
    thinking,
    tool,
    usage,
)

_TOOLS = ("Bash", "Read", "Edit", "Grep", "Skill", "Task", "Agent", "mcp__tracker__search", "mcp__db__run_query", "LS")
_MODELS = (OPUS, OPUS, SONNET, HAIKU, "model-of-next-year", "<synthetic>")
_WORDS = (
    "Our weeks always begin on Monday, because payroll counts them so.",
    "no, our amounts are always whole cents, never euros",
    "héllo \U0001f600",
    "half \ud83d face",
    "a\0b",
    "tabs\tand\nlines",
    " ",
)
_NOT_HUMAN = ("<bash-input>ls</bash-input>", "[Request interrupted by user]", "<system-reminder>x</system-reminder>")
_ERRORS = (
    (
        "The user doesn't want to proceed with this tool use. To tell you how to proceed, the user said:\n"
        "our carts never hold more than 99 lines"
    ),
    "[Request interrupted by user for tool use]",
    "Exit code 1\nfailed",
    "Error: Exit code 127",
    "<tool_use_error>File has not been read yet. Read it first.</tool_use_error>",
    "  File does not exist.",
    "make: command not found",
    "<tool_use_error>String to replace not found in file.</tool_use_error>",
    "Found 2 matches of the string to replace",
    "InputValidationError: x",
    "the server timed out",
    "Permission denied",
    "<tool_use_error>Sibling tool call errored</tool_use_error>",
    "<tool_use_error>Blocked: sleep 60</tool_use_error>\n\nNote: wait for it otherwise.",
    "the user doesn\u2019t want to go on",
    "PreToolUse:Write hook error: not on a Friday",
    "Command timed out after 2m",
    "odd \ud83d\0 trouble",
    "x" * 190 + " not found",
    "",
)
_DENIALS = (
    "user-rejected",
    "permission-rule",
    "automode-blocked",
    "interrupted",
    "cancelled",
    "of-next-year",
    "\ud83d\0",
    "",
    None,
    5,
    ["user-rejected"],
)
_BAD: tuple[bytes, ...] = (
    b'{"type":"user","message":{"role":"user","content":"\xff"}}',
    b'{"type":"assistant","message":{"id":"msg_cut"',
    b"[1]",
    b"3",
    b'"x"',
    b"words",
    b'{"type":"user"} rubbish',
    b'{"type":"user"},{"type":"user"}',
    b'{"score":NaN}',
    b'{"type":"user","message":5}',
    b'{"type":"user","timestamp":"today"}',
    b'{"sessionId":5}',
    b'{"type":"assistant","uuid":"u","message":{"usage":{"output_tokens":-1}}}',
    b'{"type":"assistant","uuid":"u","message":{"usage":{"output_tokens":2.0}}}',
    b'{"type":"assistant","message":{"usage":{"output_tokens":2}}}',
    b'{"type":"progress","data":{"type":"agent_progress","message":"x"}}',
    b'{"type":"user","message":{"content":["x"]}}',
    b'{"isMeta":"no"}',
)


@dataclass
class Pool:
    """What sessions may share: records to copy, calls to repeat, uses whose results are still to come, commands."""

    records: list[Object] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    uses: list[str] = field(default_factory=list)
    tagged: list[tuple[str, str]] = field(default_factory=list)
    made: int = 0

    def fresh(self) -> int:
        """A number that was not given before."""
        self.made += 1
        return self.made


def session_lines(
    rng: Random,
    number: int,
    talk: Talk,
    pool: Pool,
    start: datetime = datetime(2026, 3, 1, 8, tzinfo=UTC),
    bad: float = 0.05,
    shared: float = 0.15,
) -> list[bytes]:
    """Lines that a session might go on with, each with its end.

    ``bad`` is the share of lines that cannot be read, ``shared`` that of records copied from any session that
    drew from the same ``pool``.
    """
    lines = []
    for _ in range(number):
        if rng.random() < bad:
            lines.append(rng.choice(_BAD) + b"\n")
        elif rng.random() < 0.03:
            lines.append(rng.choice((b"\n", b"  \t\n", b"\r\n")))
        else:
            glued = 2 if rng.random() < 0.04 else 1
            lines.append(line(*(_record(rng, talk, pool, start, shared) for _ in range(glued))))
            if rng.random() < bad / 2:
                lines[-1] = spliced(rng, line(_record(rng, talk, pool, start, shared)), lines[-1])
    return lines


def _record(rng: Random, talk: Talk, pool: Pool, start: datetime, shared: float) -> Object:
    if pool.records and rng.random() < shared:
        copied = rng.choice(pool.records)
        if copied["type"] == "assistant" and rng.random() < 0.5:
            copied = {**copied, "requestSessionId": copied.get("requestSessionId") or copied["sessionId"]}
        return {**copied, "sessionId": talk.session_id}
    if rng.random() < 0.1:
        talk = Talk(talk.session_id, talk.cwd + "/part", "2.1.114", None, True, "0a1b2c3d")
    kind = rng.choices((_assistant, _gave, _human, _command, _progress, _small, _today), (8, 6, 3, 1, 2, 2, 6))[0]
    record = kind(rng, talk, pool, _moment(rng, start))
    if rng.random() < 0.5:
        record = adorn(rng, record, [one["sessionId"] for one in pool.records])
    if rng.random() < 0.03:
        record.pop("timestamp", None)
    if record.get("uuid") and rng.random() < 0.3:
        pool.records = [*pool.records[-40:], record]
    return record


def _moment(rng: Random, start: datetime) -> str:
    """A time in the three days from ``start``, mostly in their first two hours; in any of the forms that are read."""
    span = 7_200_000 if rng.random() < 0.9 else 3 * 86_400_000
    moment = start + timedelta(milliseconds=rng.randrange(span))
    form = rng.random()
    if form < 0.05:
        return (moment + timedelta(hours=2)).isoformat(timespec="milliseconds").replace("+00:00", "+02:00")
    if form < 0.1:
        return moment.isoformat(timespec="seconds").replace("+00:00", "")
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _spent(rng: Random) -> Object:
    if rng.random() < 0.05:
        return {"input_tokens": None, "output_tokens": rng.randrange(9)}
    creation = rng.choice((0, 0, rng.randrange(1000)))
    searches = rng.choice((None, None, 0, 1))
    return usage(rng.randrange(50), rng.randrange(300), creation, rng.randrange(5000), creation // 2, searches)


def _block(rng: Random, pool: Pool) -> Object:
    form = rng.random()
    if form < 0.2:
        return text(rng.choice(_WORDS))
    if form < 0.3:
        return thinking("hm")
    again = pool.uses and rng.random() < 0.1
    identity = rng.choice(pool.uses) if again else f"toolu_{pool.fresh():06}"
    pool.uses = [*pool.uses[-20:], identity]
    keys = ("skill", "name", "command", "subagent_type", "pattern")
    return tool(identity, rng.choice(_TOOLS), **{rng.choice(keys): rng.choice(("lint", "Explore", 3, None))})


def _call_name(rng: Random, pool: Pool) -> str:
    if pool.calls and rng.random() < 0.5:
        return rng.choice(pool.calls)
    call = f"call{pool.fresh():06}"
    pool.calls = [*pool.calls[-15:], call]
    return call


def _assistant(rng: Random, talk: Talk, pool: Pool, at: str) -> Object:
    label = f"line {pool.fresh()}"
    request, model = rng.random() < 0.9, rng.choice(_MODELS)
    used = _spent(rng) if rng.random() < 0.95 else None
    record = talk.assistant(at, _call_name(rng, pool), _block(rng, pool), used, model, request, label)
    if rng.random() < 0.04:
        del record["message"]["id"]
    return record


def _result_block(rng: Random, pool: Pool) -> Object:
    identity = rng.choice(pool.uses) if pool.uses and rng.random() < 0.95 else "toolu_nobody"
    failed = rng.choice((None, False, False, True))
    words: Any = rng.choice(_ERRORS) if failed else "fine"
    if rng.random() < 0.2:
        words = [text(words), {"type": "image"}, text("more")]
    return {"type": "tool_result", "tool_use_id": identity, "content": words, "is_error": failed}


def _gave(rng: Random, talk: Talk, pool: Pool, at: str) -> Object:
    denial = {"toolDenialKind": rng.choice(_DENIALS)} if rng.random() < 0.2 else {}
    of_tool = {"usage": usage(9, 9)}
    return talk.user(at, f"line {pool.fresh()}", [_result_block(rng, pool)], toolUseResult=of_tool, **denial)


def _human(rng: Random, talk: Talk, pool: Pool, at: str) -> Object:
    words = rng.choice(_WORDS + _NOT_HUMAN)
    said: Any = words if rng.random() < 0.6 else [text(rng.choice(_NOT_HUMAN)), text(words)]
    flags = {rng.choice(("isMeta", "isCompactSummary")): True} if rng.random() < 0.15 else {}
    return talk.user(at, f"line {pool.fresh()}", said, **flags)


def _command(rng: Random, talk: Talk, pool: Pool, at: str) -> Object:
    command = rng.choice(("clear", "shop:deploy", "review"))
    called = f"<command-name>/{command}</command-name>"
    before = rng.choice(("", "\n ", "<command-message>runs…</command-message>\n"))
    record = talk.user(at, f"line {pool.fresh()}", before + called)
    pool.tagged = [*pool.tagged[-5:], (record["uuid"], command)]
    if rng.random() < 0.1:
        del record["uuid"]
    return record


def _progress(rng: Random, talk: Talk, pool: Pool, at: str) -> Object:
    label = f"line {pool.fresh()}"
    inner: list[Object] = []
    for _ in range(rng.randrange(1, 4)):
        own = rng.choice((None, at))
        if rng.random() < 0.3:
            says: Object = {"role": "user", "content": [_result_block(rng, pool)]}
            inner.append(embedded("user", own, f"inner {pool.fresh()}", says))
        else:
            call = _call_name(rng, pool)
            says = message("msg_01" + call, _block(rng, pool), _spent(rng), rng.choice(_MODELS))
            inner.append(embedded("assistant", own, f"inner {pool.fresh()}", says, requestId="req_011C" + call))
    more = rng.choice(({}, {"agentId": "a1b2c3d4e5f607182"}))
    return talk.agent_progress(at, label, inner[0], inner[1:], **more)


def _today(rng: Random, talk: Talk, pool: Pool, at: str) -> Object:
    return today(rng, talk, at, f"line {pool.fresh()}", pool.tagged)


def _small(rng: Random, talk: Talk, pool: Pool, at: str) -> Object:
    label = f"line {pool.fresh()}"
    return rng.choice(
        (
            {"type": "summary", "summary": rng.choice(_WORDS), "leafUuid": name(label), "message": 5},
            {"type": "file-history-snapshot", "messageId": name(label), "snapshot": {}},
            talk.progress(at, label, type="bash_progress", output="x", message=4),
            talk.record("system", at, label, subtype="compact_boundary", content="Conversation compacted"),
            talk.plain("queue-operation", at, operation="enqueue", content="our docs are always written for users"),
            talk.plain("mode", mode="plan"),
            talk.record(
                "attachment",
                at,
                label,
                attachment={"type": "queued_command", "prompt": "our docs are always written for users"},
            ),
            talk.record("kind-of-next-year", at, label, message="x", data=7),
        )
    )
