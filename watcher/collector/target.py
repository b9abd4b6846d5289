"""Target of the collector: the folder of copies and its subfolders, opened and created without following links."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from watcher.homes.refusals import NotCopied, open_folder
from watcher.transcripts.sessions import key_of

#: Copies are readable by the group of the sessions folder, and by nobody else.
FILE_MODE, FOLDER_MODE = 0o640, 0o750
#: A disk also runs out of inodes: so many are left free, where the file system counts them.
SPARE_FILES = 1000


class TargetFull(Exception):
    """Nothing more can be written from any home; the text says why."""


@contextmanager
def writing() -> Iterator[None]:
    """Mark errors as the target's: the same error from a source would be one home's problem."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise TargetFull(f"{error.strerror}; see to its disk") from None
        raise


class Root:
    """The root folder of all copies, and how they are created in it."""

    def __init__(self, path: Path, spare: int = 0) -> None:
        """Open it; ``spare`` bytes of its disk are left free.

        Raises:
            OSError: there is no such folder, or it cannot be read.
        """
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._spare = spare
        status = os.fstat(self.descriptor)
        self._identity = (status.st_dev, status.st_ino)
        # Whoever runs the service owns the folder, or reads it as its group: copies owned by root would be of no use.
        self._owner = (status.st_uid, status.st_gid) if os.geteuid() == 0 else None

    def is_same(self, folder: int) -> bool:
        """Whether a folder is this one: it must not be copied into itself."""
        status = os.fstat(folder)
        return (status.st_dev, status.st_ino) == self._identity

    def give(self, descriptor: int) -> None:
        """Give a new file or folder the root's owner and group."""
        if self._owner is not None:
            os.fchown(descriptor, *self._owner)

    def has_room(self, size: int) -> None:
        """Check that so many bytes may be added.

        Raises:
            NoRoom: they may not.
        """
        disk = os.fstatvfs(self.descriptor)
        if disk.f_files and disk.f_favail < SPARE_FILES:
            raise TargetFull(f"its disk has room for less than {SPARE_FILES} more files; remove some")
        if disk.f_bavail * disk.f_frsize - size < self._spare:
            raise TargetFull(f"less than {self._spare / 1e9:.3g} GB would be left free; make room")

    def close(self) -> None:
        """Close its descriptor."""
        os.close(self.descriptor)


class Folder:
    """A folder of copies, opened on first access and created on first write."""

    def __init__(self, root: Root, above: Folder | None, name: str) -> None:
        self.root = root
        self._above = above
        self._name = name
        self._descriptor: int | None = None

    def look(self) -> int | None:
        """Return its descriptor, None while the folder does not exist.

        Raises:
            Refused: something else has its name.
        """
        if self._descriptor is None:
            above = self.root.descriptor if self._above is None else self._above.look()
            if above is not None:
                self._descriptor = self._open(above)
        return self._descriptor

    def make(self) -> int:
        """Return its descriptor; create the folder if it is missing.

        Raises:
            Refused: something else has its name.
        """
        if (found := self.look()) is not None:
            return found
        above = self.root.descriptor if self._above is None else self._above.make()
        with suppress(FileExistsError), writing():
            os.mkdir(self._name, FOLDER_MODE, dir_fd=above)
        made = self._descriptor = self._open(above)
        assert made is not None
        self.root.give(made)
        return made

    def status(self, name: str) -> os.stat_result | None:
        """Return the status of an entry, None if there is none."""
        if (folder := self.look()) is None:
            return None
        try:
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def close(self) -> None:
        """Close its descriptor. Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self, above: int) -> int | None:
        try:
            return open_folder(self._name, above)
        except FileNotFoundError:
            return None
        except NotCopied as refused:
            raise NotCopied(f"where it would be copied to, {refused}; see to {self.path()}") from None

    def path(self, below: str = "") -> str:
        """Format its path below the root, or that of an entry, for people."""
        whole = f"{self._name}/{below}" if below else self._name
        return key_of(os.fsencode(whole)) if self._above is None else self._above.path(whole)
