"""Prices against what the client itself reckoned: its ``costUSD`` for one call of each combination.

The figures were written by Claude Code 2.1.332 for calls that a mock server answered with this usage. They are the
client's own, in the table as they stood in its transcripts; none comes from a price list of ours.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from processors.usage.prices import PriceList
from processors.usage.rows import Call, Context

#: The day on which the client reckoned.
DAY = datetime(2026, 11, 30, tzinfo=UTC)
#: The usage where a case says nothing else: 46,500 tokens, cache writes of both lifetimes among them.
USUAL: dict[str, Any] = {
    "input_tokens": 1000,
    "output_tokens": 500,
    "cache_creation_tokens": 5000,
    "cache_creation_1h_tokens": 3000,
    "cache_read_tokens": 40000,
    "web_search_requests": 0,
}
#: What the server says of it.
SAID = {
    "speed": "standard",
    "inference_geo": "not_available",
    "service_tier": "standard",
}
US = {"inference_geo": "us"}
FAST = {"speed": "fast"}

#: Dollars for the usual call: as it is, for inference in the US, in fast mode, and for both.
MODELS = {
    "claude-opus-5-5": (0.056, 0.0616, 0.112, 0.1232),
    "claude-opus-5": (0.08, 0.088, 0.16, 0.176),
    "claude-opus-4-8": (0.08, 0.088, 0.16, 0.176),
    "claude-opus-4-7": (0.08, 0.088, 0.48, 0.528),
    "claude-opus-4-6": (0.08, 0.088, 0.48, 0.528),
    "claude-opus-4-5-20251101": (0.08, 0.088, 0.08, 0.088),
    "claude-sonnet-5-5": (0.028, 0.0308, 0.028, 0.0308),
    "claude-sonnet-5": (0.032, 0.0352, 0.032, 0.0352),
    "claude-sonnet-4-6": (0.048, 0.0528, 0.048, 0.0528),
    "claude-sonnet-4-5-20250929": (0.048, 0.0528, 0.048, 0.0528),
    "claude-sonnet-4-20250514": (0.048, 0.0528, 0.048, 0.0528),
    "claude-haiku-5-5": (0.0016, 0.00176, 0.0016, 0.00176),
    "claude-haiku-4-5-20251001": (0.016, 0.0176, 0.016, 0.0176),
    "claude-3-5-haiku-20241022": (0.0128, 0.01408, 0.0128, 0.01408),
    "claude-3-7-sonnet-20250219": (0.048, 0.0528, 0.048, 0.0528),
    "claude-fable-5": (0.16, 0.176, 0.16, 0.176),
    "claude-fable-5-1": (0.13, 0.143, 0.13, 0.143),
    "claude-fable-5-2": (0.104, 0.1144, 0.208, 0.2288),
    "claude-mythos-5-2": (0.104, 0.1144, 0.208, 0.2288),
    "claude-mythos-5-1": (0.13, 0.143, 0.13, 0.143),
    "claude-mythos-5": (0.16, 0.176, 0.16, 0.176),
}


def case(model: str, cost: float, **usage: Any) -> tuple[str, float, dict[str, Any]]:
    """A model, the client's dollars, and what differs from the usual call."""
    return model, cost, usage


