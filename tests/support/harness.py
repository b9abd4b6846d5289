"""Runs the program under test beside the oracle, and holds their tables against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processors.errors import Errors
from processors.usage import Usage
from tests.support.oracle import COLUMNS, Oracle, normal
from watcher.app import Application
from watcher.pipeline.pipeline import RunDetails
from watcher.settings import Settings, load

PROCESSORS = ("errors", "usage")
#: Models that the tests' transcripts name; one token costs 1/64 dollar, which adds up exactly in any order.
MODELS = ("claude-opus-4-6", "claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001")
_PER_MILLION = 1_000_000 / 64
PRICES = {
    model: {
        "input": _PER_MILLION,
        "output": _PER_MILLION,
        "cache_write_5m": _PER_MILLION,
        "cache_write_1h": _PER_MILLION,
        "cache_read": _PER_MILLION,
    }
    for model in MODELS
}


def exact_price(model: str | None, call: Any) -> float | None:
    """The same prices as the harness sets, in plain code."""
    return call.tokens / 64 if model in MODELS else None


def settings_for(root: Path, state: Path, **overrides: Any) -> Settings:
    """Settings that depend on nothing outside the test."""
    given = {
        "paths.sessions": root,
        "paths.state": state,
        "http.port": 0,
        "health.min_free_disk": "1KB",
        "processors.usage.prices": PRICES,
        **overrides,
    }
    return load(None, {}, given).settings


@dataclass
class Subject:
    """The program, driven as `once` drives it, with its parts kept up between runs."""

    root: Path
    state: Path
    overrides: dict[str, Any] = field(default_factory=dict)
    core: Application | None = None

    def open(self) -> Application:
        """Start it, if it is not up."""
        if self.core is None:
            self.core = Application(settings_for(self.root, self.state, **self.overrides), "test", live=False)
            self.core.start()
        return self.core

    def close(self) -> None:
        """Stop it in order."""
        core, self.core = self.core, None
        if core is not None:
            assert core.stop(), "stopping took too long"

    def catch_up(self, names: Sequence[str] = PROCESSORS) -> list[RunDetails]:
        """Sweep and drain until there is nothing left to do."""
        details = self.open().run_now(list(names), 60.0, lambda: False)
        for detail in details:
            assert detail.capped == 0, (detail.processor, "was not through in a minute", self.open().health.findings())
        return details

    def catch_up_quietly(self) -> None:
        """The same, for callers that ask for nothing back."""
        self.catch_up()

    def table(self, name: str) -> list[tuple[Any, ...]]:
        """A table's rows as the oracle compares them."""
        # models without a price and samples of usage are known to the program alone
        which = " WHERE kind NOT IN ('model', 'usage_field')" if name == "unknown_records" else ""
        return normal(self.open().query(f"SELECT {', '.join(COLUMNS[name])} FROM {name}{which}"))

    def states(self, processor: str) -> list[tuple[Any, ...]]:
        """One processor's state rows as the oracle compares them."""
        columns = ", ".join(COLUMNS["states"])
        return normal(
            self.open().query(f"SELECT {columns} FROM session_processor_state WHERE processor_name = $1", [processor])
        )

    def must_equal(self, oracle: Oracle, told: str) -> None:
        """Every table equals the oracle's; a difference is shown with what led to it."""
        expected = oracle.tables()
        for name, rows in expected.items():
            for processor in PROCESSORS if name == "states" else ("",):
                found = self.states(processor) if processor else self.table(name)
                wanted = normal(rows)
                if found == wanted:
                    continue
                missing = [row for row in wanted if row not in found][:5]
                surplus = [row for row in found if row not in wanted][:5]
                raise AssertionError(
                    f"{name} {processor} differs ({told})\n columns {COLUMNS[name]}\n"
                    + "".join(f"  missing {row}\n" for row in missing)
                    + "".join(f"  surplus {row}\n" for row in surplus)
                )
        for name, alike in self.twice().items():
            assert not alike, f"{name} holds {alike} rows twice ({told})"

    def twice(self) -> dict[str, int]:
        """Of each stored table, how many rows are there more than once, whatever counts."""
        found = {}
        for name, table in {**Usage.schema.tables, **Errors.schema.tables}.items():
            decided = {"counted", *(table.once.merged if table.once else ())}
            columns = ", ".join(column for column in table.columns if column not in decided)
            sql = f"SELECT count(*) FROM (SELECT {columns} FROM {name} GROUP BY {columns} HAVING count(*) > 1) AS alike"
            ((found[name],),) = self.open().query(sql)
        return found


def failures(details: Sequence[RunDetails]) -> list[dict[str, str]]:
    """What failed in a run."""
    return [failure for detail in details for failure in detail.errors_detail]
