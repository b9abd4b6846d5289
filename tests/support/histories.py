"""Seeded random histories: a tree of session files changes on the real file system, and the oracle is told.

A harness calls ``step()``, brings the tables up to date in whatever way it tests, and compares them with
``oracle.tables()``. What is deleted before anybody read it is known to nobody, so a harness that does not catch up
after every step gives ``before_loss``: it is called before an operation that makes content unreachable which has
changed since ``unread`` was last cleared, and has to catch up with everything.

Torn tails settle here by modification time: everything is written now, and the operation ``settle`` alone sets a
file's time far back. A tail that was taken so is later completed only in ways that read alike whole and in pieces
(for a harness that catches up after every step; one that does not may see rubbish glued to a taken tail).
"""

from __future__ import annotations

import os
from collections.abc import Callable

from tests.support.history_forks import forked
from tests.support.history_names import USERS
from tests.support.history_tree import LONG_AGO, MOST_BYTES, MOST_FILES, Tree
from tests.support.oracle import session_key
from tests.support.transcript_lines import line

__all__ = ["LONG_AGO", "MOST_BYTES", "MOST_FILES", "History"]


class History(Tree):
    """A random history of the tree under ``root``, told to ``oracle`` as it happens; a seed, a history."""

    def step(self) -> str:
        """Do one thing; returns a description of it, for the log."""
        while True:
            operation = self.rng.choices(_OPERATIONS, _WEIGHTS)[0]
            done = operation(self)
            if done is not None:
                break
        self.look()
        self.log.append(f"{len(self.log)} {operation.__name__}: {done}")
        return self.log[-1]

    # --- Files come and grow

    def create(self) -> str | None:
        """A new session file, now and then an empty one."""
        relative = self.place()
        if relative is None:
            return None
        data = self.lines(relative, 12) if self.rng.random() < 0.9 else b""
        if self.rng.random() < 0.1:
            data = b"\xef\xbb\xbf" + data
        self.write(relative, data)
        return f"{relative!r}, {len(data)} bytes"

    def append(self) -> str | None:
        """Whole lines at the end; a torn tail that was taken is ended first, or glued to."""
        relative = self.file(room=True)
        if relative is None:
            return None
        data = self.lines(relative)
        if self.tail_taken(relative):
            data = self.rng.choice((b"\n" + data, line({"type": "mode", "sessionId": "glued"}) + data))
        self.write(relative, data, "ab")
        return f"{len(data)} bytes to {relative!r}"

    def append_much(self) -> str | None:
        """One big line."""
        relative = self.file(room=True, no_taken_tail=True)
        if relative is None:
            return None
        talk = self.talk(relative)
        words = "so much to say " * self.rng.randrange(500, 1500)
        data = line(talk.user("2026-03-01T09:00:00.000Z", f"big {self.pool.fresh()}", words))
        self.write(relative, data, "ab")
        return f"{len(data)} bytes to {relative!r}"

    def append_torn(self) -> str | None:
        """Lines and then the beginning of one, sometimes all of it but its end."""
        relative = self.file(room=True, no_taken_tail=True)
        if relative is None:
            return None
        whole = self.good_line(relative)
        cut = len(whole) - 1 if self.rng.random() < 0.4 else self.rng.randrange(1, len(whole))
        data = (self.lines(relative) if self.rng.random() < 0.3 else b"") + whole[:cut]
        self.write(relative, data, "ab")
        self.torn[relative] = (self.files[relative] + data, whole[cut:])
        return f"{len(data)} bytes to {relative!r}"

    def finish_torn(self) -> str | None:
        """The rest of a torn line; where nobody knows it, something that makes the line a bad one."""
        torn = [one for one in sorted(self.files) if self.files[one] and not self.files[one].endswith(b"\n")]
        if not torn:
            return None
        relative = self.rng.choice(torn)
        content, rest = self.torn.pop(relative, (b"", b""))
        known = content == self.files[relative]
        if not known:
            rest = b"\n" if self.tail_taken(relative) or self.rng.random() < 0.5 else b" and rubbish\n"
        self.write(relative, rest, "ab")
        return f"{len(rest)} bytes to {relative!r}, {'as begun' if known else 'otherwise'}"

    # --- Files change under their name

    def rewrite(self) -> str | None:
        """Other content in place: wholly other, or one line changed and more added."""
        relative = self.file()
        if relative is None:
            return None
        old = self.files[relative].splitlines(keepends=True)
        if len(old) > 1 and self.rng.random() < 0.5:
            changed = self.rng.randrange(len(old) - 1)
            data = b"".join([*old[:changed], self.good_line(relative), *old[changed + 1 :]])
            if data.endswith(b"\n") and len(data) < MOST_BYTES // 2:
                data += self.lines(relative)
            how = f"line {changed} changed"
        else:
            data, how = self.lines(relative, 12), "all new"
        self.write(relative, data)
        return f"{relative!r}, {how}, {len(self.files[relative])} to {len(data)} bytes"

    def rewrite_in_disguise(self) -> str | None:
        """Other content of the same size, the modification time put back."""
        relative = self.file()
        if relative is None or not self.files[relative]:
            return None
        size, before = len(self.files[relative]), os.stat(self.path(relative))
        data = b""
        for _ in range(8):
            more = self.good_line(relative)
            data += more if len(data) + len(more) < size else b""
        data += b" " * (size - len(data) - 1) + b"\n"
        self.write(relative, data, "r+b")
        os.utime(self.path(relative), ns=(before.st_atime_ns, before.st_mtime_ns))
        return f"{relative!r}, {size} bytes"

    def truncate(self) -> str | None:
        """Cut: to nothing, in the middle of a line, at a line's end, or just before it."""
        relative = self.file()
        if relative is None or not self.files[relative]:
            return None
        data = self.files[relative]
        end = data.rfind(b"\n", 0, self.rng.randrange(len(data)) + 1)
        size = self.rng.choice((0, self.rng.randrange(len(data)), end + 1, max(0, end)))
        os.truncate(self.path(relative), size)
        return f"{relative!r}, {len(data)} to {size} bytes"

    def replace(self) -> str | None:
        """Another file takes its name at once; often with the same beginning."""
        relative = self.file()
        if relative is None:
            return None
        data = self.lines(relative, 12)
        if self.rng.random() < 0.4 and len(self.files[relative]) < MOST_BYTES // 2 and not self.tail_taken(relative):
            data = self.files[relative] + data
        beside = self.path(relative) + b".tmp"
        with open(beside, "wb") as file:
            file.write(data)
        os.replace(beside, self.path(relative))
        return f"{relative!r}, {len(self.files[relative])} to {len(data)} bytes"

    def recreate(self) -> str | None:
        """Deleted and made again under the same name."""
        relative = self.file()
        if relative is None:
            return None
        os.unlink(self.path(relative))
        data = self.lines(relative, 12)
        self.write(relative, data)
        return f"{relative!r}, {len(self.files[relative])} to {len(data)} bytes"

    def touch(self) -> str | None:
        """Another modification time, the same content."""
        relative = self.file(no_taken_tail=True)
        if relative is None:
            return None
        os.utime(self.path(relative))
        return repr(relative)

    def settle(self) -> str | None:
        """The file rests since long ago: a torn tail that is JSON is taken."""
        torn = [one for one in sorted(self.files) if not self.files[one].endswith(b"\n")]
        relative = self.rng.choice(torn) if torn and self.rng.random() < 0.9 else self.file()
        if relative is None:
            return None
        times = LONG_AGO + self.rng.randrange(1000)
        os.utime(self.path(relative), (times, times))
        return repr(relative)

    # --- Files go and move

    def delete(self) -> str | None:
        """A file is deleted."""
        relative = self.file()
        if relative is None:
            return None
        self.lose(relative)
        os.unlink(self.path(relative))
        return repr(relative)

    def rename(self) -> str | None:
        """A file gets another name within the root, now and then that of another file."""
        relative = self.file()
        target = self.file() if self.rng.random() < 0.2 else self.place()
        if relative is None or target is None or target == relative:
            return None
        self.lose(relative)
        os.replace(self.path(relative), self.path(target))
        return f"{relative!r} to {target!r}"

    def move_directory(self) -> str | None:
        """A folder with all that is in it gets another name within the root."""
        folder = self.folder()
        if folder is None:
            return None
        user, name = self.rng.choice(USERS), self.rng.choice((b"moved", b"moved again", b"deep/er"))
        target = os.path.join(user, name)
        if os.path.lexists(self.path(target)) or target.startswith(folder + b"/"):
            return None
        self.lose(folder)
        os.makedirs(os.path.dirname(self.path(target)), exist_ok=True)
        os.rename(self.path(folder), self.path(target))
        return f"{folder!r} to {target!r}"

    def move_out(self) -> str | None:
        """A file, or a folder with all that is in it, leaves the root."""
        relative = self.folder() if self.rng.random() < 0.3 else self.file()
        if relative is None:
            return None
        self.lose(relative)
        os.rename(self.path(relative), os.path.join(self.outside, b"%d" % self.pool.fresh()))
        return repr(relative)

    def move_in(self) -> str | None:
        """A file that left comes back under any name."""
        left = sorted(one for one in os.listdir(self.outside) if os.path.isfile(os.path.join(self.outside, one)))
        relative = self.place() if left else None
        if relative is None:
            return None
        os.rename(os.path.join(self.outside, self.rng.choice(left)), self.path(relative))
        return repr(relative)

    def fork(self) -> str | None:
        """A copy goes on elsewhere: as it is, or under a new sessionId with the same messages."""
        relative, target = self.file(room=True), self.place()
        if relative is None or target is None:
            return None
        data = self.files[relative]
        if self.rng.random() < 0.7:
            self.sessions += 1
            self.named[target] = f"fork {self.sessions}"
            data = forked(data, self.named[target], self.rng.random() < 0.7, self.rng.random() < 0.3)
        if data.endswith(b"\n") and self.rng.random() < 0.6:
            data += self.lines(target)
        self.write(target, data)
        return f"{relative!r} to {target!r}, {len(data)} bytes"

    def resume(self) -> str | None:
        """A session goes on in another file."""
        relative, target = self.file(), self.place()
        if relative is None or target is None:
            return None
        self.named[target] = self.named.get(relative, "session of " + session_key(relative))
        data = self.lines(target)
        self.write(target, data)
        return f"{relative!r} in {target!r}, {len(data)} bytes"

    def usurp(self) -> str | None:
        """Something that is no file stands in its place: a link, a pipe, a folder."""
        relative = self.file()
        if relative is None:
            return None
        self.lose(relative)
        path = self.path(relative)
        os.unlink(path)
        kind = self.rng.choice(("symlink", "fifo", "directory", "dangling symlink"))
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "directory":
            os.mkdir(path)
        elif kind == "symlink":
            with open(os.path.join(self.outside, b"linked.txt"), "wb") as file:
                file.write(self.files[relative])
            os.symlink(os.path.join(self.outside, b"linked.txt"), path)
        else:
            os.symlink(b"nowhere", path)
        return f"{relative!r} by a {kind}"


_WEIGHTED: tuple[tuple[Callable[[History], str | None], int], ...] = (
    (History.create, 8),
    (History.append, 14),
    (History.append_much, 1),
    (History.append_torn, 7),
    (History.finish_torn, 6),
    (History.rewrite, 4),
    (History.rewrite_in_disguise, 3),
    (History.truncate, 4),
    (History.replace, 4),
    (History.recreate, 2),
    (History.touch, 2),
    (History.settle, 4),
    (History.delete, 3),
    (History.rename, 4),
    (History.move_directory, 2),
    (History.move_out, 2),
    (History.move_in, 2),
    (History.fork, 8),
    (History.resume, 3),
    (History.usurp, 2),
)
_OPERATIONS = [operation for operation, _ in _WEIGHTED]
_WEIGHTS = [weight for _, weight in _WEIGHTED]
