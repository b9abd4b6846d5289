"""The oracle's reading of text: as it is stored, and what kind of error a result tells of."""

from __future__ import annotations

import re
from typing import Any

from tests.oracle_reading import LONGEST_TEXT, Object, blocks_of


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
    return text.removeprefix("<tool_use_error>").strip()


def error_kind(text: str) -> str:
    """What kind of tool error a result's text tells of."""
    head = text[:200]
    if text.startswith("The user doesn't want to"):
        return "rejected"
    if text.startswith("[Request interrupted by user"):
        return "interrupted"
    if re.match(r"Exit code [0-9]", text) or text.startswith("Error: Exit code "):
        return "exit_code"
    if text.startswith(("File has not been read yet", "File has been modified since read")):
        return "not_read"
    if text.startswith("String to replace not found"):
        return "edit_mismatch"
    if text.startswith(("File does not exist", "Path does not exist", "ENOENT")) or "not found" in head:
        return "not_found"
    if re.match(r"Found [0-9]", text) or text.startswith("No changes to make"):
        return "edit_mismatch"
    if text.startswith(("InputValidationError", "Unknown skill")):
        return "bad_input"
    if "timed out" in head:
        return "timeout"
    if "ermission" in head:
        return "denied"
    return "other"
