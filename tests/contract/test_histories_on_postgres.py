"""Random histories with the tables on PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.acceptance.test_random_histories import live_through

#: As many as of those on DuckDB, divided by this.
FEWER = 15
SEEDS = range(1000, 1000 + max(1, int(os.environ.get("SESSION_WATCHER_HISTORIES", "30")) // FEWER))


@pytest.mark.parametrize("seed", SEEDS)
def test_tables_on_postgresql_equal_the_oracles(tmp_path: Path, postgres_url: str, seed: int) -> None:
    """The same histories, the same tables, on the other database."""
    live_through(tmp_path / "sessions", tmp_path / "state", seed, postgres_url)
