"""Sessions that an earlier version of a processor has taken, and that stay so because a model would be asked again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from watcher.pipeline.pipeline import Pipeline
from watcher.store.sql import QUERIES, Query

#: No text has more tokens than one for so many bytes, as a rule.
BYTES_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Earlier:
    """How many sessions those are, and what taking them again would come to."""

    sessions: int
    #: About so many would be shown to the model.
    tokens: int
    #: Whether that is reckoned from what it was shown so far; else it is the most that it can be.
    measured: bool


def keys(query: Query, processor: str, version: int, node: str) -> list[str]:
    """The sessions of a node that an earlier version than this has taken, as far as they can be taken again."""
    return [str(key) for (key,) in query(QUERIES["earlier"], [processor, version, node])]


def reckon(query: Query, processor: str, version: int, node: str) -> Earlier | None:
    """What it would come to if these were taken again; None where there are none."""
    ((sessions, size),) = query(QUERIES["count_earlier"], [processor, version, node])
    if not sessions:
        return None
    ((asked_about, tokens),) = query(QUERIES["shown"], [processor])
    measured = bool(asked_about and tokens)
    return Earlier(sessions, _about(size * tokens // asked_about if measured else size // BYTES_A_TOKEN), measured)


def of_all(query: Query, pipelines: Mapping[str, Pipeline], node: str) -> dict[str, Earlier]:
    """The same for each processor that asks a model and has such sessions; others take theirs again by themselves."""
    asking = {name: one.version for name, one in pipelines.items() if one.plan.settings.asks_model}
    found = {name: reckon(query, name, version, node) for name, version in asking.items()}
    return {name: one for name, one in found.items() if one is not None}


def _about(count: int) -> int:
    """A number by its first two digits: more of them would promise too much."""
    return round(count, 2 - len(str(count)))
