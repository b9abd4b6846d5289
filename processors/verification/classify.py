"""Which kind of thing was said: against the agent, with it, or unasked."""

from __future__ import annotations

import re

from processors.verification.candidates import DetectionType
from processors.verification.sentences import plain, sentences
from processors.verification.weights import CONTRASTS, weigh

_YES = re.compile(
    r"^(?:ah |oh |hm+,? )?(?:yes|yep|yeah|yup|correct|right|exactly|indeed|precisely|true|absolutely|of course"
    r"|affirmative"
    r"|that(?:'s| is) (?:right|correct|true|exactly|how)|you (?:got (?:that|it) right|are right|understood)"
    r"|you're right"
    r"|spot on|confirmed|both)\b"
)
_NO = re.compile(
    r"^(?:ah |oh |hm+,? |uh |well,? |wait,? |sorry,? )*(?:no+|nope|nah|wrong|incorrect|not|actually|but|careful|never"
    r"|don't|do not|sure, but|yes, but|yes but|that(?:'s| is)(?: not|n't)|that isn't|this (?:is not|isn't|should not)"
    r"|it(?:'s| is) (?:not|on purpose|the other)|it isn't|you(?:'re| are) (?:not|wrong)|other way|the other way"
    r"|the first"
    r" part is not|on the contrary|in fact|in our case)\b"
)
# The agent offers to do something, or asks which way to go.
_PROPOSES = re.compile(
    r"\b(?:should i|shall i|shall we|should we|do you want|would you like|want me to|ready to|let me know|may i|can i"
    r"|could i|i can|i could|i would|i'll|i will|i suggest|i recommend|i propose|next i|which|what would"
    r"|how (?:should"
    r"|would|do)|prefer|proceed|plan:)\b"
)
# The agent says how it understands things, and wants to hear whether that is so.
_SUPPOSES = re.compile(
    r"\b(?:is|was|are) (?:that|this|it) (?:right|correct|so|true|intended|intentional|expected|on purpose"
    r"|by design|the case)"
    r"|\bis it (?:true|correct|right)\b|\bdid i get\b|\bam i (?:right|correct)\b|\bcorrect\?|\bright\?|\bi assume\b"
    r"|\bi believe\b|\bif i understand\b|\bmy understanding\b|\bdo i understand\b|\b(?:looks|seems) (?:like|that"
    r"|as)\b"
    r"|\bit (?:looks|seems|appears)\b|\bi(?:'m| am) assuming\b|\bi take it\b|\bassuming\b|\bcan you confirm\b"
    r"|\bto confirm\b"
)
# "…, is that correct?": what stands before it is what was supposed.
_TAG = re.compile(
    r"[,;.]? (?:(?:is|was|are) (?:that|this|it) (?:right|correct|so|true|intended|the case)|right|correct|yes)\?$",
    re.IGNORECASE,
)
_ASKS_HOW_IT_IS = re.compile(
    r"^(?:so\b|(?:and |but |then |hm+,? )?(?:is|are|do|does|has|have|was|were|only|the|an?|we|if)\b).*\?$"
)
_WORD = re.compile(r"[a-z][a-z0-9_]{3,}")
_COMMON = re.compile(
    r"(?:that|this|with|from|have|does|will|they|them|then|than|when|what|which|your|were|been|into|only|also"
    r"|just|like"
    r"|some|should|must|would|could|there|their|these|those|because|about|after|before|every|always|never)$"
)


def says_yes(words: str) -> bool:
    """Whether a turn begins by agreeing."""
    return _YES.match(words) is not None and _NO.match(words) is None


def says_no(words: str) -> bool:
    """Whether a turn begins by contradicting."""
    return _NO.match(words) is not None


def supposition(agent: str) -> str | None:
    """What the agent said that it takes for a fact and wants confirmed; None where it asks what to do, or nothing."""
    last = sentences(agent)[-4:]
    asked = [one for one in last if not _PROPOSES.search(one.plain)]
    if not asked or (last and _PROPOSES.search(last[-1].plain)):
        return None
    for number, one in reversed(list(enumerate(asked))):
        supposes = _SUPPOSES.search(one.plain)
        if not supposes and not _ASKS_HOW_IT_IS.match(one.plain):
            continue
        # "Is this right?" says nothing: what it speaks of stands before it.
        bare = len(one.plain) < 45 and supposes is not None and number > 0
        return _TAG.sub("", asked[number - 1].text if bare else one.text)
    return None


def shared_words(words: str, agent: str) -> int:
    """How many telling words a turn shares with what the agent said."""
    return len(_telling(words) & _telling(agent))


def _telling(text: str) -> set[str]:
    return {word.rstrip("s") for word in _WORD.findall(plain(text)) if not _COMMON.match(word)}


def contradiction(words: str, agent: str, begun: bool = False) -> float:
    """How much a turn goes against what the agent just said or, where it said nothing yet, has ``begun`` to do."""
    if not agent:
        return 1.5 if begun and says_no(plain(words)) else 0.0
    first = sentences(words)[:2]
    against = max((weigh(one.plain, CONTRASTS) for one in first), default=0.0)
    shared = min(shared_words(words, agent[-1200:]), 3)
    if says_no(plain(words)):
        against += 1.5
    return against + 0.4 * shared if against else 0.0


def kind_of(words: str, agent: str, begun: bool = False) -> DetectionType:
    """The kind of a turn that holds knowledge; ``begun``: the agent had something to do before it."""
    if agent and says_yes(plain(words)):
        return "confirmation"
    # Words of the agent that recur, with a word against them, are a contradiction even without a "no".
    if contradiction(words, agent, begun) >= 1.2:
        return "correction"
    return "unprompted_definition"
