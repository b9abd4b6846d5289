"""Chart rendering in a separate process, since the library aborts its process on characters that it cannot handle.

Run as ``python -m watcher.charts.render`` it is that process: a line of JSON asks for pictures, a line of JSON holds
them, in base64. Loading what draws takes a second, a picture a twentieth: the process is kept for a while.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from watcher.errors import ChartTrouble

Kind = Literal["svg", "png", "pdf"]

#: The most rendered pictures that are cached.
KEPT = 128
#: Seconds after which a rendering process is killed.
DEADLINE = 30.0
#: Idle seconds after which the process is ended: it holds 100 MB.
PATIENCE = 120.0
#: How the process reports that the library is not installed.
_MISSING = 3
_MORE: dict[str, dict[str, Any]] = {"png": {"scale": 2}}


class Easel:
    """Renders one batch at a time, with a cache of recent pictures."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawn: OrderedDict[tuple[Kind, str], bytes] = OrderedDict()
        self._process: subprocess.Popen[bytes] | None = None
        self._end: threading.Timer | None = None

    @property
    def pid(self) -> int | None:
        """The id of the rendering process, None if there is none."""
        return self._process.pid if self._process else None

    def draw(self, charts: Sequence[Mapping[str, Any]], kind: Kind = "svg") -> list[bytes]:
        """Render a picture of each chart.

        Raises:
            ChartTrouble: the library is missing, or could not draw one of them.
        """
        texts = [json.dumps(_plain(chart)) for chart in charts]
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if (kind, text) not in self._drawn]
            if new:
                self._drawn.update({(kind, text): one for text, one in zip(new, self._asked(new, kind), strict=True)})
            pictures = []
            for text in texts:
                self._drawn.move_to_end((kind, text))
                pictures.append(self._drawn[kind, text])
            while len(self._drawn) > KEPT:
                self._drawn.popitem(last=False)
            return pictures

    def close(self) -> None:
        """End the process, if there is one; the next picture starts another. Idempotent."""
        with self._lock:
            self._put_away()

    def _asked(self, charts: Sequence[str], kind: Kind) -> list[bytes]:
        if self._end is not None:
            self._end.cancel()
        order = f'{{"kind": "{kind}", "charts": [{",".join(charts)}]}}\n'.encode()
        # A reused process may have ended meanwhile: only a new one's failure counts against these charts.
        answer = self._answered(self._process, order) if self._process is not None else None
        if answer is None:
            self._process = process = _started()
            answer = self._answered(process, order)
            if answer is None:
                raise ChartTrouble(_epitaph(process.wait()))
        self._end = _timer(PATIENCE, self.close)
        return [base64.b64decode(picture) for picture in json.loads(answer)]

    def _answered(self, process: subprocess.Popen[bytes], order: bytes) -> bytes | None:
        """Send a request to the process and return its answer; None if it has ended.

        Raises:
            ChartTrouble: it took too long.
        """
        assert process.stdin is not None and process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        deadline = _timer(DEADLINE, end)
        try:
            process.stdin.write(order)
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        finally:
            deadline.cancel()
        if answer.endswith(b"\n"):
            return answer
        self._put_away()
        if late.is_set():
            raise ChartTrouble(f"drawing took longer than {DEADLINE:.0f} s")
        return None

    def _put_away(self) -> None:
        process, self._process = self._process, None
        if self._end is not None:
            self._end.cancel()
        if process is not None:
            process.kill()
            process.communicate()


def _started() -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "watcher.charts.render"],
            stdin=subprocess.PIPE,  # it has its own end: it never outlives this process
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the service
        )
    except OSError as error:
        raise ChartTrouble(f"what draws cannot be started: {error.strerror}") from None


def _timer(seconds: float, what: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, what)
    timer.daemon = True
    timer.start()
    return timer


def _epitaph(code: int) -> str:
    if code == _MISSING:
        return "charts need vl-convert-python: pip install vl-convert-python"
    if code < 0:
        # It compiles at run time, which a hardened unit may forbid.
        return f"what draws was ended by signal {-code}; a systemd unit must let it (MemoryDenyWriteExecute=no)"
    return f"what draws ended with code {code}"


def _plain(value: Any) -> Any:
    """Remove control characters, lone surrogates and the like: a picture is XML, which cannot hold them."""
    if isinstance(value, str):
        return "".join(letter if letter.isprintable() else "\ufffd" for letter in value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def main() -> int:
    """Run as the rendering process."""
    os.nice(10)  # pictures have a lower priority than the pipeline
    try:
        # Imported only here: 80 MB of memory once it has rendered.
        import vl_convert
    except ImportError:
        return _MISSING
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        kind = asked["kind"]
        draw = getattr(vl_convert, f"vegalite_to_{kind}")
        pictures = []
        for chart in asked["charts"]:
            found = draw(chart, allowed_base_urls=[], **_MORE.get(kind, {}))
            pictures.append(base64.b64encode(found.encode() if isinstance(found, str) else found).decode())
        print(json.dumps(pictures), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
