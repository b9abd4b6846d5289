"""Price factors: what multiplies a model's token prices for a speed, a geography or a service tier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

#: Fields of a call that a factor may depend on.
FIELDS = ("speed", "inference_geo", "service_tier")

#: The defaults: what was measured against the client's own cost, where ``genai-prices`` does not know it.
FACTORS: list[dict[str, Any]] = [
    {"model": "claude-*", "inference_geo": "us", "factor": 1.1},
    {"model": "claude-opus-4-6*", "speed": "fast", "factor": 6.0},
    {"model": "claude-opus-4-7*", "speed": "fast", "factor": 6.0},
    # As published; the client itself sends no batches. The library knows them for some models, from a late day on.
    {"model": "claude-*", "service_tier": "batch", "factor": 0.5},
]

_SHAPE = '{model = "claude-*", inference_geo = "us", factor = 1.1, from = "2026-02-05"}'


@dataclass(frozen=True, slots=True)
class PriceFactor:
    """One entry of ``price_factors``."""

    #: A pattern with ``*`` and ``?``, for the name as it is written or the canonical one.
    model: str
    #: The field that must have the value; None: every call.
    field: str | None
    value: str | None
    factor: float
    #: The first day (UTC) on which it holds; None: always.
    since: date | None

    def concerns(self, names: Iterable[str]) -> bool:
        """Whether the entry is for a model with these names."""
        return any(fnmatchcase(name, self.model) for name in names)

    def holds(self, day: date, fields: Mapping[str, str | None]) -> bool:
        """Whether the entry is for a call of this day and these fields."""
        return (self.field is None or fields.get(self.field) == self.value) and (
            self.since is None or day >= self.since
        )


def parse(given: Sequence[Mapping[str, Any]]) -> list[PriceFactor]:
    """The entries of the setting, checked.

    Raises:
        ValueError: an entry that means nothing; one sentence that names it by its number.
    """
    return [_entry(f"price_factors: entry {number}", entry) for number, entry in enumerate(given, 1)]


def factors_of(entries: Iterable[PriceFactor], day: date, fields: Mapping[str, str | None]) -> dict[str | None, float]:
    """The factor for each field that has one; of several entries for a field, the last that holds is taken."""
    return {entry.field: entry.factor for entry in entries if entry.holds(day, fields)}


def _entry(place: str, entry: Mapping[str, Any]) -> PriceFactor:
    allowed = ("model", *FIELDS, "factor", "from")
    if not isinstance(entry, Mapping):
        raise ValueError(f"{place}: a table such as {_SHAPE}")
    if unknown := [str(key) for key in entry if key not in allowed]:
        raise ValueError(f"{place}: {', '.join(allowed)} (not {unknown[0]})")
    model, factor, since = entry.get("model"), entry.get("factor"), entry.get("from")
    if not isinstance(model, str) or not model:
        raise ValueError(f'{place}: model: a name or pattern such as "claude-*"')
    fields = [name for name in FIELDS if name in entry]
    if len(fields) > 1:
        raise ValueError(f"{place}: one of {', '.join(FIELDS)}, not {' and '.join(fields)} together")
    field = fields[0] if fields else None
    value = entry[field] if field is not None else None
    if field is not None and (not isinstance(value, str) or not value):
        raise ValueError(f"{place}: {field}: a value as transcripts hold it, not empty")
    if isinstance(factor, bool) or not isinstance(factor, (int, float)) or not 0 <= factor < 1e6:
        raise ValueError(f"{place}: factor: a number, 0 or more")
    return PriceFactor(model, field, value, float(factor), _day(place, since))


def _day(place: str, since: object) -> date | None:
    if since is None:
        return None
    sentence = f'{place}: from: a day such as "2026-02-05", in quotes'
    if not isinstance(since, str):
        raise ValueError(sentence)
    try:
        return date.fromisoformat(since)
    except ValueError:
        raise ValueError(sentence) from None
