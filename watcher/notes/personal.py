"""What is nobody else's business: personal words are kept out of what an organisation knows.

It leaves out too much rather than too little: a fact that is lost can be added by hand, what was told cannot be taken
back. It knows English, and some German.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from processors.redaction import REDACTED, redact

_MY = r"\b(?:my|his|her|mein\w*) (?:\w+ )?"
_FORMS = [
    # Ways to reach somebody, and where they live.
    r"[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,63}",
    r"(?<![\w.:/-])(?:\+\d{1,3}[ .-]?|\(\d{2,5}\)[ .-]?|0\d{2,5}[ /-])\d[\d .()/-]{5,16}\d\b",
    r"\b\d{3}[-.]\d{3}[-.]\d{4}\b",
    r"\b\d{1,5}[a-z]? (?:[a-z][\w.'-]{0,30} ){1,3}(?:street|road|avenue|lane|drive|boulevard)\b",
    r"\b[\w-]{2,40}(?:straße|strasse|gasse|allee)\.? \d{1,4}\b",
    _MY + r"(?:address|phone|mobile|telephone|e-?mail|adresse|telefon\w*|number is)\b",
    r"\b(?:i|we) live (?:in|at|on|near)\b|\bich wohne\b|\bhome address\b",
    # Who they are, by numbers.
    r"(?-i:\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b)",
    r"\b(?:\d[ -]?){13,19}\b|\b\d{3}-\d{2}-\d{4}\b",
    r"\b(?:passport|social security|date of birth|born (?:on|in)|birthdays?|geburtstag)\b",
    # Family and friends.
    _MY + r"(?:wife|husband|spouse|partner|fianc\w+|girlfriend|boyfriend|son|daughter|kids?|child(?:ren)?|baby)\b",
    _MY + r"(?:mother|father|mom|mum|dad|parents?|sister|brother|family|aunt|uncle|grand\w+|cousin|ex)\b",
    _MY + r"(?:frau|mann|tochter|sohn|kinder|mutter|vater|familie)\b",
    r"\b(?:divorce\w*|wedding|pregnan\w*|kindergarten|day-?care|babysitter|maternity|paternity|school run)\b",
    # Health.
    r"\b(?:therap(?:y|ist)|psychiatr\w*|psycholog\w*|diagnosed with|medication\w*|surgery|hospital|dentist\w*)\b",
    r"\b(?:migraine\w*|allergic|allerg(?:y|ies)|diabet\w*|asthma|cancer|adhd|autis\w*|burn-?out|depress(?:ed|ion))\b",
    r"\b(?:anxiety|disabilit\w*|sick leave|sick note|krank\w*|arzt|arzttermin)\b",
    _MY + r"(?:doctor|health|pain|illness|symptoms?|insurance|diagnosis|prescription)\b",
    r"\b(?:i am|i'm|he is|she is|he's|she's) (?:ill|sick)\b",
    # Money of their own.
    _MY + r"(?:salar(?:y|ies)|wages?|pay|pay ?(?:check|slip)|bonus|raise|income|compensation|mortgage|loan|debts?)\b",
    _MY + r"(?:rent|savings|bank account|gehalt|miete)\b|\b\w+'s (?:salary|wage|bonus|pay|raise|gehalt)\b",
    r"\b(?:salary|wage|gehalt) (?:is|of|was|expectation\w*|review|negotiation\w*)\b|\bi (?:earn|make) \W?\d",
    # What opens something.
    _MY + r"(?:password|passwort|passphrase|pin|login|credentials?|recovery codes?|2fa|key|token)\b",
    r"\b(?:password|passwort|passwd|passphrase|pin(?: code)?) ?(?:is|ist|:|=)",
    # Moods, and what they think of each other.
    r"\bi(?:'m| am| feel| felt)(?: \w+)? (?:tired|exhausted|sad|angry|lonely|stressed|overwhelmed|afraid|scared)\b",
    r"\bi(?:'m| am| feel| felt)(?: \w+)? (?:unhappy|frustrated|annoyed|nervous|worried|bored|miserable|down|happy)\b",
    r"\bi (?:hate|despise|can't stand|want to quit|plan to quit|am going to resign)\b|\bjob interview\b",
    _MY + r"(?:mood|feelings?|diary|crush)\b",
    # Days of their own.
    _MY + r"(?:appointments?|vacation|holidays?|day off|flight|gym|yoga|date)\b",
    r"\b(?:i am|i'm|i'll be|i will be) (?:\w+ )?(?:away|off|on leave|on vacation|on holiday|out of office)\b",
    r"\b(?:pick up (?:the|my) kids?|parent[- ]teacher)\b",
]
_PERSONAL = re.compile("|".join(_FORMS), re.IGNORECASE)
# What stands under such a heading is personal, whatever it says.
_HEADING = re.compile(
    r"\b(?:personal|family|diary|about me|birthdays?|passwords?|(?:my )?health)\W*$|\bpersonal\b"
    r"|\bprivate?s?(?: (?:notes?|stuff|things|life))?\W*$",
    re.IGNORECASE,
)
_TYPOGRAPHIC = str.maketrans("\u2019\u2018\u2010\u2011\u2013", "''---")


def is_personal(texts: Iterable[str], headings: Iterable[str] = ()) -> bool:
    """Whether any of these texts tells of somebody's own life, or stands under a heading that says so."""
    above = [one.translate(_TYPOGRAPHIC) for one in headings]
    plain = [one.translate(_TYPOGRAPHIC) for one in texts]
    return any(_PERSONAL.search(one) for one in (*plain, *above)) or any(_HEADING.search(one) for one in above)


def holds_secret(texts: Iterable[str]) -> bool:
    """Whether any of these texts holds a secret, or the mark where one was."""
    return any(REDACTED in redact(one)[0] for one in texts)
