"""``python -m tests.bench.run``: measures, prints the table, and with ``--gate`` fails where it is too slow.

Ratios are taken in one run, since machines differ and are noisy. The gate allows 1.5 times what is asked.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

import structlog

from processors.contract import Bytes
from tests.bench.commands import commands, many_rows
from tests.bench.knowledge import knowledge
from tests.bench.measures import MEASURES, Measure, Size, as_json
from tests.bench.pages import pages, under_requests

ALL = {
    **MEASURES,
    "commands": commands,
    "many_rows": many_rows,
    "knowledge": knowledge,
    "pages": pages,
    "under_requests": under_requests,
}

#: So many times worse than asked is a failure.
ALLOWANCE = 1.5


def main() -> int:
    """Measure; 1 where the gate is shut."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.run", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"what to measure: {', '.join(ALL)} (all)")
    parser.add_argument("--gate", action="store_true", help=f"fail where a ratio is {ALLOWANCE} times worse than asked")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON at the end")
    parser.add_argument("--folder", type=Path, help="where the corpus is kept for the next run (a temporary folder)")
    parser.add_argument("--size", default="1GB", type=Bytes.parse, help="bytes of the corpus (1GB)")
    parser.add_argument("--sessions", default=2000, type=int, help="sessions of the corpus (2000)")
    given = parser.parse_args()
    for name in given.names:
        if name not in ALL:
            parser.error(f"{name} is not measured; there are {', '.join(ALL)}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="session-watcher-bench-") as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        size = Size(folder.resolve(), int(given.size), given.sessions)
        print(f"{'':48} {'ours':>10} {'yardstick':>10} {'ratio':>8} {'asked':>8}", file=sys.stderr)
        found: list[Measure] = []
        for name in given.names or ALL:
            for measure in ALL[name](size):
                found.append(measure)
                print(row(measure), file=sys.stderr, flush=True)
    if given.json:
        print(as_json(found))
    slow = [measure.name for measure in found if measure.ratio > measure.asked * ALLOWANCE]
    if given.gate and slow:
        print(f"too slow: {', '.join(slow)}", file=sys.stderr)
        return 1
    return 0


def row(measure: Measure) -> str:
    """A line of the table."""
    judged = (
        "" if measure.ratio <= measure.asked else "  over" if measure.ratio <= measure.asked * ALLOWANCE else "  SLOW"
    )
    figures = f"{shown(measure.ours, measure.unit):>10} {shown(measure.yardstick, measure.unit):>10}"
    return f"{measure.name:48} {figures} {measure.ratio:8.2f} {measure.asked:8.2f}{judged}"


def shown(value: float, unit: str) -> str:
    """A figure with its unit."""
    if unit == "s" and value < 1:
        return f"{value * 1000:.2f} ms"
    return f"{value:.3g} {unit}".strip()


if __name__ == "__main__":
    raise SystemExit(main())
