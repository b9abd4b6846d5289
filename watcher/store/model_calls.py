"""Model calls: imports the journal into the table ``model_calls``, and sums the calls of a day.

Every process that calls a model writes the journal. The import is idempotent, so a crash neither
loses nor duplicates an entry.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from processors.llm.call_log import DAY, Journal, read
from watcher.logs import Log
from watcher.settings import Settings, model_access
from watcher.store.job_log import JobLog

log = Log()

#: Days that a journal file is kept after its import.
KEPT = 3


class ModelCalls:
    """Imports the journal. Thread-safe."""

    def __init__(self, folder: Path, job_log: JobLog) -> None:
        self._journal, self._job_log = Journal(folder), job_log
        self._lock = threading.Lock()
        #: Recorded outcomes of the calls in journal files, by call id; None until loaded.
        self._noted: dict[str, str] | None = None
        self._looked = False
        self._sizes: dict[str, int] = {}
        #: Files with calls that are still running or could not be recorded.
        self._open: set[str] = set()

    def take(self, now: float) -> int:
        """Import new entries; returns their number. Without any, it costs one stat call."""
        with self._lock:
            today = self._journal.path(now)
            if self._looked and not self._open and _size(today) == self._sizes.get(today.name, 0):
                return 0
            self._looked = True
            return sum(self._take(path, now) for path in sorted(self._journal.folder.glob("*.jsonl")))

    def _take(self, path: Path, now: float) -> int:
        size = _size(path)
        if self._sizes.get(path.name) == size and path.name not in self._open:
            return 0
        self._open.add(path.name)
        if self._noted is None:
            self._noted = self._job_log.calls_since(datetime.fromtimestamp(now - 2 * KEPT * DAY, UTC))
        if self._noted is None:
            return 0
        taken = 0
        calls = read(path, now).values()
        for call in calls:
            if self._noted.get(call.call_id) == call.outcome:
                continue
            if not self._job_log.note_call(call):
                return taken  # the error is in the job log's `trouble`; the next call tries again
            self._noted[call.call_id] = call.outcome
            taken += 1
        self._sizes[path.name] = size
        if any(call.outcome == "under_way" for call in calls):
            return taken
        self._open.discard(path.name)
        if path.name < self._journal.path(now - KEPT * DAY).name:
            path.unlink()
            for call in calls:
                self._noted.pop(call.call_id, None)
            log.debug("journal_removed", file=path.name)
        return taken


def spent_today(settings: Settings) -> dict[str, Any]:
    """The sum of today's calls, from the journal; ready for JSON."""
    access = model_access(settings)
    spent = Journal(Path(access.journal)).spent(time.time())
    return {"model": access.model, **asdict(spent), "max_tokens_a_day": access.max_tokens_a_day}


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
