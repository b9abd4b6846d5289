"""The API calls of a stretch, and the further calls inside them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from processors.known import COUNTED_ITERATIONS, ITERATION_TYPES
from processors.records import Iteration, Message, Tokens
from processors.transcript import clean
from processors.usage.rows import Call

Key = tuple[str, str, bool, int]


class Calls:
    """Each call as the lines of one stretch show it; the store decides over all stretches which of them counts.

    Calls are told apart by request id and sidechain too, so that a message id with several requests is seen.
    """

    def __init__(self, positions: Iterator[int]) -> None:
        self._positions = positions
        self._calls: dict[Key, Call] = {}
        #: Types of iterations that are not known.
        self.unknown: set[str] = set()
        self.main_count = 0

    @property
    def rows(self) -> list[Call]:
        """All that were found."""
        return list(self._calls.values())

    def add(
        self,
        identity: str,
        request_id: str,
        message: Message,
        usage: Tokens,
        at: datetime | None,
        precedence: int,
        context: int,
    ) -> None:
        """A line of a call."""
        self._add((identity, request_id, precedence > 1, -1), message.model, usage, at, precedence, context)
        if usage.iterations is not None:
            for index, one in enumerate(usage.iterations):
                if one.type in COUNTED_ITERATIONS:
                    model = one.model if one.model is not None else message.model
                    self._add((identity, request_id, precedence > 1, index), model, one, at, precedence, context)
                if one.type is not None and one.type not in ITERATION_TYPES:
                    self.unknown.add(one.type)

    def _add(
        self, key: Key, model: str | None, used: Tokens | Iteration, at: datetime | None, precedence: int, context: int
    ) -> None:
        written, one_hour = used.cache_creation_input_tokens or 0, 0
        read = used.cache_read_input_tokens or 0
        fresh, output = used.input_tokens or 0, used.output_tokens or 0
        # A fork after a compaction copies lines with all four counts at 0, but not their breakdown.
        if (lives := used.cache_creation) is not None and (written or read or fresh or output):
            one_hour = lives.ephemeral_1h_input_tokens or 0
            written = max(written, (lives.ephemeral_5m_input_tokens or 0) + one_hour)
        tokens = fresh + output + written + read
        position = next(self._positions)
        known = self._calls.get(key)
        first_at = at
        if known is not None:
            first_at = known.first_at
            if at is not None and (first_at is None or at < first_at):
                known.first_at = first_at = at
            if tokens < known.tokens:
                return
            if tokens == known.tokens and not (
                precedence < known.precedence or (precedence == known.precedence and earlier(at, known.seen_at))
            ):
                return
        searched, details = used.server_tool_use, used.output_tokens_details
        self._calls[key] = Call(
            clean(key[0]),
            key[3],
            clean(key[1]),
            at,
            first_at,
            clean(model) if model is not None else None,
            fresh,
            output,
            (details.thinking_tokens or 0) if details is not None else 0,
            written,
            one_hour,
            read,
            (searched.web_search_requests or 0) if searched is not None else 0,
            tokens,
            precedence,
            context,
            position,
        )


def earlier(at: datetime | None, than: datetime | None) -> bool:
    """Whether a time comes before another; none is last."""
    return at is not None and (than is None or at < than)
