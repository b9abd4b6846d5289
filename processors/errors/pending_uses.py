"""The tool uses of a session that have had no result yet, remembered from pass to pass."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import xxhash

from processors.transcript import clean

#: More uses than this are not remembered: the oldest are forgotten.
MOST = 500
#: Nor are names of more bytes than this together, so that the memory fits in what may be carried.
MOST_BYTES = 40_000


class Waiting:
    """Tool uses by id, in the order in which they came; forgets alike in one pass and in many."""

    def __init__(self, kept: Mapping[str, str]) -> None:
        #: Of each use, a hash of its id, and the tool's name.
        self.kept = dict(kept)
        self._bytes = sum(map(_size, self.kept.values()))

    def add(self, use_id: str, name: str) -> None:
        """A use came."""
        key, name = _key(use_id), clean(name)
        self._drop(key)
        self.kept[key] = name
        self._bytes += _size(name)
        while len(self.kept) > MOST or self._bytes > MOST_BYTES:
            self._drop(next(iter(self.kept)))

    def take(self, use_id: str) -> str:
        """A use's result came: the tool's name, ``unknown`` if it is not remembered."""
        name = self._drop(_key(use_id))
        return name if name is not None else "unknown"

    def _drop(self, key: str) -> str | None:
        name = self.kept.pop(key, None)
        if name is not None:
            self._bytes -= _size(name)
        return name


def _key(use_id: str) -> str:
    return xxhash.xxh3_64_hexdigest(use_id.encode())


def _size(name: str) -> int:
    return len(msgspec.json.encode(name))
