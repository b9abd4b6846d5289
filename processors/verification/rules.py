"""The ``rules`` extractor: finds candidates by how things are said. Offline, without a key, always the same answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from processors.text_features import LONGEST_QUOTE, content_of, domain_of, entities_of, title_of
from processors.verification.candidates import Candidate, Found, stands
from processors.verification.carry import as_context
from processors.verification.claims import claim_of
from processors.verification.classify import contradiction, kind_of, says_yes, supposition
from processors.verification.exclusions import is_approval, is_literal, is_pasted, is_pick, is_template
from processors.verification.sentences import Sentence, plain, sentences
from processors.verification.turns import Turn
from processors.verification.weights import (
    AGAINST,
    DEFINITIONS,
    DOUBTS,
    FAULTS,
    FOR,
    IDEAS,
    LOOKS,
    MARKS,
    ORDERS,
    OURS,
    REASONS,
    RULES,
    STATEMENTS,
    weigh,
)

#: A sentence that weighs as much is taken.
ENOUGH = 2.0
#: After a yes to something that the agent supposed, less is enough.
ENOUGH_CONFIRMED = 0.8
#: In a list that holds something, its neighbours are taken with it, unless so much speaks against them.
BESIDE = -1.0
#: Shorter turns say nothing of their own.
SHORTEST = 25
_SIGNS = re.compile(r"[^\w'\s]+")
_REFUTES = re.compile(
    r"(?:but |no,? )?(?:this|that)(?: is| was|'s)(?: not|n't) (?:(?:fully|quite|entirely|really|exactly|completely) )?"
    r"(?:true|correct|right|accurate|the case)\b"
)
_POINTS_BACK = re.compile(
    r"^(?:but |and |so )?(?:this|that|these|those|it|they)\b(?!'s why)|\bin (?:this|that|such a) case\b"
)


class Rules:
    """Judges each turn of a person by its sentences and by what the agent said before."""

    name = "rules"

    def find(self, before: Sequence[Turn], turns: Sequence[Turn], context: int) -> Iterator[Found]:
        """See `candidates.Extractor`."""
        said = list(before)
        for turn in turns:
            if turn.human and not turn.pick:
                last = [as_context(one) for one in said[len(said) - context :]] if context else []
                candidate = judge(turn, last)
                if candidate is not None:
                    yield Found(candidate, turn)
            said.append(turn)


def judge(turn: Turn, before: Sequence[Turn]) -> Candidate | None:
    """What a person's turn holds that others could use, None if nothing."""
    agent = _agent(turn, before)
    text = turn.text
    if is_pasted(text) or is_template(text) or (agent and is_pick(text, agent)):
        return None
    supposed = supposition(agent) if says_yes(plain(text)) else None
    parts = sentences(text)
    if supposed is not None and (confirmed := _confirmed(turn, parts, supposed, agent)):
        return confirmed
    if len(plain(text)) < SHORTEST or is_approval(text):
        return None
    begun = any(one.human for one in before)
    against = contradiction(text, agent, begun)
    weights = [
        0.0 if _is_quoted(part, agent) else _weight(part, against if number < 2 else 0.0)
        for number, part in enumerate(parts)
    ]
    weights = _refuted(parts, weights)
    best = max(range(len(parts)), key=weights.__getitem__, default=None)
    if best is None or weights[best] < ENOUGH or _is_wish(parts):
        return None
    chosen = [number for number, weight in enumerate(weights) if weight >= ENOUGH]
    return _candidate(turn, parts[best], _whole(parts, weights, chosen), agent, begun)


def _agent(turn: Turn, before: Sequence[Turn]) -> str:
    """What the turn answers: the agent's question, or what it said last."""
    if turn.question is not None:
        return turn.question
    return next((one.text for one in reversed(before) if not one.human), "")


def _is_quoted(part: Sentence, agent: str) -> bool:
    """Whether a sentence is the agent's, and only stands there to be spoken of."""
    words = _bare(part.plain)
    return len(words) >= SHORTEST and words in _bare(plain(agent))


