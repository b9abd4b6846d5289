"""The processor contract: everything that a processor sees.

A processor reads the new lines of one session and says which rows follow from
them. It has no database, no thread and no clock. The spine gives it complete
lines, puts its rows and the note that they were made into one transaction, and
keeps it apart from every other processor.

Register one as an entry point in the group ``session_watcher.processors``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from processors.lines import Lines

__all__ = [
    "ENTRY_POINTS",
    "Backfill",
    "Backfills",
    "Bytes",
    "ColumnType",
    "Export",
    "Extraction",
    "Lines",
    "ModelAccess",
    "Once",
    "Paused",
    "Processor",
    "ProcessorSettings",
    "Schema",
    "Seconds",
    "Session",
    "Statement",
    "Table",
    "Transient",
    "Unconfigured",
    "Work",
    "setting",
]

#: The entry-point group in which processors register.
ENTRY_POINTS = "session_watcher.processors"

#: What a column may hold. ``timestamp`` is an instant with a zone (a ``datetime``).
ColumnType = Literal["text", "integer", "real", "boolean", "timestamp"]

#: A row: a mapping from column to value, or a ``msgspec.Struct`` whose fields are
#: the table's columns (the fast way). The session column is filled in by the spine; a
#: Struct that is not frozen may have a field for it, which is the fastest.
Row = Any


class Transient(Exception):
    """A temporary failure outside the processor: a rate limit, a timeout, a provider that is down.

    The session is retried without counting an attempt, and the processor slows down.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        #: Seconds that the provider asked to wait, if it did.
        self.retry_after = retry_after


