"""What in a sentence speaks for knowledge that others can use, and what against it.

Every expression looks at a sentence in small letters (`spoken.Sentence.plain`) and has a weight; each
counts once. The weights say how telling a thing is beside the others: a rule word with a
present-tense statement about "our" things is enough, either alone is not.
"""

from __future__ import annotations

import re

_Weighted = tuple[tuple[re.Pattern[str], float], ...]


def _weighted(*pairs: tuple[str, float]) -> _Weighted:
    return tuple((re.compile(pattern), weight) for pattern, weight in pairs)


#: Words that make a statement a rule.
RULES = _weighted(
    (r"\b(?:never|always)\b", 1.6),
    (r"\bmust(?:n't)?\b|\bmay not\b|\bmandatory\b|\bforbidden\b|\bnot allowed\b|\brequired\b", 1.3),
    (r"\b(?:should not|shouldn't|ought not)\b", 1.4),
    (r"\bshould\b(?! not)", 0.4),
    (r"\bonly\b|\bnothing else\b|\bexclusively\b|\bexcept\b|\bunless\b", 0.9),
    (r"\b(?:has|have|needs?) to\b|\bcan(?:not|'t)\b|\bno longer\b", 0.6),
    (r"\b(?:every|each|all|any|everyone|nobody|no one|anything|nothing)\b", 0.5),
    (
        (
            r"^(?:all |any |our |every |each )?(?:[\w-]+ )?[\w-]{3,}s should\b|\bautomatically\b|\b(?:by|on) (?:it"
            r"|their"
            r"|its)\b"
        ),
        0.6,
    ),
    (r"\bnot\b[^,]{3,80}, but\b|(?:\band|,) not (?:the|an?|by|in|from|you|on)\b", 0.6),
    (r"\bby default\b|\bat (?:least|most)\b|\bexactly one\b|\breserved\b|\bguaranteed?\b|\bper [a-z]+\b", 0.8),
)

#: Speaking for a team: what "we" do as a habit, what is "ours".
OURS = _weighted(
    (
        (
            r"\bwe (?!(?:should|could|can|might|need|want|have to|will|would|are (?:going|finally|done)|just|still|also"
            r"|only have|get|got|see|saw|did|had|talked|discussed|said|may|have|do have|haven't|hadn't|didn't|were"
            r"|was)\b)(?:\w+ )?\w+"
        ),
        1.1,
    ),
    (r"\bwe only (?!have|need|want)\w+|\bwe (?:don't|do not|never|always) (?!need|want|have to)", 0.5),
    (r"\bwe (?:do |now |already )?have (?!to\b)", 0.5),
    (r"\bour\b|\bours\b", 1.1),
    (r"^(?:please |always )*(?:keep|store|track|maintain|host) (?:all )?our [\w -]+? (?:in|on|under|at) (?!mind)", 1.0),
    (r"\b(?:in|at|across) (?:our|this|the) (?:company|organi[sz]ation|team|house|codebase|platform|business)\b", 0.8),
    (r"\b(?:the )?(?:customers?|clients?|vendor|partners?|auditors?|legal|finance|compliance|regulators?)\b", 0.5),
)

#: What people put before a thing that they want known.
MARKS = _weighted(
    (
        (
            r"\bfor (?:your )?(?:reference|info|information|context|the record)\b|\bfyi\b|\bheads[- ]up\b|^background\b"
            r"|\b(?:keep|bear|have) in mind\b|\bnote(?: that|:)|\bremember(?: that|:)|\bjust so you know\b|\bbe aware\b"
        ),
        1.6,
    ),
    (r"\bconventions?\b|\bpolic(?:y|ies)\b|\brule of thumb\b|\bthe rule\b|\bguidelines?\b|\bagreed\b", 1.4),
    (r"\bon purpose\b|\bby design\b|\bintentional(?:ly)?\b|\bdeliberate(?:ly)?\b|\bintended\b", 1.8),
    (r"\bthat(?:'s| is) (?:why|because|the reason)\b|\bthe reason\b", 1.6),
    (r"\b(?:source of truth|by definition|in general|as a rule|legally|historically|contractually)\b", 1.4),
    (r"^(?:btw|by the way)\b", 0.9),
)

