"""All items by what they say, in memory: what a new statement is compared with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from watcher.knowledge.ids import name_of
from watcher.knowledge.similarity import opposed, things_of, words_of
from watcher.knowledge.writer import QUERIES
from watcher.store.database import Connection

#: Statuses of items that say how things are, or may come to.
LIVE = ("pending", "approved", "mandatory")
#: Those of them that agents are given.
SERVED = ("approved", "mandatory")


@dataclass(slots=True)
class Entry:
    """One item, as far as it is compared."""

    item_id: str
    title: str
    content: str
    domain: str
    things: frozenset[str]
    status: str
    owner: str | None
    words: str
    #: Its place in the order in which items came.
    number: int = 0

    @property
    def live(self) -> bool:
        """Whether it says how things are, or may come to."""
        return self.status in LIVE


class Shelf:
    """Every item; kept as long as nobody else changes the knowledge base."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        #: Domain to the words of its items that are not personal.
        self.words: dict[str, dict[str, str]] = {}
        #: The same of those that say how things are, or may come to.
        self.living: dict[str, dict[str, str]] = {}
        self._named: dict[str, str] = {}
        self._generation = -1

    def bring_up_to_date(self, connection: Connection, generation: int) -> None:
        """Read everything anew if somebody has changed it."""
        if generation == self._generation:
            return
        self.entries, self.words, self.living, self._named = {}, {}, {}, {}
        for item, title, content, domain, entities, status, owner in connection.execute(QUERIES["shelf"]):
            self.add(entry(item, title, content, domain, json.loads(entities), status, owner))
        self._generation = generation

    def outlast(self, generation: int) -> None:
        """The change that is being made is ours: what is here stays up to date, if it was."""
        if self._generation == generation:
            self._generation = generation + 1

    def add(self, one: Entry) -> None:
        """There is this item too."""
        one.number = len(self.entries)
        self.entries[one.item_id] = one
        name = name_of(one.title, one.content)
        if name not in self._named or self.entries[self._named[name]].owner is not None:
            self._named[name] = one.item_id
        if one.owner is None:
            self.words.setdefault(one.domain, {})[one.item_id] = one.words
            if one.live:
                self.living.setdefault(one.domain, {})[one.item_id] = one.words

    def named(self, title: str, content: str, username: str) -> str | None:
        """The item that says exactly this, by its name or as somebody rewrote it; no stranger's personal one.

        One that was rewritten to say the opposite of its name is another.
        """
        name, words = name_of(title, content), words_of(content)
        for item in (name, self._named.get(name), name_of(title, f"{content}\0{username}")):
            found = self.entries.get(item) if item is not None else None
            if found is not None and found.owner in (None, username) and opposed(words, found.words) is None:
                return found.item_id
        return None


def entry(
    item: str, title: str, content: str, domain: str, entities: Iterable[str], status: str, owner: str | None
) -> Entry:
    """An item as it is compared."""
    return Entry(item, title, content, domain, things_of(entities), status, owner, words_of(content))
