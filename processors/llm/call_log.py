"""The journal of model calls: one file for each UTC day, shared by every process that asks.

Each call is written down twice, each time as one line at once: before it is made, with what it may
take, and after it, with what it took. So what the limits stand on outlives every process, and a call
whose process was killed counts as what it might have cost. Files are only ever appended to.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from processors.contract import ModelAccess, Paused, Unconfigured

Outcome = Literal[
    "under_way",
    "ok",
    "refused",
    "malformed",
    "truncated",
    "too_long",
    "rejected",
    "unauthorised",
    "rate_limited",
    "unavailable",
    "timed_out",
    "cut_off",
    "unknown",
]

DAY, MINUTE = 86_400.0, 60.0
#: A call that has not ended so long after its time-out, in seconds, ended with its process.
GRACE = 30.0

_lines = msgspec.json.Encoder()


class ModelCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call, as it is known so far."""

    call_id: str
    #: When it began, in seconds since the epoch.
    at: float
    #: When it must have ended, likewise.
    until: float
    #: What it was made for, in a word or two.
    purpose: str
    model: str
    #: Whose it is, where it is a processor's.
    processor: str = ""
    session: str = ""
    outcome: Outcome = "under_way"
    #: As the provider counts them; while it is under way or where nobody said: as many as there may be.
    input_tokens: int = 0
    output_tokens: int = 0
    #: None where no price is known.
    cost_usd: float | None = None
    #: How long it took, in seconds.
    seconds: float | None = None
    error: str = ""

    @property
    def tokens(self) -> int:
        """Those that count towards the day's."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Spent:
    """What a day's calls came to."""

    calls: int
    tokens: int
    #: Of the calls whose price is known.
    cost_usd: float


class Journal:
    """Where calls are noted, and whether another one may be made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, call: ModelCall, limits: ModelAccess) -> None:
        """Note a call that is about to be made, if the limits allow it.

        Raises:
            Paused: not now; with the seconds until there is room.
            Unconfigured: the day's tokens are fewer than this call alone may take.
            OSError: the journal cannot be written; the call must not be made.
        """
        with self._locked():
            self._judge(call, limits)
            self._append(call)

    def end(self, call: ModelCall) -> None:
        """Note what became of a call.

        Raises:
            OSError: the journal cannot be written; the call counts as what it might have taken.
        """
        with self._locked():
            self._append(call)

    def _judge(self, call: ModelCall, limits: ModelAccess) -> None:
        today = read(self.path(call.at), call.at)
        recent = dict(today)
        if call.at % DAY < MINUTE:
            recent |= read(self.path(call.at - DAY), call.at)
        # A clock that was set back must not stop everything until it has caught up.
        last = sorted(one.at for one in recent.values() if call.at - MINUTE < one.at <= call.at + MINUTE)
        if len(last) >= limits.requests_per_minute:
            wait = last[-limits.requests_per_minute] + MINUTE - call.at
            raise Paused(
                f"{limits.requests_per_minute} requests in a minute are made, which is [model] requests_per_minute",
                max(1.0, wait),
            )
        if not limits.max_tokens_a_day:
            return
        if call.tokens > limits.max_tokens_a_day:
            raise Unconfigured(
                f"one call may take {call.tokens} tokens, and [model] max_tokens_a_day is {limits.max_tokens_a_day}: "
                "raise it, or ask for less at once ([processors.verification] window_chars)"
            )
        if sum(one.tokens for one in today.values()) + call.tokens > limits.max_tokens_a_day:
            raise Paused(
                f"the day's {limits.max_tokens_a_day} tokens are used up, which is [model] max_tokens_a_day; "
                "it goes on at 00:00 UTC",
                DAY - call.at % DAY,
            )

    def _append(self, call: ModelCall) -> None:
        descriptor = os.open(self.path(call.at), os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            line = _lines.encode(call) + b"\n"
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":  # a line that was torn when the power went
                line = b"\n" + line
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def path(self, at: float) -> Path:
        """The file of the day of a moment."""
        return self.folder / f"{time.strftime('%Y-%m-%d', time.gmtime(at))}.jsonl"

    def spent(self, now: float) -> Spent:
        """What the day's calls came to so far."""
        calls = read(self.path(now), now).values()
        return Spent(len(calls), sum(one.tokens for one in calls), sum(one.cost_usd or 0.0 for one in calls))


def read(path: Path, now: float) -> dict[str, ModelCall]:
    """The calls of one file by their identity, each as it is known last; none if there is no such file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    calls: dict[str, ModelCall] = {}
    for line in data.splitlines():
        try:
            call = _decoder.decode(line)
        except msgspec.DecodeError:  # torn when the power went
            continue
        calls[call.call_id] = call
    return {
        name: msgspec.structs.replace(call, outcome="unknown")
        if call.outcome == "under_way" and call.until + GRACE < now
        else call
        for name, call in calls.items()
    }


_decoder = msgspec.json.Decoder(ModelCall)
