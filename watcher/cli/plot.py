"""``usage --plot``: a report as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from watcher.errors import SettingsError

#: So many bars can be told apart; the rest of a longer report is left out, and said so.
MOST = 60
_KINDS = (".png", ".svg", ".pdf")


def plot(found: dict[str, Any], target: Path) -> None:
    """Draw a report: cost where it has one, calls elsewhere, a bar a row.

    Raises:
        SettingsError: the file's kind is none that can be drawn, or the library is missing.
    """
    if target.suffix not in _KINDS:
        raise SettingsError(f"--plot {target}: a name that ends in {', '.join(_KINDS)} is accepted")
    try:
        # Loaded when used: an extra that most installations do without.
        from matplotlib.figure import Figure
    except ImportError:
        raise SettingsError("--plot needs matplotlib: pip install 'session-watcher[plot]'") from None
    columns, rows = found["columns"], found["rows"]
    measure = "cost_usd" if "cost_usd" in columns else "calls"
    value = columns.index(measure)
    in_time = found["report"] in ("daily", "monthly")
    shown = rows[-MOST:] if in_time else rows[:MOST]
    labels = [_label(row[0]) for row in shown]
    values = [float(row[value] or 0) for row in shown]
    figure = Figure(figsize=(max(6.0, 0.28 * len(shown) + 2), 4.5), layout="constrained")
    axes = figure.subplots()
    axes.bar(range(len(values)), values, color="#4878a8")
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontsize=8)
    axes.set_ylabel("cost in dollars" if measure == "cost_usd" else measure)
    left_out = f" ({len(shown)} of {len(rows)} rows)" if len(shown) < len(rows) else ""
    axes.set_title(f"Usage by {found['report'].removesuffix('ly').replace('dai', 'day').removesuffix('s')}{left_out}")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(target)


def _label(value: object) -> str:
    """Text from transcripts, which is no markup here either."""
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in str(value if value is not None else "-"))
    return (text[:27] + "…" if len(text) > 28 else text).replace("$", r"\$")
