"""The observer: tells which session files change, and knows when it does not hear.

watchdog goes deaf without a sign. So each step looks whether it still hears (`Hearing`)
and whether the root is still the same directory; if not, it listens anew. Whenever
something may have been missed a sweep is owed.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from watcher.logs import Log
from watcher.watch import inotify, mounts
from watcher.watch.backend import Kind
from watcher.watch.watch_session import Failure, Hearing, why_not

log = Log()

State = Literal["starting", "ok", "partial", "deaf"]

#: The thread looks at everything this often, and at once when something wakes it.
STEP = 1.0
#: While it does not hear everything a sweep is owed at least this often.
LONGEST_WAIT = 10.0
#: Failing more than `FEW` times in `SHORT_TIME` is answered ever more slowly, at most `SLOWEST` later.
SHORT_TIME, FEW, SLOWEST = 60.0, 3, 10.0
#: How long watchdog may take to stop before it is left to itself, and how many threads are left so at most.
TEARDOWN, ABANDONED = 2.0, 20
#: A supervising thread that has not moved for this long is stuck.
STUCK = 15.0


@dataclass(frozen=True, slots=True)
class ObserverHealth:
    """What the observer knows about itself."""

    #: ``ok``: it hears everything. ``partial``: it may miss some. ``deaf``: it hears nothing.
    state: State
    #: What it listens with.
    kind: Kind
    #: What is wrong and what to do; empty when nothing is.
    reason: str
    #: When this state began, on the observer's clock.
    since: float
    #: How often it had to begin anew.
    rebuilds: int
    #: Events taken since the start.
    events: int
    #: Kernel watches when they were last counted, None where that cannot be done.
    watches: int | None
    #: Directories there were to be watched then.
    directories: int | None


class Observer:
    """Listens to everything below a root. The thread only repeats `step`."""

    def __init__(
        self,
        root: Path,
        offer: Callable[[bytes], None],
        owe_sweep: Callable[[str], None],
        *,
        kind: Literal["auto", "native", "polling"] = "auto",
        poll_interval: float = 5.0,
        cookie_interval: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is heard before `start`.

        ``offer`` gets the path, relative to the root, of every session file that changed;
        ``owe_sweep`` a sentence whenever something may have been missed. Both are called from
        other threads and should be quick. Times are seconds.
        """
        self._root = os.fsencode(Path(root).absolute())
        self._offer, self._owe_sweep = offer, owe_sweep
        self._wanted, self._poll, self._cookie_interval = kind, poll_interval, cookie_interval
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._wake, self._closing, self._began = threading.Event(), threading.Event(), threading.Event()
        self._unpaid: str | None = None
        #: Real path, device and inode of the root while it is there.
        self._identity: tuple[bytes, int, int] | None = None
        self._hearing: Hearing | None = None
        self._abandoned: list[threading.Thread] = []
        # Troubles: a sentence while it lasts.
        self._rootless: str | None = None
        self._failed: Failure | None = None
        self._short: str | None = None
        #: Why it begins anew, until it has.
        self._anew: str | None = None
        self._failures: deque[float] = deque(maxlen=100)
        self._overflows: deque[float] = deque(maxlen=100)
        self._build_at = float("-inf")
        self._sweep_at: float | None = None
        self._beat = clock()
        self._earlier_events = 0
        first: Kind = "polling" if kind == "polling" else "native"
        self._health = ObserverHealth("starting", first, "", self._beat, 0, 0, None, None)

    def start(self) -> None:
        """Listen. On return everything that changes is heard, unless `health` says otherwise."""
        if self._thread is not None:
            return
        self._beat = self._clock()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._thread.start()
        # A network that does not answer must not keep the service from starting.
        if not self._began.wait(STUCK):
            self._anew = "the start was slow"
            log.warning("observer_slow_to_start", root=os.fsdecode(self._root))

    def close(self, timeout: float) -> bool:
        """Hear nothing more; False (and a log line) if a thread has not ended in time. Idempotent."""
        deadline = time.monotonic() + timeout
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout)
        if self._thread is None or not self._thread.is_alive():
            self._put_away(max(0.1, deadline - time.monotonic()))
        late = [thread for thread in (self._thread, *self._abandoned) if thread is not None and thread.is_alive()]
        if late:
            log.error("observer_late_to_stop", threads=[thread.name for thread in late])
        return not late

    def alive(self) -> bool:
        """Whether its thread runs and moves; what it hears is another matter."""
        running = self._thread is not None and self._thread.is_alive()
        return running and self._clock() - self._beat <= STUCK

    def health(self) -> ObserverHealth:
        """How well it hears, now."""
        seen, thread, hearing = self._health, self._thread, self._hearing
        if hearing is not None:
            seen = replace(
                seen,
                events=self._earlier_events + hearing.ear.events,
                watches=hearing.watches,
                directories=hearing.directories,
            )
        if self._closing.is_set():
            return replace(seen, state="deaf", reason="it was closed")
        if thread is not None and not thread.is_alive():
            return replace(seen, state="deaf", reason="the observer's thread has died; restart the service")
        silent = self._clock() - self._beat
        if thread is not None and silent > STUCK:
            reason = f"the observer has been stuck for {silent:.0f} s; does {os.fsdecode(self._root)} answer?"
            return replace(seen, state="deaf", reason=reason)
        return seen

    def step(self, now: float) -> float:
        """Look at everything once; in how many seconds the next look is wanted."""
        self._beat = now
        self._pay()
        self._look_at_root(now)
        if self._hearing is not None and (failure := self._hearing.failure(now)):
            self._fail(failure, now)
        if self._hearing is None and self._rootless is None and now >= self._build_at:
            self._listen(now)
        if self._hearing is not None:
            self._hearing.step(now)
        self._conclude(now)
        wanted = now + STEP
        if self._hearing is not None:
            wanted = min(wanted, self._hearing.next())
        elif self._rootless is None:
            wanted = min(wanted, self._build_at)
        return max(0.01, min(wanted, self._sweep_at or wanted) - now)

    def _look_at_root(self, now: float) -> None:
        """Notice that it is gone, is back, or is another directory."""
        name = os.fsdecode(self._root)
        try:
            real = os.path.realpath(self._root, strict=True)
            status = os.stat(os.path.join(real, b""))
        except OSError as error:
            if self._rootless is None:
                self._rootless = f"{name} cannot be seen: {error.strerror}"
                self._identity = None
                self._stop_listening(self._rootless, now)
                self._owe(self._rootless)
            return
        identity = (real, status.st_dev, status.st_ino)
        if identity == self._identity:
            return
        if self._rootless is not None:
            self._anew = f"{name} is back"
            self._failed = Failure(f"{name} is back, and nothing was heard from it yet")
        elif self._identity is not None:
            self._failed = Failure(f"{name} is another directory than before")
            self._stop_listening(self._failed.reason, now)
        self._identity, self._rootless, self._build_at = identity, None, now

    def _listen(self, now: float) -> None:
        """Begin to listen; if that fails it is tried again."""
        assert self._identity is not None
        if sum(thread.is_alive() for thread in self._abandoned) > ABANDONED:
            self._failed = Failure("threads that had to be left to themselves do not end; restart the service")
            self._build_at = now + self._poll
            return
        real = self._identity[0]
        system = mounts.file_system(os.fsdecode(real))
        kind: Kind = "polling" if mounts.is_network(system) else "native"
        if self._wanted != "auto":
            kind = self._wanted
        self._health = replace(self._health, kind=kind)
        try:
            self._hearing = Hearing(
                real,
                kind,
                self._offer,
                self._owe,
                self._wake.set,
                poll_interval=self._poll,
                cookie_interval=self._cookie_interval,
                now=now,
            )
        except (OSError, RuntimeError) as error:
            self._failed = Failure(why_not(error))
            self._build_at = now + self._poll
            log.error("observer_failed", reason=self._failed.reason)
            return
        log.info("listening", root=os.fsdecode(real), kind=kind)
        try:
            self._hearing.cookie.remove_stale(mounts.is_network(system))
        except OSError as error:
            log.debug("stale_cookies_kept", error=str(error))
        # Only now, so that the sweep sees whatever came while nobody listened.
        if self._anew is not None:
            self._owe(f"listening anew: {self._anew}")
            self._anew = None

    def _fail(self, failure: Failure, now: float) -> None:
        """Stop listening, to begin anew as soon as the recent failures allow."""
        self._build_at = now
        if failure.overflow:
            self._overflows.append(now)
        if not failure.harmless:
            self._failed = failure
            self._failures.append(now)
            if (recent := _recent(self._failures, now)) > FEW:
                self._build_at = now + min(2.0 ** (recent - FEW - 1), SLOWEST)
        self._stop_listening(failure.reason, now)

    def _stop_listening(self, reason: str, now: float) -> None:
        self._anew = reason
        hearing, self._hearing = self._hearing, None
        if hearing is None:
            return
        # From here on nothing is heard, however short it will be.
        self._health = replace(self._health, state="deaf", reason=reason, since=now)
        late = hearing.stop(TEARDOWN)
        if late:
            log.warning("watchdog_abandoned", threads=[thread.name for thread in late])
            self._abandoned = [*(thread for thread in self._abandoned if thread.is_alive()), *late]
        self._short = hearing.short
        self._earlier_events += hearing.ear.events
        self._health = replace(self._health, rebuilds=self._health.rebuilds + 1, events=self._earlier_events)
        log.warning("observer_restarted", reason=reason)

    def _conclude(self, now: float) -> None:
        """Say how it stands, and owe a sweep while that is not well."""
        state, reason = self._judge(now)
        if (state, reason) != (self._health.state, self._health.reason):
            since = self._health.since if state == self._health.state else now
            self._health = replace(self._health, state=state, reason=reason, since=since)
            tell = log.info if state in ("ok", "starting") else log.warning
            tell("the observer's state", state=state, reason=reason)
        interval = min(self._poll, LONGEST_WAIT)
        if self._sweep_at is None or state == "ok" or self._rootless is not None:
            # A root that is gone has nothing to sweep: that was owed once, and is again when it is back.
            self._sweep_at = now + interval
        elif now >= self._sweep_at:
            unprovable = self._hearing is not None and reason == self._hearing.unprovable
            self._sweep_at = now + (self._cookie_interval if unprovable else interval)
            self._owe(f"the observer is {state}: {reason}" if reason else "the observer has not heard anything yet")

    def _judge(self, now: float) -> tuple[State, str]:
        hearing, overflows = self._hearing, _recent(self._overflows, now)
        if hearing is not None and hearing.proven:
            self._failed = None
        if hearing is not None and hearing.counted:
            self._short = hearing.short
        if self._rootless is not None:
            return "deaf", self._rootless
        if overflows >= FEW and (self._failed is None or self._failed.overflow):
            return "partial", (
                f"the kernel's event queue overflowed {overflows} times within {SHORT_TIME:g} s;"
                f" raise {inotify.sysctl(inotify.MAX_QUEUED)}"
            )
        if self._failed is not None:
            return "deaf", self._failed.reason
        if self._short is not None:
            return "partial", self._short
        if hearing is not None and hearing.unprovable is not None:
            return "partial", hearing.unprovable
        return ("ok", "") if hearing is not None and hearing.proven else ("starting", "")

    def _owe(self, reason: str) -> None:
        """Say that a sweep is owed; if even that fails, the next step says it again."""
        try:
            self._owe_sweep(reason)
        except Exception:
            log.exception("sweep_request_failed", reason=reason)
            self._unpaid = reason

    def _pay(self) -> None:
        reason, self._unpaid = self._unpaid, None
        if reason is not None:
            self._owe(reason)

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                try:
                    wait = self.step(self._clock())
                except Exception as error:
                    # A fault of ours: said aloud, and what it may have missed is swept.
                    log.exception("observer_step_failed")
                    self._health = replace(self._health, state="deaf", reason=f"the observer's step failed: {error!r}")
                    self._owe(self._health.reason)
                    wait = STEP
                self._began.set()
                self._wake.wait(wait)
                self._wake.clear()
        finally:
            self._put_away(TEARDOWN)

    def _put_away(self, timeout: float) -> None:
        """Stop listening for good, and leave nothing behind."""
        hearing, self._hearing = self._hearing, None
        if hearing is None:
            return
        self._abandoned += hearing.stop(timeout)
        self._earlier_events += hearing.ear.events
        self._health = replace(self._health, events=self._earlier_events)
        try:
            hearing.cookie.remove()
        except OSError as error:
            log.debug("cookie_kept", error=str(error))


def _recent(times: deque[float], now: float) -> int:
    return sum(now - at < SHORT_TIME for at in times)
