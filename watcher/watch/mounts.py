"""Mounts: which kind of file system a folder lies on."""

from __future__ import annotations

import os
import re
import select

#: File systems that others may write to without this kernel knowing: no events come from there.
NETWORK = frozenset(
    """9p afs beegfs ceph cifs coda drvfs fuse gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 orangefs pvfs2
    smb2 smb3 smbfs vboxsf virtiofs vmhgfs""".split()  # noqa: SIM905  (a table reads better so)
)

_OCTAL = re.compile(rb"\\([0-7]{3})")


def file_system(path: str, table: str = "/proc/mounts") -> str | None:
    """The file system's type, of the mount whose folder is the longest one above ``path``.

    ``path`` is absolute and free of links. None where the system keeps no such table.
    """
    try:
        with open(table, "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    wanted = os.fsencode(path).rstrip(b"/") + b"/"
    found, longest = None, -1
    for line in lines:
        fields = line.split(b" ")
        if len(fields) < 3:
            continue
        folder = _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), fields[1]).rstrip(b"/") + b"/"
        # What is mounted last on the same folder hides what was there.
        if wanted.startswith(folder) and len(folder) >= longest:
            found, longest = fields[2].decode("ascii", "replace"), len(folder)
    return found


def is_network(kind: str | None) -> bool:
    """Whether files on such a file system change without an event here; true of everything in FUSE."""
    return kind is not None and (kind in NETWORK or kind.startswith("fuse."))


class MountTable:
    """Tells when something was mounted or unmounted; asking costs next to nothing."""

    def __init__(self, table: str = "/proc/self/mountinfo") -> None:
        self._poll = select.poll()
        try:
            self._descriptor: int | None = os.open(table, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = None  # not Linux, or no descriptor is left
        else:
            self._poll.register(self._descriptor, select.POLLPRI)

    def changed(self) -> bool:
        """Whether it has changed since this was last asked; True where that cannot be told."""
        return self._descriptor is None or bool(self._poll.poll(0))

    def close(self) -> None:
        """Let it go. Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
