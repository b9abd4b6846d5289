"""Charts: axes with units, whatever the names in them; and pictures of reports in files."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest

from processors.usage.reports import REPORTS
from tests.support.listener import until
from watcher.charts import render, spec
from watcher.charts.render import Easel
from watcher.cli.plot import _BY, MOST, plot
from watcher.errors import ChartTrouble, SettingsError

HOSTILE = "</text><script>alert(1)</script>\u202e\x07\"'"
DAY = date(2026, 3, 1)


@pytest.fixture
def easel() -> Iterator[Easel]:
    with closing(Easel()) as made:
        yield made


def texts(svg: str) -> list[str]:
    """Everything that is written in a chart; it is well-formed and holds nothing that could run."""
    root = ElementTree.fromstring(svg)
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not names & {"script", "style", "foreignObject", "a", "image"}, names
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not [name for name in attributes if name.startswith("on") or name.endswith(("href", "style"))]
    return ["".join(element.itertext()) for element in root.iter() if element.tag.endswith("}text")]


def over_days(
    rows: list[dict[str, Any]], unit: str = "tokens", days: int = 1, kinds: Sequence[str] = ()
) -> dict[str, Any]:
    """A chart of a few days."""
    return spec.over_time(rows, unit=unit, span=(DAY, DAY + timedelta(days - 1)), kinds=kinds, ink="red")


def test_a_chart_over_time_has_units_kinds_and_days(easel: Easel) -> None:
    """What the axes measure, which colour is which, and every week of the span."""
    rows = [
        {"day": (DAY + timedelta(n)).isoformat(), "value": 1000 * n, "kind": kind}
        for n in range(28)
        for kind in ("input", HOSTILE)
    ]
    day = DAY.isoformat()
    pictures = easel.draw(
        [
            over_days(rows, days=28, kinds=["input", HOSTILE]),
            over_days([{"day": day, "value": 1}], unit="sessions"),
            over_days([{"day": day, "value": 0.4}], unit="cost in dollars"),
        ]
    )
    found, ones, cents = (texts(picture.decode()) for picture in pictures)
    assert {"tokens", "input", "0", "50k", "Mar 8"} <= set(found)
    assert any("<script>" in text for text in found), "a name is shown as it is, as text"
    # What is counted in ones has no halves, and a cost below a dollar no thousandths.
    assert {text for text in ones if text.startswith(tuple("0123456789."))} == {"0", "1"}
    assert {"0.2", "0.4"} <= set(cents) and not [text for text in cents if text.endswith("m")]


def test_a_long_span_can_be_read(easel: Easel) -> None:
    """A day's bar is as wide as can be seen, and months have their years."""
    rows = [{"day": (DAY + timedelta(n)).isoformat(), "value": 1 + n % 3} for n in range(0, 400, 40)]
    (picture,) = easel.draw([over_days(rows, unit="sessions", days=400)])
    assert "Jan 2027" in texts(picture.decode())
    paths = re.findall(r'aria-roledescription="bar" d="M(-?[0-9.]+),[0-9.]+h([0-9.]+)', picture.decode())
    assert len(paths) == len(rows) and all(float(width) >= 2 for _, width in paths[1:-1]), paths
    numbers = {text for text in texts(picture.decode()) if text.replace(".", "").isdigit()}
    assert numbers == {"0", "1", "2", "3"}, "what is counted in ones has no halves"


def test_a_course_has_its_times_as_a_clock_shows_them(easel: Easel) -> None:
    """Over the full hour and over midnight too."""
    hours = [f"2026-03-01T{hour:02d}:50:00+00:00" for hour in (21, 22, 23)] + ["2026-03-02T00:50:00+00:00"]
    rows = [{"at": at, "value": number} for number, at in enumerate(hours)]
    (picture,) = easel.draw([spec.over_moments(rows, unit="tokens a call", ink="red")])
    found = texts(picture.decode())
    assert "23:00" in found and "Mar 2" in found and not [text for text in found if text.endswith(("AM", "PM"))]


def test_more_kinds_than_colours_are_drawn_as_others() -> None:
    """The largest keep their own."""
    totals = {f"model {n}": float(n) for n in range(9)}
    assert spec.few_kinds(totals) == ["model 8", "model 7", "model 6", "model 5", "model 4", spec.OTHERS]
    assert spec.few_kinds({"b": 1.0, "a": 1.0}) == ["a", "b"]
    assert len(spec.few_kinds(totals)) <= len(spec.PALETTE)


