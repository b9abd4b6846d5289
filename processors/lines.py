"""The new lines of a session, as a processor is given them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_LINE_BREAK = ord("\n")


@dataclass(frozen=True, slots=True)
class Lines:
    """Complete new lines of a session, in one piece or one by one."""

    #: All lines as they stand in the file, each with its ``\n`` (a settled last line may lack it).
    data: bytes
    #: Whether ``data`` is UTF-8 throughout.
    utf8: bool = True
    _ends: list[int] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def ends(self) -> Sequence[int]:
        """Where each line ends in ``data``, its ``\n`` included."""
        if not self._ends and self.data:
            # find goes several times as fast as count and split over lines of this length.
            find, add, at = self.data.find, self._ends.append, 0
            while at := find(b"\n", at) + 1:
                add(at)
            if not self.data.endswith(b"\n"):
                add(len(self.data))
        return self._ends

    def __iter__(self) -> Iterator[bytes]:
        """Each line, without its ``\n``."""
        data, start = self.data, 0
        for end in self.ends:
            yield data[start : end - 1] if data[end - 1] == _LINE_BREAK else data[start:end]
            start = end
