"""The registry: which processors there are. Ours enter by the same door as a stranger's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from processors.contract import ENTRY_POINTS, Processor, ProcessorSettings, Schema

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class NoSuchProcessor(Exception):
    """No processor is registered under this name."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A processor that cannot be used; the others go on without it."""

    name: str
    reason: str


@cache
def discover() -> dict[str, Processor | Refused]:
    """Every registered processor by name, with the reason for those that cannot be used."""
    found: dict[str, Processor | Refused] = {}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: (point.name, point.value)):
        if point.name in found:
            found[point.name] = Refused(point.name, f"two processors are registered as {point.name}; uninstall one")
            continue
        try:
            found[point.name] = _instance(point)
            _must_make_a_table(found[point.name])
        except (Exception, SystemExit) as error:  # noqa: BLE001 — a stranger's import may raise anything
            found[point.name] = Refused(point.name, f"it cannot be used: {type(error).__name__}: {error}")
    return found


def load(name: str) -> Processor:
    """One processor, without importing any other.

    Raises:
        NoSuchProcessor: there is none of that name.
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
    """What about it breaks the contract, None if nothing does."""
    if not isinstance(processor, Processor):
        return "it lacks one of name, version, settings, schema, extract"
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


def _must_make_a_table(processor: Processor | Refused) -> None:
    """See that its settings can be those of a table; a child process, which has them already, need not.

    Raises:
        Exception: they cannot.
    """
    # Loaded when used: children look processors up too, and start the faster without it.
    from pydantic import BaseModel, TypeAdapter

    if hasattr(BaseModel, processor.name):
        raise TypeError(f"its name {processor.name!r} cannot be that of a settings table")
    assert not isinstance(processor, Refused)
    try:
        TypeAdapter(processor.settings).validate_python({})
        processor.settings()
    except Exception as error:  # noqa: BLE001 — a stranger's class may raise anything
        raise TypeError(f"its settings cannot be made: {type(error).__name__}: {error}") from None