#: Long contexts, around the thresholds too, lifetimes of the cache, searches, and values of the three fields.
CASES = [
    case("claude-opus-5-5", 1.052, input_tokens=250000),
    case("claude-opus-5-5", 0.296, input_tokens=60000, cache_read_tokens=60000),
    case("claude-opus-5-5", 2.104, input_tokens=250000, speed="fast"),
    case("claude-sonnet-4-5-20250929", 0.231, input_tokens=60000, cache_read_tokens=60000),
    case("claude-sonnet-4-6", 0.795, input_tokens=250000),
    case("claude-sonnet-4-6", 0.795, input_tokens=250000, speed="fast"),
    case("claude-opus-4-6", 1.325, input_tokens=250000),
    case("claude-opus-4-6", 7.95, input_tokens=250000, speed="fast"),
    case("claude-haiku-5-5", 0.1325, input_tokens=250000),
    case("claude-haiku-5-5", 0.0385, input_tokens=60000, cache_read_tokens=60000),
    case("claude-haiku-4-5-20251001", 0.265, input_tokens=250000),
    case("claude-fable-5-2", 2.096, input_tokens=250000),
    case("claude-fable-5-2", 4.192, input_tokens=250000, speed="fast"),
    case("claude-opus-4-8", 1.325, input_tokens=250000),
    case("claude-opus-4-8", 2.65, input_tokens=250000, speed="fast"),
    case("claude-sonnet-5", 0.53, input_tokens=250000),
    case("claude-haiku-5-5", 0.007, input_tokens=55000),
    case("claude-haiku-5-5", 0.0350005, input_tokens=55001),
    case("claude-opus-5-5", 0.056, service_tier="priority"),
    case("claude-opus-5-5", 0.056, service_tier="flex"),
    case("claude-opus-5-5", 0.056, service_tier="standard_only"),
    case("claude-opus-5-5", 0.056, service_tier=""),
    case("claude-opus-5-5", 0.056, inference_geo="global"),
    case("claude-opus-5-5", 0.056, inference_geo=""),
    case("claude-opus-5-5", 0.056, inference_geo="eu"),
    case("claude-opus-5-5", 0.056, inference_geo="US"),
    case("claude-opus-5-5", 0.047, cache_creation_1h_tokens=0),
    case("claude-opus-5-5", 0.086, web_search_requests=3),
    case("claude-opus-5-5", 0.0916, web_search_requests=3, inference_geo="us"),
    case("claude-opus-5-5", 0.1532, web_search_requests=3, speed="fast", inference_geo="us"),
    case("claude-haiku-5-5", 0.03176, web_search_requests=3, inference_geo="us"),
    case("claude-sonnet-5-5", 0.058, web_search_requests=3),
    case("claude-sonnet-5-5", 0.0608, web_search_requests=3, inference_geo="us"),
]

#: Dollars for the usual call of a model whose name is spelled so.
SPELLINGS = {
    "us.anthropic.claude-opus-4-8-v1:0": 0.08,
    "eu.anthropic.claude-sonnet-5-5": 0.028,
    "global.anthropic.claude-opus-4-8": 0.08,
    "anthropic.claude-sonnet-4-5-20250929-v1:0": 0.048,
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-8-v1:0": 0.08,
    "claude-opus-4-1@20250805": 0.24,
    "claude-opus-5-5@20260901": 0.056,
    "publishers/anthropic/models/claude-opus-5-5": 0.056,
    "anthropic/claude-opus-5-5": 0.056,
    "openrouter/anthropic/claude-opus-4.8": 0.08,
    "anthropic/claude-opus-4.8": 0.08,
    "claude-opus-5.5": 0.056,
    "claude-opus-5-5-20260901": 0.056,
    "claude-opus-4-8-v1": 0.08,
    "claude-haiku-5-5@20260901": 0.0016,
    "us.anthropic.claude-haiku-4-5-20251001-v1:0": 0.016,
    "databricks-claude-sonnet-4-5": 0.048,
    "claude-opus-5-5-latest": 0.056,
    "claude-opus-5-5@default": 0.056,
    "vertex_ai/claude-opus-5-5@20260901": 0.056,
    "bedrock/eu.anthropic.claude-haiku-4-5-20251001-v1:0": 0.016,
    "my-claude-opus-4-8": 0.08,
    "anthropic/claude-sonnet-4.5:thinking": 0.048,
    "apac.anthropic.claude-sonnet-4-20250514-v1:0": 0.048,
    "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0": 0.048,
}

