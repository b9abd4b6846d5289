"""What calls cost: one rate card for each model, day and tier, from ``genai-prices`` or the settings."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from processors.usage.rows import Call

#: Names in the settings, in dollars for a million tokens, and for one search.
RATES = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read", "web_search")
_PROBE = 1000


@dataclass(frozen=True, slots=True)
class RateCard:
    """Dollars for one token of each kind, and for one search."""

    input: float
    output: float
    cache_write_5m: float
    cache_write_1h: float
    cache_read: float
    web_search: float

    def of(self, call: Call) -> float:
        """What a call costs by this card."""
        long_lived = min(call.cache_creation_1h_tokens, call.cache_creation_tokens)
        return (
            call.input_tokens * self.input
            + call.output_tokens * self.output
            + (call.cache_creation_tokens - long_lived) * self.cache_write_5m
            + long_lived * self.cache_write_1h
            + call.cache_read_tokens * self.cache_read
            + call.web_search_requests * self.web_search
        )


@dataclass(frozen=True, slots=True)
class Rates:
    """A model's cards: the first up to the first threshold of input tokens, and so on."""

    thresholds: list[int]
    cards: list[RateCard]


class PriceList:
    """Prices calls; remembers every card it made."""

    def __init__(self, overrides: Mapping[str, Mapping[str, float]]) -> None:
        """Take the settings' prices.

        Raises:
            ValueError: a price that cannot be one.
        """
        self._overrides = {model: _card(model, prices) for model, prices in overrides.items()}
        self._days: dict[tuple[str, int], Rates | None] = {}
        self._found = _Found()

    def of(self, call: Call) -> float | None:
        """Dollars, None where no price is known."""
        if call.model is None:
            return None
        if (card := self._overrides.get(call.model)) is not None:
            return card.of(call)
        moment = call.seen_at or _TODAY
        key = (call.model, moment.toordinal())
        if key not in self._days:
            self._days[key] = self._found.rates(call.model, moment)
        rates = self._days[key]
        if rates is None:
            return None
        total = call.input_tokens + call.cache_creation_tokens + call.cache_read_tokens
        return rates.cards[bisect_left(rates.thresholds, total)].of(call)


# A call without a time is priced as of a fixed day, so that the same lines always give the same rows.
_TODAY = datetime(2026, 1, 1, tzinfo=UTC)


class _Found:
    """What ``genai-prices`` says; asked once for each model and each price that it ever had."""

    def __init__(self) -> None:
        self._models: dict[str, Any] = {}
        self._rates: dict[tuple[str, int], Rates] = {}

    def rates(self, model: str, moment: datetime) -> Rates | None:
        """The rates that were in force for a model at a time, None if it is not known."""
        if model not in self._models:
            self._models[model] = _find(model)
        if (info := self._models[model]) is None:
            return None
        prices = info.get_prices(moment)
        key = (model, id(prices))  # the snapshot keeps them all
        if key not in self._rates:
            self._rates[key] = _rates(prices)
        return self._rates[key]


def _find(model: str) -> Any:
    """A model of the snapshot, Anthropic's before any other provider's; None if there is none."""
    # Loaded when a call is first priced: it takes longer than everything else that a child loads.
    from genai_prices.data_snapshot import get_snapshot

    for provider in ("anthropic", None):
        try:
            return get_snapshot().find_provider_model(model, None, provider, None)[1]
        except LookupError:
            continue
    return None


def _rates(prices: Any) -> Rates:
    # Loaded when used, see above.
    from genai_prices import Usage
    from genai_prices.types import TieredPrices

    def price(**usage: int) -> Decimal:
        total: Decimal = prices.calc_price(Usage(**usage))["total_price"]
        return total

    thresholds = sorted(
        {tier.start for value in vars(prices).values() if isinstance(value, TieredPrices) for tier in value.tiers}
    )
    cards = []
    for total in [min([_PROBE, *thresholds]), *(start + 1 for start in thresholds)]:
        base = price(input_tokens=total)
        cards.append(
            RateCard(
                float(base / total),
                float((price(input_tokens=total, output_tokens=_PROBE) - base) / _PROBE),
                float(price(input_tokens=total, cache_write_tokens=total) / total),
                float(price(input_tokens=total, cache_write_tokens=total, cache_write_1h_tokens=total) / total),
                float(price(input_tokens=total, cache_read_tokens=total) / total),
                float((price(input_tokens=total, web_searches=_PROBE) - base) / _PROBE),
            )
        )
    return Rates(thresholds, cards)


def _card(model: str, prices: Mapping[str, Any]) -> RateCard:
    for name, value in prices.items():
        if name not in RATES:
            raise ValueError(f"prices: {model}: {', '.join(RATES)} (not {name})")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
            raise ValueError(f"prices: {model}: {name}: dollars, 0 or more")
    given = {name: float(prices.get(name, 0.0)) for name in RATES}
    given.setdefault("input", 0.0)
    per_token = {name: value / 1e6 for name, value in given.items() if name != "web_search"}
    return RateCard(**per_token, web_search=given["web_search"])
