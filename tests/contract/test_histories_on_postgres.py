"""Random histories with the tables on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.lives import live_through, seeds


@pytest.mark.parametrize("seed", seeds("1000:1002"))
def test_tables_on_postgresql_equal_the_oracles(tmp_path: Path, postgres_url: str, seed: int) -> None:
    """The same histories, the same tables, on the other database."""
    live_through(tmp_path / "sessions", tmp_path / "state", seed, postgres_url)
