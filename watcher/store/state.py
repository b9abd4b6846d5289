"""The state row: how far one processor took one session."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

Status = Literal["ok", "failed", "quarantined", "gone"]
#: Inode, size, mtime_ns and ctime_ns of a file; None where unknown or not to be trusted.
Seen = tuple[int | None, int | None, int | None, int | None]


class Version(NamedTuple):
    """A processor's version, as its sessions are judged by it."""

    now: int
    #: What an earlier one has made is made anew by itself.
    stands_from: int

    @classmethod
    def of(cls, version: int, asks_model: bool) -> Version:
        """Where a model would be asked again, which is paid for, everything stands until somebody wants it anew."""
        return cls(version, 0 if asks_model else version)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """One row of ``session_processor_state``; the fields are its columns, in order."""

    processor_name: str
    session_file: str
    username: str
    #: When its rows were last committed; None before the first time.
    processed_at: datetime | None = None
    items_extracted: int = 0
    #: Of the first ``processed_bytes`` bytes, as ``xxh3:<hex>``; 32 bare hex digits are a legacy MD5.
    file_hash: str | None = None
    file_inode: int | None = None
    file_size: int | None = None
    file_mtime_ns: int | None = None
    #: None where it was too close to the reading to be trusted.
    file_ctime_ns: int | None = None
    processed_bytes: int = 0
    bad_lines: int = 0
    #: The earliest that had a part in its rows. None for an imported row, which counts as made by the current version.
    processor_version: int | None = None
    status: Status = "ok"
    attempts: int = 0
    last_error: str | None = None
    #: When trouble is tried again, or an unfinished last line is looked at again.
    next_attempt_at: datetime | None = None
    #: The processor's own memory between passes, as JSON.
    carry: str | None = None

    @property
    def signature(self) -> Seen:
        return (self.file_inode, self.file_size, self.file_mtime_ns, self.file_ctime_ns)

    @property
    def mark(self) -> tuple[object, ...]:
        """What must still be so when a pass that began from this state commits."""
        return (
            self.processed_bytes,
            self.file_hash,
            self.processor_version,
            self.status,
            self.attempts,
        )

    def is_before(self, version: int) -> bool:
        """Whether an earlier version than this had a part in its rows."""
        return self.processor_version is not None and self.processor_version < version

    def seen(self, signature: Seen) -> State:
        """The same state with the file as it was seen."""
        inode, size, mtime_ns, ctime_ns = signature
        return msgspec.structs.replace(
            self, file_inode=inode, file_size=size, file_mtime_ns=mtime_ns, file_ctime_ns=ctime_ns
        )

    def gone(self) -> State:
        """After the file went; should it come back it is read again, whatever was owed to it before."""
        return msgspec.structs.replace(
            self, status="gone", file_ctime_ns=None, attempts=0, last_error=None, next_attempt_at=None
        )

    def failed(self, error: str, signature: Seen, attempts: int, again_at: datetime | None, version: Version) -> State:
        """After a failure; quarantined where it is not to be tried again by itself."""
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
