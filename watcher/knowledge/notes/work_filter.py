"""What speaks of work: only a line that evidently does is taken from a note."""

from __future__ import annotations

import re
from functools import cache

from processors.text_features import about_work

#: What many things do, of which one speaks in rules.
_DO = (
    "apply|begin|belong|carry|come|contain|count|end|expire|get|go|have|hold|include|inherit|keep|map|mean|must|may"
    "|need"
    "|never|always|only|pass|point|return|run|say|share|show|start|stay|support|take|use|work|cannot|can|do"
)
_DONE = (
    r"(?:(?:\w+ly|never|only|always|not|also|then|still) )*(?:\w{2,}ed|bound|built|cut|drawn|frozen|held|kept|made"
    r"|paid|put"
    r"|read|sent|set|shown|sold|split|spelt|stored|taken|written)\b"
)
# What people do and are is no rule about things.
_PERSONS = (
    r"(?!(?:[\w-]+ ){0,4}(?:people|persons?|kids|children|parents|friends|colleagues|folks|guys|girls|wom[ae]n|m[ae]n"
    r"|owners?|contacts?|bosse?s?|neighbou?rs|relatives|twins|boys|legs|hands|eyes|nerves|tests|papers) )"
)
# "Invoices are numbered", "names of people never appear": of many things, or of any.
_OF_THINGS = re.compile(
    rf"^\W*{_PERSONS}(?:(?:the|all|any|most|each|every|no|our) )?(?:[\w/-]+ ){{0,4}}?[\w-]{{3,}}s"
    rf" (?:(?:that|which|of|in|on|with|without|above|below|under|and|or) (?:[\w-]+ ){{1,4}}?)?"
    rf"(?:are {_DONE}|(?:{_DO})\b)"
)
_OF_ANY = re.compile(
    rf"^\W*(?:an?|every|each|no|the) {_PERSONS}(?:[\w-]+ ){{1,4}}?(?:(?:of|in|on|with|for) (?:[\w-]+ ){{1,3}}?)?"
    rf"(?:(?:is|gets) {_DONE}|(?:must|may|never|always|cannot|can|has|needs|inherits|takes|expires|includes|shows"
    rf"|starts"
    r"|maps|uses|sees|ends|means|returns) )"
)
_PASSIVE = re.compile(rf"\b(?:is|are|gets?|be) {_DONE}")
_ALWAYS = re.compile(rf"^\W*[\w-]+ (?:is|are) (?:(?:never|always|only) {_DONE}|{_DONE} only\b)")
_RULE = re.compile(
    r"\bunless\b|\botherwise\b|\bby default\b|\bat (?:least|most)\b|\bwhenever\b|\b(?:and|,) not (?:on|by|in|the|a"
    r"|at|from)\b"
    r"|\bis (?:an?|the) [\w-]+, not an? |\b(?:is|are) (?:forbidden|mandatory|optional|required|allowed|unique|final"
    r"|free)\b"
)
# Something of a program: code, a path, a setting, a size, a time in a machine's unit.
_MACHINE = re.compile(
    r"`[^`\n]{2,60}`|\b[a-z]+\([^)\n]{0,30}\)|(?<![\w/])/[a-z][\w/-]{2,}|\b[a-z]\w*_\w+\b|\b[a-z_]+=\w"
    r"|\b[\w-]+\.(?:md|json|py"
    r"|toml|ya?ml|sql|go|ts|txt|java|rb|rs|sh)\b|\b\d+ ?(?:ms|[kmg]i?b|px|req/s)\b"
)
_KIND = re.compile(
    r"\b(?:integers?|booleans?|decimals?|floats?|strings?|nulls?|utc|utf-8|hash(?:es|ed)?|regex|bytes?)\b"
)
# What programs and trades are made of, beside what `about_work` knows.
_MADE = re.compile(
    r"\b(?:scripts?|logs?|tags?|batch(?:es)?|templates?|clauses?|simulators?|roles?|filters?|plugins?|forms?"
    r"|portals?|registers?"
    r"|ind(?:ex|exes|ices)|slots?|fees?|receipts?|buttons?|commands?|installations?|spans?|parsers?|banners?"
    r"|stylesheets?"
    r"|quotes?|suites?|snapshots?|headers?|footers?|prompts?|tokens?|keys?|ids?|carts?|baskets?|invoices?|mails?"
    r"|searches"
    r"|fallbacks?|timeouts?|limits?|thresholds?|defaults?|locks?|sockets?|streams?|events?|caches?|widgets?|sensors?)\b"
)
_MORE_OF_THINGS = re.compile(
    rf"^\W*{_PERSONS}(?!(?:\w+ )?(?:mornings|evenings|nights|days|weeks|weekends|meetings|calls|lunches|hours|things) )"
    rf"(?:(?:the|all|any|most|each|every|no|our) )?(?:[\w/-]+ ){{0,4}}?[\w-]{{3,}}s are (?:not |only |always "
    rf"|never )?(?!\w+ing\b)\w"
)
_MANY_DO = re.compile(
    rf"^\W*{_PERSONS}(?:(?:the|all|any|most|no|our) )?(?:[\w/-]+ ){{0,3}}?[\w-]{{3,}}[^s\W]s (?![\w-]*(?:s"
    rf"|ing) )[a-z]{{3,}}"
    r" (?:\d|at|on|once|twice|from|to|with|into|by|in|as|after|before|per|only|both|their|its)\b"
)
_TOLD = re.compile(
    r"^\W*(?:(?:never|always|avoid|prefer|use|do not|don't) (?!call|ask|plan|tell|page|book|invite|assign|bother"
    r"|go\b|mind)\w"
    r"|no (?!meetings?|calls?|stand-?ups?|messages?|pings?|mornings?|lunch|deploys?|jokes?|screens?)[a-z])"
    r"|^[\w -]{3,40} (?:rules?|formats?|limits?|order|polic(?:y|ies)|conventions?|naming|codes)(?::| is| are) "
    r"|\bon purpose\b|\bby design\b|\b\d+ ?(?:hz|khz|mhz|fps|dpi|°c)\b"
)
_OURS = re.compile(r"\bwe (?:don't|do not|never|always|only|use|keep) (?!talk|speak|meet|know|like|trust|tell|have)\w")
# What is called after something of people's lives: "the wedding list", "boss fights".
_THING = (
    r"(?:accounts?|ads?|apis?|apps?|banners?|cards?|catalogues?|categor(?:y|ies)|columns?|cop(?:y|ies)|entr(?:y|ies)"
    r"|events?"
    r"|feeds?|fields?|fights?|files?|flags?|foods?|forms?|gates?|index(?:es)?|items?|kits?|labels?|letters?|lines?"
    r"|lists?"
    r"|menus?|models?|modules?|orders?|pages?|policies|portals?|process(?:es)?|products?|profiles?|ranges?|rates?"
    r"|records?"
    r"|registers?|reports?|repositor(?:y|ies)|roles?|scores?|screens?|skus?|steps?|tables?|tags?|templates?|themes?"
    r"|types?"
    r"|vouchers?|widgets?)"
)
# This hour, these days, one date: no rule about things.
_DATED = re.compile(
    r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?|january|february|march|april|june|july|august|september|october"
    r"|november|december|\d{1,2}(?:st|nd|rd|th)|\d{1,2}[:h]\d\d|o'clock|was|were|had|since|until)\b"
)


