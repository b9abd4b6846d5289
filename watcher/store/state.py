"""The state row: the offset and status of one session for one processor."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, NamedTuple

import msgspec

from watcher.sandbox import protocol

Status = Literal["ok", "failed", "quarantined", "gone"]
#: Inode, size, mtime_ns and ctime_ns of a file; None where unknown or not reliable.
Seen = tuple[int | None, int | None, int | None, int | None]


class Version(NamedTuple):
    """A processor's version, and which sessions it reprocesses."""

    now: int
    #: Sessions processed by a lower version are reprocessed automatically.
    stands_from: int

    @classmethod
    def of(cls, version: int, asks_model: bool) -> Version:
        """The version of a processor; with ``asks_model`` nothing is reprocessed automatically, as calls cost money."""
        return cls(version, 0 if asks_model else version)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """One row of ``session_processor_state``; the fields are its columns, in order."""

    processor_name: str
    session_file: str
    username: str
    #: When rows were last committed; None before the first commit.
    processed_at: datetime | None = None
    items_extracted: int = 0
    #: Hash of the first ``processed_bytes`` bytes, as ``xxh3:<hex>``; 32 bare hex digits are a legacy MD5.
    file_hash: str | None = None
    file_inode: int | None = None
    file_size: int | None = None
    file_mtime_ns: int | None = None
    #: None where it was too close to the time of reading to be reliable.
    file_ctime_ns: int | None = None
    processed_bytes: int = 0
    bad_lines: int = 0
    #: The lowest version that contributed rows; None for an imported row, which counts as current.
    processor_version: int | None = None
    status: Status = "ok"
    attempts: int = 0
    last_error: str | None = None
    #: When a failure is retried, or an unfinished last line is checked again.
    next_attempt_at: datetime | None = None
    #: The processor's carry, as JSON.
    carry: str | None = None

    @property
    def signature(self) -> Seen:
        return (self.file_inode, self.file_size, self.file_mtime_ns, self.file_ctime_ns)

    @property
    def mark(self) -> tuple[object, ...]:
        """The fields that must be unchanged when a pass that began from this state commits."""
        return (
            self.processed_bytes,
            self.file_hash,
            self.processor_version,
            self.status,
            self.attempts,
        )

    def is_before(self, version: int) -> bool:
        """Whether a version below ``version`` contributed to its rows."""
        return self.processor_version is not None and self.processor_version < version

    def seen(self, signature: Seen) -> State:
        """A copy with another file signature."""
        inode, size, mtime_ns, ctime_ns = signature
        return msgspec.structs.replace(
            self, file_inode=inode, file_size=size, file_mtime_ns=mtime_ns, file_ctime_ns=ctime_ns
        )

    def taken(self, window: protocol.Window, version: int) -> State:
        """The state after a window was processed; clears earlier failures."""
        from_start = window.start == 0
        inode, size, mtime_ns, ctime_ns = window.signature
        unfinished = not window.last or window.more
        return State(
            processor_name=self.processor_name,
            session_file=self.session_file,
            username=self.username,
            processed_at=datetime.now(UTC),
            items_extracted=window.items + (0 if from_start else self.items_extracted),
            file_hash=window.file_hash,
            file_inode=inode,
            file_size=size,
            file_mtime_ns=mtime_ns,
            # While the unchanged file has more to process, its signature must not match.
            file_ctime_ns=None if unfinished else ctime_ns,
            processed_bytes=window.processed_bytes,
            bad_lines=window.bad_lines + (0 if from_start else self.bad_lines),
            # Rows begun by an earlier version stay marked with it until the session is reprocessed.
            processor_version=version if from_start or not self.is_before(version) else self.processor_version,
            next_attempt_at=None if window.settles_at is None else datetime.fromtimestamp(window.settles_at, UTC),
            carry=window.carry.decode() if window.carry != b"{}" else None,
        )

    def gone(self) -> State:
        """The state after the file's deletion; if it returns, it is read again at once."""
        return msgspec.structs.replace(
            self, status="gone", file_ctime_ns=None, attempts=0, last_error=None, next_attempt_at=None
        )

    def failed(self, error: str, signature: Seen, attempts: int, again_at: datetime | None, version: Version) -> State:
        """The state after a failure; quarantined if ``again_at`` is None."""
        older = self.is_before(version.stands_from)
        return msgspec.structs.replace(
            self.seen(signature),
            processed_bytes=0 if older else self.processed_bytes,
            file_hash=None if older else self.file_hash,
            status="quarantined" if again_at is None else "failed",
            attempts=attempts,
            last_error=error[:2000],
            next_attempt_at=again_at,
            processor_version=version.now if older or self.processed_at is None else self.processor_version,
        )


COLUMNS: tuple[str, ...] = State.__struct_fields__
