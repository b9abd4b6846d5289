"""The settings: every table and key with its default and a line on what it does."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from processors.contract import Bytes, ModelAccess, ProcessorSettings, Seconds
from processors.llm import KEYS
from watcher.settings.patterns import Pattern

#: Settings whose values are not shown.
SECRET = {("http", "token"), ("database", "url")}


def _name_users(sources: list[str]) -> list[str]:
    for source in sources:
        Pattern.parse(source)
    return sources


#: Patterns of files in people's homes.
Sources = Annotated[list[str], AfterValidator(_name_users)]


def strong(token: str) -> str:
    """A bearer token that an operator chose, as it is.

    Raises:
        ValueError: it could be guessed; what is accepted.
    """
    # 32 hexadecimal digits are 128 bits, and of 10 million random ones not one has fewer than 8 different digits.
    if not re.fullmatch("[!-~]{32,}", token) or len(set(token)) < 8:
        raise ValueError(
            "32 ASCII characters or more without spaces, 8 of them different, such as openssl rand -hex 32 prints"
        )
    return token


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PathsTable(_Table):
    """Where things are."""

    sessions: Path = Field(Path("/data/user_sessions"), description="The folder that holds the transcripts.")
    state: Path = Field(Path("/data/state"), description="The database, the token and backups live here.")
    layout: Literal["auto", "users", "projects"] = Field(
        "auto", description="A folder a user, or a person's own ~/.claude/projects; auto knows the latter by its name."
    )


class NodeTable(_Table):
    """Which machine this is."""

    name: str = Field("", description="Put before every session key, where several machines share one database.")


class ServiceTable(_Table):
    """How the service runs."""

    stop_timeout: Seconds = Field(Seconds(30), description="How long a stop waits for what runs.")
    time_budget: Seconds = Field(Seconds(150), gt=0, description="How long a run that somebody asked for may take.")


class DatabaseTable(_Table):
    """Where the tables are kept."""

    url: str = Field("", description="postgresql://… for a server; empty: DuckDB in the state folder.")


class ObserverTable(_Table):
    """How changes are noticed."""

    kind: Literal["auto", "native", "polling"] = Field("auto", description="auto polls on network file systems.")
    poll_interval: Seconds = Field(
        Seconds(5), gt=0, description="How often is polled, or swept while the observer is deaf."
    )
    cookie_interval: Seconds = Field(Seconds(30), gt=0, description="How often the observer's hearing is tested.")


class QueueTable(_Table):
    """How changes wait."""

    max_pending: int = Field(100_000, ge=1, description="Sessions that may wait; beyond it a sweep is owed.")
    settle: Seconds = Field(Seconds(60), description="A whole last line without its end is taken after so long.")


class RetryTable(_Table):
    """When trouble is tried again."""

    first: Seconds = Field(Seconds(30), gt=0, description="How long until a failed session is tried again.")
    longest: Seconds = Field(Seconds(3600), gt=0, description="The delay doubles each time, up to this.")
    max_attempts: int = Field(8, ge=1, description="After so many failures a session is quarantined.")


class ProjectsTable(_Table):
    """What projects are called."""

    names: dict[str, str] = Field(
        {},
        description="Project names by repository or remote (* stands for any characters); the first match wins: "
        '{"~/src/shop*" = "shop", "acme/shop" = "shop"}.',
    )

    @field_validator("names")
    @classmethod
    def _one_line_each(cls, value: dict[str, str]) -> dict[str, str]:
        if not all(text.strip() and text.isprintable() for entry in value.items() for text in entry):
            raise ValueError('patterns and names of one line each, such as {"acme/shop" = "shop"}')
        return value


class CollectorTable(_Table):
    """How transcripts come from people's homes."""

    enabled: bool = Field(False, description="Whether transcripts are copied to paths.sessions by the clock.")
    every: Seconds = Field(Seconds(600), gt=0, description="How often they are.")
    sources: Sources = Field(
        [
            "/home/*/.claude/projects/**/*.jsonl",
            "/home/*/.claude/projects/**/subagents/*.meta.json",
            "/home/*/user/sessions/*.jsonl",
        ],
        description="Which files; the first part with a wildcard is the folder of a user.",
    )
    deadline: Seconds = Field(
        Seconds(60), gt=0, description="A home that takes longer is left, and gone on with in the next run."
    )
    largest: Bytes = Field(Bytes(1_000_000_000), description="A file that is larger is not copied.")


class CorporateMemoryTable(_Table):
    """What people note for their agents, taken into the knowledge base."""

    enabled: bool = Field(False, description="Whether people's notes are read by the clock.")
    every: Seconds = Field(Seconds(1020), gt=0, description="How often they are.")
    sources: Sources = Field(
        [
            "/home/*/CLAUDE.local.md",
            "/home/*/.claude/CLAUDE.local.md",
            "/home/*/projects/*/CLAUDE.local.md",
        ],
        description="Which notes; the first part with a wildcard is the folder of a user.",
    )
    extractor: Literal["rules", "llm"] = Field(
        "rules", description="rules needs nothing; llm sends notes without secrets and personal lines to [model] model."
    )


class KnowledgeTable(_Table):
    """How the knowledge base is kept."""

    judge: Literal["rules", "llm"] = Field(
        "rules", description="Who finds contradictions: rules needs nothing; llm asks [model] model once an item."
    )


