"""What can go wrong, in sentences that say what happened and what to do."""

from __future__ import annotations


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
    """The running service did not do what it was asked for."""


class SweepUnderWay(WatcherError):
    """A sweep of this processor is under way; a second one would see the same."""

    def __init__(self, processor: str) -> None:
        super().__init__(f"a sweep or run of {processor} is under way; ask again when it is done")