#: Saying what a thing is.
DEFINITIONS = _weighted(
    (
        (
            r"\b(?:(?<!this )(?<!that )(?<!it )means|stands for|refers to|is short for|is defined as|(?:is|are) called"
            r"|(?:is|are) named)\b"
        ),
        1.5,
    ),
    (
        (
            r"\b(?:counts? as|(?:is|are) (?:considered|treated as|known as|owned by|stored in|kept in|booked"
            r"|billed))\b"
        ),
        1.2,
    ),
    (r"[\"'`][\w .-]+[\"'`]\)? (?:is|are|means|=)", 1.2),
    (r"\b(?:(?:is|are) (?:an?|the) |lives? in|belongs? to|consists? of|represents?|contains?|comes? from)\b", 0.6),
    (r"\bstart(?:s|ing)? with\b|\bend(?:s|ing)? with\b|\bprefix(?:ed)?\b|\bsuffix(?:ed)?\b|\bappend[- ]only\b", 0.8),
    (r"\bwe (?:do |now )?have (?:[\w`-]+ ){1,4}(?:that|which|where)\b", 0.6),
    (r"\bthere (?:is|are|'s) (?:[\w`'-]+ ){1,6}(?:that|which|used for|only for)\b", 0.9),
    (r"\b(?:used|meant|intended|reserved|only) for\b", 0.7),
    (r"\b(?:is|are) (?:read[- ]only|immutable|unique|frozen|in utc|append[- ]only|idempotent)\b", 0.9),
)

#: Why it is so.
REASONS = _weighted(
    (
        (
            r"\bbecause\b|\bsince\b(?! (?:yesterday|today|monday))|\bdue to\b|\botherwise\b(?!,? (?:all|everything|it's"
            r"|it is) (?:good|fine|ok))|\bso that\b|\bhence\b"
        ),
        1.0,
    ),
    (
        (
            r"\bin order to\b|\btherefore\b|\bwhich (?:is why|means)\b|\bor else\b|\bto avoid\b|\bas (?:it|they"
            r"|we) \w+"
        ),
        0.7,
    ),
    (
        (
            r"(?:[-=]>|\bsee|\bsource:?|\bcf\.?) <?https?://|\b(?:per|according to|agreed in) (?:the|their"
            r"|our) (?:docs?|spec\w*|documentation|manual|rfc|contract)\b"
            r"|\bthe (?:docs?|spec|specification|documentation|manual|rfc|contract) (?:says?|states?|requires?)\b"
        ),
        0.8,
    ),
    (r"\bthere (?:might|may|can|could) be [^,.]{3,60}\b(?:where|that|when)\b", 0.7),
    (r",? so (?:the|an?|it|they|we|you|this|nobody|no|any|every|don't|only|q\d)\b", 0.6),
)

#: A statement about how things are.
STATEMENTS = _weighted(
    (
        (
            r"\b(?:is|are|isn't|aren't|has|have|doesn't|does not|don't|do not|can|will|gets?|goes|runs?|uses?|includes?"
            r"|excludes?|needs?|happens?|applies|apply|counts?|expires?|resets?|rotates?|closes?|sends?|stays?|remains?"
            r"|keeps?|loads?|holds?|works?|begins?|starts?|returns?|requires?|expects?|supports?|changes|relies|rely"
            r"|writes|reads|caches|never|always|wins?|lags?|fails over|comes?|covers?)\b"
            # "Orders carry", "hooks receive": of many things.
            r"|(?<=[a-z]s )(?:also |only |usually |still )?(?:belong|carry|contain|end|expect|get|go|hold|keep|live"
            r"|mean"
            r"|need|receive|require|return|run|send|share|start|stay|support|take|use|work)\b"
        ),
        0.8,
    ),
    (
        (
            r"\b\d+(?:[.,]\d+)?\s?(?:%|percent|days?|hours?|minutes?|months?|weeks?|years?|h|d|gb|mb|cents?|eur"
            r"|usd)\b"
        ),
        0.6,
    ),
    (r"`[^`]+`|\b\w+_\w+\b", 0.3),
    (r"\bshould (?:not |never |always |only )?(?:be|have|go|come|live)\b", 0.4),
    (r"^(?:an?|the|all|every|each|any|both|no|our|these|most) \w+", 0.4),
    (r"\b(?:it|they|there|that)(?:'s|'re)\b|\b(?:it|everything|nobody|everyone) [a-z]{3,}s\b", 0.4),
    (r"\b(?:the|an?|our|every|each) (?:[\w-]+ ){1,3}?(?!this|was)[a-z]{2,}[a-rt-z]s\b", 0.3),
)

