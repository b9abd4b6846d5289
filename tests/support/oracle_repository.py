"""The oracle's repositories and projects: a working folder in one form, and its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_WORKTREES = ("/.claude/worktrees/", "/.worktrees/", "/.git/worktrees/")
_HOME = re.compile(r"(/home/[^/]+|/Users/[^/]+|/root|[A-Za-z]:/Users/[^/]+|/mnt/[A-Za-z]/Users/[^/]+)(?=/|$)")
_PLACES = ("src", "code", "dev", "git", "projects", "repos", "work", "workspace")
_FOLDERS = ("desktop", "documents", "downloads", "tmp")


def repository_of(cwd: str | None, username: str) -> str | None:
    """The repository that a working folder belongs to; None where there is no name left."""
    if cwd is None:
        return None
    path = cwd
    if "\\" in path and re.match("[A-Za-z]:", path):
        path = path.replace("\\", "/")
    path = path.rstrip("/") or "/"
    for part in _WORKTREES:
        path = path.partition(part)[0]
    path = re.sub(r"([^/])[-.]worktrees/.+", r"\1", path, flags=re.DOTALL)
    home = _HOME.match(path)
    if home:
        path = "~" + path[home.end() :]
    if is_no_repository(path):
        path = f"~{username}" + (path[1:] if path.startswith("~") else "/" + path.lstrip("/"))
    return path


def is_no_repository(path: str) -> bool:
    """Whether a place holds no repository itself: it stays one per user."""
    if path == "~" or re.fullmatch("[0-9]+", path.rpartition("/")[2]):
        return True
    return path.startswith("~/") and path[2:].lower() in _PLACES + _FOLDERS


def project_of(repository: str | None, remotes: Iterable[str], projects: Sequence[tuple[str, str]]) -> str | None:
    """The name of a project: what the first entry gives that fits, else the last part of its repository."""
    names = [name for name in (repository, *remotes) if name is not None]
    for pattern, project in projects:
        if any(fits(name, pattern) for name in names):
            return project
    return repository.rstrip("/").rpartition("/")[2] or repository if repository is not None else None


def fits(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern, in which ``*`` stands for any characters."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None
