"""Loading: the settings from every source, checked, and where each of them is from.

Sources, the later wins: defaults, the file, the environment (``WATCHER_<TABLE>__<KEY>`` and
the operators' ``SCHEDULER_…`` variables), the command line.
"""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import ConfigDict, Field, ValidationError, create_model

from processors.contract import LONGEST, Seconds
from watcher.errors import SettingsError
from watcher.logs import Log
from watcher.plugins import RefusedProcessor, discover
from watcher.settings.tables import SECRET, Settings, known, written

log = Log()

Source = Literal["default", "file", "environment", "command line"]

PREFIX = "WATCHER_"
#: The file that is read where none is named.
FILE = "settings.toml"
#: The operators' variables, in seconds, and the setting that each one is.
OPERATORS = {
    "SCHEDULER_USAGE_PROCESSOR_INTERVAL": ("processors", "usage", "sweep_every"),
    "SCHEDULER_VERIFICATION_DETECTOR_INTERVAL": ("processors", "verification", "sweep_every"),
    "SCHEDULER_SESSION_COLLECTOR_INTERVAL": ("collector", "every"),
    "SCHEDULER_CORPORATE_MEMORY_INTERVAL": ("corporate_memory", "every"),
    "SCHEDULER_HEALTH_CHECK_INTERVAL": ("health", "every"),
}


#: A path that may be empty.
EXPORT = ("housekeeping", "export")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where each of them is from."""

    settings: Settings
    sources: Mapping[tuple[str, ...], Source]
    #: A sentence for each table of a processor that is not installed.
    unused: Sequence[str] = ()

    def warn(self) -> None:
        """Log what is of no use."""
        for told in self.unused:
            log.warning("settings_unused", reason=told)


def load(
    path: Path | None = None, environ: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
) -> Loaded:
    """Read the settings from every source.

    Args:
        path: the file; by default ``settings.toml`` in the working folder, if there is one.
        environ: by default the process's.
        overrides: from the command line, as ``{"paths.state": …}``.

    Raises:
        SettingsError: one sentence with the place, the key, the value and what is accepted.
    """
    environ = os.environ if environ is None else environ
    origins: dict[tuple[str, ...], tuple[Source, str]] = {}
    values: dict[tuple[str, ...], Any] = {}
    shape = model()
    keys = {key: default for key, default, _ in known(shape())}
    file = Path(FILE) if path is None and Path(FILE).exists() else path
    found: list[tuple[Source, str, tuple[str, ...], Any]] = []
    unused: dict[str, str] = {}
    if file is not None:
        found += [("file", str(file), key, value) for key, value in _from_file(file, keys, unused)]
    found += [("environment", name, key, value) for name, key, value in _from_environment(environ, keys, unused)]
    found += [("command line", "the command line", tuple(k.split(".")), v) for k, v in (overrides or {}).items()]
    for source, place, key, value in found:
        if type(keys.get(key)) is int and isinstance(value, bool):
            raise SettingsError(f"{place}: {'.'.join(key)} = {written(value)}: accepted is a whole number")
        base = file.parent if source == "file" and file is not None else Path()
        if key[0] == "paths" and key[1] != "layout":
            value = _path(place, key, value, base)
        elif key == EXPORT and value and isinstance(value, str):
            value = str(_path(place, key, value, base))
        values[key], origins[key] = value, (source, place)
    try:
        settings = shape(**_nested(values))
    except ValidationError as error:
        raise SettingsError(_sentence(error, values, origins)) from None
    told = [
        f"{place}: [processors.{name}] is of no use: no such processor is installed; install it, or remove the settings"
        for name, place in unused.items()
    ]
    return Loaded(settings, {key: source for key, (source, _) in origins.items()}, told)


def model() -> type[Settings]:
    """The settings with a table for every processor that is registered."""
    tables: dict[str, Any] = {
        name: (processor.settings, Field(default_factory=processor.settings))
        for name, processor in discover().items()
        if not isinstance(processor, RefusedProcessor)
    }
    processors = create_model("Processors", __config__=ConfigDict(extra="forbid", frozen=True), **tables)
    made: Any = create_model("Settings", __base__=Settings, processors=(processors, Field(default_factory=processors)))
    assert issubclass(made, Settings)
    return cast(type[Settings], made)


def _from_file(
    file: Path, known: Mapping[tuple[str, ...], Any], unused: dict[str, str]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    try:
        with file.open("rb") as stream:
            tree = tomllib.load(stream)
    except FileNotFoundError:
        raise SettingsError(f"{file}: there is no such file; name an existing one with --settings") from None
    except IsADirectoryError:
        raise SettingsError(f"{file}: is a folder; name a settings file") from None
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # numbers too long, tables too deep
        raise SettingsError(f"{file}: is not TOML: {error}") from None
    for key, value in _leaves(tree, (), known):
        if _is_of_none(key, value):
            unused.setdefault(key[1], str(file))
        elif _must_be_known(key, known, str(file), value):
            yield key, value


def _leaves(
    tree: Mapping[str, Any], above: tuple[str, ...], known: Mapping[tuple[str, ...], Any]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in tree.items():
        key = (*above, name)
        deeper = any(k[: len(key)] == key and len(k) > len(key) for k in known)
        if isinstance(value, dict) and key not in known and deeper:
            yield from _leaves(value, key, known)
        else:
            yield key, value


def _from_environment(
    environ: Mapping[str, str], known: Mapping[tuple[str, ...], Any], unused: dict[str, str]
) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    for name, value in environ.items():
        if name.upper().startswith(PREFIX):
            key = tuple(name[len(PREFIX) :].lower().split("__"))
            if _is_of_none(key, value):
                unused.setdefault(key[1], name)
            elif _must_be_known(key, known, name, value):
                yield name, key, _structured(value) if isinstance(known[key], (Mapping, list, tuple)) else value
    for name, key in OPERATORS.items():
        if name in environ:
            interval = _interval(name, environ[name])
            if key in known:
                yield name, key, interval


def _structured(value: str) -> Any:
    """What a variable says of a list or a table, which it gives as JSON."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _interval(name: str, value: str) -> Seconds:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST:
        raise SettingsError(f"{name} = {value!r}: a number of seconds more than 0 is accepted")
    return Seconds(seconds)


