"""What kind of failure a tool's result tells of, by the tables in docs/counting.md."""

from __future__ import annotations

import re

import msgspec

from processors.transcript import text_of

_OPENING, _CLOSING = "<tool_use_error>", "</tool_use_error>"

#: Within so many characters a telling word is looked for.
_HEAD = 200

#: Tools whose result is the output of a command.
_SHELLS = frozenset({"Bash", "PowerShell"})

#: A rule of the table: the kind, how the text begins after an optional ``Error: ``, and what its head may hold instead.
_Rule = tuple[str, re.Pattern[str] | None, tuple[str, ...]]


def _rule(kind: str, begins: str | None, *holds: str) -> _Rule:
    return kind, re.compile(f"(?:Error: )?(?:{begins})") if begins else None, holds


_REJECTED = _rule(
    "rejected",
    r"(?i:(?:the )?user (?:doesn['\u2019]t want to|does not want to|rejected|declined|denied|refused))",
    "tool use was rejected",
)

# In the order in which they are judged.
_OF_ANY_TOOL: tuple[_Rule, ...] = (
    _REJECTED,
    _rule("interrupted", r"\[Request interrupted by user"),
    _rule("exit_code", r"Exit code [0-9]|Error: Exit code "),
    _rule("sibling_failed", r"Sibling tool call errored|Cancelled: parallel tool call"),
    _rule(
        "denied",
        r"Permission (?:to|for|denied for|denied by) |Claude requested permission|This command requires approval"
        r"|This Bash command contains multiple operations|PreToolUse:|Execution stopped by |Operation stopped by hook"
        r"|Blocked: ",
        "was blocked. For security",
        "denied this tool",
    ),
    _rule("bad_input", r"InputValidationError|Unknown skill|No such tool available"),
    _rule("timeout", r"Command timed out"),
)
# Not of shells: there such words are what the command printed.
_OF_OTHER_TOOLS: tuple[_Rule, ...] = (
    _rule("not_read", r"File has not been read yet|File has been modified since read"),
    _rule("edit_mismatch", r"String to replace not found|Found [0-9]|No changes to make"),
    _rule("not_found", r"File does not exist|Path does not exist|ENOENT", "not found"),
    _rule("timeout", None, "timed out"),
    _rule("denied", None, "ermission", "has been denied", "denied by "),
)


def kind_of(text: str, tool: str, denial: str | None) -> str:
    """The kind of a failure.

    Args:
        text: the result's text, as `judged_text` gives it.
        tool: the name of the tool.
        denial: what the client says of a call that did not run (``toolDenialKind``), which decides where it is known.
    """
    match denial:
        case "user-rejected":
            return "rejected"
        case "permission-rule":
            # Also what a person refuses in the dialog of an editor: only the text tells.
            return "rejected" if _fits(_REJECTED, text) else "denied"
        case "interrupted" | "cancelled":
            return "interrupted"
    if denial is not None and denial.startswith("automode-"):
        return "denied"
    for rule in _OF_ANY_TOOL:
        if _fits(rule, text):
            return rule[0]
    if tool in _SHELLS:
        return "command_failed"
    return next((rule[0] for rule in _OF_OTHER_TOOLS if _fits(rule, text)), "other")


def _fits(rule: _Rule, text: str) -> bool:
    _, begins, holds = rule
    if begins is not None and begins.match(text):
        return True
    head = text[:_HEAD]
    return any(words in head for words in holds)


def judged_text(content: msgspec.Raw) -> str:
    """The text of a tool's result by which it is judged, without the tags around it."""
    text = text_of(content)
    if text is None:
        text = "\n".join(_texts(content))
    text = text.strip()
    if text.startswith(_OPENING):
        # The last closing tag: what the tool quotes may hold one, and the client may add a note behind its own.
        inside, _, after = text.removeprefix(_OPENING).rpartition(_CLOSING)
        text = inside + after
    return text.removesuffix(_CLOSING).strip()


def _texts(content: msgspec.Raw) -> list[str]:
    try:
        blocks = msgspec.json.decode(content)
    except RecursionError:  # it was skipped from higher up when the line was read
        return []
    if not isinstance(blocks, list):
        return []
    texts = [block.get("text") for block in blocks if isinstance(block, dict) and block.get("type") == "text"]
    return [text for text in texts if isinstance(text, str)]
