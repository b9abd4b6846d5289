"""Reading one user's notes: opened as the collector opens what it copies, and none is large."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from watcher.homes.refusals import NotCopied, objection, open_file
from watcher.homes.walk import LONGEST_PATH, Walk, Walking
from watcher.settings.patterns import Pattern
from watcher.transcripts.sessions import SUFFIX, key_of, node_of

#: What a note's key begins with; no session has such a one, since a note is never named like a transcript.
PREFIX = "notes:"
#: A note of more bytes was not written by hand.
LARGEST = 100_000
#: So many notes of one home are read.
MOST = 200
#: So many places of one home that could not be read are remembered by name.
_MOST_TROUBLES = 1000


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it was read."""

    key: str
    username: str
    content: bytes
    #: When it was written, as far as that can be.
    written_at: datetime


class Reader(Walking):
    """Reads one user's notes; `run` is through when it returns."""

    def __init__(self, name: str, patterns: Sequence[Pattern], stopping: Callable[[], bool], node: str = "") -> None:
        super().__init__(name, patterns, stopping)
        self.notes: dict[str, Note] = {}
        self._node = node
        #: The keys of what could not be read, or None where that is too much to remember.
        self._troubles: list[str] | None = []

    @property
    def prefix(self) -> str:
        """What the keys of this user's notes begin with."""
        return key_in_home(self.name, (), self._node)

    def is_gone(self, key: str) -> bool:
        """Whether a note that was there before is there no more, and nothing hindered seeing it."""
        if key in self.notes or not key.startswith(self.prefix) or not self.tally.users_processed:
            return False
        return self._troubles is not None and not any(
            key == one or key.startswith(f"{one.rstrip('/')}/") for one in self._troubles
        )

    def file(self, walk: Walk, folder: int, entry: os.DirEntry[str]) -> None:
        """See `Walking.file`: it is read."""
        key = self._key(walk.whole)
        if key in self.notes:  # two patterns mean it
            return
        if reason := objection(entry.stat(follow_symlinks=False), self.owner):
            raise NotCopied(reason)
        if os.fsencode(entry.name).endswith(SUFFIX):
            raise NotCopied("it is named like a transcript, and no note is")
        if len(os.fsencode("/".join((self.name, *walk.whole)))) > LONGEST_PATH:
            raise NotCopied(f"its path is longer than {LONGEST_PATH} bytes")
        if len(self.notes) == MOST:
            raise NotCopied(f"more than {MOST} notes are in this home")
        file, status = open_file(entry.name, folder, self.owner)
        try:
            if status.st_size > LARGEST:
                raise NotCopied(f"it holds {status.st_size:,} bytes, and a note has at most {LARGEST:,}")
            content = b""
            while len(content) <= LARGEST and (piece := os.read(file, LARGEST + 1 - len(content))):
                self.go_on()
                content += piece
        finally:
            os.close(file)
        if len(content) > LARGEST:  # it grew while it was read
            raise NotCopied(f"a note has at most {LARGEST:,} bytes")
        now = datetime.now(UTC)
        at = min(max(0.0, status.st_mtime), now.timestamp())
        self.notes[key] = Note(key, self.user, content, datetime.fromtimestamp(at, UTC))

    def note(self, parts: tuple[str, ...], reason: str) -> None:
        """See `Walking.note`; what could not be read is not gone."""
        super().note(parts, reason)
        if self._troubles is not None:
            self._troubles.append(self._key(parts))
            if len(self._troubles) > _MOST_TROUBLES:
                self._troubles = None

    def _key(self, parts: tuple[str, ...]) -> str:
        return key_in_home(self.name, parts, self._node)


def key_in_home(name: str, parts: tuple[str, ...], node: str) -> str:
    """The key of a place in somebody's home; without any parts, what all keys of that home begin with."""
    return PREFIX + key_of(os.fsencode("/".join((name, *(parts or ("",))))), node)


def is_of(key: str, node: str) -> bool:
    """Whether a note's key is of a home on this node."""
    return node_of(key.removeprefix(PREFIX)) == node_of(key_of(b"", node))