def _path(place: str, key: tuple[str, ...], value: Any, base: Path) -> Path:
    """A path as it is meant."""
    with suppress(TypeError, RuntimeError):
        if value:
            return base / Path(value).expanduser()
    raise SettingsError(f'{place}: {".".join(key)} = {written(value)}: accepted is a path such as "/data/state"')


def _is_of_none(key: tuple[str, ...], value: Any) -> bool:
    """Whether it is a table, or in a table, of a processor that is not installed and no installed one misspelt."""
    if key[0] != "processors" or not (len(key) > 2 or (len(key) == 2 and isinstance(value, dict))):
        return False
    return key[1] not in discover() and not difflib.get_close_matches(key[1].lower(), discover(), n=1, cutoff=0.7)


def _must_be_known(key: tuple[str, ...], known: Mapping[tuple[str, ...], Any], place: str, value: Any) -> bool:
    """Whether it is a setting; False for one of a processor that cannot be used now."""
    if key in known:
        return True
    if key[0] == "processors" and isinstance(discover().get(".".join(key[1:2])), RefusedProcessor):
        return False
    name = written(".".join(key))[1:-1]
    if any(k[: len(key)] == key for k in known):
        raise SettingsError(f"{place}: {name} = {written(value)}: accepted is a table, [{name}]")
    near = difflib.get_close_matches(name, [".".join(k) for k in known], n=1, cutoff=0.7)
    tables = sorted({".".join(k[:-1]) for k in known})
    siblings = sorted(k[-1] for k in known if k[:-1] == key[:-1])
    accepted = f"this table has {', '.join(siblings)}" if siblings else f"the tables are {', '.join(tables)}"
    raise SettingsError(f"{place}: {name} is not a setting; " + (f"did you mean {near[0]}?" if near else accepted))


def _nested(values: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        inner = tree
        for part in key[:-1]:
            inner = inner.setdefault(part, {})
        inner[key[-1]] = value
    return tree


def _sentence(
    error: ValidationError,
    values: Mapping[tuple[str, ...], Any],
    origins: Mapping[tuple[str, ...], tuple[Source, str]],
) -> str:
    """The first mistake as one sentence."""
    first = error.errors(include_url=False)[0]
    said = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ").partition(", unable to")[0]
    place_in = tuple(map(str, first["loc"]))
    # A processor's settings are judged as a whole: the sentence begins with the key.
    own_key, colon, rest = said.partition(": ")
    if colon and own_key.isidentifier():
        place_in, said = (*place_in, own_key), rest
    key = next((k for k in origins if place_in[: len(k)] == k or k[: len(place_in)] == place_in), place_in)
    _, place = origins.get(key, ("default", "settings"))
    value = values.get(key, first.get("input"))
    shown = "(not shown)" if key in SECRET else written(value)
    return f"{place}: {'.'.join(place_in)} = {shown}: accepted is {said[0].lower()}{said[1:]}"
