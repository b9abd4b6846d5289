"""Draws charts, in a process of its own: what draws them ends its process over a letter that it cannot take.

Run as ``python -m watcher.draw KIND`` it is that process: charts come in as a JSON list, pictures go out as one,
in base64.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from watcher.errors import ChartTrouble

Kind = Literal["svg", "png", "pdf"]

#: Pictures that were drawn lately are kept, so many.
KEPT = 128
#: A process that draws longer than that is ended, in seconds.
DEADLINE = 30.0
#: How the process says that the library is not there.
_MISSING = 3
_MORE: dict[str, dict[str, Any]] = {"png": {"scale": 2}}


class Easel:
    """Draws, one batch at a time; what was drawn lately is not drawn again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawn: OrderedDict[tuple[Kind, str], bytes] = OrderedDict()

    def draw(self, charts: Sequence[Mapping[str, Any]], kind: Kind = "svg") -> list[bytes]:
        """A picture of each chart.

        Raises:
            ChartTrouble: the library is missing, or could not draw one of them.
        """
        texts = [json.dumps(_plain(chart)) for chart in charts]
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if (kind, text) not in self._drawn]
            if new:
                self._drawn.update(
                    {(kind, text): picture for text, picture in zip(new, _drawn(new, kind), strict=True)}
                )
            pictures = []
            for text in texts:
                self._drawn.move_to_end((kind, text))
                pictures.append(self._drawn[kind, text])
            while len(self._drawn) > KEPT:
                self._drawn.popitem(last=False)
            return pictures


def _drawn(charts: Sequence[str], kind: Kind) -> list[bytes]:
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "watcher.draw", kind],
            input=f"[{','.join(charts)}]".encode(),
            capture_output=True,
            timeout=DEADLINE,
            check=False,
            start_new_session=True,  # Ctrl-C is for the service
        )
    except subprocess.TimeoutExpired:
        raise ChartTrouble(f"drawing took longer than {DEADLINE:.0f} s") from None
    except OSError as error:
        raise ChartTrouble(f"what draws cannot be started: {error.strerror}") from None
    if done.returncode == _MISSING:
        raise ChartTrouble("charts need vl-convert-python: pip install vl-convert-python")
    if done.returncode < 0:
        # It compiles as it runs, which a hardened unit may forbid.
        raise ChartTrouble(
            f"what draws was ended by signal {-done.returncode}; a systemd unit must let it (MemoryDenyWriteExecute=no)"
        )
    if done.returncode != 0:
        raise ChartTrouble(f"what draws ended with code {done.returncode}")
    return [base64.b64decode(picture) for picture in json.loads(done.stdout)]


def _plain(value: Any) -> Any:
    """Text without control characters, lone surrogates and the like: a picture is XML, which has none."""
    if isinstance(value, str):
        return "".join(letter if letter.isprintable() else "\ufffd" for letter in value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def main(kind: str) -> int:
    """Be the process that draws."""
    os.nice(10)  # pictures come after the work
    try:
        # Loaded here alone: an extra, and 80 MB of memory once it has drawn.
        import vl_convert
    except ImportError:
        return _MISSING
    pictures = []
    for chart in json.load(sys.stdin):
        found = getattr(vl_convert, f"vegalite_to_{kind}")(chart, allowed_base_urls=[], **_MORE.get(kind, {}))
        pictures.append(base64.b64encode(found.encode() if isinstance(found, str) else found).decode())
    json.dump(pictures, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
