"""What kind of failure a tool's result tells of, by the table in docs/counting.md."""

from __future__ import annotations

import re

import msgspec

from processors.transcript import text_of

#: Within so many characters a telling word is looked for.
_HEAD = 200

# In the order in which they are judged: the kind, how the text begins, or what its head holds.
_KINDS: tuple[tuple[str, re.Pattern[str] | None, str | None], ...] = tuple(
    (kind, re.compile(begins) if begins else None, holds)
    for kind, begins, holds in (
        ("rejected", r"The user doesn't want to", None),
        ("interrupted", r"\[Request interrupted by user", None),
        ("exit_code", r"Exit code [0-9]|Error: Exit code ", None),
        ("not_read", r"File has not been read yet|File has been modified since read", None),
        ("edit_mismatch", r"String to replace not found|Found [0-9]|No changes to make", None),
        ("not_found", r"File does not exist|Path does not exist|ENOENT", "not found"),
        ("bad_input", r"InputValidationError|Unknown skill", None),
        ("timeout", None, "timed out"),
        ("denied", None, "ermission"),
    )
)


def kind_of(text: str) -> str:
    """The kind of failure that a result's text tells of; ``other`` where nothing fits."""
    head = text[:_HEAD]
    for kind, begins, holds in _KINDS:
        if (begins is not None and begins.match(text)) or (holds is not None and holds in head):
            return kind
    return "other"


def judged_text(content: msgspec.Raw) -> str:
    """The text of a tool's result by which it is judged."""
    text = text_of(content)
    if text is None:
        text = "\n".join(_texts(content))
    return text.strip().removeprefix("<tool_use_error>").strip()


def _texts(content: msgspec.Raw) -> list[str]:
    try:
        blocks = msgspec.json.decode(content)
    except RecursionError:  # it was skipped from higher up when the line was read
        return []
    if not isinstance(blocks, list):
        return []
    texts = [block.get("text") for block in blocks if isinstance(block, dict) and block.get("type") == "text"]
    return [text for text in texts if isinstance(text, str)]
