"""A file that takes another one's place: whole, on the disk, and at once."""

from __future__ import annotations

import os
from contextlib import suppress
from types import TracebackType
from typing import Self

from watcher.files.safe_open import make_file


class Replacement:
    """A new file under a name of its own, until it takes its place; removed where it never does."""

    def __init__(self, name: str, folder: int, part: str, mode: int) -> None:
        """Make it in an open folder as ``part``; what a crash left under that name goes.

        Raises:
            OSError: it cannot be made.
        """
        self._name, self._folder, self._part = name, folder, part
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=folder)
        #: For writing.
        self.descriptor = make_file(part, folder, mode)
        self._placed = False

    def take_place(self) -> None:
        """Give it its name, once it is on the disk: what had the name goes only then."""
        os.fsync(self.descriptor)
        os.replace(self._part, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._placed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        os.close(self.descriptor)
        if not self._placed:
            with suppress(FileNotFoundError):
                os.unlink(self._part, dir_fd=self._folder)
