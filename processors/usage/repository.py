"""From the folder that a session worked in to its repository, by docs/counting.md ("Repository and project")."""

from __future__ import annotations

import re

_WINDOWS = re.compile(r"[A-Za-z]:[\\/]")
_WORKTREE = re.compile(r"/(?:\.claude/worktrees|\.worktrees|\.git/worktrees)/.*", re.DOTALL)
_BESIDE = re.compile(r"(?<=[^/])[-.]worktrees/.+", re.DOTALL)
_HOME = re.compile(
    r"(?:/home/[^/]+|/Users/[^/]+|/root|[A-Za-z]:/Users/[^/]+|/mnt/[A-Za-z]/Users/[^/]+)(?=/|\Z)", re.DOTALL
)
#: Folders of a home that hold repositories and are none.
_SHELVES = frozenset(
    "src code dev git projects repos work workspace desktop documents downloads tmp".split()  # noqa: SIM905
)


def repository_of(cwd: str, username: str) -> str:
    """A working folder in the form in which it is the same for everybody who works on it.

    A place that is no repository, such as a bare home, is made the user's own.
    """
    path = cwd.replace("\\", "/") if _WINDOWS.match(cwd) or cwd.startswith("\\\\") else cwd
    path = path.rstrip("/") or "/"
    path = _BESIDE.sub("", _WORKTREE.sub("", path))
    path = _HOME.sub("~", path, count=1) if _HOME.match(path) else path
    last = last_part(path)
    private = path == "~" or (path.startswith("~/") and path[2:].lower() in _SHELVES) or last.isdecimal()
    if not private:
        return path
    return f"~{username}{path[1:] if path.startswith('~') else path}"


def last_part(path: str) -> str:
    """The last part of a path; of one without parts all of it."""
    return path.rstrip("/").rpartition("/")[2] or path
