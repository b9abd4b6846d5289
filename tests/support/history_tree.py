"""The tree that a random history works on: what it holds, what to choose from it, and the telling of the oracle."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.support.history_names import DIRECTORIES, NAMES, USERS
from tests.support.oracle import Oracle, session_key
from tests.support.oracle_reading import taken_bytes
from tests.support.random_lines import Pool, session_lines
from tests.support.random_today import BRANCHES, FOLDERS, VERSIONS
from tests.support.transcript_lines import Talk

#: Modification time in seconds of a file that has settled.
LONG_AGO = 1_600_000_000
#: A session file never grows beyond this, and there are never more of them.
MOST_BYTES = 60_000
MOST_FILES = 12


class Tree:
    """The tree under ``root`` in the hands of a history: what it holds, and the telling of it to ``oracle``.

    ``outside`` is where files go that leave the tree: a folder of the same file system.
    """

    def __init__(
        self,
        root: Path,
        rng: Random,
        oracle: Oracle,
        outside: Path | None = None,
        before_loss: Callable[[], None] = lambda: None,
    ) -> None:
        self.root = os.fsencode(root)
        self.outside = os.fsencode(outside or root.parent / (root.name + " outside"))
        self.rng = rng
        self.oracle = oracle
        self.before_loss = before_loss
        self.log: list[str] = []
        #: Present session files, relative to the root, with what is in them.
        self.files: dict[bytes, bytes] = {}
        self.settled: dict[bytes, bool] = {}
        #: Those that changed since the harness last caught up.
        self.unread: set[bytes] = set()
        self.torn: dict[bytes, tuple[bytes, bytes]] = {}  # content that ends torn, and what would complete it
        self.pool = Pool()
        self.sessions = 0
        #: Session ids that files have, where they are not named by their keys.
        self.named: dict[bytes, str] = {}
        os.makedirs(self.root, exist_ok=True)
        os.makedirs(self.outside, exist_ok=True)
        self.look()

    # --- What the tree holds, and the telling of it

    def path(self, relative: bytes) -> bytes:
        return os.path.join(self.root, relative)

    def look(self) -> None:
        """Compare the tree with what it held before, and tell the oracle what is new, changed or gone."""
        present: dict[bytes, bytes] = {}
        settled: dict[bytes, bool] = {}
        for folder, _, names in os.walk(self.root):
            for found in names:
                path = os.path.join(folder, found)
                status = os.lstat(path)
                if found.endswith(b".jsonl") and stat.S_ISREG(status.st_mode):
                    relative = os.path.relpath(path, self.root)
                    settled[relative] = status.st_mtime <= LONG_AGO + 1000
                    with open(path, "rb") as file:
                        present[relative] = file.read()
        for relative in sorted(self.files.keys() - present.keys()):
            self.oracle.gone(session_key(relative))
        for relative in sorted(present):
            same = self.files.get(relative) == present[relative]
            if not same or self.settled.get(relative) != settled[relative]:
                self.oracle.content(session_key(relative), present[relative], settled[relative])
                self.unread.add(relative)
        self.files, self.settled = present, settled

    def lose(self, relative: bytes) -> None:
        """Have a file, or everything in a folder, read before it goes, where it has not been."""
        if any(one == relative or one.startswith(relative + b"/") for one in self.unread):
            self.before_loss()
            self.unread.clear()

    # --- Choosing

    def file(self, *, room: bool = False, no_taken_tail: bool = False) -> bytes | None:
        """Any present session file; with ``room`` to grow, or without a torn tail that has been taken."""
        fit = [
            relative
            for relative in sorted(self.files)
            if not (room and len(self.files[relative]) > MOST_BYTES // 2)
            and not (no_taken_tail and self.tail_taken(relative))
        ]
        return self.rng.choice(fit) if fit else None

    def tail_taken(self, relative: bytes) -> bool:
        data = self.files[relative]
        return self.settled[relative] and not data.endswith(b"\n") and taken_bytes(data, True) == len(data) > 0

    def place(self) -> bytes | None:
        """A name where nothing stands."""
        if len(self.files) >= MOST_FILES:
            return None
        relative = os.path.join(*(self.rng.choice(part) for part in (USERS, DIRECTORIES, NAMES)))
        path = self.path(relative)
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            if self.rng.random() < 0.3:
                return None
            shutil.rmtree(path) if stat.S_ISDIR(os.lstat(path).st_mode) else os.unlink(path)
        if os.path.lexists(path):
            return None
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return relative

    def talk(self, relative: bytes) -> Talk:
        """The voice of a session file; most keep their sessionId, a subagent's is mostly that of another file."""
        session_id = self.named.get(relative, "session of " + session_key(relative))
        aside = os.path.basename(relative).startswith(b"agent-") or b"/subagents/" in relative
        if aside and relative not in self.named and self.files and self.rng.random() < 0.7:
            main = self.rng.choice(sorted(self.files))
            session_id = self.named[relative] = self.named.get(main, "session of " + session_key(main))
        if self.rng.random() < 0.1:
            session_id = f"session of other {self.rng.randrange(5)}"
        aside = aside and self.rng.random() < 0.9
        version, branch = self.rng.choice(VERSIONS), self.rng.choice(BRANCHES)
        return Talk(session_id, self.rng.choice(FOLDERS), version, branch, aside, "0a1b2c3d" if aside else None)

    def lines(self, relative: bytes, most: int = 6) -> bytes:
        return b"".join(session_lines(self.rng, self.rng.randrange(1, most), self.talk(relative), self.pool))

    def good_line(self, relative: bytes) -> bytes:
        """A line that can be read and is not blank."""
        made = b""
        while not made.strip():
            (made,) = session_lines(self.rng, 1, self.talk(relative), self.pool, bad=0)
        return made

    def write(self, relative: bytes, data: bytes, mode: str = "wb") -> None:
        with open(self.path(relative), mode) as file:
            file.write(data)

    def folder(self) -> bytes | None:
        """A folder below a user's that holds session files."""
        folders = sorted({os.path.dirname(relative) for relative in self.files if relative.count(b"/") > 1})
        return self.rng.choice(folders) if folders else None
