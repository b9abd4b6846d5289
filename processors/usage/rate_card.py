"""A rate card: what one token of each kind costs on one model."""

from __future__ import annotations

from dataclasses import dataclass

from processors.usage.rows import Call


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
