"""What can go wrong, in sentences that say what happened and what to do."""

from __future__ import annotations

from collections.abc import Sequence


def ended(sentence: str) -> str:
    """A sentence with its end, where it has none yet."""
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


def first_line(error: BaseException) -> str:
    """What an error says in its first line, which is all that people need; its kind, where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


class WatcherError(Exception):
    """Something that a person can mend; its text is all they need to read."""


class SettingsError(WatcherError):
    """A setting is wrong: the text names the file or variable, the key, the value and what is accepted."""


class StateInUse(WatcherError):
    """Another process uses the state folder; two would undo each other's work."""

    def __init__(self, path: str, pid: int | None) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"{path} is in use by {who}; stop it first, or set another folder (paths.state, or --state)")
        self.pid = pid


class DatabaseTrouble(WatcherError):
    """The database cannot be opened; nothing was changed."""


class ServiceTrouble(WatcherError):
    """The running service did not do what it was asked for; ``code`` is its answer's status, if it gave one."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class NoSuchSession(WatcherError):
    """No session, or more than one, is meant by a name."""

    def __init__(self, text: str, found: list[str]) -> None:
        if found:
            several = ", ".join(found[:5]) + (", …" if len(found) > 5 else "")
            super().__init__(f"{text!r} may mean several sessions: {several}; give more of the one that is meant")
        else:
            super().__init__(f"no session is named {text!r}; see sessions list")


class TokenRefused(WatcherError):
    """A token cannot be made or revoked as asked; the text says why."""


class LegacyRefused(WatcherError):
    """A database of the earlier generation cannot be taken in; the text says why. Nothing was changed."""


class OrderRefused(WatcherError):
    """An order names nothing that it could be carried out on; the text says what it needs."""


class OrderFailed(WatcherError):
    """An order about a session could not be carried out; nothing was changed by it."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: the database does not take it ({reason}); nothing was changed, ask again later")


class ChartTrouble(WatcherError):
    """A chart cannot be drawn; the text says why, and what to install if that is it."""


class NoSuchItem(WatcherError):
    """There is no item of that name in the knowledge base, or none that this person may see."""

    def __init__(self, item: str) -> None:
        super().__init__(f"there is no item {item!r}; see knowledge list")


class NoSuchContradiction(WatcherError):
    """There is no contradiction of that name."""

    def __init__(self, which: str) -> None:
        super().__init__(f"there is no contradiction {which!r}; see knowledge contradictions")


class ReviewRefused(WatcherError):
    """A decision about an item cannot be as asked; the text says why. Nothing was changed."""


class Unconfirmed(WatcherError):
    """Agents would be given text that should be looked at twice, and nobody has confirmed that it was.

    ``unread``: each such text as agents would read it, with what it looks like.
    """

    def __init__(self, unread: Sequence[tuple[str, Sequence[str]]]) -> None:
        text, warnings = unread[0]
        more = f", and {len(unread) - 1} more" if len(unread) > 1 else ""
        super().__init__(
            f"{'; '.join(warnings)}: agents would read “{text}”{more}; nothing was changed, confirm that it was read"
        )
        self.unread = [(text, list(warnings)) for text, warnings in unread]


class ItemChanged(WatcherError):
    """An item says something else than what the reviewer has read; nothing was changed."""

    def __init__(self, item: str) -> None:
        super().__init__(f"{item} was changed meanwhile; read it again, then decide")


class ProcessorUnconfigured(WatcherError):
    """A processor cannot work as it is set; nothing was marked as done, and the others go on."""

    def __init__(self, processor: str, reason: str) -> None:
        super().__init__(f"{processor} is not configured: {reason}")


class ProcessorFailed(WatcherError):
    """A processor cannot be used, or cannot take a transcript; nothing was stored."""


class NoSuchJob(WatcherError):
    """There is no job of that name."""

    def __init__(self, name: str, names: list[str]) -> None:
        super().__init__(f"there is no job {name!r}; there are {', '.join(sorted(names))}")


class JobUnderWay(WatcherError):
    """A run of this job is under way; a second one is refused, not queued."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is under way; ask again when it is done")


class JobFailed(WatcherError):
    """A job's run failed; its record says the same."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} failed: {reason}")
        self.reason = reason


class CollectionFailed(WatcherError):
    """Transcripts cannot be copied from anybody, or no more of them; what was copied stays."""


class NotesUnreadable(WatcherError, ValueError):
    """People's notes cannot be taken as it is set; the text says what to set. Nothing was read."""


class SweepUnderWay(JobUnderWay):
    """A sweep of this processor is under way; a second one would see the same."""

    def __init__(self, processor: str) -> None:
        super().__init__(f"a sweep or run of {processor}")


class BackfillFailed(WatcherError):
    """Columns could not be made anew, such as costs after prices changed; the rows keep what they hold."""

    def __init__(self, processor: str, reason: str) -> None:
        super().__init__(f"{processor} could not make its columns anew: {reason}")


class ExportRefused(WatcherError):
    """Nothing can be exported to the folder that is set; the text says why and what to set."""


class PathRefused(WatcherError):
    """A transcript may not be put where it was sent to; the text says why."""


class OffsetMismatch(WatcherError):
    """What was sent does not go on from what is there; ``size`` says how far that goes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"it does not fit to the {size} bytes that are there; go on from their end, or send it whole")
        self.size = size


class TooLong(WatcherError):
    """More was sent than is taken."""

    def __init__(self, longest: int) -> None:
        super().__init__(f"longer than the {longest} bytes that are taken ([http] max_upload)")


class NoRoom(WatcherError):
    """The disk does not take it; what was there is as it was."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"there is no room for it ({reason}); nothing was changed, send it again later")


class NoFolder(WatcherError):
    """The sessions folder is not there, or is a person's own: nothing can be put into it."""
