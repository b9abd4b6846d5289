"""Secrets are taken out of text before anything of it is kept.

The forms of well-known keys come from detect-secrets, of which only the expressions are used: its
scanner works on files, may ask a provider whether a key is valid, and of some keys names only the
beginning. What it leaves out (keys of model providers, what is assigned to a password without
quotes, whole key blocks) is added here.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import Any

#: What stands where a secret was.
REDACTED = "[redacted]"

_OWN = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:(?!-----END)[\s\S])*(?:-----END [A-Z ]*-----)?",
    r"\bsk-[A-Za-z0-9_-]{16,}",
    r"\bgh[oprsu]_[A-Za-z0-9_]{16,}",
    r"\bgithub_pat_[A-Za-z0-9_]{16,}",
    r"\bglpat-[A-Za-z0-9_-]{16,}",
    r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"\bAIza[A-Za-z0-9_-]{30,}",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}",
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+)?",
    r"(?i:\bbearer\s+)[A-Za-z0-9._~+/=-]{12,}",
    r"(?<=://)[^\s/:@]{1,100}:[^\s/@]{1,200}(?=@)",
)
# A name that says it is a secret, and what is said to be its value; only the value goes.
_ASSIGNED = re.compile(
    r"(?i)\b[\w.-]{0,40}?(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|auth[_-]?key"
    r"|private[_-]?key|client[_-]?key|credentials?)[\w.-]{0,20}[\"'`]?\s{0,3}"
    r"(?P<sign>:=|=>|=|:|\bis\b)\s{0,3}[\"'`]?(?P<value>[^\s\"'`,;\[\](){}<>]{6,200})"
)
_LONG = re.compile(r"[A-Za-z0-9+=_-]{20,}")
#: Without one of these, or a long word with a digit, no expression finds a secret; looked for in small letters.
_SIGNS = (
    *("pass", "pwd", "secret", "token", "key", "credential", "bearer", "basic", "auth", "@", "-----", "sk-", "gh"),
    *("glpat", "xox", "aiza", "akia", "asia", "eyj"),
)
_LONG_WITH_DIGIT = re.compile(r"(?<!\S)(?=\S{16})\S*\d")
_HEX = re.compile(r"\A[0-9a-fA-F]{32,}\Z")
# Not a secret, and every second text holds one.
_LEFT_OUT = {"IPPublicDetector"}
#: Beyond so many characters in a row no random-looking word is judged.
_LONGEST = 500


def is_suspect(text: str) -> bool:
    """Whether a short text may hold a secret: most hold none, and what finds them takes long to load."""
    small = text.lower()
    return any(sign in small for sign in _SIGNS) or _LONG_WITH_DIGIT.search(text) is not None


def redact(text: str) -> tuple[str, int]:
    """The text without its secrets, and how many there were; a second time changes nothing."""
    patterns, randomness = _library()
    for pattern in patterns:
        text = pattern.sub(_leave_none, text)
    text = _ASSIGNED.sub(_without_value, text)
    text = _LONG.sub(lambda word: REDACTED if _looks_random(word[0], randomness) else word[0], text)
    # Counted at the end: several expressions know the same key.
    return text, text.count(REDACTED)


def _leave_none(match: re.Match[str]) -> str:
    # An expression that begins with white space or a quote must not swallow it.
    return match[0][: len(match[0]) - len(match[0].lstrip(" \t\n\"'=:"))] + REDACTED


def _without_value(match: re.Match[str]) -> str:
    value, sign = match["value"], match["sign"].lower()
    digit = any(one.isdigit() for one in value)
    mixed = digit and any(one.isalpha() for one in value)
    if sign in ("is", ":", "=>") and not mixed:  # "the password is required", "token: string"
        return match[0]
    start = match.start("value") - match.start()
    return match[0][:start] + REDACTED + match[0][start + len(value) :]


def _looks_random(word: str, randomness: tuple[Any, Any]) -> bool:
    base64, hexadecimal = randomness
    if len(word) > _LONGEST:
        return True
    if _HEX.match(word):
        return bool(hexadecimal.calculate_shannon_entropy(word) > hexadecimal.entropy_limit)
    kinds = (any(map(kind, word)) for kind in (str.isdigit, str.isupper, str.islower))
    return all(kinds) and bool(base64.calculate_shannon_entropy(word) > base64.entropy_limit)


@cache
def _library() -> tuple[tuple[re.Pattern[str], ...], tuple[Any, Any]]:
    """All expressions, and what measures how random a word looks.

    Loaded when the first text is redacted: it takes a fifth of a second, and whoever only asks what
    processors there are would wait for it too.
    """
    base = import_module("detect_secrets.plugins.base").RegexBasedDetector
    kinds = import_module("detect_secrets.core.plugins.util").get_mapping_from_secret_type_to_class().values()
    found = {
        pattern.pattern: pattern
        for kind in kinds
        if issubclass(kind, base) and kind.__name__ not in _LEFT_OUT
        for pattern in kind.denylist
    }
    entropy = import_module("detect_secrets.plugins.high_entropy_strings")
    own = [re.compile(pattern) for pattern in _OWN]
    return (*own, *found.values()), (entropy.Base64HighEntropyString(), entropy.HexHighEntropyString())
