"""Follows the settings file of a running service: a change is taken up once it rests, or refused and said so."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from watcher.errors import SettingsError
from watcher.logs import Log
from watcher.settings.load import FILE, Loaded, load
from watcher.transcripts.sessions import Signature

log = Log()

#: A file is read once it has not changed for so long: editors and copies write in pieces.
REST = 1.0


@dataclass(frozen=True, slots=True)
class Sources:
    """What settings are read from: the file, if one was named, and what wins over it."""

    path: Path | None = None
    environ: Mapping[str, str] | None = None
    overrides: Mapping[str, Any] | None = None

    def load(self) -> Loaded:
        """Read them all.

        Raises:
            SettingsError: one sentence that says what is wrong where.
        """
        return load(self.path, self.environ, self.overrides)


class SettingsFile:
    """The file, looked at again and again; the last good settings stand until better ones are there."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._path = (sources.path if sources.path is not None else Path(FILE)).absolute()
        self._taken: Signature | Literal["again"] | None = self._look()
        self._seen = self._look()
        self._rests_at = 0.0
        self._put_off = False
        #: Why what stands in the file now is not in force; None if it is.
        self.trouble: str | None = None

    def load(self) -> Loaded:
        """The settings as they are now; what changes from here on is followed.

        Raises:
            SettingsError: one sentence that says what is wrong where.
        """
        self._taken = self._seen = self._look()
        return self._sources.load()

    def step(self, now: float) -> Loaded | None:
        """Look once; new settings if there are any. ``now`` is any steady clock, in seconds."""
        seen = self._look()
        if seen != self._seen:
            self._seen, self._rests_at = seen, now + REST
        if seen == self._taken or now < self._rests_at:
            return None
        self._taken = seen
        try:
            if seen is None:
                raise SettingsError(f"{self._path}: it has gone; put it back")
            if seen[1] == 0:
                raise SettingsError(f"{self._path}: it is empty; write what is to hold into it")
            loaded = self._sources.load()
        except SettingsError as error:
            self.trouble, self._put_off = str(error), False
            log.error("settings_refused", reason=self.trouble)
            return None
        return loaded

    def taken_up(self) -> None:
        """What was read is in force."""
        self.trouble, self._put_off = None, False

    def put_off(self, reason: str) -> None:
        """What was read could not be taken up: it is read again, which is said when it begins."""
        if not self._put_off:
            log.error("settings_pending", reason=reason)
        self.trouble, self._taken, self._seen, self._put_off = reason, "again", None, True

    def _look(self) -> Signature | None:
        try:
            return Signature.of(os.stat(self._path))
        except OSError:
            return None
