"""Prices: one rate card for each model and tier, which gives what ``genai-prices`` gives call by call."""

from __future__ import annotations

import random
from datetime import UTC, datetime, time, timedelta
from importlib.resources import files
from typing import Any

import msgspec
import pytest
from genai_prices import Usage, calc_price

from processors.usage import price_library
from processors.usage.price_library import TABLE, PriceLibrary, PriceTable
from processors.usage.price_table import make
from processors.usage.prices import PriceList
from processors.usage.rows import Call, Context

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
    return Call(
        "m", -1, "r", at, at, model, **given,
        thinking_tokens=0, tokens=sum(given.values()), precedence=0, context=0, position=0,
    )  # fmt: skip


def beside(**said: Any) -> Context:
    """A context in which the server said this of its calls."""
    return Context(0, 0, None, "ann", False, **said)


def cost(prices: PriceList, model: str, at: datetime | None = None, **said: str) -> float | None:
    """What a million fresh tokens and two searches cost, of which the server said this."""
    return prices.of(call(model, at, input_tokens=1_000_000, web_search_requests=2), beside(**said))


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
            ),
            beside(),
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
    assert PriceList({}).of(call("model-of-tomorrow", at, input_tokens=5), beside()) is None
    assert PriceList({}).of(call(None, at, input_tokens=5), beside()) is None


def test_the_settings_prices_win() -> None:
    """Dollars for a million tokens, for known and unknown models; what is not given is free."""
    prices = PriceList({"model-of-tomorrow": {"input": 2.0, "cache_write_1h": 8.0}, MODELS[0]: {"output": 1.0}})
    counts = {
        "input_tokens": 1_000_000,
        "output_tokens": 1_000_000,
        "cache_creation_tokens": 500_000,
        "cache_creation_1h_tokens": 250_000,
    }
    assert prices.of(call("model-of-tomorrow", None, **counts), beside()) == pytest.approx(4.0)
    assert prices.of(call(MODELS[0], None, **counts), beside()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "wrong", [{"m": {"inputs": 1.0}}, {"m": {"input": -1.0}}, {"m": {"input": "much"}}, {"m": {"input": True}}]
)
def test_a_price_that_cannot_be_one_is_refused(wrong: dict[str, dict[str, float]]) -> None:
    """One sentence that names the model."""
    with pytest.raises(ValueError, match=r"prices: m: "):
        PriceList(wrong)


def test_a_settings_price_is_found_by_the_most_exact_name() -> None:
    """The spelling itself, then the canonical name, then the model without its release; never the other way."""
    exact = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
    prices = PriceList(
        {exact: {"input": 7.0}, "claude-haiku-4-5-20251001": {"input": 8.0}, "claude-haiku-4-5": {"input": 9.0}}
    )
    assert cost(prices, exact) == pytest.approx(7.0)
    assert cost(prices, "claude-haiku-4-5@20251001") == pytest.approx(8.0)
    assert cost(prices, "claude-haiku-4-5@20260101") == pytest.approx(9.0)
    assert cost(PriceList({exact: {"input": 7.0}}), "claude-haiku-4-5") == pytest.approx(1.02)


def test_a_settings_price_is_final() -> None:
    """No factor is applied to it: it is what the operator pays."""
    prices = PriceList({"claude-opus-5-5": {"input": 2.0}})
    assert cost(prices, "claude-opus-5-5", speed="fast", inference_geo="us") == pytest.approx(2.0)


def test_factors_of_different_fields_are_multiplied_and_searches_are_not() -> None:
    """Token rates alone; an entry without a field holds for every call of its models."""
    factors = [
        {"model": "*", "factor": 0.5},
        {"model": "claude-*", "inference_geo": "eu", "factor": 1.2},
        {"model": "claude-haiku-?-5", "service_tier": "flex", "factor": 10},
    ]
    prices = PriceList({}, factors)
    assert cost(prices, "claude-haiku-4-5-20251001") == pytest.approx(0.52)
    assert cost(prices, "claude-haiku-4-5", inference_geo="eu") == pytest.approx(0.62)
    assert cost(prices, "claude-haiku-4-5", inference_geo="eu", service_tier="flex") == pytest.approx(6.02)
    assert cost(prices, "claude-haiku-4-5", inference_geo="us") == pytest.approx(0.52)


def test_a_factor_is_for_a_spelling_or_for_a_model() -> None:
    """What Bedrock's regions cost more, for example."""
    prices = PriceList({}, [{"model": "eu.anthropic.*", "factor": 1.1}])
    assert cost(prices, "eu.anthropic.claude-haiku-4-5-20251001-v1:0") == pytest.approx(1.12)
    assert cost(prices, "global.anthropic.claude-haiku-4-5-20251001-v1:0") == pytest.approx(1.02)


def test_the_last_factor_that_holds_on_the_day_is_taken() -> None:
    """A later entry takes over on its first day."""
    entries = [
        {"model": "claude-*", "inference_geo": "us", "factor": 2.0},
        {"model": "claude-*", "inference_geo": "us", "factor": 3.0, "from": "2026-05-01"},
    ]
    prices = PriceList({}, entries)
    days = [datetime(2026, 4, 30, 23, 59, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC), None]
    costs = [cost(prices, "claude-haiku-4-5", day, inference_geo="us") for day in days]
    assert costs == pytest.approx([2.02, 3.02, 2.02])


