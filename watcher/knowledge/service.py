"""The knowledge base as the service has it: its parts put together, and a thread that drains the inbox."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

from watcher.errors import first_line
from watcher.knowledge.erase import Erased, erase
from watcher.knowledge.intake import Intake, Taken
from watcher.knowledge.judge import Judge, Words
from watcher.knowledge.review import Review
from watcher.knowledge.writer import QUERIES, Writer
from watcher.logs import Log
from watcher.store.database import Database

log = Log()

#: So long after the last look the inbox is looked at again, even where nobody said that there is anything.
AT_THE_LATEST = 60.0
#: Looking takes longer the more is known: this share of a core at the most, but never longer apart than above.
SHARE = 0.02
#: After trouble with the database, how long until the next try; seconds.
PAUSE = 2.0


class Knowledge:
    """Takes candidates in, and lets people decide about what they have become."""

    def __init__(self, database: Database, judge: Judge | None = None) -> None:
        # What people write is compared with the rest at once.
        self.writer = Writer(database, self.wake)
        self.intake = Intake(self.writer, judge if judge is not None else Words())
        self.review = Review(self.writer)
        #: What hinders the intake at present, None if nothing does.
        self.trouble: str | None = None
        self._database = database
        self._draining = threading.Lock()
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    def start(self) -> None:
        """Begin to drain the inbox."""
        self._thread.start()

    def died(self) -> bool:
        """Whether its thread was started, and has ended by itself."""
        return self._thread.ident is not None and not self._thread.is_alive() and not self._stopping.is_set()

    def owed(self) -> tuple[int, str] | None:
        """How many items could not be compared with the others, and why; None if all were, or will be at once."""
        ((count, attempts, reason),) = self.writer.read(QUERIES["count_owed"])
        return (int(count), str(reason)) if attempts else None

    def wake(self) -> None:
        """Something may have come into the inbox, or is to be compared with the rest."""
        self._wake.set()

    def drain(self) -> Taken:
        """Do now all that is to be done.

        Raises:
            Exception: the database's errors.
        """
        with self._draining:
            taken = self.intake.drain(self._stopping.is_set)
            if not self._stopping.is_set():
                self.intake.mark_sources()
                self.review.expire()
                self.writer.settle()
            return taken

    def forget(self, session: str) -> Erased:
        """Erase what a session has brought; see `erase`."""
        return self.writer.write(lambda connection: erase(connection, session, datetime.now(UTC)), durable=True)

    def close(self, timeout: float = 10.0) -> bool:
        """Finish what is being written, and end; False if that is late. Idempotent."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        self.writer.close()
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            began = time.thread_time()
            try:
                taken = self.drain()
            except Exception as error:
                reason = first_line(error)
                if self.trouble is None or not isinstance(error, self._database.Error):
                    log.exception("intake_failed")
                self.trouble = reason
                self._stopping.wait(PAUSE)
                continue
            self.trouble = None
            if taken.candidates or taken.checks:
                log.info("intake_done", candidates=taken.candidates, new=taken.new, contradictions=taken.contradictions)
            self._stopping.wait(min((time.thread_time() - began) / SHARE, AT_THE_LATEST))
            self._wake.wait(PAUSE if taken.failed_checks else AT_THE_LATEST)
