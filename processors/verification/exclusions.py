"""What looks like knowledge and is none: nobody's own words, an approval, a pick, a template."""

from __future__ import annotations

import re

from processors.speech import fold
from processors.verification.sentences import own_words, plain

#: A turn of more own words than this was not typed.
LONGEST_TYPED = 3000
#: Nobody takes more characters to say that something is fine.
LONGEST_APPROVAL = 200

# Bots and reviewers, tickets, reports: marks that people do not type.
_PASTED = re.compile(
    r"(?i)_:warning:|<details>|<summary>|potential issue|suggested (?:fix|change)|committable suggestion|coderabbit"
    r"|copilot (?:ai|review)|nitpick|\bLGTM\b|^[^\w\n]{0,6}(?:P[0-4]|(?:high|medium|low|critical) (?:severity"
    r"|priority))\b"
    r"|^#+ .*review|acceptance criteria|steps to reproduce|(?:expected|actual) (?:behaviou?r|result)s?:"
    r"|\bas an? [\w ]{1,40}, ?i want\b|as a [\w ]{1,30} i want|\b(?:got|received|have) (?:this|these|the following)"
    r" (?:\w+ )?(?:feedback|comments?|review|suggestions?)|^(?:review|reviewer|bot|qa|ticket)\b[^.\n]{0,40}:"
    r"|\bcomments? (?:from|by|of) (?:the )?(?:review|bot|copilot|codex|cursor)|hook (?:id|feedback|output)"
    r"|\bgithub-actions\b|\bsonar(?:qube|cloud)\b|\bconsider (?:[a-z-]+ly )?[a-z]+ing\b|\bto reduce the risk\b"
    r"|\b(?:confidence|severity|impact|priority): ",
    re.MULTILINE,
)
_TEMPLATE = re.compile(
    r"(?i)\A\s*(?:you are (?:an?|the) |#+ |<[a-z_-]+>|act as )|\$ARGUMENTS|\{\{|\byour task is\b"
    r"|\Aimplement the following\b|\byour (?:role|job) is\b"
    r"|\boutput format\b|\brespond (?:only )?(?:in|with)\b|^## (?:instructions|steps|context|task|rules|output)\b",
    re.MULTILINE,
)
_LOG_LINE = re.compile(
    r"^\s*(?:\[?\d{4}-\d\d-\d\d[T ]|\d\d:\d\d:\d\d"
    r"|\[?(?-i:ERROR|WARN(?:ING)?|INFO|DEBUG|FATAL|TRACE)\b|Traceback |File \""
    r"|at [\w.$<>]+ ?\(|[\w.]*(?:Error|Exception)\b:|\$ |❯ |> \w+@|npm |make(?:\[\d\])?: |[+-]{3} |@@ |E\d{3}\b"
    r"|\+\+\+"
    r"|[\w./-]+\.\w{1,5}:\d+(?::\d+)?|(?:FAIL|PASS|ok)(?:ED)?\b[:\s]|\w+@[\w-]+:|caused by:|exit code)",
    re.IGNORECASE,
)
_CODE_LINE = re.compile(
    r"[;{}]\s*$|^\s*(?:def|class|import|from|return|const|let|var|func|fn|if \(|for \(|</?\w+)\b.*[(){};=]"
)
# A reviewer's report names what it speaks of, says what follows, and never says "we".
_REPORT = re.compile(
    r"\b(?:this (?:means|will|could|can|may|would|causes?|results?|leads?)|is (?:intended|supposed) to|effectively"
    r"|the (?:implementation|function|method|handler|test suite)|lacks?|does not handle|unconditionally|edge cases"
    r"|as a result|potentially|ensure that|for consistency|inconsistent with|is missing|are missing)\b"
)
_FIRST_PERSON = re.compile(r"\b(?:i|we|our|us|my|i'm|i'd|we're|btw|pls|please)\b")
_ASSENT = (
    r"(?:(?:yes|yep|yeah|yup|ok|okay|sure|right|correct|exactly|indeed|agreed|fine|great|perfect|good(?: idea"
    r"| point)?"
    r"|nice|cool|thanks|thank you|lgtm|looks good|sounds good|makes sense|ah|oh|perfect|awesome|alright|true"
    r"|please|do it"
    r"|that's (?:right|correct|true|fine)|absolutely|definitely|of course|proceed|go(?: ahead| for it)?|all good)"
    r"(?:[,.!;:]+|\s+-+)?\s*)"
)
_APPROVAL = re.compile(
    rf"^{_ASSENT}+(?:(?:to me|do|let's|go|with|that|this|it|all|both|please|now|then|and|the|option"
    r"|for|one|on|ahead|proceed|continue|implement|it's|is|a|plan|approach|migration)\b[ ,.!]*)*$"
)
_NUMBER = re.compile(r"^(?:option |approach |choice |variant |number |#)?(?:[a-h]|\d{1,2}|[ivx]{1,4})[).:]?$")
_ITEM = re.compile(r"^\W*(?:\(?(?:[A-Ha-h]|\d{1,2})[).:]\s*)?")
_RECOMMENDED = re.compile(r"\s*\(recommended\)\s*$", re.IGNORECASE)
_ORDER_WITH_LITERAL = re.compile(r"\b(?:message|title|text|comment|label|name(?:d)?|say(?:ing)?|called) ['\"`]")


def is_pasted(text: str) -> bool:
    """Whether a turn is, or brings, somebody else's words: a bot's, a reviewer's, a log, a ticket."""
    if _PASTED.search(text):
        return True
    own = own_words(text)
    lines = [line for line in own.split("\n") if line.strip()]
    if not lines:
        return True
    foreign = sum(bool(_LOG_LINE.match(line) or _CODE_LINE.search(line)) for line in lines)
    if foreign * 3 >= len(lines) or len(own) > LONGEST_TYPED:
        return True
    words = plain(own)
    return len(words) >= 140 and not _FIRST_PERSON.search(words) and len(_REPORT.findall(words)) >= 2


def is_template(text: str) -> bool:
    """Whether a turn is a command's text or a prompt: written once for an agent, not said."""
    return _TEMPLATE.search(text) is not None


def is_approval(text: str) -> bool:
    """Whether a turn says no more than that something is fine."""
    words = plain(text)
    return len(words) <= LONGEST_APPROVAL and _APPROVAL.match(words) is not None


def is_pick(text: str, agent: str) -> bool:
    """Whether a turn is one of the options that the agent wrote, or its number."""
    words = _option(text)
    if not words or _NUMBER.match(words):
        return True
    lines = {_option(line) for line in agent.split("\n")}
    if words in lines:
        return True
    # The agent names options in a row too: "Harbor, Anchor, Pier".
    return len(words) <= 80 and words in fold(agent)


def is_literal(words: str) -> bool:
    """Whether a sentence asks to write down something that only reads like a rule."""
    return _ORDER_WITH_LITERAL.search(words) is not None


def _option(line: str) -> str:
    return fold(_RECOMMENDED.sub("", _ITEM.sub("", line.strip()))).strip(" .*`'\"")
