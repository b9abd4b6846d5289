"""Random histories of the tree: whatever happens to the files, the tables equal the oracle's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.lives import live_through, seeds


@pytest.mark.parametrize("seed", seeds("0:12"))
def test_tables_equal_the_oracles(tmp_path: Path, seed: int) -> None:
    """Every row of the truth table, in random order, over several sessions and both processors."""
    live_through(tmp_path / "sessions", tmp_path / "state", seed)
