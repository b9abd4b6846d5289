"""An item as agents read it, and what in its words should make a reviewer look twice."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from watcher.errors import Unconfirmed

#: What is asked of the eye before it is approved: what it says of the text, and how that is seen.
_SUSPICIOUS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (message, re.compile(pattern, re.IGNORECASE))
    for message, pattern in (
        (
            "it tells an agent to set its instructions aside",
            (
                r"\b(?:ignore|disregard|forget|override|bypass)\b[^.]{0,40}\b(?:instruction|prompt|rule|guideline|polic"
                r"|safety|check|permission|above|previous|prior|earlier)"
                r"|\bskip\b[^.]{0,40}\b(?:instruction|rule|guideline|safety|permission|confirmation)"
            ),
        ),
        (
            "it speaks to the agent itself",
            (
                r"\b(?:you are (?:now|an?|the)\b|as an? (?:ai|assistant|agent|model)\b|your (?:system )?(?:prompt"
                r"|instructions?)\b|from now on,? you\b|act as\b|pretend\b|new instructions?\b|system (?:message"
                r"|prompt)\b)"
            ),
        ),
        (
            "it asks to keep something from people",
            (
                r"\b(?:do not|don't|never|without)\s+(?:tell|telling|mention|mentioning|ask|asking|inform"
                r"|informing|show|reveal)\b[^.]{0,30}\b(?:user|human|person|anyone|anybody|them|confirmation|permission|approval)"
            ),
        ),
        (
            "it holds a command that fetches or destroys",
            (
                r"\b(?:curl|wget|nc|ncat|bash -c|sh -c|powershell|invoke-webrequest|eval|base64 -d|rm -rf|chmod 777"
                r"|sudo)\b|\|\s*(?:sh|bash|zsh|python)\b|--dangerously|--no-verify|/dev/tcp/"
            ),
        ),
        ("it names a file that an agent would read too", r"(?<![^\s(\[{\"'`])@[~./\w]"),
        ("it holds a link", r"\b(?:https?|ftp|file|data|javascript):"),
        (
            "it speaks of keys or passwords",
            (
                r"\b(?:api[ _-]?keys?|passwords?|secrets?|credentials?|private keys?|id_rsa"
                r"|(?:access|api|auth\w*|bearer|id|refresh|secret|session)[ _-]tokens?)\b"
                r"|(?<!\w)\.(?:env|ssh|netrc|aws)\b"
            ),
        ),
        (
            "it sends something elsewhere",
            (
                r"\b(?:send|post|upload|exfiltrate|email|forward|leak|copy)\b[^.]{0,40}\b(?:to|at)\b[^.]{0,20}"
                r"(?:@|\b(?:server|endpoint|address|webhook|pastebin|gist)\b)"
            ),
        ),
        (
            "it holds markup that an agent may take for its own",
            r"</?[a-z][\w-]*[\s/>]|<!--|\[/?INST\]|<\||```|^#{1,6} |^---",
        ),
        ("it holds a long run that looks encoded", r"[A-Za-z0-9+/=_-]{60,}"),
    )
)
#: Letters, signs and marks that show nothing, beside the characters of the categories below: fillers, blanks and
#: variation selectors (Default_Ignorable_Code_Point of Unicode, and the blank of Braille). Any text can hide in them.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
#: Of these, what joins letters in scripts and emoji, or says how a sign is drawn, is kept where that can be.
_JOINERS = {"\u200c", "\u200d", "\ufe0f"}


def clean_for_agents(text: str) -> str:
    """Text on one line, without what cannot be seen: control, direction and tag characters, fillers."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    kept: list[str] = []
    for one in text:
        if one.isspace():
            kept.append(" ")
        elif one in _JOINERS:
            before = kept[-1] if kept else " "
            if ord(before) > 0x7F and (before not in _JOINERS or before == "\ufe0f" != one):
                kept.append(one)
        elif unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Co", "Cn") and not _UNSEEN.match(one):
            kept.append(one)
    return " ".join("".join(kept).split())


def rule(title: str, content: str) -> str:
    """The exact text that agents read."""
    title, content = clean_for_agents(title), clean_for_agents(content)
    # A title is often the start of its content: saying it once is enough.
    stem = title.rstrip("…. ").casefold()
    return content if content.casefold().startswith(stem) else f"{title}: {content}"


def warnings(title: str, content: str) -> list[str]:
    """What a reviewer should look at twice, each as a clause about the text."""
    text = rule(title, content)
    found = [message for message, pattern in _SUSPICIOUS if pattern.search(text)]
    whole = f"{title} {content}"
    if len(clean_for_agents(whole)) < len(" ".join(whole.split())):
        found.append("it held characters that cannot be seen; they are left out")
    mixed = re.search(r"[a-z][\u0400-\u04ff\u0370-\u03ff]|[\u0400-\u04ff\u0370-\u03ff][a-z]", whole, re.IGNORECASE)
    if mixed:
        found.append("it mixes alphabets inside a word")
    return found


def must_be_confirmed(texts: Iterable[tuple[str, str]], confirmed: bool) -> None:
    """Let no text (titles with contents) pass to agents that should be looked at twice, unless somebody has.

    Raises:
        Unconfirmed: nobody has.
    """
    if confirmed:
        return
    if unread := [(rule(*said), found) for said in texts if (found := warnings(*said))]:
        raise Unconfirmed(unread)


def digest(title: str, content: str) -> str:
    """Names the text that agents read: who approves gives it, so that nothing else is approved."""
    return hashlib.sha256(rule(title, content).encode("utf-8", "replace")).hexdigest()[:16]
