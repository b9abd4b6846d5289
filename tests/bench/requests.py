"""``python -m tests.bench.requests STATE``: asks a running service again and again, until its input ends."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.pages import IN_TURN, RATE

#: So many may wait for their answers at once: a slow one holds the next up no more than other people's would.
AT_ONCE = 100


class Asker:
    """Asks, with a connection for each thread."""

    def __init__(self, state: Path) -> None:
        self._address = urlsplit(json.loads((state / "lock").read_text())["url"]).netloc
        token = (state / "token").read_text().strip()
        self._here = threading.local()
        form = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
        connection = HTTPConnection(self._address, timeout=60)
        connection.request("POST", "/sign-in", f"token={token}", form)
        cookie = connection.getresponse().headers["set-cookie"].partition(";")[0]
        connection.close()
        self._headers = {"cookie": cookie}
        self.answers: Counter[int] = Counter()
        self.slowest = 0.0

    def ask(self, path: str) -> None:
        """One request."""
        began = time.perf_counter()
        connection = getattr(self._here, "connection", None) or HTTPConnection(self._address, timeout=60)
        self._here.connection = connection
        try:
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            answer.read()
            self.answers[answer.status] += 1
        except (OSError, HTTPException):
            connection.close()
            self.answers[0] += 1
        self.slowest = max(self.slowest, time.perf_counter() - began)


def until_its_end(over: threading.Event) -> None:
    """Wait until whoever started this closes the input."""
    sys.stdin.read()
    over.set()


def main(state: str) -> int:
    """Ask, and say what came of it."""
    asker = Asker(Path(state))
    over = threading.Event()
    threading.Thread(target=until_its_end, args=(over,), daemon=True).start()
    pages = cycle(IN_TURN)
    print("asking", flush=True)
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        count = 0
        while not over.wait(max(0.0, began + count / RATE - time.monotonic())):
            threads.submit(asker.ask, next(pages))
            count += 1
        threads.shutdown(cancel_futures=True)
    seconds = time.monotonic() - began
    answered = ", ".join(f"{number} x {status or 'nothing'}" for status, number in sorted(asker.answers.items()))
    told = f"asked {count / seconds:.1f} a second for {seconds:.0f} s; answered: {answered}"
    print(f"{told}; slowest {asker.slowest:.1f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
