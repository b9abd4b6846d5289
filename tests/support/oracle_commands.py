"""The oracle's reading of slash commands, in tags and as they were run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tests.support.oracle_lenient import a_string, an_object
from tests.support.oracle_reading import Object, instant_of
from tests.support.oracle_text import stored, texts_of

MOST_TAGGED = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def command_in(text: str) -> str | None:
    """The slash command that a text begins with, if any."""
    rest = text.strip()
    if rest.startswith("<command-message>"):
        _, _, rest = rest.partition("</command-message>")
        rest = rest.strip()
    if not rest.startswith("<command-name>") or "</command-name>" not in rest:
        return None
    return stripped(rest.removeprefix("<command-name>").partition("</command-name>")[0])


def stripped(name: str) -> str:
    """A command's name without white space around it and its slash."""
    return name.strip().removeprefix("/")


def tagged_in(record: Object) -> list[str]:
    """The names of the commands that a user's record calls in tags."""
    if record.get("type") != "user" or record.get("isMeta") or record.get("isCompactSummary"):
        return []
    names = [command_in(text) for text in texts_of(record.get("message") or {})]
    return [name for name in names if name is not None]


def run_in(record: Object) -> str | None:
    """The name of the command that a record of the system says was run."""
    if record.get("type") != "system" or record.get("subtype") != "local_command":
        return None
    command = a_string(an_object(record, "commandRun"), "command")
    return None if command is None else stripped(stored(command) or "")


class Commands:
    """The slash commands of a file, in its order."""

    def __init__(self) -> None:
        self.tagged: list[tuple[str | None, list[str]]] = []  # uuid and names of the last tagged records

    def of(self, record: Object) -> Iterator[tuple[str, str]]:
        """Identity and name of each command of a record."""
        names = tagged_in(record)
        run = run_in(record)
        if run is not None:
            parent = a_string(record, "parentUuid")
            known = any(uuid is not None and uuid == parent and run in called for uuid, called in self.tagged)
            names_here = [] if known else [run]
        else:
            names_here = names
        if names:
            self.tagged = [*self.tagged, (record.get("uuid"), names)][-MOST_TAGGED:]
        for name in names_here:
            at, uuid = instant_of(record), record.get("uuid")
            if at is not None:
                yield f"command:{name}:{(at - _EPOCH) // timedelta(microseconds=1)}", name
            elif uuid is not None:
                yield f"command:{name}:{uuid}", name