def _refuted(parts: Sequence[Sentence], weights: list[float]) -> list[float]:
    """The weights, where "this is not quite true" takes what speaks for all that stands before it."""
    for number, part in enumerate(parts):
        if number and _REFUTES.match(part.plain):
            return [0.0] * number + [max(weights[: number + 1]), *weights[number + 1 :]]
    return weights


def _bare(words: str) -> str:
    """Words without marks and signs, which get lost where they are copied from a screen."""
    return " ".join(_SIGNS.sub(" ", words).split())


def _whole(parts: Sequence[Sentence], weights: Sequence[float], chosen: Sequence[int]) -> list[Sentence]:
    """The chosen sentences, with what they cannot be understood without: what "this" is, and the rest of a list."""
    taken = set(chosen)
    for number in chosen:
        if number and _POINTS_BACK.search(parts[number].plain) and not weigh(parts[number - 1].plain, ORDERS, DOUBTS):
            taken.add(number - 1)
        for step in (-1, 1):
            near = number + step
            while 0 <= near < len(parts) and parts[number].listed and parts[near].listed and weights[near] >= BESIDE:
                taken.add(near)
                near += step
    return [parts[number] for number in sorted(taken)]


def _weight(part: Sentence, against: float) -> float:
    """How much speaks for one sentence."""
    claim = claim_of(part)
    words = claim.plain
    if len(words) < 15 or is_literal(words):
        return 0.0
    stated = weigh(words, STATEMENTS)
    told = claim.weight + weigh(words, RULES, OURS, DEFINITIONS, REASONS) + weigh(part.plain, MARKS)
    weight = stated + told - weigh(words, *AGAINST)
    # A contradiction alone is aimed at the task; with a statement or a reason it corrects.
    if against and stated:
        weight += min(against, 2.5) * (0.7 if told else 0.4)
    return weight


def _is_wish(parts: Sequence[Sentence]) -> bool:
    """Whether a turn as a whole is about how something looks, that something does not work, or an idea to be judged."""
    if weigh(parts[0].plain, IDEAS):
        return True
    looks = any(weigh(part.plain, LOOKS) - weigh(part.plain, MARKS, OURS) > 1.0 for part in parts[:2])
    return looks or weigh(parts[0].plain, FAULTS) - weigh(parts[0].plain, MARKS, OURS) > 1.0


def _confirmed(turn: Turn, parts: Sequence[Sentence], supposed: str, agent: str) -> Candidate | None:
    """A fact that the agent supposed and the person confirmed, perhaps with more."""
    if any(weigh(part.plain, *AGAINST) > weigh(part.plain, *FOR) + 0.5 for part in parts[:1]):
        return None
    told = [part for part in parts if weigh(part.plain, *FOR) - weigh(part.plain, *AGAINST) >= ENOUGH_CONFIRMED]
    told = [part for part in told if len(part.plain) >= SHORTEST]
    if not told and not any(weigh(part.plain, *AGAINST) for part in parts):
        told = [part for part in parts if len(part.plain) >= SHORTEST]
    if told:
        return _candidate(turn, told[0], told, agent)
    if not is_approval(turn.text):
        return None
    quote = " ".join(turn.text.split())
    return Candidate(
        "confirmation",
        title_of(supposed.rstrip("?")),
        content_of([supposed]),
        quote[:LONGEST_QUOTE],
        domain_of(supposed, agent),
        entities_of(supposed),
    )


def _candidate(turn: Turn, best: Sentence, chosen: Sequence[Sentence], agent: str, begun: bool = False) -> Candidate:
    told = " ".join(part.text for part in chosen)
    claims = [
        part.text if number and _REFUTES.match(part.plain) else claim_of(part).text
        for number, part in enumerate(chosen)
    ]
    whole = " ".join(turn.text.split())
    # All of it if it stands together, else the sentence that says most.
    quote = told if len(told) <= LONGEST_QUOTE and stands(told, turn) else best.text[:LONGEST_QUOTE]
    words = whole if len(whole) <= LONGEST_QUOTE else told
    return Candidate(
        kind_of(turn.text, agent, begun),
        title_of(claim_of(best).text),
        content_of(claims),
        quote,
        domain_of(words, agent[-600:]),
        # As sentences of their own: a capital letter that begins one names nothing.
        entities_of(". ".join(claims)),
    )
