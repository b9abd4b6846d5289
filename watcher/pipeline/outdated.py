"""Sessions processed by an earlier version of a processor that are kept, because reprocessing would call a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from watcher.pipeline.pipeline import Pipeline
from watcher.store.sql import QUERIES, Query

#: Bytes per token, as a lower bound: text rarely has more tokens.
BYTES_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Earlier:
    """The number of such sessions, and an estimate of the cost of reprocessing them."""

    sessions: int
    #: Estimated input tokens.
    tokens: int
    #: Whether the estimate is based on past calls; otherwise it is an upper bound.
    measured: bool


def keys(query: Query, processor: str, version: int, node: str) -> list[str]:
    """The sessions of a node that a version below ``version`` processed and that can be reprocessed."""
    return [str(key) for (key,) in query(QUERIES["earlier"], [processor, version, node])]


def reckon(query: Query, processor: str, version: int, node: str) -> Earlier | None:
    """Estimate the cost of reprocessing them; None if there are none."""
    ((sessions, size),) = query(QUERIES["count_earlier"], [processor, version, node])
    if not sessions:
        return None
    ((asked_about, tokens),) = query(QUERIES["shown"], [processor])
    measured = bool(asked_about and tokens)
    return Earlier(sessions, _about(size * tokens // asked_about if measured else size // BYTES_A_TOKEN), measured)


def of_all(query: Query, pipelines: Mapping[str, Pipeline], node: str) -> dict[str, Earlier]:
    """Estimates for the processors that call a model; sessions of the others are reprocessed automatically."""
    asking = {name: one.version for name, one in pipelines.items() if one.plan.settings.asks_model}
    found = {name: reckon(query, name, version, node) for name, version in asking.items()}
    return {name: one for name, one in found.items() if one is not None}


def _about(count: int) -> int:
    """A number rounded to two significant digits, the precision of the estimate."""
    return round(count, 2 - len(str(count)))
