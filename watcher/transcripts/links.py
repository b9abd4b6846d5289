"""Project folders that are links: which of them are followed, and how they are opened.

In a person's own folder (layout ``projects``) a folder of the root may be a link to where the project really lies.
Exactly such a link is followed: one of the root, to a directory of the root's owner. What is decided is decided on an
open descriptor, so that a link that is swapped between looking and opening leads nowhere else.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress

from watcher.files.safe_open import open_folder

#: A folder: device and inode.
Place = tuple[int, int]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
#: What opening a link as a folder, without following it, says; the first also of a file.
_IS_LINK = {errno.ENOTDIR, errno.ELOOP, errno.EMLINK}
#: So many folders above one are looked at: no path that can be written is deeper.
_HIGHEST = 1300


class NotFollowed(Exception):
    """A link leads to where it is not followed; the text says why."""


def open_below(folder: int, path: bytes) -> int:
    """A descriptor of a folder by its path below an open one, which it is itself where the path is empty.

    Raises:
        OSError: see `watcher.files.safe_open.open_folder`.
    """
    reached = os.dup(folder)
    for name in path.split(b"/") if path else ():
        try:
            below = open_folder(name, reached)
        finally:
            os.close(reached)
        reached = below
    return reached


def place(folder: int) -> Place:
    """Which folder an open one is."""
    status = os.fstat(folder)
    return status.st_dev, status.st_ino


def open_project(name: bytes, root: int) -> int:
    """A descriptor of a folder of the root, which may be a link to one.

    Raises:
        NotFollowed: it is a link to a folder of somebody else, or to one that holds the root.
        OSError: there is no folder, or it cannot be opened.
    """
    try:
        return open_folder(name, root)
    except OSError as error:
        if error.errno not in _IS_LINK:
            raise
    folder = os.open(name, _FOLDER, dir_fd=root)
    try:
        status, owner = os.fstat(folder), os.fstat(root).st_uid
        # Where a mount begins, its folder is often root's: harmless where the service can read no more than its owner.
        if status.st_uid != owner and (status.st_uid != 0 or os.geteuid() != owner):
            raise NotFollowed(f"it leads to a folder of uid {status.st_uid}, and this one belongs to uid {owner}")
        if place(folder) in set(_upward(root)):
            raise NotFollowed("it leads back to a folder that this one lies in")
    except BaseException:
        os.close(folder)
        raise
    return folder


def follow(root: int, names: list[bytes], refused: dict[bytes, str]) -> Iterator[tuple[bytes, int, set[Place]]]:
    """The folders that links of the root lead to: each with a descriptor (closed afterwards) and the places before it.

    Each place is given once, by the link that is there for longest: one that is made later changes no session's key.
    What lies in the root, or in such a place, is no place of its own. Why others are not followed comes into
    ``refused``; a link to a file, or to nothing, is no folder.
    """
    places: set[Place] = set()
    own = place(root)
    for name in _eldest_first(root, names):
        try:
            folder = open_project(name, root)
        except NotFollowed as error:
            refused[name] = str(error)
            continue
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            refused[name] = error.strerror or str(error)
            continue
        try:
            above = list(_upward(folder))
            if not places.union({own}).intersection(above):
                yield name, folder, places
                places.add(above[0])
        except OSError as error:
            refused[name] = error.strerror or str(error)
        finally:
            os.close(folder)


def _eldest_first(root: int, names: list[bytes]) -> list[bytes]:
    aged = []
    for name in names:
        with suppress(OSError):  # gone meanwhile
            aged.append((os.stat(name, dir_fd=root, follow_symlinks=False).st_ctime_ns, name))
    return [name for _, name in sorted(aged)]


def _upward(folder: int) -> Iterator[Place]:
    """A folder and all that it lies in."""
    yield (last := place(folder))
    for height in range(1, _HIGHEST):
        status = os.stat(b"/".join([b".."] * height), dir_fd=folder)
        if last == (last := (status.st_dev, status.st_ino)):
            return
        yield last
