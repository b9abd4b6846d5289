"""Collector statistics: what was copied, and what was not and why."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from watcher.logs import Log

log = Log()

#: The most refusals and errors listed by name, of each home and of all homes together.
TOLD, TOLD_OF_ALL = 10, 200


@dataclass
class VisitTally:
    """Counts of one home or of all."""

    users_processed: int = 0
    #: Homes of which nothing can be copied, because of what they or their folders are.
    users_refused: int = 0
    files_copied: int = 0
    files_appended: int = 0
    files_replaced: int = 0
    #: Files whose copies are equal already.
    files_skipped: int = 0
    files_refused: int = 0
    bytes_copied: int = 0
    #: Homes and files that could not be read or written.
    errors: int = 0
    #: The first of these refusals and errors: user, path, reason.
    details: list[dict[str, str]] = field(default_factory=list)
    #: Settings of Claude Code that could not be used, in the same form: the default is assumed.
    warnings: list[dict[str, str]] = field(default_factory=list)

    def note(self, user: str, path: str, reason: str) -> None:
        """Record a refusal or an error; the first ones by name."""
        log.debug("file_not_collected", user=user, path=path, reason=reason)
        if len(self.details) < TOLD:
            self.details.append({"user": user, "path": path, "reason": reason})

    def warn(self, user: str, path: str, reason: str) -> None:
        """Record settings that could not be used."""
        if len(self.warnings) < TOLD:
            self.warnings.append({"user": user, "path": path, "reason": reason})

    def add(self, other: VisitTally) -> None:
        """Add the counts of one home to these."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
        del self.details[TOLD_OF_ALL:], self.warnings[TOLD_OF_ALL:]
