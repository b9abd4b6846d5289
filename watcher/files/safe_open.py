"""Folders and files opened in an open folder, by one name at a time: no link is followed, and nothing is waited for."""

from __future__ import annotations

import os


def open_folder(name: str | bytes, above: int) -> int:
    """A descriptor of a folder in an open one.

    Raises:
        OSError: there is none, it is a link, or it cannot be opened.
    """
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)


def open_file(name: str | bytes, above: int, flags: int = os.O_RDONLY) -> int:
    """A descriptor of what is in an open folder; whether it is a file is seen by its status.

    Raises:
        OSError: there is nothing, it is a link, or it cannot be opened.
    """
    # O_NONBLOCK: opening a pipe that nobody is at the other end of, or a file under a lease, must not wait.
    return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)


def make_file(name: str | bytes, above: int, mode: int) -> int:
    """A descriptor for writing a file that is made in an open folder; the umask applies.

    Raises:
        FileExistsError: something has this name.
        OSError: it cannot be made.
    """
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=above)
