"""Prices: one rate card for each model and tier, which gives what ``genai-prices`` gives call by call."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from genai_prices import Usage, calc_price

from processors.usage.prices import PriceList
from processors.usage.rows import Call

MODELS = (
    "claude-opus-4-6",
    "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5-20251001",
    "claude-3-5-sonnet-20241022",
    "gpt-5",
)


def call(model: str | None, at: datetime | None, **counts: int) -> Call:
    """A call with so many tokens of each kind."""
    given: dict[str, Any] = {
        "input_tokens": 0,
        "output_tokens": 0,
        "cache_creation_tokens": 0,
        "cache_creation_1h_tokens": 0,
        "cache_read_tokens": 0,
        "web_search_requests": 0,
        **counts,
    }
    return Call("m", "r", at, at, model, **given, tokens=sum(given.values()), context=0, position=0)


@pytest.mark.parametrize("model", MODELS)
def test_a_cards_price_is_the_librarys(model: str) -> None:
    """Short and long contexts, both lifetimes of the cache, searches, on any day."""
    rng = random.Random(7)
    print("seed 7")
    prices = PriceList({})
    for _ in range(60):
        size = rng.choice((1, 100, 30_000, 300_000))
        at = datetime(2026, rng.randrange(1, 12), rng.randrange(1, 28), tzinfo=UTC)
        fresh, written, read, output = (rng.randrange(size) for _ in range(4))
        long_lived, searches = rng.randrange(written + 1), rng.randrange(3)
        ours = prices.of(
            call(
                model,
                at,
                input_tokens=fresh,
                output_tokens=output,
                cache_creation_tokens=written,
                cache_creation_1h_tokens=long_lived,
                cache_read_tokens=read,
                web_search_requests=searches,
            )
        )
        theirs = calc_price(
            Usage(
                input_tokens=fresh + written + read,
                output_tokens=output,
                cache_write_tokens=written,
                cache_write_1h_tokens=long_lived,
                cache_read_tokens=read,
                web_searches=searches,
            ),
            model,
            genai_request_timestamp=at,
        ).total_price
        assert ours == pytest.approx(float(theirs), rel=1e-9, abs=1e-12)


def test_an_unknown_model_costs_nobody_knows_what() -> None:
    """NULL, not nothing; and a call without a model likewise."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    assert PriceList({}).of(call("model-of-tomorrow", at, input_tokens=5)) is None
    assert PriceList({}).of(call(None, at, input_tokens=5)) is None


def test_the_settings_prices_win() -> None:
    """Dollars for a million tokens, for known and unknown models; what is not given is free."""
    prices = PriceList({"model-of-tomorrow": {"input": 2.0, "cache_write_1h": 8.0}, MODELS[0]: {"output": 1.0}})
    counts = {
        "input_tokens": 1_000_000,
        "output_tokens": 1_000_000,
        "cache_creation_tokens": 500_000,
        "cache_creation_1h_tokens": 250_000,
    }
    assert prices.of(call("model-of-tomorrow", None, **counts)) == pytest.approx(4.0)
    assert prices.of(call(MODELS[0], None, **counts)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "wrong", [{"m": {"inputs": 1.0}}, {"m": {"input": -1.0}}, {"m": {"input": "much"}}, {"m": {"input": True}}]
)
def test_a_price_that_cannot_be_one_is_refused(wrong: dict[str, dict[str, float]]) -> None:
    """One sentence that names the model."""
    with pytest.raises(ValueError, match=r"prices: m: "):
        PriceList(wrong)
