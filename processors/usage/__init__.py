"""``usage``: who spent which tokens, on which model, with which tools, and what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from processors.contract import Extraction, ProcessorSettings, Work, setting
from processors.usage.backfill import priced
from processors.usage.extract import extract
from processors.usage.price_factors import FACTORS
from processors.usage.prices import PriceList
from processors.usage.schema import SCHEMA


@dataclass(frozen=True, kw_only=True)
class UsageSettings(ProcessorSettings):
    """``[processors.usage]``."""

    timezone: str = setting("UTC", "Time zone of the days in reports, such as Europe/Berlin.")
    prices: dict[str, dict[str, float]] = setting(
        {}, 'Prices by model; they override the known ones: {"my-model" = {input = 3.0, output = 15.0}}.'
    )
    price_factors: list[dict[str, Any]] = setting(
        FACTORS,
        "Factors of a model's token prices, for one speed, inference_geo or service_tier, or for every call; "
        'from (optional) is the first day: {model = "claude-*", inference_geo = "us", factor = 1.1}.',
    )

    def __post_init__(self) -> None:
        """Refuse zones, prices and factors that mean nothing."""
        super().__post_init__()
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            raise ValueError('timezone: a zone such as "UTC" or "Europe/Berlin"') from None
        PriceList(self.prices, self.price_factors)


class Usage:
    """The processor."""

    name = "usage"
    version = 2
    settings = UsageSettings
    schema = SCHEMA

    def __init__(self) -> None:
        self._prices: PriceList | None = None
        self._priced_by: Any = None

    def extract(self, work: Work) -> Extraction:
        """See `processors.contract.Processor.extract`."""
        prices = self._prices_of(work.settings)
        return extract(work, prices.of, prices.fingerprint)

    def basis(self, settings: UsageSettings) -> int:
        """See `processors.contract.Backfills.basis`: the prices."""
        return self._prices_of(settings).fingerprint

    def backfill(self, rows: Sequence[Sequence[Any]], settings: UsageSettings) -> list[dict[str, Any]]:
        """See `processors.contract.Backfills.backfill`: what calls cost by other prices."""
        prices = self._prices_of(settings)
        return [priced(row, prices.of) for row in rows]

    def _prices_of(self, settings: UsageSettings) -> PriceList:
        if self._prices is None or self._priced_by is not settings:
            self._priced_by = settings
            self._prices = PriceList(settings.prices, settings.price_factors)
        return self._prices
