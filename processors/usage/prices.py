"""What calls cost: a card for each model, day, speed, geography and tier, from ``genai-prices`` or the settings."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from math import prod
from typing import Any

import msgspec
import xxhash

from processors.usage.model_names import names_of
from processors.usage.price_factors import FACTORS, FIELDS, PriceFactor, factors_of, parse
from processors.usage.price_library import SAME_PRICE, PriceLibrary, release
from processors.usage.rate_card import RateCard, Rates
from processors.usage.rows import Call, Context

#: Names in the settings, in dollars for a million tokens, and for one search.
RATES = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read", "web_search")
#: Raised when the code below gives other costs than before for the same settings; see `PriceList.fingerprint`.
_REVISION = 1


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
        self._library = PriceLibrary()

    @cached_property
    def fingerprint(self) -> int:
        """63 bits that change when costs may: with the price library's release, these settings, or the rules here.

        Costs that were stored under another fingerprint are to be made anew. The library itself is not loaded.
        """
        told = [_REVISION, release(), SAME_PRICE, self._overrides, self._factors]
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
        rates = self._library.rates(known.names, moment, context)
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
