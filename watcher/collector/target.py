"""The target: the folder of copies and the folders in it, opened and made without following a link."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from watcher.homes.refusals import NotCopied, open_folder
from watcher.transcripts.sessions import key_of

#: Copies may be read by the group of the sessions folder, and by nobody else.
FILE_MODE, FOLDER_MODE = 0o640, 0o750
#: A disk also runs out of files; so many are left to others, where it counts them.
SPARE_FILES = 1000


class TargetFull(Exception):
    """Nothing more can be written, for whomever; the text says why."""


@contextmanager
def writing() -> Iterator[None]:
    """What the target says of itself: a source could say the same, and would be one home's trouble."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise TargetFull(f"{error.strerror}; see to its disk") from None
        raise


class Root:
    """The folder of all copies, and how they are made in it."""

    def __init__(self, path: Path, spare: int = 0) -> None:
        """Open it; so many bytes of its disk are left free.

        Raises:
            OSError: there is no such folder, or it cannot be read.
        """
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._spare = spare
        status = os.fstat(self.descriptor)
        self._identity = (status.st_dev, status.st_ino)
        # Whoever runs the service owns the folder, or may read it as its group: root's own copies would be of no use.
        self._owner = (status.st_uid, status.st_gid) if os.geteuid() == 0 else None

    def is_same(self, folder: int) -> bool:
        """Whether a folder is this one: it must not be copied into itself."""
        status = os.fstat(folder)
        return (status.st_dev, status.st_ino) == self._identity

    def give(self, descriptor: int) -> None:
        """What was made belongs to whom the root belongs."""
        if self._owner is not None:
            os.fchown(descriptor, *self._owner)

    def has_room(self, size: int) -> None:
        """Look whether so many bytes may be added.

        Raises:
            NoRoom: they may not.
        """
        disk = os.fstatvfs(self.descriptor)
        if disk.f_files and disk.f_favail < SPARE_FILES:
            raise TargetFull(f"its disk has room for less than {SPARE_FILES} more files; remove some")
        if disk.f_bavail * disk.f_frsize - size < self._spare:
            raise TargetFull(f"less than {self._spare / 1e9:.3g} GB would be left free; make room")

    def close(self) -> None:
        """Let it go."""
        os.close(self.descriptor)


class Folder:
    """A folder of copies, opened when it is looked into and made when something is to be put there."""

    def __init__(self, root: Root, above: Folder | None, name: str) -> None:
        self.root = root
        self._above = above
        self._name = name
        self._descriptor: int | None = None

    def look(self) -> int | None:
        """Its descriptor, None while there is no such folder.

        Raises:
            Refused: something else has its name.
        """
        if self._descriptor is None:
            above = self.root.descriptor if self._above is None else self._above.look()
            if above is not None:
                self._descriptor = self._open(above)
        return self._descriptor

    def make(self) -> int:
        """Its descriptor; it is made if it is not there.

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
        """What is in it under a name, None if nothing is."""
        if (folder := self.look()) is None:
            return None
        try:
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def close(self) -> None:
        """Let it go. Idempotent."""
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
        """Its path below the root, or that of something in it, for people."""
        whole = f"{self._name}/{below}" if below else self._name
        return key_of(os.fsencode(whole)) if self._above is None else self._above.path(whole)
