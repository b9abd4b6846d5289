"""The oracle's reading of text: as it is stored, and what kind of error a result tells of."""

from __future__ import annotations

import re
from typing import Any

from tests.support.oracle_reading import LONGEST_TEXT, Object, blocks_of


def clean(text: str) -> str:
    """Text without NUL and lone surrogates."""
    return re.sub("[\0\ud800-\udfff]", "\ufffd", text)


def stored(value: Any) -> str | None:
    """A string as it is stored: cleaned and cut; None where it is not a string."""
    return clean(value)[:LONGEST_TEXT] if isinstance(value, str) else None


def texts_of(message: Object) -> list[str]:
    """The string content of a message, or its text blocks."""
    content = message.get("content")
    if isinstance(content, str):
        return [clean(content)]
    return [
        clean(block["text"])
        for block in blocks_of(message)
        if block.get("type") == "text" and isinstance(block.get("text"), str)
    ]


def result_text(block: Object) -> str:
    """The text of a tool result, as its kind of error is judged by it."""
    content = block.get("content")
    if isinstance(content, list):
        pieces = [piece for piece in content if isinstance(piece, dict) and piece.get("type") == "text"]
        content = "\n".join(piece["text"] for piece in pieces if isinstance(piece.get("text"), str))
    text = clean(content).strip() if isinstance(content, str) else ""
    if text.startswith("<tool_use_error>"):
        inside, _, after = text.removeprefix("<tool_use_error>").rpartition("</tool_use_error>")
        text = inside + after
    return text.removesuffix("</tool_use_error>").strip()


def error_kind(text: str, tool: str, denial: Any) -> str:
    """What kind of tool error it is: by what the client says of the denial, else by the result's text and the tool."""
    if denial == "user-rejected":
        return "rejected"
    if denial == "permission-rule":
        return "rejected" if a_person_refused(text) else "denied"
    if isinstance(denial, str) and denial.startswith("automode-"):
        return "denied"
    if denial in ("interrupted", "cancelled"):
        return "interrupted"
    return kind_by_text(text, tool)


def a_person_refused(text: str) -> bool:
    """Whether a result's text tells that a person refused the tool."""
    words = text.removeprefix("Error: ").lower().replace("\u2019", "'").removeprefix("the ")
    refused = tuple(f"user {verb}" for verb in ("rejected", "declined", "denied", "refused"))
    return words.startswith(("user doesn't want to", "user does not want to", *refused)) or (
        "tool use was rejected" in text[:200]
    )


DENIED = (
    "Permission to ",
    "Permission for ",
    "Permission denied for ",
    "Permission denied by ",
    "Claude requested permission",
    "This command requires approval",
    "This Bash command contains multiple operations",
    "PreToolUse:",
    "Execution stopped by ",
    "Operation stopped by hook",
    "Blocked: ",
)


def kind_by_text(text: str, tool: str) -> str:
    """What kind of tool error a result's text tells of."""
    head = text[:200]
    words = text.removeprefix("Error: ")
    if a_person_refused(text):
        return "rejected"
    if words.startswith("[Request interrupted by user"):
        return "interrupted"
    if re.match(r"Exit code [0-9]", words) or text.startswith("Error: Exit code "):
        return "exit_code"
    if words.startswith(("Sibling tool call errored", "Cancelled: parallel tool call")):
        return "sibling_failed"
    if words.startswith(DENIED) or "was blocked. For security" in head or "denied this tool" in head:
        return "denied"
    if words.startswith(("InputValidationError", "Unknown skill", "No such tool available")):
        return "bad_input"
    if words.startswith("Command timed out"):
        return "timeout"
    if tool in ("Bash", "PowerShell"):
        return "command_failed"
    if words.startswith(("File has not been read yet", "File has been modified since read")):
        return "not_read"
    if words.startswith(("String to replace not found", "No changes to make")) or re.match(r"Found [0-9]", words):
        return "edit_mismatch"
    if words.startswith(("File does not exist", "Path does not exist", "ENOENT")) or "not found" in head:
        return "not_found"
    if "timed out" in head:
        return "timeout"
    if "ermission" in head or "has been denied" in head or "denied by " in head:
        return "denied"
    return "other"
