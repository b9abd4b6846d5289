"""Makes the table of Claude models' prices: ``python -m processors.usage.price_table``, or ``make prices``.

The installed release of ``genai-prices`` is asked for each model under the names that clients write. A model whose
price depends on more than the day and one field of the call is left out: the library itself is asked for it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any

import msgspec

from processors.usage.price_factors import FIELDS
from processors.usage.price_library import Price, PriceTable, find_model, rates_of, release

#: Names with a release date, as clients wrote them; beside these, each model has its name in the library.
DATED = (
    "claude-3-5-haiku-20241022",
    "claude-3-5-sonnet-20240620",
    "claude-3-5-sonnet-20241022",
    "claude-3-7-sonnet-20250219",
    "claude-haiku-4-5-20251001",
    "claude-opus-4-20250514",
    "claude-opus-4-1-20250805",
    "claude-opus-4-5-20251101",
    "claude-sonnet-4-20250514",
    "claude-sonnet-4-5-20250929",
)


def make() -> PriceTable:
    """The table of the installed release."""
    # The library is loaded where it is asked: see `find_model`.
    from genai_prices.data_snapshot import get_snapshot

    provider = next(one for one in get_snapshot().providers if one.id == "anthropic")
    names = sorted({*DATED, *(model.id for model in provider.models)})
    made = {name: _prices(model) for name in names if (model := find_model((name,))) is not None}
    return PriceTable(release(), {name: prices for name, prices in made.items() if prices})


def _prices(model: Any) -> list[Price]:
    # The library is loaded where it is asked: see `find_model`.
    from genai_prices.types import ModelPrice, StartDateConstraint

    priced = [] if isinstance(model.prices, ModelPrice) else model.prices
    constraints = [one.constraint for one in priced if one.constraint is not None]
    variants = [one for one in model.price_variants or () if set(one.when) <= set(FIELDS)]
    constraints += [one.constraint for one in variants if one.constraint is not None]
    if len(variants) > 1 or not all(isinstance(one, StartDateConstraint) for one in constraints):
        return []
    days: list[date | None] = [None, *sorted({one.start_date for one in constraints})]
    return [
        Price(day, when, rates.thresholds, rates.cards)
        for when in [{}, *(one.when for one in variants)]
        for day in days
        for rates in [rates_of(model.get_prices(datetime.combine(day or date.min, time(), UTC), when or None))]
    ]


def _lines(table: PriceTable) -> Iterator[bytes]:
    """The table as JSON, one price a line."""
    head, _, rest = msgspec.json.encode(table).partition(b'{"since"')
    yield head
    yield from (b'\n{"since"' + price for price in rest.split(b'{"since"'))
    yield b"\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(b"".join(_lines(make())))
