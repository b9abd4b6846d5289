"""From one stretch of a session to the rows that follow from it, by the rules of docs/counting.md."""

from __future__ import annotations

from operator import attrgetter

from processors.contract import Extraction, Work
from processors.transcript import read
from processors.usage.accumulate import Price, Stretch


def extract(work: Work, price: Price, priced_by: int) -> Extraction:
    """What follows from a stretch; see `processors.contract.Processor.extract`."""
    records, bad_lines = read(work.lines, work.start)
    if not records:
        return Extraction(bad_lines=bad_lines, carry=work.carry)
    stretch = Stretch(work.session, work.start, work.carry, price, priced_by)
    stretch.take(records)
    stretch.look(work.lines)
    rows = stretch.rows()
    items = list(map(attrgetter("iteration"), rows["usage_calls"])).count(-1)
    items += list(map(attrgetter("is_result"), rows["usage_uses"])).count(False)
    return Extraction(rows=rows, items=items, bad_lines=bad_lines, carry=stretch.carry(), withdrawn=stretch.withdrawn)