#: Against what was said before.
CONTRASTS = _weighted(
    (
        (
            r"\b(?:is|are|was|were|'s|you're|not) (?:not |n't )?(?:wrong|incorrect)\b|\bis ?n(?:o|')t (?:correct"
            r"|right|true)"
            r"|\bnot (?:correct|true|quite|fully|right|how|the case)\b|\byou are not correct\b|\bthat's not\b|^wrong\b"
        ),
        1.6,
    ),
    (r"\bactually\b|\bin fact\b|\bin reality\b|\bother way (?:a)?round\b|\bon the contrary\b|\bin any case\b", 0.9),
    (
        (
            r",? not (?:the|a|an|from|by|in|on|as|per|just|only|when|where|for|to|with|utc)\b|^not \w+"
            r"|\brather than\b"
        ),
        0.7,
    ),
    (r"\binstead\b|\bbut\b", 0.3),
    (r"\b(?:isn't|aren't|doesn't|don't|is not|are not|does not|do not|must not|should not|never)\b", 0.5),
)

#: What a person asks the agent to do.
_VERBS = (
    "add|adjust|analy[sz]e|apply|ask|bring|build|bump|call|change|check|clean|commit|compare|continue|copy|create|debug"
    "|delete|describe|deploy|do|document|draft|drop|edit|enable|ensure|explain|extend|extract|find|fix|follow|format"
    "|generate|get|give|go|have a look|help|implement|improve|include|inline|inspect|install|investigate"
    "|keep(?! in mind| (?:all )?our\\b)|leave"
    "|list|look|make|merge|mention|modify|move|open|pick|plan|polish|prepare|proceed|push|put|re-?run|read|rebase"
    "|refactor|release|remove|rename|replace|report|resolve|rerun|restart|retry|return|revert|review|rewrite|run|save"
    "|search|send|set|show|simplify|skip|split|squash|start|stop|summari[sz]e|switch|take|tell|test|try|turn|undo"
    "|update|use|verify|wait|work|write|align|rework|convert|reduce|increase|port|upgrade|downgrade|double[- ]check"
)
ORDERS = _weighted(
    (
        r"^(?:(?:ok|okay|yes|yep|no|nope|and|then|now|also|so|but|great|good|cool|perfect|thanks|first|next|just"
        r"|please"
        r"|pls|hey|hi|alright|right)[,.:!]* )*(?:please |pls |kindly |go and |just )?(?:"
        + _VERBS
        + r")\b(?! (?:is|are)\b"
        # "Squash merge always happens", "check digits are": a noun, not an order.
        + r"| (?!(?:the|an?|it|this|that|these|those|them|my|our|your|all|if|whether|always|never|only|what|how"
        r"|which|to)\b)" + r"[a-z-]+ (?:always|never|only|is|are|gets?|has|have|must|should)\b)",
        2.2,
    ),
    (r"\b(?:can|could|would|will) you\b|\bplease\b|\blet'?s\b|\blets\b|\bi(?:'d| would) like\b|\bi want\b", 1.6),
    (r"\b(?:we|you) (?:should|need to|have to|could|can) (?:also |now |just |really )?(?:" + _VERBS + r")\b", 1.0),
    (r"^don't (?:" + _VERBS + r"|over|bother|touch|worry|forget)\w*\b", 0.8),
)

#: Words of this hour, this task or this person, that nobody else can use.
PASSING = _weighted(
    (r"\b(?:for now|not now|this time|yesterday|today|tomorrow|tonight|just now|at the moment|minutes left)\b", 1.6),
    (r"\balready (?:done|fixed|merged)\b|\b(?:is|all|are) (?:done|good|fine)\b", 1.2),
    (r"\buntil (?:recently|now)\b|\bpreviously\b|\bback then\b", 2.6),
    (r"^(?:like|for example|e\.g\.)[ ,:]", 1.6),
    (
        (
            r"^(?:it|this|that|these|those) (?:should|must|has to|needs to)\b|\b(?:should not|shouldn't"
            r"|don't) \w+ (?:it"
            r"|this|that)\b"
        ),
        1.2,
    ),
    (r"\b(?:my|this) (?:machine|laptop|computer|screen|terminal|browser|setup|branch|pr|commit|session)\b", 1.2),
    (r"\bagain\b|\byet\b|\bi(?:'m| am) (?:still |currently |now )?\w+ing\b|\bwait\b|\bgo ahead\b|\bnext step\b", 1.0),
    (r"\b(?:the|that|this) (?:other|first|second|third|last|above|previous) (?:one|option|approach|point)\b", 1.2),
    (
        r"\bi (?:just |already |now |also )?(?:put|made|added|removed|changed|ran|tried|did|said|told|fixed|moved)\b",
        1.2,
    ),
    (r"\bphase \d|\bstep \d|\btask \d|\bpart \d|\bticket\b|\bissue #?\d|\bpr #?\d", 0.7),
    (r"\b(?:you|your|yourself|me)\b", 0.8),
    (r"\bi\b", 0.6),
)

