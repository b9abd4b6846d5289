"""The API calls of a stretch, and the further calls inside them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from processors.known import COUNTED_ITERATIONS, ITERATION_TYPES
from processors.records import Iteration, Message, ProgressData, Record, TokenCounts
from processors.transcript import SYNTHETIC, clean, earlier
from processors.usage.context import Contexts
from processors.usage.rows import Call

Key = tuple[str, str | None, bool, int]


class Calls:
    """Each call as the lines of one stretch show it; the store decides over all stretches which of them counts.

    Calls are told apart by request id and sidechain too, so that a message id with several requests is seen.
    """

    def __init__(self, positions: Iterator[int], contexts: Contexts) -> None:
        self._positions, self._contexts = positions, contexts
        self._calls: dict[Key, Call] = {}
        #: Types of iterations that are not known.
        self.unknown: set[str] = set()

    def rows(self) -> list[Call]:
        """All that were found."""
        calls = list(self._calls.values())
        for call in calls:
            call.message_id, call.request_id = clean(call.message_id), clean(call.request_id)
            if call.model is not None:
                call.model = clean(call.model)
        return calls

    def take(
        self,
        record: Record,
        data: ProgressData | None,
        message: Message,
        uuid: str | None,
        request_id: str | None,
        at: datetime | None,
        copy: bool,
        asked_by: str,
        index: int = -1,
        part: Iteration | None = None,
    ) -> str | None:
        """A message; the name of the call that it is a line of, None if of none.

        ``index`` and ``part``: a further call inside it, with its place among the iterations.
        """
        usage, model = message.usage, message.model
        if usage is None or model == SYNTHETIC:
            return None
        identity = message.id if message.id is not None else uuid
        if identity is None:  # the line was bad, and is not here
            return None
        used: TokenCounts = usage
        if part is not None:
            used, model = part, part.model if part.model is not None else model
        precedence = (0 if data is None and not record.isSidechain else 2) + copy
        key = (identity, request_id, precedence > 1, index)
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
        if (
            known is None
            or tokens > known.tokens
            or (
                tokens == known.tokens
                and precedence <= known.precedence
                and (precedence < known.precedence or earlier(at, known.seen_at))
            )
        ):
            searched, details = used.server_tool_use, used.output_tokens_details
            self._calls[key] = Call(
                identity,
                index,
                request_id or "",
                at,
                first_at,
                model,
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
        if part is None and usage.iterations is not None:
            for place, one in enumerate(usage.iterations):
                if one.type in COUNTED_ITERATIONS:
                    self.take(record, data, message, uuid, request_id, at, copy, asked_by, place, one)
                if one.type is not None and one.type not in ITERATION_TYPES:
                    self.unknown.add(one.type)
        return identity