#: A call that asked an advisor (4,000 tokens in, 333 out): dollars by model, for what the outer usage said. The
#: advisor's tokens share the geography, and never the speed.
ADVISED = [
    ({}, {"claude-opus-5-5": 0.056, "claude-opus-4-8": 0.028325}),
    (US, {"claude-opus-5-5": 0.0616, "claude-opus-4-8": 0.0311575}),
    (FAST, {"claude-opus-5-5": 0.112, "claude-opus-4-8": 0.028325}),
    ({**US, **FAST}, {"claude-opus-5-5": 0.1232, "claude-opus-4-8": 0.0311575}),
    ({}, {"claude-haiku-5-5": 0.0016, "claude-opus-4-8": 0.028325}),
    ({**US, **FAST}, {"claude-sonnet-5-5": 0.0308, "claude-opus-4-8": 0.0311575}),
]

#: Models that the client does not know: it reckons with another's price, and says that it did.
UNKNOWN = (
    "claude-mythos-preview",
    "claude-opus-6",
    "model-of-tomorrow",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef",
)


def price(model: str, **differs: Any) -> float | None:
    """What our list says, by the settings' defaults; `iteration` is -1 if it is not given."""
    usage = {name: differs.get(name, usual) for name, usual in USUAL.items()}
    said = {name: differs.get(name, usual) for name, usual in SAID.items()}
    call = Call(
        "m-1", differs.get("iteration", -1), "r-1", DAY, DAY, model, **usage,
        thinking_tokens=100, tokens=sum(usage.values()), precedence=0, context=0, position=0,
    )  # fmt: skip
    return PriceList({}).of(call, Context(0, 0, "s-1", "ann", False, **said))


@pytest.mark.parametrize("model", MODELS)
def test_speed_and_geography_cost_what_the_client_says(model: str) -> None:
    """Twice, six times or no more for fast mode, by the model; a tenth more in the US; both together."""
    ours = [price(model), price(model, **US), price(model, **FAST), price(model, **US, **FAST)]
    assert ours == pytest.approx(MODELS[model], rel=1e-9)


@pytest.mark.parametrize(("model", "cost", "usage"), CASES)
def test_a_call_costs_what_the_client_says(model: str, cost: float, usage: dict[str, Any]) -> None:
    """Whatever its size, its cache, its searches, its speed, geography and tier."""
    assert price(model, **usage) == pytest.approx(cost, rel=1e-9)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_spelling_costs_what_the_model_costs(spelling: str) -> None:
    """As Bedrock, Vertex and gateways write it."""
    assert price(spelling) == pytest.approx(SPELLINGS[spelling], rel=1e-9)


@pytest.mark.parametrize(("said", "costs"), ADVISED)
def test_an_advisors_tokens_cost_by_its_own_model(said: dict[str, str], costs: dict[str, float]) -> None:
    """A row of its own, with the geography of the call around it."""
    (model, outer), (advisor, inner) = costs.items()
    assert price(model, **said) == pytest.approx(outer, rel=1e-9)
    asked = {
        **dict.fromkeys(("cache_creation_tokens", "cache_creation_1h_tokens", "cache_read_tokens"), 0),
        "input_tokens": 4000,
        "output_tokens": 333,
    }
    assert price(advisor, iteration=0, **asked, **said) == pytest.approx(inner, rel=1e-9)


@pytest.mark.parametrize("model", UNKNOWN)
def test_a_model_that_the_client_does_not_know_has_no_price(model: str) -> None:
    """NULL, where the client guesses."""
    assert price(model) is None


def test_where_the_clients_figure_is_not_followed() -> None:
    """Three of its figures, as they are, and why ours are others."""
    # The client has no price for long contexts of this model, of which the published list has one.
    assert price("claude-sonnet-4-5-20250929", input_tokens=250000) != pytest.approx(0.795)
    # It knows no tiers; a batch costs half by the published list.
    assert price("claude-opus-5-5", service_tier="batch") == pytest.approx(0.056 / 2, rel=1e-9)
    # An unknown speed is taken for the fast one, and noted as a guess.
    assert price("claude-opus-5-5", speed="slow") == pytest.approx(0.112 / 2, rel=1e-9)