class Paused(Transient):
    """A limit of this service is used up until ``retry_after`` seconds have passed.

    No attempt is counted, and the whole processor waits for so long.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message, retry_after)


class Unconfigured(Exception):
    """The processor lacks a setting: the text says what to set, in words that end a sentence.

    Nothing is noted against the session; health and whoever asks for a run are told, and it is tried
    again now and then, when somebody asks, and when the settings change.
    """


#: The longest duration, in seconds: clocks end somewhere.
LONGEST = 36_500 * 86_400.0


class Seconds(float):
    """A duration in seconds, written ``"90s"``, ``"15m"``, ``"1h"``, ``"500ms"`` or ``"1d"`` in settings."""

    _UNITS: ClassVar[dict[str, float]] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

    @classmethod
    def parse(cls, value: object) -> Seconds:
        """Parse a duration.

        Raises:
            ValueError: it is malformed.
        """
        if isinstance(value, Seconds):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", value.strip()) if isinstance(value, str) else None
        if match is None:
            raise ValueError('a duration such as "90s", "15m" or "1h"')
        if (seconds := float(match[1]) * cls._UNITS[match[2]]) > LONGEST:
            raise ValueError("a duration of at most 36500d")
        return cls(seconds)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> dict[str, Any]:
        return {"type": "function-plain", "function": {"type": "no-info", "function": cls.parse}}

    def __str__(self) -> str:
        for unit in ("d", "h", "m", "s"):
            if self and self % self._UNITS[unit] == 0:
                return f"{self / self._UNITS[unit]:.0f}{unit}"
        return f"{float(self):.12g}s" if self >= 1 or not self else f"{self * 1000:.12g}ms"


class Bytes(int):
    """A size of memory or disk, written ``"512MB"`` or ``"1GB"`` in settings."""

    _UNITS: ClassVar[dict[str, int]] = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}

    @classmethod
    def parse(cls, value: object) -> Bytes:
        """Parse a size.

        Raises:
            ValueError: it is malformed.
        """
        if isinstance(value, Bytes):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(KB|MB|GB|TB)", value.strip()) if isinstance(value, str) else None
        if match is None:
            raise ValueError('a size such as "512MB" or "1GB"')
        return cls(float(match[1]) * cls._UNITS[match[2]])

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> dict[str, Any]:
        return {"type": "function-plain", "function": {"type": "no-info", "function": cls.parse}}

    def __str__(self) -> str:
        for unit in ("TB", "GB", "MB", "KB"):
            if self and self % self._UNITS[unit] == 0:
                return f"{int(self) // self._UNITS[unit]}{unit}"
        return f"{int(self) / 1000:.15g}KB"


def setting(default: Any, help: str) -> Any:
    """Define a field of a settings class: its default and one line of help."""
    if isinstance(default, (dict, list)):
        return field(default_factory=lambda: type(default)(default), metadata={"help": help})
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True, kw_only=True)
class ProcessorSettings:
    """Settings of every processor, under ``[processors.<name>]``. Subclass it to add keys."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    enabled: bool = setting(True, "Run this processor.")
    quiet: Seconds = setting(Seconds(2), "Debounce: how long a session must be unchanged before it is read.")
    max_wait: Seconds = setting(Seconds(30), "A session that keeps changing is read this long after its first change.")
    sweep_every: Seconds = setting(Seconds(600), "How often the tree is compared with the processed offsets.")
    concurrency: int = setting(1, "Sessions processed in parallel, each in its own child process.")
    deadline: Seconds = setting(
        Seconds(300), "Time limit of one extraction; a longer one is killed and counts as failed."
    )
    memory_limit: Bytes = setting(Bytes(1_000_000_000), "Memory limit of a child process.")

    @property
    def asks_model(self) -> bool:
        """Whether these settings ask a model: then ``[model]`` concerns the processor, see `Work.model`.

        Then a raised version takes no session again by itself: new lines go on from an earlier version's carry.
        """
        return False

    def __post_init__(self) -> None:
        """Check the values; subclasses that check more call this too.

        Raises:
            ValueError: says what is accepted.
        """
        if not 1 <= self.concurrency <= 64:
            raise ValueError("concurrency: a whole number from 1 to 64")
        for name in ("max_wait", "sweep_every", "deadline", "memory_limit"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: more than 0")


@dataclass(frozen=True, slots=True)
class Session:
    """The session that the lines belong to."""

    #: Path relative to the sessions folder, percent-encoded where needed: unique and safe to store.
    key: str
    #: The user of the session.
    username: str

    @property
    def stem(self) -> str:
        """The file's name without its folder and ``.jsonl``."""
        return self.key.rsplit("/", 1)[-1].removesuffix(".jsonl")


@dataclass(frozen=True, slots=True)
class ModelAccess:
    """``[model]`` of the settings: the model and its limits; `processors.llm` makes the calls."""

    #: ``provider:name``; empty where none is set.
    model: str = ""
    #: Its base URL; empty: the provider's own.
    base_url: str = ""
    #: Timeout of one call, in seconds.
    timeout: float = 60.0
    requests_per_minute: int = 60
    #: Tokens in and out, by UTC days; 0: unlimited.
    max_tokens_a_day: int = 0
    #: The folder of the call log, shared by all processes to which the limits apply.
    journal: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """The input of ``extract``: one piece of one session."""

    session: Session
    lines: Lines
    #: Offset in the file of the first byte of ``lines``. 0: the whole session is recomputed.
    start: int
    #: The ``carry`` of the last pass over this session; empty where ``start`` is 0.
    carry: Mapping[str, Any]
    #: This processor's settings.
    settings: Any
    #: The model, if the settings say that it asks one.
    model: ModelAccess | None = None


@dataclass(frozen=True, slots=True)
class Extraction:
    """The output of ``extract``: rows, and how far they reach."""

    #: Table name to rows; upserted by the table's key. Where ``start`` is 0 the session's old rows are deleted first.
    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    #: Table to positions: rows that an earlier pass over this session made and that go. The table counts once, and
    #: has an integer column ``position``. Unknown positions are nothing.
    withdrawn: Mapping[str, Sequence[int]] = field(default_factory=dict)
    #: Named statements of the schema with their parameters, run after the rows, in this order.
    after: Sequence[tuple[str, Sequence[Any]]] = ()
    #: Number of items found, as people would count them.
    items: int = 0
    #: Number of bad lines.
    bad_lines: int = 0
    #: Bytes processed, ending at a line's end; None: all of them. Fewer: this window is committed
    #: and the rest is the next pass.
    consumed: int | None = None
    #: A small JSON value for the next pass over this session (at most 64 kB).
    carry: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Once:
    """A thing that may occur in several sessions (a fork copies lines) but counts once over all of them.

    Of all rows that agree in ``by``, the first by ``best`` has ``counted`` true, all others
    false, whatever the order in which sessions came, were rewritten or forgotten. ``merged`` columns
    of the counted row are computed over all of them.
    """

    #: Columns that name the thing.
    by: tuple[str, ...]
    #: ORDER BY terms over the table's columns; the first row wins. Must order rows totally.
    best: tuple[str, ...]
    #: Column of the counted row to the SQL aggregate over all rows of the thing.
    merged: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """A table that the processor's migrations create and its rows go into.

    In the database it may have further columns, each with a default.
    """

    columns: Mapping[str, ColumnType]
    #: Columns by which rows are upserted. Empty: rows are only added (and deleted with their session).
    key: tuple[str, ...] = ()
    #: The column that holds the session key. Not given in rows: the spine fills it in.
    session: str = "session_file"
    once: Once | None = None
    #: Column with the time of what a row tells: rows may be dropped once that is older than an operator
    #: keeps events. None: they are kept.
    expires: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with ``$1`` … placeholders that ``Extraction.after`` may name; ``$1`` is always the session key."""

    sql: str


@dataclass(frozen=True, slots=True)
class Backfill:
    """Columns that follow from stored columns and the settings alone, such as a cost from tokens and prices.

    They are recomputed when their basis (`Backfills.basis`) changes, also for sessions that are gone.
    """

    #: What the processor gives back for each row.
    columns: Mapping[str, ColumnType]
    #: SQL: the sessions, as ``session_file``, that hold rows of another basis than $1.
    stale: str
    #: SQL: what the processor is given of the rows of some sessions ($1) that have another basis than $2.
    given: str
    #: SQL, in this order and in one transaction: puts what came back (``{values}``) into the rows of some sessions
    #: ($1), and notes that they are of the basis $2 now.
    store: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Export:
    """A table or view that is also kept as Parquet files, one for each day, where an operator asks for that."""

    #: The column with the instant that says which day (in UTC) a row belongs to.
    at: str
    #: The columns that name a row, where rows expire: what was dropped stays in its day's file. Its table's
    #: ``expires`` is then the same instant.
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """A processor's tables, migrations and views."""

    tables: Mapping[str, Table]
    #: Package that holds ``migrations/NNN_name.sql``, and ``views.sql`` if there are views.
    package: str
    statements: Mapping[str, Statement] = field(default_factory=dict)
    #: Table or view to how it is exported.
    exports: Mapping[str, Export] = field(default_factory=dict)
    #: Columns that are recomputed when their basis changes; the processor is then a `Backfills`.
    backfill: Backfill | None = None


@runtime_checkable
class Processor(Protocol):
    """A plug-in that turns sessions into rows."""

    #: ``[a-z][a-z0-9_]*``; also the name of its settings table.
    name: str
    #: Raise it to reprocess every session; automatic only where the settings ask no model.
    version: int
    settings: type[ProcessorSettings]
    schema: Schema

    def extract(self, work: Work) -> Extraction:
        """Extract rows from these lines. Pure: the same work gives the same extraction.

        Raises:
            Transient: a temporary failure outside.
            Unconfigured: a setting is missing.
            Exception: anything else is a failure of this session, which is retried later.
        """
        ...


@runtime_checkable
class Backfills(Protocol):
    """A processor with columns that are recomputed when their basis changes."""

    def basis(self, settings: Any) -> int:
        """Return a number (63 bits) for what the columns are based on; cheap, called at each start and change."""
        ...

    def backfill(self, rows: Sequence[Sequence[Any]], settings: Any) -> Sequence[Mapping[str, Any]]:
        """Compute the columns for each row; rows have the columns of `Backfill.given`. Pure, like ``extract``."""
        ...
