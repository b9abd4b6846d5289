"""Kinds of failed tool calls, in the oracle and in the processor: each rule of docs/counting.md and each spelling."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from processors.contract import Lines, Session, Work
from processors.errors import Errors, ErrorsSettings
from processors.errors.kinds import judged_text, kind_of
from tests.support.oracle import COLUMNS, Oracle
from tests.support.oracle_text import error_kind, result_text
from tests.support.transcript_lines import Object, Talk, embedded, line, result, text, tool

TALK = Talk("s1", "/home/ann/shop")
USED, FAILED = "2026-03-01T09:00:00Z", "2026-03-01T09:00:09Z"

#: A result's text and its kind, whatever tool gave it.
OF_ANY_TOOL = [
    ("The user doesn't want to proceed with this tool use.", "rejected"),
    ("The user doesn't want to take this action right now.", "rejected"),
    ("The user doesn\u2019t want to proceed with this tool use.", "rejected"),
    ("The user does not want to proceed.", "rejected"),
    ("THE USER DOESN'T WANT TO PROCEED", "rejected"),
    ("Error: The user doesn't want to proceed.", "rejected"),
    ("User rejected tool use", "rejected"),
    ("The user rejected the plan.", "rejected"),
    ("User denied permission", "rejected"),
    ("User declined to answer.", "rejected"),
    ("Permission for this tool use was denied. The tool use was rejected.", "rejected"),
    ("[Request interrupted by user for tool use]", "interrupted"),
    ("Exit code 1", "exit_code"),
    ("Error: Exit code 1", "exit_code"),
    ("Error: Exit code ?", "exit_code"),
    ("Exit code 1: permission denied, timed out, not found", "exit_code"),
    ("Sibling tool call errored", "sibling_failed"),
    ("Cancelled: parallel tool call Bash(make check) errored", "sibling_failed"),
    ("Permission to use Bash with command rm -rf x has been denied.", "denied"),
    ("Error: Permission to use WebFetch has been denied.", "denied"),
    ("Permission to read /etc/x has been denied. It is not found in the list.", "denied"),
    ("Permission for this action was denied by the auto mode classifier. Reason: it leaves the project", "denied"),
    ("Permission for this tool use was denied: it requires interactive approval", "denied"),
    ("Permission denied for Write: it timed out", "denied"),
    ("Permission denied by hook", "denied"),
    ("Claude requested permissions to use Write, but you haven't granted it yet.", "denied"),
    ("This command requires approval", "denied"),
    ("This Bash command contains multiple operations. The following part requires approval: x", "denied"),
    ("PreToolUse:Bash hook error: [guard.sh]: not on a Friday", "denied"),
    ("Execution stopped by PreToolUse hook: not on a Friday", "denied"),
    ("Operation stopped by hook", "denied"),
    ("Hook guard denied this tool", "denied"),
    ("Blocked: sleep 60. Wait otherwise.", "denied"),
    ("cd in '/srv' was blocked. For security, only the folders of this session are allowed.", "denied"),
    ("InputValidationError: x was not found", "bad_input"),
    ("Unknown skill: x", "bad_input"),
    ("Error: No such tool available: Fetch", "bad_input"),
    ("Command timed out after 2m 0.0s\nPermission denied", "timeout"),
]
#: The same where no command printed it.
OF_OTHER_TOOLS = [
    ("Exit code unknown", "other"),
    ("File has not been read yet", "not_read"),
    ("File has been modified since read", "not_read"),
    ("File does not exist.", "not_found"),
    ("Path does not exist", "not_found"),
    ("ENOENT: no such file", "not_found"),
    ("x" * 191 + "not found", "not_found"),
    ("x" * 192 + "not found", "other"),
    ("String to replace not found", "edit_mismatch"),
    ("Found 2 matches", "edit_mismatch"),
    ("Found some", "other"),
    ("No changes to make", "edit_mismatch"),
    ("it timed out", "timeout"),
    ("Permission or permission", "denied"),
    ("Agent type 'x' has been denied", "denied"),
    ("The start was denied by a plugin", "denied"),
    ("they said that the user doesn't want to", "other"),
    ("", "other"),
]
#: What the client says of the denial, the text, and the kind.
SAID = [
    ("user-rejected", "Nein danke", "rejected"),
    ("user-rejected", "Permission to use Write has been denied.", "rejected"),
    ("permission-rule", "guard: not on a Friday", "denied"),
    ("permission-rule", "File does not exist.", "denied"),
    ("permission-rule", "The user doesn\u2019t want to proceed with this tool use.", "rejected"),
    ("automode-blocked", "It leaves the project", "denied"),
    ("automode-unavailable", "Exit code 1", "denied"),
    ("automode-parsing-error", "", "denied"),
    ("interrupted", "[Tool call interrupted: the session ended]", "interrupted"),
    ("cancelled", "The user doesn't want to take this action right now.", "interrupted"),
    ("of-next-year", "File does not exist.", "not_found"),
    ("", "Exit code 1", "exit_code"),
]


@pytest.mark.parametrize(("words", "kind"), [*OF_ANY_TOOL, *OF_OTHER_TOOLS])
def test_kinds_by_text(words: str, kind: str) -> None:
    """The first kind that fits."""
    assert (error_kind(words, "Edit", None), kind_of(words, "Edit", None)) == (kind, kind)
    assert (error_kind(words, "unknown", None), kind_of(words, "unknown", None)) == (kind, kind)


@pytest.mark.parametrize("shell", ["Bash", "PowerShell"])
def test_a_command_without_an_exit_code_failed_whatever_it_printed(shell: str) -> None:
    """What the client itself says of a call is seen also at a shell; everything else is the command's own words."""
    for words, kind in OF_ANY_TOOL:
        assert (error_kind(words, shell, None), kind_of(words, shell, None)) == (kind, kind)
    aborted = "half of it\n<error>Command was aborted before completion</error>"
    for words in [*(words for words, _ in OF_OTHER_TOOLS), "Error", "curl: (28) Connection timed out", aborted]:
        assert (error_kind(words, shell, None), kind_of(words, shell, None)) == ("command_failed", "command_failed")


