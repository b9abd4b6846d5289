"""Prices from ``genai-prices``; those of Claude models stand in a table made of it, and load no library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import msgspec

from processors.usage.rate_card import RateCard, Rates

#: Models that ``genai-prices`` lacks, and the known ones whose prices they share.
SAME_PRICE = {"claude-mythos-5": "claude-fable-5", "claude-mythos-5-1": "claude-fable-5-1"}

#: Made by ``make prices``; `processors.usage.price_table` says how.
TABLE = "rate_cards.json"

_PROBE = 1000


class Price(msgspec.Struct, frozen=True):
    """A model's rates from a day on, for calls whose fields have these values."""

    #: The first day (UTC); None: always.
    since: date | None
    when: dict[str, str]
    thresholds: list[int]
    cards: list[RateCard]


class PriceTable(msgspec.Struct, frozen=True):
    """The prices of some models, by the names that clients write."""

    #: The release of ``genai-prices`` that it was made of; of another release it tells nothing.
    release: str
    #: Of the prices that hold, the last is the one.
    models: dict[str, list[Price]]


def release() -> str:
    """The release of ``genai-prices`` that is installed; the library itself is not loaded."""
    return version("genai-prices")


class PriceLibrary:
    """What ``genai-prices`` says; asked once for each model and each price that it ever had."""

    def __init__(self) -> None:
        self._models: dict[tuple[str, ...], Any] = {}
        self._rates: dict[int | str, Rates] = {}

    def rates(self, names: tuple[str, ...], moment: datetime, context: Mapping[str, str]) -> Rates | None:
        """The rates that were in force at a time, for what the server said; None if the model is not known.

        ``names``: the model's, the most exact first. ``context``: the call's fields that a price may depend on.
        """
        if (prices := _table().get(names[0])) is not None:
            day = moment.date()
            held = [
                one for one in prices if (one.since is None or one.since <= day) and one.when.items() <= context.items()
            ]
            return Rates(held[-1].thresholds, held[-1].cards)
        if names not in self._models:
            self._models[names] = find_model(names)
        if (info := self._models[names]) is None:
            return None
        variants = [one for one in info.price_variants or () if one.when.items() <= context.items()]
        found = info.get_prices(moment, context if variants else None)
        # The snapshot keeps its prices, but makes those of a variant anew each time.
        key = repr(found) if variants else id(found)
        if key not in self._rates:
            self._rates[key] = rates_of(found)
        return self._rates[key]


@cache
def _table() -> dict[str, list[Price]]:
    table = msgspec.json.decode(files(__package__).joinpath(TABLE).read_bytes(), type=PriceTable)
    return table.models if table.release == release() else {}


def find_model(names: tuple[str, ...]) -> Any:
    """The library's model with one of these names, Anthropic's before any other provider's; None if there is none."""
    # Loaded when it is asked: it takes longer than everything else that a child loads.
    from genai_prices.data_snapshot import get_snapshot

    for provider in ("anthropic", None):
        for name in _with_twins(names):
            try:
                return get_snapshot().find_provider_model(name, None, provider, None)[1]
            except LookupError:
                continue
    return None


def _with_twins(names: tuple[str, ...]) -> Iterator[str]:
    yield from names
    yield from (SAME_PRICE[name] for name in names if name in SAME_PRICE)


def rates_of(prices: Any) -> Rates:
    """The rate cards of one of the library's prices, told by what it asks for a few calls."""
    # Loaded when they are asked for: see `find_model`.
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
