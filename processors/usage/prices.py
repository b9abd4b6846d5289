"""What calls cost: a card for each model, day, speed, geography and tier, from ``genai-prices`` or the settings."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from importlib.metadata import version
from math import prod
from typing import Any

import msgspec
import xxhash

from processors.usage.model_names import names_of
from processors.usage.price_factors import FACTORS, FIELDS, PriceFactor, factors_of, parse
from processors.usage.rows import Call, Context

#: Names in the settings, in dollars for a million tokens, and for one search.
RATES = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read", "web_search")
_PROBE = 1000
#: Raised when the code below gives other costs than before for the same settings; see `PriceList.fingerprint`.
_REVISION = 1
#: Models that ``genai-prices`` lacks, and the known ones whose prices they share.
_SAME_PRICE = {"claude-mythos-5": "claude-fable-5", "claude-mythos-5-1": "claude-fable-5-1"}


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
        written, long_lived = call.cache_creation_tokens, call.cache_creation_1h_tokens
        if long_lived > written:
            long_lived = written
        return (
            call.input_tokens * self.input
            + call.output_tokens * self.output
            + (written - long_lived) * self.cache_write_5m
            + long_lived * self.cache_write_1h
            + call.cache_read_tokens * self.cache_read
            + call.web_search_requests * self.web_search
        )

    def times(self, factor: float) -> RateCard:
        """The card with all token rates multiplied; a search costs the same everywhere."""
        return RateCard(
            self.input * factor,
            self.output * factor,
            self.cache_write_5m * factor,
            self.cache_write_1h * factor,
            self.cache_read * factor,
            self.web_search,
        )


@dataclass(frozen=True, slots=True)
class Rates:
    """A model's cards: the first up to the first threshold of input tokens, and so on."""

    thresholds: list[int]
    cards: list[RateCard]


@dataclass(frozen=True, slots=True)
class _Model:
    """What the settings say about a model."""

    names: tuple[str, ...]
    #: Its own price: nothing else is asked then.
    final: Rates | None
    factors: list[PriceFactor]


class PriceList:
    """Prices calls; remembers every card it made."""

    def __init__(
        self, overrides: Mapping[str, Mapping[str, float]], factors: Sequence[Mapping[str, Any]] = FACTORS
    ) -> None:
        """Take the settings' prices and price factors.

        Raises:
            ValueError: a price or a factor that cannot be one.
        """
        self._overrides = {model: _card(model, prices) for model, prices in overrides.items()}
        self._factors = parse(factors)
        self._models: dict[str, _Model] = {}
        self._known: dict[tuple[str, int, str | None, str | None, str | None], Rates | None] = {}
        self._found = _Found()

    @cached_property
    def fingerprint(self) -> int:
        """63 bits that change when costs may: with the price library's release, these settings, or the rules here.

        Costs that were stored under another fingerprint are to be made anew. The library itself is not loaded.
        """
        told = [_REVISION, version("genai-prices"), _SAME_PRICE, self._overrides, self._factors]
        return xxhash.xxh3_64_intdigest(msgspec.json.encode(told, order="deterministic")) >> 1

    def of(self, call: Call, context: Context) -> float | None:
        """Dollars for a call and what the server said of it; None where no price is known."""
        model = call.model
        if model is None:
            return None
        moment = call.seen_at or _TODAY
        # An iteration is another model's answer: it shares the place of the call around it, but not its speed.
        speed = context.speed if call.iteration < 0 else None
        key = (model, moment.toordinal(), speed, context.inference_geo, context.service_tier)
        try:
            rates = self._known[key]
        except KeyError:
            rates = self._known[key] = self._rates(model, moment, dict(zip(FIELDS, key[2:], strict=True)))
        if rates is None:
            return None
        if not rates.thresholds:
            return rates.cards[0].of(call)
        total = call.input_tokens + call.cache_creation_tokens + call.cache_read_tokens
        return rates.cards[bisect_left(rates.thresholds, total)].of(call)

    def _rates(self, model: str, moment: datetime, fields: Mapping[str, str | None]) -> Rates | None:
        known = self._models.get(model)
        if known is None:
            known = self._models[model] = self._model(model)
        if known.final is not None:
            return known.final
        factors = factors_of(known.factors, moment.date(), fields)
        # A factor of ours stands for what the library knows about the same field: never both.
        context = {name: value for name, value in fields.items() if value is not None and name not in factors}
        rates = self._found.rates(known.names, moment, context)
        if rates is None or not factors:
            return rates
        factor = prod(factors.values())
        return Rates(rates.thresholds, [card.times(factor) for card in rates.cards])

    def _model(self, model: str) -> _Model:
        names = names_of(model)
        final = next((Rates([], [self._overrides[name]]) for name in names if name in self._overrides), None)
        return _Model(names, final, [entry for entry in self._factors if entry.concerns(names)])


# A call without a time is priced as of a fixed day, so that the same lines always give the same rows.
_TODAY = datetime(2026, 1, 1, tzinfo=UTC)


class _Found:
    """What ``genai-prices`` says; asked once for each model and each price that it ever had."""

    def __init__(self) -> None:
        self._models: dict[tuple[str, ...], Any] = {}
        self._rates: dict[int | str, Rates] = {}

    def rates(self, names: tuple[str, ...], moment: datetime, context: Mapping[str, str]) -> Rates | None:
        """The rates that were in force at a time, for what the server said; None if the model is not known."""
        if names not in self._models:
            self._models[names] = _find(names)
        if (info := self._models[names]) is None:
            return None
        variants = [one for one in info.price_variants or () if one.when.items() <= context.items()]
        prices = info.get_prices(moment, context if variants else None)
        # The snapshot keeps its prices, but makes those of a variant anew each time.
        key = repr(prices) if variants else id(prices)
        if key not in self._rates:
            self._rates[key] = _rates(prices)
        return self._rates[key]


def _find(names: tuple[str, ...]) -> Any:
    """A model of the snapshot, Anthropic's before any other provider's; None if there is none."""
    # Loaded when a call is first priced: it takes longer than everything else that a child loads.
    from genai_prices.data_snapshot import get_snapshot

    twins = [_SAME_PRICE[name] for name in names if name in _SAME_PRICE]
    for provider in ("anthropic", None):
        for name in (*names, *twins):
            try:
                return get_snapshot().find_provider_model(name, None, provider, None)[1]
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
