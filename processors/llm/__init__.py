"""Asking a model for a typed answer: the one way, for processors and for the service itself.

The client libraries are loaded when a model is first asked: they take seconds, and whoever asks none
does without them. They try nothing again by themselves; who asks decides that, by what is raised here.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from processors.contract import ModelAccess, Paused, Transient, Unconfigured
from processors.llm.call_log import Journal, ModelCall, Outcome
from processors.llm.prompt_escape import wrap
from processors.redaction import redact

__all__ = ["KEYS", "Material", "Unanswered", "ask", "unconfigured"]

Answer = TypeVar("Answer")

#: Each provider and the variable that its key stands in.
KEYS = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY"}
#: What the extra ``llm`` of this package installs.
PACKAGE = "pydantic-ai-slim[anthropic,openai]>=2.68,<3"
#: An answer may be so long, in tokens.
LONGEST_ANSWER = 4096
#: Where calls cannot be noted, it is tried again after so many seconds.
UNNOTED = 30.0
#: Characters of a token, at the fewest that is usual: what a call may take is estimated with it.
_CHARACTERS = 3
#: What the shape of the answer adds to a question, in tokens.
_SHAPE = 400


@dataclass(frozen=True, slots=True)
class Material:
    """What a stranger wrote, for a model to read: it is shown without its secrets, between tags it cannot close."""

    tag: str
    text: str
    #: Of the tag: ours, made of letters and digits.
    attributes: Mapping[str, str] = field(default_factory=dict)

    def shown(self) -> str:
        """The text as it is sent."""
        return wrap(self.tag, redact(self.text)[0], **self.attributes)


class Unanswered(Exception):
    """The model gave no answer that can be used; the text says why. Asking the same again may be of no use."""

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome: Outcome = outcome

    @property
    def too_much(self) -> bool:
        """Whether it was asked about more at once than it can take or tell: a part may do."""
        return self.outcome in ("truncated", "too_long")


def unconfigured(access: ModelAccess) -> str | None:
    """What is to be set before a model can be asked, None if nothing is missing. Loads nothing."""
    provider, _, name = access.model.partition(":")
    if not name:
        return 'no model is set: write [model] model, such as "anthropic:claude-haiku-4-5"'
    if provider not in KEYS:
        return f"[model] model names the provider {provider!r}, and there are {' and '.join(KEYS)}"
    if not _key(access):
        return f"the key is missing: put it into the environment as {KEYS[provider]}, and start again"
    if find_spec("pydantic_ai") is None or find_spec(provider) is None:
        return f"what asks models is not installed: pip install '{PACKAGE}', and start again"
    return None


def ask(
    access: ModelAccess,
    answer: type[Answer],
    instructions: str,
    material: Iterable[Material],
    *,
    purpose: str,
    preface: str = "",
    processor: str = "",
    session: str = "",
    longest: int = LONGEST_ANSWER,
) -> Answer:
    """What the model answers about ``material``, as a value of the type ``answer``.

    Nothing that strangers wrote is sent by another way, so no secret that `processors.redaction` knows is. An answer
    of another shape is asked for once more. Every call is noted in the journal before and after it.

    Args:
        access: the model, and the limits.
        answer: a dataclass or another type that pydantic can check.
        instructions: what the model is to do. Nothing that strangers wrote belongs in here.
        material: what it is to do it with.
        purpose: for the journal, in a word or two.
        preface: a line of ours before the material.
        processor: whose call it is, likewise.
        session: about which session.
        longest: so many tokens the answer may have.

    Raises:
        Paused: an allowance of ours is used up, or calls cannot be noted; nothing was asked.
        Transient: the provider is busy, down or not to be reached.
        Unconfigured: no model is set, or the provider does not take the key or know the model.
        Unanswered: refused, malformed twice, cut off by its length, or rejected.
    """
    if reason := unconfigured(access):
        raise Unconfigured(reason)
    text = "\n".join([*([preface] if preface else []), *(one.shown() for one in material)])
    try:
        return _once(access, answer, instructions, text, purpose, processor, session, longest)
    except Unanswered as error:
        if error.outcome != "malformed":
            raise
    again = f"{text}\n\nAn earlier answer did not have the shape that was asked for. Give one that has."
    return _once(access, answer, instructions, again, purpose, processor, session, longest)


def _once(
    access: ModelAccess,
    answer: type[Answer],
    instructions: str,
    text: str,
    purpose: str,
    processor: str,
    session: str,
    longest: int,
) -> Answer:
    # Loaded before the clock runs: see above.
    client = import_module("processors.llm.client")
    now, began = time.time(), time.monotonic()
    call = ModelCall(
        call_id=secrets.token_hex(8),
        at=now,
        until=now + access.timeout,
        purpose=purpose,
        model=access.model,
        processor=processor,
        session=session,
        input_tokens=(len(instructions) + len(text)) // _CHARACTERS + _SHAPE,
        output_tokens=longest,
    )
    journal = Journal(Path(access.journal))
    try:
        journal.begin(call, access)
    except OSError as error:  # without it nobody would know what was paid: nothing is asked
        raise Paused(
            f"calls of models cannot be noted in {access.journal}: {error.strerror}; see to it", UNNOTED
        ) from None

    def ended(outcome: Outcome, error: str = "", **known: Any) -> None:
        seconds = round(time.monotonic() - began, 3)
        # Where it cannot be noted now, the first entry stands for it, as what it may have taken: the answer is paid.
        with suppress(OSError):
            journal.end(msgspec.structs.replace(call, outcome=outcome, error=error, seconds=seconds, **known))

    key = _key(access)
    try:
        reply = client.request(access, key, answer, instructions, text, longest)
    except BaseException as error:
        ended("cut_off", type(error).__name__, output_tokens=0)
        raise
    if reply.paid is not None:
        taken = {"input_tokens": reply.paid[0], "output_tokens": reply.paid[1], "cost_usd": reply.cost_usd}
    elif reply.outcome in ("ok", "refused", "malformed", "truncated"):
        taken = {}  # it was paid, and nobody said how much: what it may have been
    elif reply.outcome in ("timed_out", "cut_off"):
        taken = {"output_tokens": 0}
    else:
        taken = {"input_tokens": 0, "output_tokens": 0}
    said = reply.error.replace(key, "[key]")  # some quote it when they refuse it
    ended(reply.outcome, said, **taken)
    if reply.outcome == "ok":
        value: Answer = reply.answer
        return value
    told = f"{access.model}: {said}"
    if reply.outcome == "unauthorised":
        raise Unconfigured(told)
    if reply.outcome in ("rate_limited", "unavailable", "timed_out", "cut_off"):
        raise Transient(told, reply.retry_after)
    raise Unanswered(reply.outcome, told)


def _key(access: ModelAccess) -> str:
    provider = access.model.partition(":")[0]
    key = os.environ.get(KEYS.get(provider, ""), "")
    # A server of one's own asks for none, and the client insists on one.
    return key or ("no-key-is-needed" if provider == "openai" and access.base_url else "")
