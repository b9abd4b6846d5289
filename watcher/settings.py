"""Settings: names, defaults and help in one place, from which everything else follows.

Sources, the later wins: defaults, the file, the environment (``WATCHER_<TABLE>__<KEY>`` and
the operators' ``SCHEDULER_…`` variables), the command line.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from processors.contract import Bytes, ProcessorSettings, Seconds
from watcher.errors import SettingsError
from watcher.registry import Refused, discover

Source = Literal["default", "file", "environment", "command line"]

PREFIX = "WATCHER_"
#: The file that is read where none is named.
FILE = "settings.toml"
#: The operators' variables, in seconds, and the setting that each one is.
OPERATORS = {
    "SCHEDULER_USAGE_PROCESSOR_INTERVAL": ("processors", "usage", "sweep_every"),
    "SCHEDULER_VERIFICATION_DETECTOR_INTERVAL": ("processors", "verification", "sweep_every"),
}
_SECRET = {("http", "token"), ("database", "url")}


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Paths(_Table):
    """Where things are."""

    sessions: Path = Field(Path("/data/user_sessions"), description="The folder that holds the transcripts.")
    state: Path = Field(Path("/data/state"), description="The database, the token and backups live here.")
    layout: Literal["auto", "users", "projects"] = Field(
        "auto", description="A folder a user, or a person's own ~/.claude/projects; auto knows the latter by its name."
    )


class Node(_Table):
    """Which machine this is."""

    name: str = Field("", description="Put before every session key, where several machines share one database.")


class Service(_Table):
    """How the service runs."""

    stop_timeout: Seconds = Field(Seconds(30), description="How long a stop waits for what runs.")
    time_budget: Seconds = Field(Seconds(150), description="How long a run that somebody asked for may take.")


class DatabaseTable(_Table):
    """Where the tables are kept."""

    url: str = Field("", description="postgresql://… for a server; empty: DuckDB in the state folder.")


class ObserverTable(_Table):
    """How changes are noticed."""

    kind: Literal["auto", "native", "polling"] = Field("auto", description="auto polls on network file systems.")
    poll_interval: Seconds = Field(Seconds(5), description="How often is polled, or swept while the observer is deaf.")
    cookie_interval: Seconds = Field(Seconds(30), description="How often the observer's hearing is tested.")


class QueueTable(_Table):
    """How changes wait."""

    max_pending: int = Field(100_000, ge=1, description="Sessions that may wait; beyond it a sweep is owed.")
    settle: Seconds = Field(Seconds(60), description="A whole last line without its end is taken after so long.")


class RetryTable(_Table):
    """When trouble is tried again."""

    first: Seconds = Field(Seconds(30), description="How long until a failed session is tried again.")
    longest: Seconds = Field(Seconds(3600), description="The delay doubles each time, up to this.")
    max_attempts: int = Field(8, ge=1, description="After so many failures a session is quarantined.")


class HealthTable(_Table):
    """When health warns."""

    min_free_disk: Bytes = Field(Bytes(1_000_000_000), description="Less free disk than this is a warning.")


class Http(_Table):
    """The local API."""

    enabled: bool = Field(True, description="Whether the service answers; other commands need it while it runs.")
    host: str = Field("127.0.0.1", description="The address it listens on.")
    port: int = Field(8750, ge=0, le=65535, description="The port; 0 takes a free one.")
    token: str = Field("", description="The bearer token; empty: one is made in the state folder.")


class Log(_Table):
    """What is logged, and how."""

    format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal, else JSON.")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")


class Settings(BaseSettings):
    """Everything that can be set; immutable, made by `load`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    paths: Paths = Paths()
    node: Node = Node()
    service: Service = Service()
    database: DatabaseTable = DatabaseTable()
    observer: ObserverTable = ObserverTable()
    queue: QueueTable = QueueTable()
    retry: RetryTable = RetryTable()
    #: Processor name to its settings, of the class that the processor names.
    processors: Any = None
    health: HealthTable = HealthTable()
    http: Http = Http()
    log: Log = Log()

    def processor(self, name: str) -> ProcessorSettings:
        """The settings of one processor."""
        chosen = getattr(self.processors, name)
        assert isinstance(chosen, ProcessorSettings)
        return chosen

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """One merged source: `load` reads file and environment itself, to know and tell where a value is from."""
        return (init_settings,)


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting, for people."""

    table: str
    key: str
    #: As it is written in the file.
    value: str
    default: str
    help: str
    source: Source


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where each of them is from."""

    settings: Settings
    sources: Mapping[tuple[str, ...], Source]


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
    model = _model()
    known = {key: default for key, default, _ in _known(model())}
    file = Path(FILE) if path is None and Path(FILE).exists() else path
    found: list[tuple[Source, str, tuple[str, ...], Any]] = []
    if file is not None:
        found += [("file", str(file), key, value) for key, value in _from_file(file, known)]
    found += [("environment", name, key, value) for name, key, value in _from_environment(environ, known)]
    found += [("command line", "the command line", tuple(k.split(".")), v) for k, v in (overrides or {}).items()]
    for source, place, key, value in found:
        values[key], origins[key] = value, (source, place)
    try:
        settings = model(**_nested(values))
    except ValidationError as error:
        raise SettingsError(_sentence(error, values, origins)) from None
    return Loaded(settings, {key: source for key, (source, _) in origins.items()})