#: What is only thought or asked.
DOUBTS = _weighted(
    (
        (
            r"\bi wonder\b|\bwondering\b|\bmaybe\b|\bperhaps\b|\bnot sure\b|\bprobably\b|(?<!there )\bmight (?:be"
            r"|want)\b"
            r"|\bi guess\b"
            r"|\bi think\b|\bi suppose\b|\bi feel\b|\bi believe\b|\bpossibly\b|\bwhat if\b|\bam i\b|\bi'm not sure\b"
            r"|\bthe question (?:of|is|whether|why|how)\b|\bseems?\b|\bwould it\b|\bunless i\b|\bif i(?:'m"
            r"| am) not\b|\bsomehow\b|\bhopefully\b"
        ),
        1.8,
    ),
    (r"(?:\?|, (?:right|or|no|correct)\??)[)\"']*$", 2.6),
    (
        (
            r"(?:^|[,;:-] |\bor )(?:and |but |so )?(?:should|could|would|can|does|do|is|are|will)"
            r" (?:it|this|that|they|we|i|there|the)\b"
        ),
        1.6,
    ),
    (r"\?", 0.8),
    (
        (
            r"^(?:what|why|how|where|who|which|is|are|does|do|did|can|could|should|shouldn't|would|isn't"
            r"|aren't)\b.*\?"
        ),
        1.0,
    ),
)

#: How something should look, and that something does not work.
LOOKS = _weighted(
    (
        (
            r"\b(?:buttons?|colou?rs?|padding|margins?|font|pixels?|\d+ ?px|sidebar|toolbar|headline|headings?|logo"
            r"|spinner"
            r"|icons?|modal|tooltip|dropdown|layout|cent(?:er|re)(?:ed)?|left-?aligned|right-?aligned|animations?|hover"
            r"|css|navbar|menu|background colou?r|bigger|smaller|wider|taller|placeholder text|dark mode|light mode"
            r"|column"
            r" (?:width|must|should)|text[- ]align|scroll(?:bar|s|ing)?|reads? (?:\w+ ){0,4}(?:as if|like)|(?:on|to"
            r"|at) the (?:left|right|top|bottom)|in the middle|popup|banner|footer|header bar|thumbnails?)\b"
        ),
        2.2,
    ),
)
FAULTS = _weighted(
    (
        (
            r"^still \w+s\b|\berror:|\bstill (?:crash|fail|not|doesn't|get|see|show|happen|the same|broken|wrong"
            r"|there)\w*|\bcrash(?:es|ed"
            r"|ing)?\b"
            r"|\b(?:doesn't|does not|didn't|not|isn't|stopped) (?:work|load|show|appear|open|compile|build"
            r"|pass)(?:ing|s)?\b"
            r"|\bi(?:'m| am)? ?(?:now )?(?:get|got|getting|see|seeing) (?:an?|this|the|these) |\bbroken\b|\bblank\b"
            r"|\bfail(?:s|ed|ing|ures?)\b(?! over)|\b(?:this|an|the|following) error\b|\bexception\b|\bstack ?trace\b"
            r"|\blooks? (?:wrong|off|weird|broken)\b|\bundefined\b|\bbug\b|\bnothing happens\b|\bfreez(?:es|ing)\b"
        ),
        2.0,
    ),
)

#: An idea that the agent is to judge.
IDEAS = _weighted(
    (r"\b(?:this|an|my|the following|another) (?:idea|proposal|thought|suggestion)\b", 2.0),
)

FOR: tuple[_Weighted, ...] = (RULES, OURS, MARKS, DEFINITIONS, REASONS, STATEMENTS)
AGAINST: tuple[_Weighted, ...] = (ORDERS, PASSING, DOUBTS, LOOKS, FAULTS)


def weigh(plain: str, *kinds: _Weighted) -> float:
    """How much speaks in a sentence, by these signals."""
    return sum(weight for kind in kinds for pattern, weight in kind if pattern.search(plain))
