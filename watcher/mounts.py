"""Mounts: which kind of file system a folder lies on."""

from __future__ import annotations

import os
import re

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