def is_of_work(text: str, headings: tuple[str, ...] = ()) -> bool:
    """Whether a line evidently speaks of work: by what it names, or as a rule about things is said."""
    words = text.lower()
    if about_work(text) or _MACHINE.search(text):
        return True
    if any(one.search(words) for one in (_KIND, _MADE, _RULE, _OURS, _OF_THINGS, _MORE_OF_THINGS, _MANY_DO, _TOLD)):
        return True
    # What is done with a thing, or what it does, is a rule, unless it is of one day; under a heading of work always.
    dated = _DATED.search(words) is not None and not about_work(" ".join(headings))
    return not dated and (_OF_ANY.search(words) or _PASSIVE.search(words)) is not None


def is_of_things(sentence: str, topic: re.Pattern[str]) -> bool:
    """Whether a sentence with a word of people's lives uses it of things: "sick notes are kept for two years"."""
    if _MACHINE.search(sentence):
        return True
    words = sentence.lower()
    if _DATED.search(words):
        return False
    if _OF_THINGS.search(words) or _ALWAYS.search(words):
        return True
    return not topic.search(_named_after(topic).sub(" ", words))


@cache
def _named_after(topic: re.Pattern[str]) -> re.Pattern[str]:
    return re.compile(rf"(?:{topic.pattern})(?:'s|s'?|')?[ -]{_THING}\b", re.IGNORECASE)
