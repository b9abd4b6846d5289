"""Title, content, domain and entities of what is to be known, made from the words themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, get_args

Domain = Literal["finance", "engineering", "product", "data", "operations", "infrastructure"]
DOMAINS: tuple[Domain, ...] = get_args(Domain)

#: Characters of a title, of a content and of a quote.
LONGEST_TITLE, LONGEST_CONTENT, LONGEST_QUOTE = 60, 500, 500
#: So many entities are named.
MOST_ENTITIES = 8

_OPENERS = re.compile(
    r"^(?:(?:no+|nope|honestly|basically|yes|yep|yeah|ok|okay|right(?! now\b)|correct|exactly|indeed|true|good|great"
    r"|sure|hm+|well|wrong"
    r"|actually|but|so|and|"
    r"also|btw|by the way|fyi|note|note that|heads[- ]up|background|remember|remember that|keep in mind|keep in mind"
    r" that|have in mind|have in mind that|for reference|for context|for the record|for info|just so you know|please|"
    r"that's (?:right|not correct|wrong|not right|not true)|that is (?:not )?(?:correct|right|true)"
    r"|you got that right"
    r"|not correct|it's on purpose|it is on purpose|the first part is not correct|you are not correct)[\s,.:;!-]+)+",
    re.IGNORECASE,
)
_WORDS: dict[Domain, str] = {
    "finance": r"invoic\w*|billing|billed|tax\w*|vat|revenue|refund\w*|pay\w*|payment\w*|price\w*|pricing"
    r"|discount\w*|mrr|arr"
    r"|ledger|fiscal|account(?:ing|s receivable)|currenc\w*|cents?|budget\w*|credit\w*|cost\w*|commission\w*"
    r"|payout\w*|audit\w*"
    r"|subscription\w*|eur|usd|margin|salary|payroll|bank\w*|amounts?|minor units|trading|chargeback\w*|dunning",
    "data": r"table\w*|column\w*|schema\w*|warehouse|dataset\w*|migration\w*|event\w* table|lake|etl|dbt"
    r"|export\w*|import\w*|"
    r"replica|primary key|null|soft delete\w*|pii|field\w*|row\w*|record\w*|feed|csv|parquet|timestamp\w*"
    r"|analytics|dashboard\w*"
    r"|query|queries|sql|metric\w*|append[- ]only|dedup\w*|backfill\w*|partition\w*|retention|source of truth"
    r"|unit|sku",
    "infrastructure": r"cluster\w*|kubernetes|k8s|pod\w*|node\w*|region\w*|redis|kafka|vault|terraform|gateway"
    r"|network\w*|vpn|"
    r"dns|bucket\w*|s3|aws|gcp|azure|load balancer|staging|sandbox|server\w*|gpu\w*|cdn|firewall|tls"
    r"|certificat\w*|vpc|"
    r"container\w*|image\w*|port\w*|proxy|nginx|quota|environment\w*|host\w*|database fail\w*|ingress|secrets?",
    "operations": r"deploy\w*|releas\w*|rollback\w*|on-?call|incident\w*|runbook\w*|freeze|sla|alert\w*|pager"
    r"|maintenance|branch\w*"
    r"|backup\w*|restore|monitoring|fail(?:s|ed)? ?over|ticket\w*|linear|jira|changelog|owned by|review\w*"
    r"|approval\w*|hotfix\w*"
    r"|support|business hours|escalat\w*|schedule\w*|cron|squash\w*|merge\w*|pipeline|ci|weekday\w*|team"
    r"|postmortem\w*",
    "product": r"customer\w*|user\w*|plan\w*|trial\w*|feature\w*|seat\w*|workspace\w*|tenant\w*|lead\w*"
    r"|contact\w*|shop|order\w*|"
    r"shipping|shipment\w*|parcel\w*|checkout|subscription\w*|onboarding|brand\w*|label\w*|product\w*|contract\w*"
    r"|member\w*|"
    r"telemetry|locale\w*|translation\w*|copy|wording|spelled|written|lowercase|partner\w*|notification\w*"
    r"|persona\w*|end users?",
    "engineering": r"api\w*|endpoint\w*|code\w*|function\w*|class\w*|test\w*|module\w*|package\w*|librar\w*|sdk"
    r"|client\w*|service\w*"
    r"|handler\w*|retr\w+|idempot\w*|consumer\w*|queue\w*|cache\w*|lint\w*|format\w*|type\w*|git|commit\w*"
    r"|hook\w*|cli|flag\w*|error"
    r" codes?|version\w*|request\w*|worker\w*|topic\w*|feature branch\w*|repositor\w*|repo|refactor\w*|compil\w*"
    r"|build\w*|"
    r"dependenc\w*|framework|backend\w*|frontend|json|http|async\w*|thread\w*|exception\w*|interface\w*",
}
_DOMAIN = {domain: re.compile(rf"\b(?:{words})\b") for domain, words in _WORDS.items()}

_TICKED = re.compile(r"`([^`\n]{2,60})`")
_NAMED = re.compile(r"['\"“‘]([A-Za-z][\w .-]{1,40})['\"”’]")
_IDENTIFIER = re.compile(
    r"\b(?:[a-z0-9]+_[a-z0-9_]+|[A-Za-z]+[a-z][A-Z]\w+|[A-Z]{2,}[A-Z0-9-]*|[\w-]+\.(?:md|json|py|toml|ya?ml|sql"
    r"|go|ts))\b"
)
_PROPER = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{2,}(?: [A-Z][a-z]+)?\b")


#: Characters of a clause, and of the beginning of one, that says something by itself.
_SHORTEST_PART, _SHORTEST_PHRASE = 25, 38
_ENDS = (".", "!", "?", ":", ";", ",")
_POINTS_ELSEWHERE = re.compile(
    r"(?i)[\"'“]?(?:in addition to|besides|apart from|unless i|as (?:i|you|we) \w+|this|that|these|those|it"
    r"|they)\b[^,;:.`]{0,40}[,;:] "
)
_PHRASE = re.compile(
    r"(?<! be)(?<! is)(?<! are) (?:if|when|while|because|since|so|that|which|who|where|until|unless|and|or|but|for"
    r"|in|on"
    r"|at|to|with|without|by|from|into|inside|via|as|then|than|after|before|during|over|under|about) "
)
_DANGLING = re.compile(
    r"(?: (?:the|an?|to|of|in|on|at|and|or|for|with|by|because|this|that|our|its|their|also|is|are|be))+$"
)


def title_of(text: str) -> str:
    """A line that names it, at most 60 characters."""
    text = _DANGLING.sub("", _start(text).rstrip(" .;:,!"))
    if len(text) <= LONGEST_TITLE:
        return text
    # What only points at something else names nothing: what comes after it does.
    while (aside := _POINTS_ELSEWHERE.match(text)) and len(text) - aside.end() >= _SHORTEST_PART:
        text = _start(text[aside.end() :])
    if len(text) <= LONGEST_TITLE:
        return text
    cut = text[: LONGEST_TITLE - 1]
    # At a clause's end if one is near, else before a phrase, else at a word's end.
    clause = max(cut.rfind(sign) for sign in (". ", ", ", "; ", ": ", " - ", " ("))
    if clause >= _SHORTEST_PART:
        return cut[:clause].rstrip(" ,;:-(.")
    phrases = [found.start() for found in _PHRASE.finditer(cut) if found.start() >= _SHORTEST_PHRASE]
    if phrases:
        return cut[: phrases[-1]].rstrip(" ,;:-(.")
    words = cut[: cut.rfind(" ")] if " " in cut[20:] else cut
    return _DANGLING.sub("", words).rstrip(" ,;:-(") + "…"


def content_of(parts: Sequence[str]) -> str:
    """What is to be known, at most 500 characters."""
    # Items of a list end without a sign.
    ended = [part if part.rstrip().endswith(_ENDS) else f"{part.rstrip()};" for part in parts[:-1]]
    first, *rest = [*ended, *parts[-1:]]
    text = " ".join([_start(first), *rest])
    return text if len(text) <= LONGEST_CONTENT else text[: LONGEST_CONTENT - 1].rstrip() + "…"


def domain_of(words: str, around: str) -> Domain:
    """The domain whose words are heard most; what was said around counts a third."""
    words, around = words.lower(), around.lower()
    heard = {
        domain: 3 * len(set(pattern.findall(words))) + len(set(pattern.findall(around)))
        for domain, pattern in _DOMAIN.items()
    }
    best = max(DOMAINS, key=lambda domain: heard[domain])
    return best if heard[best] else "engineering"


def about_work(text: str) -> bool:
    """Whether it names anything that organisations make, run or sell, or something of a program."""
    words = text.lower()
    named = _TICKED.search(text) or _IDENTIFIER.search(text)
    return named is not None or any(pattern.search(words) for pattern in _DOMAIN.values())


def entities_of(text: str) -> list[str]:
    """The things that it names, in order, each once."""
    found: dict[str, str] = {}
    for pattern in (_TICKED, _NAMED, _IDENTIFIER, _PROPER):
        for match in pattern.finditer(text):
            name = " ".join((match[1] if match.lastindex else match[0]).split())
            found.setdefault(name.casefold(), name)
    return list(found.values())[:MOST_ENTITIES]


def folded(text: str) -> str:
    """Text with its white space folded."""
    return " ".join(text.split())


def _start(text: str) -> str:
    """Text without the words that only open it and the brackets around it, its first letter large."""
    text = text.strip()
    if text.startswith("(") and text.find(")") == len(text) - 1:
        text = text[1:-1]
    left = _OPENERS.sub("", text).strip() or text.strip()
    # `names` and file.names stay as they are written.
    first = left.split(" ", 1)[0]
    return left if not first.isalpha() or first != first.lower() else left[0].upper() + left[1:]