def test_a_factor_stands_for_what_the_library_says_about_the_field() -> None:
    """Without one the library's price for the speed holds; with one it is not charged twice."""
    model = "claude-opus-5-5"
    theirs = calc_price(
        Usage(input_tokens=1_000_000, web_searches=2), model, price_context={"speed": "fast"}
    ).total_price
    assert cost(PriceList({}, []), model, speed="fast") == pytest.approx(float(theirs))
    assert cost(
        PriceList({}, [{"model": model, "speed": "fast", "factor": 3.0}]), model, speed="fast"
    ) == pytest.approx(12.02)


def test_a_batch_costs_what_the_library_says_of_batches() -> None:
    """The default's half is the published half, for every kind of token."""
    at = datetime(2026, 11, 1, tzinfo=UTC)
    made = call("claude-sonnet-5-5", at, input_tokens=10, output_tokens=20, cache_creation_tokens=30,
                cache_creation_1h_tokens=7, cache_read_tokens=40, web_search_requests=1)  # fmt: skip
    usage = Usage(input_tokens=80, output_tokens=20, cache_write_tokens=30, cache_write_1h_tokens=7,
                  cache_read_tokens=40, web_searches=1)  # fmt: skip
    theirs = calc_price(
        usage, "claude-sonnet-5-5", genai_request_timestamp=at, price_context={"processing": "batch"}
    ).total_price
    assert PriceList({}).of(made, beside(service_tier="batch")) == pytest.approx(float(theirs), rel=1e-9)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"factor": 1.1}, "model: a name or pattern"),
        ({"model": "", "factor": 1.1}, "model: a name or pattern"),
        ({"model": "m"}, "factor: a number, 0 or more"),
        ({"model": "m", "factor": -1}, "factor: a number, 0 or more"),
        ({"model": "m", "factor": True}, "factor: a number, 0 or more"),
        ({"model": "m", "factor": float("nan")}, "factor: a number, 0 or more"),
        ({"model": "m", "factor": 1, "geo": "us"}, r"\(not geo\)"),
        ({"model": "m", "factor": 1, "speed": ""}, "speed: a value"),
        ({"model": "m", "factor": 1, "speed": 2}, "speed: a value"),
        ({"model": "m", "factor": 1, "speed": "fast", "service_tier": "batch"}, "speed and service_tier together"),
        ({"model": "m", "factor": 1, "from": "May"}, "from: a day"),
        ({"model": "m", "factor": 1, "from": 5}, "from: a day"),
    ],
)
def test_a_factor_that_cannot_be_one_is_refused(wrong: dict[str, Any], words: str) -> None:
    """One sentence that names the entry by its number."""
    with pytest.raises(ValueError, match=f"price_factors: entry 2: .*{words}"):
        PriceList({}, [{"model": "m", "factor": 1}, wrong])


def test_the_fingerprint_changes_when_prices_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a setting or the library's release; not with the order in which models are listed."""
    one: dict[str, dict[str, float]] = {"a": {"input": 1}, "b": {"input": 2.0}}
    other: dict[str, dict[str, float]] = {"b": {"input": 2.0}, "a": {"input": 1.0}}
    usual = PriceList({}).fingerprint
    assert 0 <= usual < 2**63
    assert PriceList({}).fingerprint == usual
    assert PriceList(one).fingerprint == PriceList(other).fingerprint
    found = {
        usual,
        PriceList(one).fingerprint,
        PriceList({"a": {"input": 1}}).fingerprint,
        PriceList({}, []).fingerprint,
    }
    monkeypatch.setattr("processors.usage.price_library.version", lambda name: "9.9.9")
    assert len(found | {PriceList({}).fingerprint}) == 5


def test_the_table_of_prices_is_what_the_library_says() -> None:
    """The file that is shipped is the one that `make prices` would write now."""
    made = make()
    assert len(made.models) > 20
    assert msgspec.json.decode(files("processors.usage").joinpath(TABLE).read_bytes(), type=PriceTable) == made


def test_the_table_prices_as_the_library_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each of its models, over days and fields; a table of another release is not asked."""
    table, rng = make(), random.Random(5)
    days = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=rng.randrange(1500)) for _ in range(20)]
    days += [
        datetime.combine(price.since, time(), UTC)
        for prices in table.models.values()
        for price in prices
        if price.since
    ]
    asked = [
        (name, day, context)
        for name in table.models
        for day in days
        for context in ({}, {"speed": "fast"}, {"speed": "fast", "inference_geo": "us"}, {"service_tier": "batch"})
    ]
    by_table = PriceLibrary()
    told = [by_table.rates((name,), day, context) for name, day, context in asked]
    monkeypatch.setattr("processors.usage.price_library.version", lambda name: "9.9.9")
    price_library._table.cache_clear()
    try:
        by_library = PriceLibrary()
        assert told == [by_library.rates((name,), day, context) for name, day, context in asked]
        assert by_library._models  # it was asked
    finally:
        price_library._table.cache_clear()
    assert not by_table._models
