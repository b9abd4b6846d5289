"""The tally: what was collected, and what was not and why."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from watcher.logs import Log

log = Log()

#: So many of each home's refusals and errors are told one by one, and of all homes' together.
TOLD, TOLD_OF_ALL = 10, 200


@dataclass
class VisitTally:
    """What was done, in one home or in all."""

    users_processed: int = 0
    #: Homes of which nothing can be copied, for what they or the folders in them are.
    users_refused: int = 0
    files_copied: int = 0
    files_appended: int = 0
    files_replaced: int = 0
    #: Those whose copies are equal already.
    files_skipped: int = 0
    files_refused: int = 0
    bytes_copied: int = 0
    #: Homes and files that could not be read or written.
    errors: int = 0
    #: The first of these refusals and errors: whose, what, why.
    details: list[dict[str, str]] = field(default_factory=list)
    #: Settings of Claude Code that could not be used, told likewise: the default is assumed.
    warnings: list[dict[str, str]] = field(default_factory=list)

    def note(self, user: str, path: str, reason: str) -> None:
        """Tell a refusal or an error by name, one of the first."""
        log.debug("file_not_collected", user=user, path=path, reason=reason)
        if len(self.details) < TOLD:
            self.details.append({"user": user, "path": path, "reason": reason})

    def warn(self, user: str, path: str, reason: str) -> None:
        """Tell settings that could not be used."""
        if len(self.warnings) < TOLD:
            self.warnings.append({"user": user, "path": path, "reason": reason})

    def add(self, other: VisitTally) -> None:
        """What was done in one home counts for all."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
        del self.details[TOLD_OF_ALL:], self.warnings[TOLD_OF_ALL:]
