"""Safe opening of folders and files of possibly hostile users, without following links."""

from __future__ import annotations

import errno
import os
import stat

from watcher.files import safe_open

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
#: Errors of opening a link, of a folder that is none, and of a pipe without its other end.
_OTHER_THAN_ASKED = {errno.ELOOP, errno.ENOTDIR, errno.EMLINK, errno.ENXIO}
LINK = "it is a link, and links are not followed"


class NotCopied(Exception):
    """Something must not be copied, or written to; the text says why."""


def open_folder(name: str, above: int) -> int:
    """Open a folder inside another one and return its descriptor.

    Raises:
        Refused: it is a link, or no folder.
        OSError: it cannot be opened.
    """
    try:
        return safe_open.open_folder(name, above)
    except OSError as error:
        raise _judged(error, name, above, "a folder") from None


def open_file(name: str, above: int, owner: int) -> tuple[int, os.stat_result]:
    """Open a file for reading; return its descriptor and its status, taken after opening so that it stays true.

    Raises:
        Refused: it is not a regular file of that owner with one name.
        OSError: it cannot be opened.
    """
    try:
        file = safe_open.open_file(name, above)
    except OSError as error:
        raise _judged(error, name, above, "a file") from None
    try:
        status = os.fstat(file)
        if reason := objection(status, owner):
            raise NotCopied(reason)
    except BaseException:
        os.close(file)
        raise
    return file, status


def objection(status: os.stat_result, owner: int) -> str | None:
    """Return why something must not be copied, None if it may be."""
    if stat.S_ISLNK(status.st_mode):
        return LINK
    if not stat.S_ISREG(status.st_mode):
        return f"it is {_KINDS.get(stat.S_IFMT(status.st_mode), 'something else')}, not a file"
    if status.st_uid != owner:
        return f"it belongs to uid {status.st_uid}, and the home to uid {owner}"
    if status.st_nlink > 1:
        return f"it has {status.st_nlink} names (hard links), and one may be somebody else's"
    return None


def _judged(error: OSError, name: str, above: int, wanted: str) -> Exception:
    """Convert an error of opening into a refusal, if it is one."""
    if error.errno not in _OTHER_THAN_ASKED:
        return error
    try:
        found = os.stat(name, dir_fd=above, follow_symlinks=False).st_mode
    except OSError as gone:
        return gone
    if stat.S_ISLNK(found):
        return NotCopied(LINK)
    return NotCopied(f"it is {_KINDS.get(stat.S_IFMT(found), 'a file')}, not {wanted}")