def rows(loaded: Loaded) -> list[SettingRow]:
    """Every setting with its value, default, help and source, in the file's order; secrets are not shown."""
    defaults = {key: value for key, value, _ in _known(_model()())}
    listed = []
    for key, value, help_line in _known(loaded.settings):
        shown = '"(set)"' if key in _SECRET and value else written(value)
        given = (origin for place, origin in loaded.sources.items() if place[: len(key)] == key)
        source: Source = next(given, "default")
        listed.append(SettingRow(".".join(key[:-1]), key[-1], shown, written(defaults[key]), help_line, source))
    return listed


def own(settings: Settings, name: str) -> dict[str, Any]:
    """One processor's settings as plain values, for its child process."""
    return {
        field.name: _plain(getattr(settings.processor(name), field.name))
        for field in dataclasses.fields(settings.processor(name))
    }


def written(value: object) -> str:
    """A value as it is written in the file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Seconds, Bytes, Path, str)):
        return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{written(str(k))} = {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(written, value)) + "]"
    return str(value)


def _plain(value: object) -> object:
    if isinstance(value, Seconds):
        return float(value)
    if isinstance(value, Bytes):
        return int(value)
    return str(value) if isinstance(value, Path) else value


def _model() -> type[Settings]:
    """The settings with a table for every processor that is registered."""
    tables: dict[str, Any] = {
        name: (processor.settings, Field(default_factory=processor.settings))
        for name, processor in discover().items()
        if not isinstance(processor, Refused)
    }
    processors = create_model("Processors", __config__=ConfigDict(extra="forbid", frozen=True), **tables)
    made: Any = create_model("Settings", __base__=Settings, processors=(processors, Field(default_factory=processors)))
    assert issubclass(made, Settings)
    return cast(type[Settings], made)


def _known(settings: Settings) -> Iterator[tuple[tuple[str, ...], Any, str]]:
    """Every key with its value and help."""
    for table in type(settings).model_fields:
        value = getattr(settings, table)
        if table != "processors":
            for key, field in type(value).model_fields.items():
                yield (table, key), getattr(value, key), field.description or ""
            continue
        for name in type(value).model_fields:
            chosen = getattr(value, name)
            for entry in dataclasses.fields(chosen):
                yield (table, name, entry.name), getattr(chosen, entry.name), entry.metadata.get("help", "")


def _from_file(file: Path, known: Mapping[tuple[str, ...], Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    try:
        with file.open("rb") as stream:
            tree = tomllib.load(stream)
    except FileNotFoundError:
        raise SettingsError(f"{file}: there is no such file; name an existing one with --settings") from None
    except IsADirectoryError:
        raise SettingsError(f"{file}: is a folder; name a settings file") from None
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: is not TOML: {error}") from None
    for key, value in _leaves(tree, (), known):
        _must_be_known(key, known, str(file))
        if key[0] == "paths" and key[1] != "layout" and isinstance(value, str) and value:
            value = str(file.parent / Path(value).expanduser())
        yield key, value


def _leaves(
    tree: Mapping[str, Any], above: tuple[str, ...], known: Mapping[tuple[str, ...], Any]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in tree.items():
        key = (*above, name)
        deeper = any(k[: len(key)] == key and len(k) > len(key) for k in known)
        if isinstance(value, dict) and key not in known and (deeper or (len(key) < 2 and not value)):
            yield from _leaves(value, key, known)
        else:
            yield key, value


def _from_environment(
    environ: Mapping[str, str], known: Mapping[tuple[str, ...], Any]
) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    for name, value in environ.items():
        if name.upper().startswith(PREFIX):
            key = tuple(name[len(PREFIX) :].lower().split("__"))
            _must_be_known(key, known, name)
            if key[0] == "paths" and key[1] != "layout":
                value = str(Path(value).expanduser()) if value else value
            yield name, key, _structured(value) if isinstance(known[key], (Mapping, list, tuple)) else value
    for name, key in OPERATORS.items():
        if name in environ and key in known:
            yield name, key, _interval(name, environ[name])


def _structured(value: str) -> Any:
    """What a variable says of a list or a table, which it gives as JSON."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _interval(name: str, value: str) -> Seconds:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise SettingsError(f"{name} = {value!r}: a number of seconds more than 0 is accepted")
    return Seconds(seconds)


def _must_be_known(key: tuple[str, ...], known: Mapping[tuple[str, ...], Any], place: str) -> None:
    if key in known:
        return
    name = ".".join(key)
    near = difflib.get_close_matches(name, [".".join(k) for k in known], n=1, cutoff=0.7)
    tables = sorted({".".join(k[:-1]) for k in known})
    siblings = sorted(k[-1] for k in known if k[:-1] == key[:-1])
    accepted = f"this table has {', '.join(siblings)}" if siblings else f"the tables are {', '.join(tables)}"
    raise SettingsError(
        f"{place}: {name} is not a setting; " + (f"did you mean {near[0]}?" if near else f"{accepted}.")
    )


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
    return f"{place}: {'.'.join(place_in)} = {written(value)}: accepted is {said[0].lower()}{said[1:]}"
