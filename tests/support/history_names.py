"""Names that session files and their folders get in random histories: plain ones and everything a name may hold."""

from __future__ import annotations

#: First parts: plain, since they are people.
USERS: tuple[bytes, ...] = (b"ann", b"ben", "zo\u00eb".encode())

#: Folders below a user's, nested or none.
DIRECTORIES: tuple[bytes, ...] = (
    b"",
    b"-home-ann-shop",
    b"-home-ann-shop/5b1f/subagents",
    b"-home-ann-shop/5b1f/subagents/workflows/wf_1",
    b"nested/deeper/still",
    b'it\'s "odd"\nhere',
    b"50% off: now",
    b"caf\xe9",
)

#: Names of session files.
NAMES: tuple[bytes, ...] = (
    b"5b1f0a52-0001.jsonl",
    b"5b1f0a52-0002.jsonl",
    b"agent-0a1b2c3d.jsonl",
    b"agent-9f8e7d6c.jsonl",
    b"journal.jsonl",
    b"new\nline\tand tab.jsonl",
    b"quo'te\"s and \\.jsonl",
    b"a:b%41%.jsonl",
    b"\xff\xfe\xc3.jsonl",
    "r\u00e9sum\u00e9 \u65e5\u672c \U0001f600 \u0085.jsonl".encode(),
    b"'; DROP TABLE usage_messages; --.jsonl",
    b"{curly} $1 *?.jsonl",
)
