"""Stored calls are priced anew when prices change, those of sessions that are gone too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from processors.contract import Backfill
from processors.usage.accumulate import Price
from processors.usage.rows import Call, Context

#: What a cost follows from, in the order of `priced`.
_CALL = (
    "message_id", "iteration", "request_id", "seen_at", "model", "input_tokens", "output_tokens",
    "cache_creation_tokens", "cache_creation_1h_tokens", "cache_read_tokens", "web_search_requests", "tokens",
)  # fmt: skip

BACKFILL = Backfill(
    columns={"session_file": "text", "context": "integer", "position": "integer", "cost_usd": "real"},
    stale="SELECT DISTINCT session_file FROM usage_contexts WHERE priced_by IS DISTINCT FROM $1",
    given=f"""
        SELECT c.session_file, c.context, c.position, {", ".join(f"c.{name}" for name in _CALL)},
               x.speed, x.inference_geo, x.service_tier
        FROM usage_calls c
        JOIN usage_contexts x ON x.session_file = c.session_file AND x.context = c.context
        WHERE c.session_file = ANY($1) AND x.priced_by IS DISTINCT FROM $2
    """,
    store=(
        # A session that was taken meanwhile has rows of other contexts, which are not touched.
        """
        UPDATE usage_calls SET cost_usd = made.cost_usd
        FROM (SELECT v.session_file, v.context, v.position, v.cost_usd FROM {values} v
              JOIN usage_contexts x ON x.session_file = v.session_file AND x.context = v.context
              WHERE x.session_file = ANY($1) AND x.priced_by IS DISTINCT FROM $2) made
        WHERE usage_calls.session_file = made.session_file AND usage_calls.context = made.context
          AND usage_calls.position = made.position
        """,
        "UPDATE usage_contexts SET priced_by = $2 WHERE session_file = ANY($1) AND priced_by IS DISTINCT FROM $2",
    ),
)


def priced(row: Sequence[Any], price: Price) -> dict[str, Any]:
    """What a call costs, of a row as `BACKFILL` gives it."""
    session_file, number, position, *said = row
    values = dict(zip((*_CALL, "speed", "inference_geo", "service_tier"), said, strict=True))
    beside = {name: values.pop(name) for name in ("speed", "inference_geo", "service_tier")}
    context = Context(number, 0, None, "", False, **beside)
    call = Call(**values, first_at=None, thinking_tokens=0, precedence=0, context=number, position=position)
    return {"session_file": session_file, "context": number, "position": position, "cost_usd": price(call, context)}
