"""The observer: tells which session files change, and knows when it does not hear.

watchdog goes deaf without a sign, so hearing is proven again and again: a cookie's event
must come back, the threads must live, the root must be the same directory, and every
directory must be watched. Where one of these fails it listens anew, and whenever
something may have been missed a sweep is owed.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import structlog

from watcher import census, mounts
from watcher.cookie import Cookie
from watcher.ear import Ear
from watcher.listening import Kind, Listening, listen

log = structlog.get_logger("watcher.observer")

State = Literal["starting", "ok", "partial", "deaf"]

#: The thread looks at everything this often, and at once when something wakes it.
STEP = 1.0
#: A native cookie's event is back within this time.
COOKIE_BACK = 5.0
#: A new directory is listed this long after it came, so that a tree that is copied in is listed once.
SETTLING = 0.2
#: Listening anew more than `FEW` times in this time is slowed down, to at most `SLOWEST` between two.
SHORT_TIME, FEW, SLOWEST = 60.0, 3, 10.0
#: How long watchdog may take to stop before it is left to itself.
TEARDOWN = 2.0
#: A supervising thread that has not moved for this long is stuck.
STUCK = 15.0


@dataclass(frozen=True, slots=True)
class ObserverHealth:
    """What the observer knows about itself."""

    #: ``ok``: it hears everything. ``partial``: it may miss some. ``deaf``: it hears nothing.
    state: State
    #: What it listens with.
    kind: Kind
    #: What is wrong and what to do, empty when nothing is.
    reason: str
    #: When this state began, on the observer's clock.
    since: float
    #: How often it had to listen anew.
    rebuilds: int
    #: Events taken since the start.
    events: int
    #: Kernel watches installed, None where that cannot be told.
    watches: int | None
    #: Directories there were to be watched.
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
        self._root = os.fsencode(os.path.abspath(root))
        self._offer, self._owe_sweep = offer, owe_sweep
        self._wanted, self._poll, self._cookie_interval = kind, poll_interval, cookie_interval
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._wake, self._closing, self._began = threading.Event(), threading.Event(), threading.Event()
        self._late_start = False
        self._unpaid: str | None = None
        # What it listens with, and to.
        self._identity: tuple[bytes, int, int] | None = None
        self._listening: Listening | None = None
        self._ear: Ear | None = None
        self._cookie: Cookie | None = None
        self._abandoned: list[threading.Thread] = []
        self._kind: Kind = "polling" if kind == "polling" else "native"
        self._earlier_events = 0
        # Troubles: a sentence while it lasts.
        self._rootless: str | None = None
        self._deaf: str | None = None
        self._short: str | None = None
        self._unwritable: str | None = None
        self._overflowed = threading.Event()
        self._overflows: deque[float] = deque(maxlen=100)
        self._causes: deque[float] = deque(maxlen=100)
        self._rebuild_reason: str | None = None
        # Times of what comes next.
        self._build_at = self._cookie_at = self._count_at = self._renew_at = float("-inf")
        self._sweep_at = float("inf")
        self._sent: tuple[float, int] | None = None
        self._confirmed = False
        self._odd_count = False
        self._came: deque[tuple[float, set[bytes]]] = deque()
        self._beat = clock()
        self._health = ObserverHealth("starting", self._kind, "", self._beat, 0, 0, None, None)

    def start(self) -> None:
        """Listen. On return everything that changes is heard, unless `health` says otherwise."""
        if self._thread is not None:
            return
        self._beat = self._clock()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._thread.start()
        # A network that does not answer must not keep the service from starting.
        if not self._began.wait(STUCK):
            self._late_start = True
            log.warning("the observer is slow to start", root=os.fsdecode(self._root))

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
            log.error("the observer is late to stop", threads=[thread.name for thread in late])
        return not late

    def health(self) -> ObserverHealth:
        """How well it hears, now."""
        seen, thread, ear = self._health, self._thread, self._ear
        seen = replace(seen, events=self._earlier_events + (ear.events if ear is not None else 0))
        if self._closing.is_set():
            return replace(seen, state="deaf", reason="it was closed")
        if thread is not None and not thread.is_alive():
            return replace(seen, state="deaf", reason="the observer's thread has died; restart the service")
        silent = self._clock() - self._beat
        if thread is not None and silent > STUCK:
            reason = f"the observer has been stuck for {silent:.0f} s (does {os.fsdecode(self._root)} answer?)"
            return replace(seen, state="deaf", reason=reason)
        return seen

    def step(self, now: float) -> float:
        """Look at everything once; how many seconds until the next look is wanted."""
        self._beat = now
        self._pay()
        self._look_at_root(now)
        if self._rootless is None:
            if self._listening is not None:
                self._examine(self._listening, now)
            if self._listening is None and now >= self._build_at:
                self._build(now)
            if self._listening is not None:
                self._send_cookie(now)
                self._count(self._listening, now)
                self._list_directories(now)
        self._conclude(now)
        return max(0.01, min(self._next(now)) - now)

    # The root.

    def _look_at_root(self, now: float) -> None:
        """Notice that it is gone, or is another directory."""
        try:
            real = os.path.realpath(self._root, strict=True)
            status = os.stat(os.path.join(real, b""))
        except OSError as error:
            if self._rootless is None:
                self._rootless = f"{os.fsdecode(self._root)} cannot be seen: {error.strerror}"
                self._identity = None
                self._tear_down(self._rootless, now)
                self._owe(self._rootless)
            return
        identity = (real, status.st_dev, status.st_ino)
        if identity == self._identity:
            return
        if self._identity is not None:
            self._tear_down(f"{os.fsdecode(self._root)} is another directory than before", now)
        elif self._rootless is not None:
            self._rebuild_reason = f"{os.fsdecode(self._root)} is back"
        self._identity, self._rootless, self._build_at = identity, None, now

    # Listening, and whether it does.

    def _build(self, now: float) -> None:
        assert self._identity is not None
        real = self._identity[0]
        system = mounts.file_system(os.fsdecode(real))
        if self._wanted == "auto":
            self._kind = "polling" if mounts.is_network(system) else "native"
        self._cookie = Cookie(real)
        self._ear = Ear(real, self._cookie.name, self._offer, self._owe, self._wake.set)
        self._overflowed.clear()
        try:
            self._listening = listen(os.fsdecode(real), self._ear, self._kind, self._poll, self._note_overflow)
        except (OSError, RuntimeError) as error:
            self._deaf = _why_not(error)
            self._build_at = now + self._poll
            log.error("the observer cannot listen", reason=self._deaf)
            return
        try:
            self._cookie.remove_stale(mounts.is_network(system))
        except OSError as error:
            log.debug("stale cookies stay", error=str(error))
        self._sent, self._confirmed, self._odd_count = None, False, False
        self._cookie_at = self._count_at = now
        self._renew_at = now + self._cookie_interval
        if self._rebuild_reason is not None or self._late_start:
            self._owe(f"listening anew: {self._rebuild_reason or 'the start was slow'}")
        self._rebuild_reason, self._late_start = None, False
        log.info("listening", root=os.fsdecode(real), kind=self._kind)

    def _examine(self, listening: Listening, now: float) -> None:
        """Notice what has gone wrong with it since the last look."""
        if self._overflowed.is_set():
            self._overflows.append(now)
            self._tear_down(f"the kernel's event queue overflowed ({census.sysctl(census.MAX_QUEUED)})", now)
        elif dead := listening.dead():
            self._tear_down(f"watchdog's thread died: {', '.join(dead)}", now)
        elif self._sent is not None and self._ear is not None:
            at, heard = self._sent
            limit = self._poll * 2 + COOKIE_BACK if listening.kind == "polling" else COOKIE_BACK
            if self._ear.heard > heard:
                self._sent, self._confirmed, self._deaf = None, True, None
            elif now - at > limit:
                self._tear_down(f"the cookie's event did not come back within {limit:g} s", now)

    def _tear_down(self, reason: str, now: float, *, deaf: bool = True) -> None:
        """Stop listening, to begin anew as soon as the recent troubles allow."""
        if deaf:
            self._deaf = reason
        if self._listening is None:
            return
        late = self._listening.stop(TEARDOWN)
        if late:
            log.warning("watchdog does not stop and is left to itself", threads=[thread.name for thread in late])
            self._abandoned = [*(thread for thread in self._abandoned if thread.is_alive()), *late]
        self._listening = None
        if self._ear is not None:
            self._ear.muted = True
            self._earlier_events += self._ear.events
            self._ear = None
        self._came.clear()
        self._rebuild_reason = reason
        self._causes.append(now)
        recent = sum(now - at < SHORT_TIME for at in self._causes)
        self._build_at = now + (min(2.0 ** (recent - FEW), SLOWEST) if recent > FEW else 0.0)
        self._health = replace(self._health, rebuilds=self._health.rebuilds + 1)
        log.log(30 if deaf else 20, "listening anew", reason=reason, in_seconds=self._build_at - now)

    def _note_overflow(self) -> None:
        self._overflowed.set()
        self._wake.set()

    def _send_cookie(self, now: float) -> None:
        if self._sent is not None or now < self._cookie_at or self._cookie is None or self._ear is None:
            return
        self._cookie_at = now + self._cookie_interval
        heard = self._ear.heard
        try:
            self._cookie.write()
        except OSError as error:
            self._unwritable = (
                f"whether events arrive cannot be proven, as {os.fsdecode(self._root)} cannot be written:"
                f" {error.strerror}; make it writable for the service"
            )
            self._deaf, self._confirmed = None, True
        else:
            self._unwritable = None
            self._sent = (now, heard)

    def _count(self, listening: Listening, now: float) -> None:
        """Compare the watches with the directories; what differs twice in a row is so."""
        if now < self._count_at or self._identity is None:
            return
        self._count_at = now + self._cookie_interval
        watches = listening.watches()
        directories = None if watches is None else census.directories(self._identity[0])
        self._health = replace(self._health, watches=watches, directories=directories)
        if watches is None or directories is None or watches == directories:
            self._odd_count, self._short = False, None
            return
        self._count_at = now + min(self._cookie_interval, STEP)
        if not self._odd_count:
            self._odd_count = True
        elif watches > directories:
            self._short = None
            self._tear_down("directories that were moved away are still watched", now, deaf=False)
        else:
            self._short = (
                f"only {watches} of {directories} directories are watched; raise {census.sysctl(census.MAX_WATCHES)}"
            )
            self._count_at = now + min(self._cookie_interval, self._poll)
            if now >= self._renew_at:
                self._tear_down(self._short, now, deaf=False)

    def _list_directories(self, now: float) -> None:
        """Offer what lies in directories that came: they may have been full."""
        if self._ear is None or self._identity is None:
            return
        if came := self._ear.new_directories():
            self._came.append((now + SETTLING, came))
        while self._came and self._came[0][0] <= now:
            _, came = self._came.popleft()
            for directory in came:
                if not any(directory[:at] in came for at, byte in enumerate(directory) if byte == 0x2F):
                    for path in census.sessions_below(self._identity[0], directory):
                        self._offer(path)

    # What follows from it.

    def _conclude(self, now: float) -> None:
        state, reason = self._judge(now)
        self._sweep_at = min(self._sweep_at, now + max(self._poll, self._cookie_interval))
        if (state, reason) != (self._health.state, self._health.reason):
            since = self._health.since if state == self._health.state else now
            self._health = replace(self._health, state=state, reason=reason, kind=self._kind, since=since)
            log.log(20 if state in ("ok", "starting") else 30, "the observer is " + state, reason=reason)
        if state == "ok" or self._rootless is not None:
            self._sweep_at = now + self._poll
        elif now >= self._sweep_at:
            only_unproven = state == "partial" and reason == self._unwritable
            self._sweep_at = now + (self._cookie_interval if only_unproven else self._poll)
            if state != "starting":
                self._owe(f"the observer is {state}: {reason}")

    def _judge(self, now: float) -> tuple[State, str]:
        overflows = sum(now - at < SHORT_TIME for at in self._overflows)
        if self._rootless is not None:
            return "deaf", self._rootless
        if overflows >= FEW:
            return "partial", (
                f"the kernel's event queue overflowed {overflows} times within {SHORT_TIME:g} s;"
                f" raise {census.sysctl(census.MAX_QUEUED)}"
            )
        if self._deaf is not None:
            return "deaf", self._deaf
        if self._short is not None:
            return "partial", self._short
        if self._unwritable is not None:
            return "partial", self._unwritable
        return ("ok", "") if self._confirmed else ("starting", "")

    def _next(self, now: float) -> list[float]:
        times = [now + STEP, self._sweep_at]
        if self._listening is None:
            return [*times, self._build_at] if self._rootless is None else [now + STEP]
        times += [self._count_at] + [at for at, _ in self._came]
        return times if self._sent is not None else [*times, self._cookie_at]

    def _owe(self, reason: str) -> None:
        """Say that a sweep is owed; if even that fails, the next step says it again."""
        try:
            self._owe_sweep(reason)
        except Exception:
            log.exception("a sweep could not be asked for", reason=reason)
            self._unpaid = reason

    def _pay(self) -> None:
        reason, self._unpaid = self._unpaid, None
        if reason is not None:
            self._owe(reason)

    # The thread.

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                try:
                    wait = self.step(self._clock())
                except Exception as error:
                    # A fault of ours: said aloud, and what it may have missed is swept.
                    log.exception("the observer's step failed")
                    self._owe(f"the observer's step failed ({error!r})")
                    wait = STEP
                self._began.set()
                self._wake.wait(wait)
                self._wake.clear()
        finally:
            self._put_away(TEARDOWN)

    def _put_away(self, timeout: float) -> None:
        """Stop listening for good, and leave nothing behind."""
        listening, self._listening = self._listening, None
        if self._ear is not None:
            self._ear.muted = True
        if listening is not None:
            self._abandoned += listening.stop(timeout)
        if self._cookie is not None:
            try:
                self._cookie.remove()
            except OSError as error:
                log.debug("the cookie stays", error=str(error))


def _why_not(error: Exception) -> str:
    """Why listening could not begin, and what to do about it."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"the system has no watch left; raise {census.sysctl(census.MAX_WATCHES)}"
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        return f"no inotify instance or file is left; raise {census.sysctl(census.MAX_INSTANCES)} or the limit of files"
    return f"listening failed: {error}"
