"""The collector: visits every home that its patterns name, one after another, and leaves behind what hangs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import structlog

from watcher.collector.tally import Tally
from watcher.collector.target import NoRoom, Root
from watcher.collector.visit import Stopped, Terms, Visit
from watcher.errors import CollectionFailed
from watcher.sessions import Tree, key_of
from watcher.settings.patterns import Pattern
from watcher.settings.tables import Settings

log = structlog.get_logger("watcher.collector")

#: What was told to stop has so long to do it, in seconds.
GRACE = 2.0


class Late(Exception):
    """Something did not end in time, or gives no answer at all, like a network mount without its server."""


class Collector:
    """Copies people's transcripts; the settings are asked for anew at each run. One run at a time."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        #: What gave no answer, by path: while its thread waits for one, nobody knocks there again.
        self._hanging: dict[str, threading.Thread] = {}
        self._stopping = threading.Event()
        #: What the last run did that was no dry one.
        self.last = Tally()

    def stop(self) -> None:
        """End what runs before its next file, or piece of one. Idempotent."""
        self._stopping.set()

    def run(self, dry_run: bool = False, verbose: bool = False) -> tuple[int, dict[str, Any]]:
        """Copy what is new: 0 if everything could be read and written, 1 if not; and what was done.

        Args:
            dry_run: only tell what would be done.
            verbose: log every file that is copied.

        Raises:
            CollectionFailed: nothing can be copied, or nothing more.
        """
        settings = self._settings()
        target, spare = settings.paths.sessions, settings.health.min_free_disk
        if Tree(target.resolve(), settings.paths.layout).layout == "projects":
            raise CollectionFailed(f"{target} is a person's own folder; set paths.sessions to one for all users")
        terms = Terms(target, spare, settings.collector.largest, dry_run, verbose, self._stopping.is_set)
        total = Tally()
        try:
            Root(target).close()
            for name, patterns in self._users(settings.collector.sources, settings.collector.deadline, total):
                self._visit(Visit(name, patterns, terms), settings.collector.deadline, total)
        except Stopped:
            raise CollectionFailed("it was stopped; the next run goes on") from None
        except NoRoom as error:
            raise CollectionFailed(f"no more can be copied to {target}: {error}") from None
        except OSError as error:
            raise CollectionFailed(f"{target}: {error.strerror or error}; see to it, or set paths.sessions") from None
        stats = {"dry_run": dry_run, **asdict(total)}
        if not dry_run:
            self.last = total
        return (1 if total.errors else 0), stats

    def _users(self, sources: Sequence[str], deadline: float, total: Tally) -> Iterator[tuple[str, list[Pattern]]]:
        """Every user's folder, with the patterns that mean files in it."""
        patterns = [Pattern.parse(text) for text in sources]
        homes: dict[str, str] = {}
        for above in dict.fromkeys(pattern.above for pattern in patterns):
            here = [pattern for pattern in patterns if pattern.above == above]
            for name in self._listed(above, here, deadline, total):
                if (other := homes.setdefault(name, above)) != above:
                    total.users_refused += 1
                    total.note(_plain(name), _plain(f"{above}/{name}"), f"the name is taken by {_plain(other)}")
                else:
                    yield name, [pattern for pattern in here if pattern.is_user(name)]

    def _listed(self, above: str, patterns: Sequence[Pattern], deadline: float, total: Tally) -> list[str]:
        """The users' folders in a folder, by name."""
        names: list[str] = []

        def work() -> None:
            with os.scandir(above) as entries:
                for entry in entries:
                    if any(pattern.is_user(entry.name) for pattern in patterns) and (
                        entry.is_symlink() or entry.is_dir(follow_symlinks=False)
                    ):
                        names.append(entry.name)

        try:
            self._within(above, deadline, work)
        except (Late, OSError) as error:
            total.errors += 1
            total.note("", _plain(above), str(error) if isinstance(error, Late) else error.strerror or str(error))
            return []
        return sorted(names)

    def _visit(self, visit: Visit, deadline: float, total: Tally) -> None:
        """Visit one home; what it did is added up, whatever became of it."""
        try:
            self._within(visit.path, deadline, visit.run, visit.stop)
        except (Stopped, NoRoom, OSError):
            raise
        except Exception as error:  # what nobody foresaw in one home hinders no other
            if not isinstance(error, Late):
                log.exception("a home could not be visited", user=visit.user)
            visit.tally.errors += 1
            visit.tally.note(visit.user, _plain(visit.path), str(error) or type(error).__name__)
        finally:
            total.add(visit.tally)

    def _within(
        self, path: str, deadline: float, work: Callable[[], None], stop: Callable[[], None] = lambda: None
    ) -> None:
        """Do something in a thread of its own, which is told to stop and then left behind when it takes too long.

        Raises:
            Late: it took too long, or has never come back from the last time.
        """
        if (earlier := self._hanging.get(path)) is not None:
            if earlier.is_alive():
                raise Late("it still gives no answer; see whether it can be reached, or restart the service")
            del self._hanging[path]
        raised: list[BaseException] = []

        def body() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 — it is raised again, where it is waited for
                raised.append(error)

        thread = threading.Thread(target=body, name=f"collect:{_plain(path)}", daemon=True)
        thread.start()
        thread.join(deadline)
        if not thread.is_alive():
            if raised:
                raise raised[0]
            return
        stop()
        thread.join(GRACE)
        if thread.is_alive():
            self._hanging[path] = thread
            raise Late(f"it gave no answer for {deadline:.0f} s, and is left alone until it does")
        raise Late(f"it took longer than {deadline:.0f} s; the next run goes on from there")


def _plain(name: str) -> str:
    """A path for people, without what could not be stored or shown."""
    return key_of(os.fsencode(name))
