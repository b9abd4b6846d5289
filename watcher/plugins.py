"""The processor registry, read from entry points; built-in processors register like any other."""

from __future__ import annotations

import keyword
import os
import re
import traceback
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

from processors.contract import ENTRY_POINTS, Processor, ProcessorSettings, Schema
from watcher.errors import first_line

_NAME = re.compile(r"[a-z][a-z0-9_]*")
#: Lines of a traceback that are kept.
_TRACED = 6
#: What is said of a processor whose migrations or views fail.
NO_TABLES = "its tables cannot be made"
_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep


class NoSuchProcessor(Exception):
    """No processor is registered under this name."""


@dataclass(frozen=True, slots=True)
class RefusedProcessor:
    """A processor that cannot be used; the others are unaffected."""

    name: str
    reason: str
    #: The last lines of the traceback; empty if nothing was raised.
    trace: str = ""

    def told(self) -> dict[str, str]:
        """For a program."""
        return {"processor": self.name, "error": self.reason, "traceback": self.trace}


def origins() -> dict[str, str]:
    """The distributions that register each processor, as ``name version``, by processor name."""
    found: dict[str, str] = {}
    for point in entry_points(group=ENTRY_POINTS):
        whose = f"{point.dist.name} {point.dist.version}" if point.dist is not None else "unknown"
        found[point.name] = f"{found[point.name]}, {whose}" if point.name in found else whose
    return found


@cache
def discover() -> dict[str, Processor | RefusedProcessor]:
    """Every registered processor by name; an unusable one as `RefusedProcessor`."""
    found: dict[str, Processor | RefusedProcessor] = {}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: (point.name, point.value)):
        if point.name in found:
            found[point.name] = RefusedProcessor(
                point.name, f"two processors are registered as {point.name}; uninstall one"
            )
            continue
        try:
            found[point.name] = _instance(point)
            _check_settings_table(found[point.name])
        except (Exception, SystemExit) as error:  # noqa: BLE001 — importing third-party code may raise anything
            found[point.name] = refusal(point.name, "it cannot be used", error)
    return found


def refusal(name: str, what: str, error: BaseException) -> RefusedProcessor:
    """A refusal: the reason in one line with its source position, and the last lines of the traceback."""
    said = first_line(error)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_third_party(frame.filename)]
    # A note names the file, where it is no code but SQL.
    places = [*getattr(error, "__notes__", []), *(_place(frame) for frame in frames[-1:])][:1]
    place = f" ({places[0]})" if places else ""
    lines = "".join(traceback.format_exception(error)).splitlines() if places else []
    last = [line for line in lines if line.strip("^~ ")][-_TRACED:]
    return RefusedProcessor(name, f"{what}: {type(error).__name__}: {said}{place}", "\n".join(last))


def _place(frame: traceback.FrameSummary) -> str:
    return f"{'/'.join(frame.filename.split(os.sep)[-2:])}:{frame.lineno}"


def _is_third_party(file: str) -> bool:
    """Whether a file belongs neither to this package nor to Python's import system."""
    return not file.startswith(("<frozen", _OURS)) and f"{os.sep}importlib{os.sep}" not in file


def name_fault(name: str) -> str | None:
    """Why a name cannot be given to a new processor; None if it can."""
    # Imported lazily, as below.
    from pydantic import BaseModel

    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        return f"{name!r} is no name for a processor: use lower-case letters, digits and _, a letter first"
    if name in origins():
        return f"a processor named {name} is installed already ({origins()[name]})"
    if hasattr(BaseModel, name) or find_spec(name) is not None:
        return f"{name} is the name of something else in Python; choose another"
    return None


def load(name: str) -> Processor:
    """Load one processor without importing any other.

    Raises:
        NoSuchProcessor: no processor has that name.
    """
    for point in entry_points(group=ENTRY_POINTS, name=name):
        return _instance(point)
    raise NoSuchProcessor(name)


def _instance(point: EntryPoint) -> Processor:
    made = point.load()
    processor = made() if isinstance(made, type) else made
    if fault := _fault(point.name, processor):
        raise TypeError(fault)
    assert isinstance(processor, Processor)
    return processor


def _fault(registered: str, processor: object) -> str | None:
    """How an object violates the processor contract; None if it does not."""
    if not isinstance(processor, Processor):
        lacking = [
            part for part in ("name", "version", "settings", "schema", "extract") if not hasattr(processor, part)
        ]
        return f"it lacks {', '.join(lacking)}"
    if processor.name != registered or not _NAME.fullmatch(processor.name):
        return f"its name {processor.name!r} must be {registered!r}, of lower-case letters, digits and _"
    if type(processor.version) is not int or processor.version < 1:
        return f"its version {processor.version!r} must be a whole number from 1"
    if not (isinstance(processor.settings, type) and issubclass(processor.settings, ProcessorSettings)):
        return "its settings must be a subclass of ProcessorSettings"
    if not isinstance(processor.schema, Schema):
        return "its schema must be a Schema"
    for name, table in processor.schema.tables.items():
        if table.session not in table.columns:
            return f"the table {name} has no column {table.session!r} for the session key"
        if table.key and table.session not in table.key:
            return f"the key of the table {name} must hold its session column {table.session!r}"
        if table.once and table.columns.get("counted") != "boolean":
            return f"the table {name} needs a boolean column counted, since its rows count once"
        if table.expires is not None and table.columns.get(table.expires) != "timestamp":
            return f"the table {name} has no timestamp column {table.expires!r} by which its rows could expire"
    return None


def _check_settings_table(processor: Processor | RefusedProcessor) -> None:
    """Check that the settings class can be a settings table; not needed in a child process, which receives values.

    Raises:
        TypeError: it cannot.
    """
    # Imported lazily: child processes use this module too and start faster without pydantic.
    from pydantic import BaseModel, TypeAdapter

    if hasattr(BaseModel, processor.name):
        raise TypeError(f"its name {processor.name!r} cannot be that of a settings table")
    assert not isinstance(processor, RefusedProcessor)
    try:
        TypeAdapter(processor.settings).validate_python({})
        processor.settings()
    except Exception as error:  # noqa: BLE001 — a third-party class may raise anything
        raise TypeError(f"its settings cannot be made: {type(error).__name__}: {error}") from None