def a_chart(value: float) -> dict[str, Any]:
    """One like no other of another value."""
    return over_days([{"day": "2026-03-01", "value": value}], unit="calls")


def test_the_same_chart_is_drawn_once(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    """And another one anew, with all that is new at once."""
    batches, real = [], easel._asked

    def counting(new: Sequence[str], kind: Any) -> list[bytes]:
        batches.append(len(new))
        return real(new, kind)

    monkeypatch.setattr(easel, "_asked", counting)
    one, two, three = (a_chart(n) for n in range(3))
    first = easel.draw([one, one])
    assert first[0] == first[1] and easel.draw([one]) == first[:1]
    pictures = easel.draw([one, two, three])
    assert pictures[0] == first[0] and len({*pictures}) == 3
    assert batches == [1, 2]


def test_what_draws_is_kept_for_a_while(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next picture comes from the same process; it ends when nobody asks, or takes too long, and comes again."""
    easel.draw([a_chart(1)])
    first = easel.pid
    assert first is not None
    easel.draw([a_chart(2)])
    assert easel.pid == first
    os.kill(first, signal.SIGKILL)
    until(lambda: psutil.Process(first).status() == psutil.STATUS_ZOMBIE, "its end")
    easel.draw([a_chart(3)])
    second = easel.pid
    assert second not in (None, first)
    monkeypatch.setattr(render, "PATIENCE", 0.0)
    easel.draw([a_chart(4)])
    until(lambda: not psutil.pid_exists(second or 0), "it to be put away")
    monkeypatch.setattr(render, "DEADLINE", 0.0)
    with pytest.raises(ChartTrouble, match="took longer than"):
        easel.draw([a_chart(5)])
    assert easel.pid is None


def test_no_text_ends_the_service(easel: Easel) -> None:
    """What draws ends its process over a letter that XML has not: none is given to it, and its end is only told."""
    odd = "".join(map(chr, (0x1F600, *range(0x20), *range(0x7F, 0xA1), 0xD800, 0xDFFF, 0x200B, 0x2028, 0xFFFE, 0xFFFF)))
    (picture,) = easel.draw([over_days([{"day": "2026-03-01", "value": 1, "kind": odd}], kinds=[odd])])
    assert "\U0001f600" in "".join(texts(picture.decode()))
    with pytest.raises(ChartTrouble, match="ended with code"):
        easel.draw([{"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "mark": "nothing"}])


def report(rows: int) -> dict[str, Any]:
    """A report by model."""
    return {"report": "models", "columns": ["model", "cost_usd"], "rows": [[f"{HOSTILE}{n}", n] for n in range(rows)]}


@pytest.mark.parametrize(("kind", "first"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<svg")])
def test_a_report_is_drawn_into_a_file(tmp_path: Path, kind: str, first: bytes) -> None:
    """As a picture of the kind that its name says."""
    target = tmp_path / f"usage.{kind}"
    plot(report(3), target)
    assert target.read_bytes().startswith(first)


def test_a_long_report_says_that_it_is_cut_and_an_empty_one_is_drawn(tmp_path: Path) -> None:
    """Names that are alike when cut keep a bar each."""
    plot(report(MOST + 5), tmp_path / "long.svg")
    found = texts((tmp_path / "long.svg").read_text(encoding="utf-8"))
    assert f"Usage by model ({MOST} of {MOST + 5} rows)" in found and "cost in dollars" in found
    assert len([text for text in found if text.startswith("</text>")]) == MOST
    for name in REPORTS:
        assert name in _BY, name
    daily = {"report": "daily", "columns": ["day", "calls"], "rows": []}
    plot(daily, tmp_path / "empty.svg")
    assert "calls" in texts((tmp_path / "empty.svg").read_text(encoding="utf-8"))


def test_another_kind_of_file_and_a_missing_library_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is accepted, and what to install."""
    with pytest.raises(SettingsError, match=r"\.png, \.svg, \.pdf is accepted"):
        plot(report(1), tmp_path / "usage.txt")
    (tmp_path / "vl_convert.py").write_text("raise ImportError('not here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ChartTrouble, match=r"pip install vl-convert-python"):
        plot(report(1), tmp_path / "usage.svg")