class ModelTable(_Table):
    """The model that may be asked, where a setting asks for one; its key stands in the provider's usual variable."""

    model: str = Field(
        "", description='"anthropic:<name>" or "openai:<name>"; the key stands in ANTHROPIC_API_KEY or OPENAI_API_KEY.'
    )
    base_url: str = Field(
        "", description="Another server that speaks as that provider does, such as http://localhost:11434/v1 of Ollama."
    )
    timeout: Seconds = Field(Seconds(60), gt=0, description="How long one call may take.")
    requests_per_minute: int = Field(60, ge=1, description="Calls in a minute, of all who ask; then they wait.")
    max_tokens_a_day: int = Field(
        1_000_000, ge=0, description="Tokens in and out in a UTC day, of all who ask; then they wait. 0: no limit."
    )

    @field_validator("model")
    @classmethod
    def _known_provider(cls, value: str) -> str:
        provider, _, name = value.partition(":")
        if value and not (provider in KEYS and name):
            raise ValueError(" or ".join(f'"{known}:<name>"' for known in KEYS))
        return value

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and (not value.startswith(("http://", "https://")) or "@" in value):
            raise ValueError('an address without a password, such as "http://localhost:11434/v1"')
        return value


class HealthTable(_Table):
    """When health looks, and when it warns."""

    every: Seconds = Field(
        Seconds(300), gt=0, description="How often everything is looked at; what is found is logged."
    )
    min_free_disk: Bytes = Field(Bytes(1_000_000_000), description="Less free disk than this is a warning.")


class HousekeepingTable(_Table):
    """What is kept, and for how long."""

    every: Seconds = Field(Seconds(86400), gt=0, description="How often the house is kept.")
    keep_events: Seconds = Field(
        Seconds(0), ge=0, description="Single tool uses and failures older than this are dropped; 0s keeps all."
    )
    keep_runs: Seconds = Field(Seconds(30 * 86400), ge=0, description="How long runs of jobs are remembered.")
    keep_audit: Seconds = Field(Seconds(365 * 86400), ge=0, description="How long is remembered who asked for what.")
    backups: int = Field(7, ge=0, description="One is made each time; so many are kept. 0: none is made.")
    export: str = Field(
        "", description="A folder for the tables as Parquet files, one a day, dropped rows too; empty: none."
    )


class HttpTable(_Table):
    """The local API."""

    enabled: bool = Field(True, description="Whether the service answers; other commands need it while it runs.")
    host: str = Field("127.0.0.1", description="The address it listens on.")
    port: int = Field(8750, ge=0, le=65535, description="The port; 0 takes a free one.")
    token: Annotated[str, AfterValidator(lambda token: token and strong(token))] = Field(
        "", description="The bearer token, at least 32 characters; empty: one is made in the state folder."
    )
    names: list[str] = Field(
        [], description="Names it is asked for by, beside localhost and addresses; behind a proxy the public one."
    )
    max_upload: Bytes = Field(Bytes(500_000_000), gt=0, description="How large a transcript that is sent may be.")


class LogTable(_Table):
    """What is logged, and how."""

    format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal, else JSON.")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")


class Settings(BaseSettings):
    """Everything that can be set; immutable, made by `load`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    paths: PathsTable = PathsTable()
    node: NodeTable = NodeTable()
    service: ServiceTable = ServiceTable()
    database: DatabaseTable = DatabaseTable()
    observer: ObserverTable = ObserverTable()
    queue: QueueTable = QueueTable()
    retry: RetryTable = RetryTable()
    #: Processor name to its settings, of the class that the processor names.
    processors: Any = None
    projects: ProjectsTable = ProjectsTable()
    collector: CollectorTable = CollectorTable()
    corporate_memory: CorporateMemoryTable = CorporateMemoryTable()
    knowledge: KnowledgeTable = KnowledgeTable()
    model: ModelTable = ModelTable()
    health: HealthTable = HealthTable()
    housekeeping: HousekeepingTable = HousekeepingTable()
    http: HttpTable = HttpTable()
    log: LogTable = LogTable()

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


def known(settings: Settings) -> Iterator[tuple[tuple[str, ...], Any, str]]:
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


def own(settings: Settings, name: str) -> dict[str, Any]:
    """One processor's settings as plain values, for its child process."""
    return {
        field.name: _plain(getattr(settings.processor(name), field.name))
        for field in dataclasses.fields(settings.processor(name))
    }


def of_views(settings: Settings, name: str) -> dict[str, Any]:
    """What a processor's views may name: its own settings, and ``projects``, the rows of `[projects]` in order."""
    named = enumerate(settings.projects.names.items(), start=1)
    projects = ((0, None, None), *((place, pattern, project) for place, (pattern, project) in named))
    return {"projects": projects, **own(settings, name)}


def model_access(settings: Settings) -> ModelAccess:
    """The model that may be asked, for whoever asks one."""
    given = settings.model
    return ModelAccess(
        given.model,
        given.base_url,
        float(given.timeout),
        given.requests_per_minute,
        given.max_tokens_a_day,
        str(settings.paths.state.absolute() / "model_calls"),
    )


def _plain(value: object) -> object:
    if isinstance(value, Seconds):
        return float(value)
    if isinstance(value, Bytes):
        return int(value)
    return str(value) if isinstance(value, Path) else value


def written(value: object) -> str:
    """A value as it is written in the file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Seconds, Bytes, Path, str)):
        # JSON's escapes are TOML's, but for one character.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{written(str(k))} = {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(written, value)) + "]"
    return str(value)
