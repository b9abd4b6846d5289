"""The API calls of a stretch, and the further calls inside them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from processors.known import COUNTED_ITERATIONS, ITERATION_TYPES
from processors.records import Iteration, Message, ProgressData, Record, Tokens
from processors.transcript import clean, earlier
from processors.usage.context import Contexts
from processors.usage.rows import Call

Key = tuple[str, str, bool, int]
#: What a line says of a call beside its tokens: message id, request id, time, precedence (`Call.precedence`), the
#: record it stands in, the data it is embedded in, its usage, and whose turn it was.
Line = tuple[str, str, datetime | None, int, Record, ProgressData | None, Tokens, str]


class Calls:
    """Each call as the lines of one stretch show it; the store decides over all stretches which of them counts.

    Calls are told apart by request id and sidechain too, so that a message id with several requests is seen.
    """

    def __init__(self, positions: Iterator[int], contexts: Contexts) -> None:
        self._positions, self._contexts = positions, contexts
        self._calls: dict[Key, Call] = {}
        #: Types of iterations that are not known.
        self.unknown: set[str] = set()

    @property
    def rows(self) -> list[Call]:
        """All that were found."""
        return list(self._calls.values())

    def further(self, line: Line, message: Message, iterations: list[Iteration]) -> None:
        """The further calls inside one."""
        for index, one in enumerate(iterations):
            if one.type in COUNTED_ITERATIONS:
                self.add(line, one.model if one.model is not None else message.model, one, index)
            if one.type is not None and one.type not in ITERATION_TYPES:
                self.unknown.add(one.type)

    def add(self, line: Line, model: str | None, used: Tokens | Iteration, iteration: int = -1) -> None:
        """A line of a call."""
        identity, request_id, at, precedence, record, data, usage, asked_by = line
        key = (identity, request_id, precedence > 1, iteration)
        fresh, output = used.input_tokens or 0, used.output_tokens or 0
        written, read = used.cache_creation_input_tokens or 0, used.cache_read_input_tokens or 0
        tokens = fresh + output + written + read
        one_hour = 0
        # A fork after a compaction copies lines with all four counts at 0, but not their breakdown.
        if (lives := used.cache_creation) is not None and tokens:
            one_hour = lives.ephemeral_1h_input_tokens or 0
            if (split := (lives.ephemeral_5m_input_tokens or 0) + one_hour) > written:
                tokens += split - written
                written = split
        position = next(self._positions)
        known = self._calls.get(key)
        first_at = at
        if known is not None:
            first_at = known.first_at
            if at is not None and (first_at is None or at < first_at):
                known.first_at = first_at = at
            if tokens < known.tokens or (
                tokens == known.tokens
                and precedence >= known.precedence
                and (precedence > known.precedence or not earlier(at, known.seen_at))
            ):
                return
        searched, details = used.server_tool_use, used.output_tokens_details
        self._calls[key] = Call(
            clean(identity),
            iteration,
            clean(request_id),
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
            self._contexts.of(record, data, asked_by, usage),
            position,
        )
