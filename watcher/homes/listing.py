"""Listing of homes by the configured patterns, each user once; paths that hang are skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from watcher.homes.stats import VisitTally
from watcher.homes.timeouts import Late, Patience
from watcher.settings.patterns import Pattern
from watcher.transcripts.sessions import key_of, path_of

#: Claude Code's folder of projects; its settings lie beside it.
PROJECTS = "projects"


def users(
    sources: Sequence[str], patience: Patience, deadline: float, total: VisitTally, unlisted: set[str] | None = None
) -> Iterator[tuple[str, list[Pattern]]]:
    """Every user's folder by its name, with the patterns that mean files in it; what cannot be listed is noted.

    ``unlisted`` gets the folders of homes, as people read them, of which nobody knows what they hold.
    """
    patterns = [Pattern.parse(text) for text in sources]
    homes: dict[str, str] = {}
    for above in dict.fromkeys(pattern.above for pattern in patterns):
        here = [pattern for pattern in patterns if pattern.above == above]
        found = _listed(above, here, patience, deadline, total)
        if found is None and unlisted is not None:
            unlisted.add(plain(above).rstrip("/"))
        for name in found or ():
            if (other := homes.setdefault(name, above)) != above:
                total.users_refused += 1
                total.note(plain(name), plain(f"{above}/{name}"), f"the name is taken by {plain(other)}")
            else:
                yield name, [pattern for pattern in here if pattern.is_user(name)]


def _listed(
    above: str, patterns: Sequence[Pattern], patience: Patience, deadline: float, total: VisitTally
) -> list[str] | None:
    """List the users' folders in a folder by name; None where it cannot be listed."""
    names: list[str] = []

    def work() -> None:
        with os.scandir(above) as entries:
            for entry in entries:
                if any(pattern.is_user(entry.name) for pattern in patterns) and (
                    entry.is_symlink() or entry.is_dir(follow_symlinks=False)
                ):
                    names.append(entry.name)

    try:
        patience.within(above, deadline, work)
    except (Late, OSError) as error:
        total.errors += 1
        total.note("", plain(above), str(error) if isinstance(error, Late) else error.strerror or str(error))
        return None
    return sorted(names)


def is_meant(home: str, sources: Sequence[str]) -> bool:
    """Whether patterns collect Claude Code's transcripts from a home, given as a readable path."""
    above, _, name = os.fsdecode(path_of(home)).rpartition("/")
    patterns = [Pattern.parse(text) for text in sources]
    return any(one.above.rstrip("/") == above and one.is_user(name) and has_projects(one) for one in patterns)


def has_projects(pattern: Pattern) -> bool:
    """Whether a pattern matches files in Claude Code's folder of projects, which deletes old ones."""
    return pattern.fixed[-1:] == (PROJECTS,)


def plain(name: str) -> str:
    """Format a path for people, without what could not be stored or shown."""
    return key_of(os.fsencode(name))
