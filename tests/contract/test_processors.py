"""What every registered processor must keep, ours and strangers' alike: run with one installed, this covers it too."""

from __future__ import annotations

import random
from typing import Any

import pytest

from processors.contract import Processor
from processors.testing import ProcessorContract
from processors.testing.files import session_lines
from tests.support.corpus import FILES
from tests.support.harness import PRICES
from tests.support.random_lines import Pool
from tests.support.random_lines import session_lines as our_lines
from tests.support.transcript_lines import Talk
from watcher.plugins import RefusedProcessor, discover
from watcher.settings import Settings, load
from watcher.store.database import Database

FOUND: dict[str, Processor] = {
    name: processor for name, processor in discover().items() if not isinstance(processor, RefusedProcessor)
}


class OurContract(ProcessorContract):
    """The same on both databases, with lines of every kind that we know."""

    def lines(self, rng: random.Random, count: int, session_id: str, shared: list[dict[str, Any]]) -> list[bytes]:
        """Lines of every kind, some of which other sessions share."""
        if not hasattr(self, "pool") or not shared:
            self.pool = Pool()
            shared.append({})
        return our_lines(rng, count, Talk(session_id, "/home/ann/shop"), self.pool)

    def hostile(self) -> bytes:
        """The planted corpus."""
        return b"".join(FILES.values())

    @pytest.fixture
    def settings(self) -> Settings:
        """Prices add up exactly in any order."""
        return load(None, {}, {"processors.usage.prices": PRICES, "health.min_free_disk": "1KB"}).settings

    @pytest.fixture
    def database(self, database: Database) -> Database:
        """An empty database of each kind."""
        return database


# One class for each, as an author would write it.
for _name, _processor in FOUND.items():
    globals()[f"Test_{_name}"] = type(f"Test_{_name}", (OurContract,), {"processor": type(_processor)})


def test_some_are_registered() -> None:
    """Or nothing here would be tested."""
    assert {"usage", "errors"} <= set(FOUND)


def test_the_lines_for_authors_give_rows() -> None:
    """What the suite brings along is read by ours: it holds calls, tools and turns, and lines that cannot be read."""
    shared: list[dict[str, Any]] = []
    lines = session_lines(random.Random(1), 200, "session", shared)
    kinds = {record["type"] for record in shared}
    assert kinds == {"user", "assistant"} and len(lines) == 200 > len(shared) > 100
