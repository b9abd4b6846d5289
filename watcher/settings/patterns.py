"""Patterns of people's files, such as ``/home/*/.claude/projects/**/*.jsonl``: which files, and whose they are."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

_WILD: Final = frozenset("*?[")
#: Stands for any number of folders, none included.
_ANY: Final = "**"
ACCEPTED: Final = (
    'an absolute pattern whose first part with a wildcard is the folder of a user, such as "/home/*/sessions/*.jsonl"'
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Files below the folders of users: the first part with a wildcard is a user's folder, and its name the user's.

    As in a shell, a wildcard stands for no name that begins with a dot.
    """

    #: The folder that holds the folders of users.
    above: str
    #: What a user's folder is called.
    user: str
    #: The folders from there to the first wildcard: paths below the last of them are kept in copies.
    fixed: tuple[str, ...]
    #: What lies below those, part by part; the last is the file.
    rest: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """A pattern as it is written.

        Raises:
            ValueError: it does not say whose files they are.
        """
        first, *parts = text.split("/")
        wild = [at for at, part in enumerate(parts) if _is_wild(part)]
        if first or not wild or wild[0] == len(parts) - 1 or not {"", ".", ".."}.isdisjoint(parts) or "\0" in text:
            raise ValueError(ACCEPTED)
        user = wild[0]
        if _ANY in (parts[user], parts[-1]):
            raise ValueError(f"{ACCEPTED}; ** stands for folders between")
        below = parts[user + 1 :]
        rest = next((at for at, part in enumerate(below) if _is_wild(part)), len(below) - 1)
        return cls("/" + "/".join(parts[:user]), parts[user], tuple(below[:rest]), tuple(below[rest:]))

    def is_user(self, name: str) -> bool:
        """Whether a folder of this name is a user's."""
        return _fits(self.user, name)

    def start(self) -> frozenset[int]:
        """Where in ``rest`` one stands before any folder was entered."""
        return self._settled({0})

    def enter(self, places: frozenset[int], folder: str) -> frozenset[int]:
        """Where one stands in a folder; empty: no file below it is meant."""
        further = set()
        for at in places:
            if self.rest[at] == _ANY:
                if not folder.startswith("."):
                    further.add(at)
            elif at < len(self.rest) - 1 and _fits(self.rest[at], folder):
                further.add(at + 1)
        return self._settled(further)

    def is_file(self, places: frozenset[int], name: str) -> bool:
        """Whether a file of this name is meant where one stands."""
        return len(self.rest) - 1 in places and _fits(self.rest[-1], name)

    def means(self, parts: Sequence[str]) -> bool:
        """Whether a file is meant, by its path below ``fixed``."""
        places = self.start()
        for folder in parts[:-1]:
            places = self.enter(places, folder)
        return self.is_file(places, parts[-1])

    def _settled(self, places: set[int]) -> frozenset[int]:
        further = set(places)
        for at in range(len(self.rest)):
            if at in further and self.rest[at] == _ANY:
                further.add(at + 1)
        return frozenset(further)


def _is_wild(part: str) -> bool:
    return not _WILD.isdisjoint(part)


def _fits(part: str, name: str) -> bool:
    return (part.startswith(".") or not name.startswith(".")) and _compiled(part).match(name) is not None


@cache
def _compiled(part: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(part))
