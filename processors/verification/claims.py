"""What a sentence claims, apart from what it wraps that in.

People seldom say how things are for its own sake. They want it written down ("mention in the guide that …"), ask for
something that follows from it ("…, could you …"), or refuse something because of it ("…, why would you …?").
The wrapping is aimed at the task, the claim is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from processors.verification.sentences import Sentence, plain

#: How much a wrapping speaks for its claim: to be written down for good, or at all; the reason of a request, of a no.
_LASTING, _TOLD, _ASKED, _REFUSED = 1.4, 1.2, 0.4, 1.0

# What only connects a sentence with what was said before.
_LEAD = re.compile(
    r"(?i)^(?:(?:sure|yes|yeah|yep|no|nope|ok|okay|well|hm+|but|so|and|also|then|right(?! now)|wrong"
    r"|incorrect|not (?:true|correct)"
    r"|(?:you are|you['’]re|that['’]s|that is|this is) (?:not correct|not true|wrong|incorrect|not quite (?:right"
    r"|true))"
    r"|the \w+ (?:part|point|one) is (?:not correct|wrong))(?:[,.:;!-]+|(?= ))\s*)+(?=\S{2})"
)
_ORDER_TO_TELL = re.compile(
    r"(?i)^(?:(?:also|then|now|please|pls|just|let['’]?s|(?:can|could|would|will) you|you (?:should|can)"
    r"|i(?:['’]d like| want)(?: you)? to)[, ]+)*"
    r"(?:(?P<tells>mention|document|explain|state|clarify|specify|record|describe|point out|make (?:it )?clear)"
    r"|add|put|write(?: down)?|update|include|extend)\b"
    r"(?P<where>(?: [^\s,;:]*[^\s,.;:]){0,9}?)(?P<also> (?:explaining|saying|stating|to say))?(?: that|:) (?:that )?"
    r"(?P<claim>\S.{14,})$"
)
# Where something is written that agents and newcomers go by, and where only this task is told of.
_LASTING_PLACE = re.compile(
    r"(?i)\b(?:claude|agents|gemini|readme|contributing|docs?|documentation|guides?|guidelines?|handbook|wiki|rules"
    r"|conventions?|runbooks?|polic(?:y|ies)|section|instructions|memory|faq|\w+\.md)\b"
)
_PASSING_PLACE = re.compile(
    r"(?i)\b(?:prs?|pull requests?|commits?|messages?|comments?|change ?logs?|tickets?|issues?|titles?|e?mails?|todos?"
    r"|descriptions?|tests?|logs?|outputs?|scripts?|functions?|release notes?|errors?)\b"
)
_WISH = r"i want|i['’]d like|i would like"
_ASKS = re.compile(
    r"(?i)^(?P<claim>.{20,}?)[,;](?: -+)? (?:(?:so|and|but|then) )?"
    rf"(?:please|pls|can you|could you|would you|let['’]?s|make sure|(?P<wish>{_WISH}))\b"
)
_SUBORDINATE = re.compile(r"(?i)^(?:if|when|once|after|before|since|as|while|because|in case|for|to|with|unless)\b")
_REFUSES = re.compile(
    r"(?i)^(?:unless i(?:['’]m| am) (?:mis\w+|wrong)[^,]*, (?:but )?)?(?P<claim>.{15,}?)[,;.-]+ ?(?:"
    r"(?:so |then |and )?why (?:would|should|do|did) (?:you|we|i|one|any(?:one|body)) (?:even |then "
    r"|still )?(?P<vain>\w[^?]*)\?"
    r"|(?:so |then |and )?why (?P<idle>(?!is|are|was|were|does|do|did|would|can|has|have|not)\w+ "
    r"(?:it|them|this|that|these|those|the)\b[^?]*)\?"
    r"|so (?:that|this|the) (?:argument|reason(?:ing)?|point|concern|justification)\b.*\b(?:not|n['’]t|no)\b.*)$"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a sentence claims."""

    #: To be told.
    text: str
    #: In small letters, to be looked at.
    plain: str
    #: What its wrapping says for it.
    weight: float = 0.0


def claim_of(part: Sentence) -> Claim:
    """What a sentence claims; all of it but its lead where it wraps nothing."""
    text = _LEAD.sub("", part.text)
    if (order := _ORDER_TO_TELL.match(text)) and (weight := _worth(order)):
        return Claim(order["claim"], plain(order["claim"]), weight)
    if refused := _REFUSES.match(text):
        # A question that wants no answer has one.
        vain = refused["vain"] or refused["idle"]
        told = f"{refused['claim']}, so there is no need to {vain}" if vain else refused["claim"]
        return Claim(told, plain(refused["claim"]), _REFUSED)
    if (asked := _ASKS.match(text)) and not _SUBORDINATE.match(asked["claim"]):
        # What a person wants to be so belongs to it; what is asked of the agent does not.
        return Claim(text if asked["wish"] else asked["claim"], plain(asked["claim"]), _ASKED)
    return Claim(text, plain(text))


def _worth(order: re.Match[str]) -> float:
    """How much an order to write something down says for that; 0 where it is about the task."""
    if _LASTING_PLACE.search(order["where"]):
        return _LASTING
    return _TOLD if (order["tells"] or order["also"]) and not _PASSING_PLACE.search(order["where"]) else 0.0
