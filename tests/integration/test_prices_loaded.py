"""Prices in a process of their own: what is loaded for them."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("priced", ["PriceList({}).fingerprint", "PriceList({}).of(made, beside)"])
def test_neither_the_fingerprint_nor_a_known_model_loads_the_library(priced: str) -> None:
    """It takes longer to load than everything else that a process needs."""
    code = f"""
import sys
from datetime import datetime, UTC
from processors.usage.prices import PriceList
from processors.usage.rows import Call, Context
made = Call("m", -1, "", datetime.now(UTC), None, "claude-haiku-4-5-20251001", 5, 0, 0, 0, 0, 0, 0, 5, 0, 1, 1)
beside = Context(1, 1, None, "ann", False)
assert {priced}
sys.exit("genai_prices" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