@pytest.mark.parametrize(("denial", "words", "kind"), SAID)
def test_what_the_client_says_of_a_denial_decides(denial: str, words: str, kind: str) -> None:
    """However the text is spelled; a value that nobody knows leaves it to the text."""
    assert (error_kind(words, "Edit", denial), kind_of(words, "Edit", denial)) == (kind, kind)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<tool_use_error>File does not exist.</tool_use_error>", "File does not exist."),
        (" <tool_use_error> x </tool_use_error>\n", "x"),
        ("<tool_use_error>x</tool_use_error>\n\nNote: y", "x\n\nNote: y"),
        ("<tool_use_error>String: a</tool_use_error>b</tool_use_error>", "String: a</tool_use_error>b"),
        ("<tool_use_error>cut o", "cut o"),
        ("x</tool_use_error>", "x"),
        ("grep: a </tool_use_error> stands here", "grep: a </tool_use_error> stands here"),
        ("<tool_use_error></tool_use_error>", ""),
        ([text("<tool_use_error>x"), {"type": "image"}, text("y</tool_use_error>")], "x\ny"),
        ([text("<tool_use_error>x</tool_use_error>"), text("y")], "x\ny"),
        (None, ""),
        (5, ""),
    ],
)
def test_the_text_stands_without_its_tags(content: Any, words: str) -> None:
    """The leading tag and the last closing one go, wherever the client put more text."""
    assert (result_text({"content": content}), judged_text(msgspec.Raw(msgspec.json.encode(content)))) == (words, words)


def kinds(*records: Object) -> list[tuple[str, str]]:
    """Kind and message of each failure in these records, which must be the oracle's too."""
    data = b"".join(map(line, records))
    work = Work(Session("ann/s.jsonl", "ann"), Lines(data), 0, {}, ErrorsSettings())
    found = [(row.kind, row.message) for row in Errors().extract(work).rows["error_results"]]
    oracle = Oracle()
    oracle.content("ann/s.jsonl", data)
    rows = [dict(zip(COLUMNS["errors"], row, strict=True)) for row in oracle.tables()["errors"]]
    assert sorted(found) == sorted((row["kind"], row["message"]) for row in rows)
    return found


def used(name: str) -> Object:
    """A line that uses a tool."""
    return TALK.assistant(USED, "u", tool("t", name), None)


@pytest.mark.parametrize(
    "words",
    [
        "The user doesn't want to proceed with this tool use. The user said:\nalways without VAT",
        "The person said no:\nalways without VAT",
        "Exit code 1",
    ],
)
def test_a_refusal_is_known_by_the_line(words: str) -> None:
    """A person's refusal with words is one however the client writes it."""
    more = {"userFeedback": "always without VAT", "permissionDecision": {"decision": "reject", "source": "user_reject"}}
    refused = TALK.gave(FAILED, "t", words, True, toolDenialKind="user-rejected", **more)
    assert kinds(used("Write"), refused) == [("rejected", words)]


@pytest.mark.parametrize("denial", [5, None, True, {"kind": "user-rejected"}, ["user-rejected"]])
def test_a_denial_of_another_type_is_none(denial: Any) -> None:
    """The line is read as if the field were not there."""
    assert kinds(used("Read"), TALK.gave(FAILED, "t", "ENOENT", True, toolDenialKind=denial)) == [
        ("not_found", "ENOENT")
    ]


def test_a_denial_on_another_line_is_none() -> None:
    """Only a user's line says it: not what is embedded, nor the line around it."""
    says = {"role": "user", "content": [result("t", "ENOENT", True)]}
    inner = embedded("user", FAILED, "inner", says, toolDenialKind="user-rejected")
    assert kinds({**TALK.agent_progress(FAILED, "outer", inner), "toolDenialKind": "user-rejected"}) == [
        ("not_found", "ENOENT")
    ]


def test_the_kind_needs_the_tool() -> None:
    """The same words of a command and of another tool."""
    failed = TALK.gave(FAILED, "t", "<tool_use_error>jq: not found</tool_use_error>", True)
    assert kinds(used("Bash"), failed) == [("command_failed", "jq: not found")]
    assert kinds(used("Grep"), failed) == [("not_found", "jq: not found")]
    assert kinds(failed) == [("not_found", "jq: not found")]
