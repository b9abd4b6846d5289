"""Projects as a list shows them: by the last part of their repository, with as many parts as tell them apart."""

from __future__ import annotations

from collections.abc import Iterable

#: A project with its repository; None where the settings name the project, or earlier rules did not know it.
Place = tuple[str | None, str | None]


def labels(places: Iterable[Place]) -> dict[Place, str | None]:
    """What each of the places is called in a list that holds all of them."""
    given = {*places}
    # What is named without a repository stays as it is: the others step aside.
    found = {place: place[0] for place in given}
    longest = max((repository.count("/") for _, repository in given if repository), default=0)
    for depth in range(2, longest + 2):
        alike: dict[str | None, list[Place]] = {}
        for place, label in found.items():
            alike.setdefault(label, []).append(place)
        unclear = [place for same in alike.values() if len(same) > 1 for place in same if place[1]]
        if not unclear:
            break
        for project, repository in unclear:
            assert repository is not None
            found[project, repository] = "/".join(repository.split("/")[-depth:])
    return found
