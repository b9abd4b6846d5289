"""From one stretch of a session to the rows that follow from it, by the rules of docs/counting.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from processors.contract import Extraction, Session, Work
from processors.transcript import clean, read
from processors.usage import span
from processors.usage.rows import File
from processors.usage.stretch import Price, Stretch, project_of


def extract(work: Work, price: Price) -> Extraction:
    """What follows from a stretch; see `processors.contract.Processor.extract`."""
    records, bad_lines = read(work.lines)
    stretch = Stretch(work.session, work.start, price)
    stretch.take(records)
    rows = stretch.rows()
    items = len(rows["usage_calls"]) + sum(not use.is_result for use in rows["usage_uses"])
    carry: Mapping[str, Any] = work.carry
    if records:
        carry = _remember(carry, stretch)
        rows["usage_files"] = [_file(work.session, carry)]
    return Extraction(rows=rows, items=items, bad_lines=bad_lines, carry=carry)


def _remember(carry: Mapping[str, Any], stretch: Stretch) -> dict[str, Any]:
    """The session so far, of which `_file` makes its row."""
    active, folded = span.fold(span.merge(carry.get("active", []), stretch.times), carry.get("folded", 0))
    times = [span.micros(at) for at in (min(stretch.times), max(stretch.times))] if stretch.times else []
    times += [carry[name] for name in ("first", "last") if carry.get(name) is not None]
    return {
        "session_id": _either(carry.get("session_id"), stretch.session_id),
        "project": _either(carry.get("project"), project_of(stretch.cwd)),
        "version": _either(stretch.version, carry.get("version")),
        "first": min(times, default=None),
        "last": max(times, default=None),
        "active": active,
        "folded": folded,
        "turns": carry.get("turns", 0) + stretch.human_turns,
    }


def _file(session: Session, carry: Mapping[str, Any]) -> File:
    return File(
        carry["session_id"] if carry["session_id"] is not None else session.stem,
        session.username,
        carry["project"],
        carry["version"],
        span.moment(carry["first"]),
        span.moment(carry["last"]),
        span.seconds(carry["active"], carry["folded"]),
        carry["turns"],
    )


def _either(wanted: str | None, other: str | None) -> str | None:
    text = wanted if wanted is not None else other
    return clean(text) if text is not None else None
