"""The errors of the service; each message says what happened and what to do."""

from __future__ import annotations

from collections.abc import Sequence


def ended(sentence: str) -> str:
    """A sentence with a full stop, unless it ends in punctuation already."""
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


def first_line(error: BaseException) -> str:
    """The first line of an error's message; its class name if the message is empty."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


class WatcherError(Exception):
    """An error that the user can fix; its message is complete without a traceback."""


class SettingsError(WatcherError):
    """An invalid setting; the message names the file or variable, the key, the value and what is accepted."""


class StateInUse(WatcherError):
    """The state folder is locked by another process."""

    def __init__(self, path: str, pid: int | None) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"{path} is in use by {who}; stop it first, or set another folder (paths.state, or --state)")
        self.pid = pid


class DatabaseTrouble(WatcherError):
    """The database cannot be opened; nothing was changed."""


class ServiceTrouble(WatcherError):
    """A request to the running service failed; ``code``: the HTTP status, None without a response."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class NoSuchSession(WatcherError):
    """A name matches no session, or more than one."""

    def __init__(self, text: str, found: list[str]) -> None:
        if found:
            several = ", ".join(found[:5]) + (", …" if len(found) > 5 else "")
            super().__init__(f"{text!r} may mean several sessions: {several}; give more of the one that is meant")
        else:
            super().__init__(f"no session is named {text!r}; see sessions list")


class TokenRefused(WatcherError):
    """A token cannot be created or revoked; the message says why."""


class LegacyRefused(WatcherError):
    """A database of the earlier generation cannot be imported; the message says why. Nothing was changed."""


class OrderRefused(WatcherError):
    """A session command selects nothing; the message says what it needs."""


class OrderFailed(WatcherError):
    """A session command failed; nothing was changed."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: the database does not take it ({reason}); nothing was changed, ask again later")


class ChartTrouble(WatcherError):
    """A chart cannot be drawn; the message says why, and names a missing package."""


class NoSuchItem(WatcherError):
    """No knowledge item has that id, or the caller may not see it."""

    def __init__(self, item: str) -> None:
        super().__init__(f"there is no item {item!r}; see knowledge list")


class NoSuchContradiction(WatcherError):
    """No contradiction has that id."""

    def __init__(self, which: str) -> None:
        super().__init__(f"there is no contradiction {which!r}; see knowledge contradictions")


class ReviewRefused(WatcherError):
    """A review decision is not possible; the message says why. Nothing was changed."""


class Unconfirmed(WatcherError):
    """Text with warnings would be served to agents without a confirmation. Nothing was changed.

    ``unread``: each such text as served, with its warnings.
    """

    def __init__(self, unread: Sequence[tuple[str, Sequence[str]]]) -> None:
        text, warnings = unread[0]
        more = f", and {len(unread) - 1} more" if len(unread) > 1 else ""
        super().__init__(
            f"{'; '.join(warnings)}: agents would read “{text}”{more}; nothing was changed, confirm that it was read"
        )
        self.unread = [(text, list(warnings)) for text, warnings in unread]


class ItemChanged(WatcherError):
    """An item was changed since the reviewer read it; nothing was changed."""

    def __init__(self, item: str) -> None:
        super().__init__(f"{item} was changed meanwhile; read it again, then decide")


class ProcessorUnconfigured(WatcherError):
    """A processor lacks a setting; no session was marked as processed, other processors are unaffected."""

    def __init__(self, processor: str, reason: str) -> None:
        super().__init__(f"{processor} is not configured: {reason}")


class ProcessorFailed(WatcherError):
    """A processor cannot be used, or failed on a transcript; nothing was stored."""


class NoSuchJob(WatcherError):
    """No job has that name."""

    def __init__(self, name: str, names: list[str]) -> None:
        super().__init__(f"there is no job {name!r}; there are {', '.join(sorted(names))}")


class JobUnderWay(WatcherError):
    """The job is running; a second run is refused, not queued."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is under way; ask again when it is done")


class JobFailed(WatcherError):
    """A job run failed; its entry in the job log holds the same message."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} failed: {reason}")
        self.reason = reason


class CollectionFailed(WatcherError):
    """The collector could not start or continue; copied transcripts stay."""


class NotesUnreadable(WatcherError, ValueError):
    """Notes cannot be read with the current settings; the message says what to set. Nothing was read."""


class SweepUnderWay(JobUnderWay):
    """A sweep of this processor is running; a second one would find the same."""

    def __init__(self, processor: str) -> None:
        super().__init__(f"a sweep or run of {processor}")


class BackfillFailed(WatcherError):
    """A backfill failed, such as of costs after a price change; the rows keep their values."""

    def __init__(self, processor: str, reason: str) -> None:
        super().__init__(f"{processor} could not recompute its columns: {reason}")


class ExportRefused(WatcherError):
    """The export folder cannot be used; the message says why and what to set."""


class PathRefused(WatcherError):
    """The path of an upload is not allowed; the message says why."""


class OffsetMismatch(WatcherError):
    """The offset of an upload is not the end of the stored file; ``size``: the stored bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"upload offset mismatch: the server has {size} bytes; continue there, or send the whole file")
        self.size = size


class TooLong(WatcherError):
    """An upload exceeds the size limit."""

    def __init__(self, longest: int) -> None:
        super().__init__(f"longer than the {longest} bytes that are taken ([http] max_upload)")


class NoRoom(WatcherError):
    """The disk is full or not writable; stored data is unchanged."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"there is no room for it ({reason}); nothing was changed, send it again later")


class NoFolder(WatcherError):
    """The sessions folder is missing or is a personal one; it accepts no uploads."""
