"""The cookie: a small file under the root whose events prove that the observer hears."""

from __future__ import annotations

import os
import re
import time

PREFIX = b".session-watcher-cookie-"

#: On a network file system a process that is unknown here may live elsewhere; its cookie is renewed often.
_LIVING_ELSEWHERE = 3600.0


class Cookie:
    """Writes one process's cookie; hearing of it is the ear's part."""

    def __init__(self, root: bytes) -> None:
        self._root = root
        self.name = PREFIX + str(os.getpid()).encode()
        self._path = os.path.join(root, self.name)

    def write(self) -> None:
        """Make it anew.

        Raises:
            OSError: it cannot be written there.
        """
        # A new file each time: whatever lies under that name (a link, say) is not written through.
        self.remove()
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            os.write(file, b"Session Watcher listens here; this file's events prove that it hears.\n")
        finally:
            os.close(file)

    def remove(self) -> None:
        """Take it away, if it is there.

        Raises:
            OSError: it is there and stays.
        """
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            return

    def remove_stale(self, network: bool) -> int:
        """Remove the cookies of processes that are no more; how many.

        Raises:
            OSError: the root cannot be read, or one cannot be removed.
        """
        removed = 0
        with os.scandir(self._root) as entries:
            for entry in entries:
                match = re.fullmatch(re.escape(PREFIX) + rb"(\d{1,10})", entry.name)
                if match is None or _lives(int(match[1])):
                    continue
                if network and time.time() - entry.stat(follow_symlinks=False).st_mtime < _LIVING_ELSEWHERE:
                    continue
                os.unlink(entry.path)
                removed += 1
        return removed


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
