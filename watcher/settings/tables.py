"""The settings: every table and key with its default and one line of help."""

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

    sessions: Path = Field(Path("/data/user_sessions"), description="Sessions folder, which contains the transcripts.")
    state: Path = Field(Path("/data/state"), description="State folder: database, token, backups.")
    layout: Literal["auto", "users", "projects"] = Field(
        "auto",
        description="users: a folder per user; projects: one person's ~/.claude/projects; auto: by the path.",
    )


class NodeTable(_Table):
    """Which machine this is."""

    name: str = Field("", description="Prefix of every session key; set it where several machines share one database.")


class ServiceTable(_Table):
    """How the service runs."""

    stop_timeout: Seconds = Field(Seconds(30), description="Longest wait for running work at shutdown.")
    time_budget: Seconds = Field(Seconds(150), gt=0, description="Time limit of a run started by command or API.")


class DatabaseTable(_Table):
    """Where the tables are kept."""

    url: str = Field("", description="postgresql://… for a server; empty: DuckDB in the state folder.")


class ObserverTable(_Table):
    """How changes are noticed."""

    kind: Literal["auto", "native", "polling"] = Field(
        "auto", description="File events or polling; auto: polling on network file systems, else events."
    )
    poll_interval: Seconds = Field(
        Seconds(5), gt=0, description="Polling interval; also the sweep interval while file events are unavailable."
    )
    cookie_interval: Seconds = Field(Seconds(30), gt=0, description="How often event delivery is verified.")


class QueueTable(_Table):
    """How changes wait."""

    max_pending: int = Field(100_000, ge=1, description="Maximum queue length; beyond it a sweep is scheduled instead.")
    settle: Seconds = Field(
        Seconds(60), description="A complete last line without a newline is read after this time without a change."
    )


class RetryTable(_Table):
    """When trouble is tried again."""

    first: Seconds = Field(Seconds(30), gt=0, description="Delay before the first retry of a failed session.")
    longest: Seconds = Field(Seconds(3600), gt=0, description="Maximum delay; the delay doubles with each attempt.")
    max_attempts: int = Field(8, ge=1, description="Failed attempts until a session is quarantined.")


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

    enabled: bool = Field(False, description="Copy transcripts to paths.sessions on schedule.")
    every: Seconds = Field(Seconds(600), gt=0, description="How often the collector runs.")
    sources: Sources = Field(
        [
            "/home/*/.claude/projects/**/*.jsonl",
            "/home/*/.claude/projects/**/subagents/*.meta.json",
            "/home/*/user/sessions/*.jsonl",
        ],
        description="Patterns of transcripts; the first part with a wildcard is a user's folder.",
    )
    deadline: Seconds = Field(Seconds(60), gt=0, description="Time limit per home; the next run continues there.")
    largest: Bytes = Field(Bytes(1_000_000_000), description="Larger files are not copied.")


class CorporateMemoryTable(_Table):
    """What people note for their agents, taken into the knowledge base."""

    enabled: bool = Field(False, description="Read people's notes on schedule.")
    every: Seconds = Field(Seconds(1020), gt=0, description="How often notes are read.")
    sources: Sources = Field(
        [
            "/home/*/CLAUDE.local.md",
            "/home/*/.claude/CLAUDE.local.md",
            "/home/*/projects/*/CLAUDE.local.md",
        ],
        description="Patterns of notes; the first part with a wildcard is a user's folder.",
    )
    extractor: Literal["rules", "llm"] = Field(
        "rules",
        description="How notes are read. rules: offline; llm: by [model] model, without secrets and personal lines.",
    )


class KnowledgeTable(_Table):
    """How the knowledge base is kept."""

    judge: Literal["rules", "llm"] = Field(
        "rules", description="How contradictions are found. rules: offline; llm: [model] model, one call per new item."
    )


class ModelTable(_Table):
    """The model that may be asked, where a setting asks for one; its key stands in the provider's usual variable."""

    model: str = Field(
        "",
        description='"anthropic:<name>" or "openai:<name>"; the key is read from ANTHROPIC_API_KEY or OPENAI_API_KEY.',
    )
    base_url: str = Field(
        "", description="A server compatible with that provider, such as Ollama at http://localhost:11434/v1."
    )
    timeout: Seconds = Field(Seconds(60), gt=0, description="Time limit of one call.")
    requests_per_minute: int = Field(
        60, ge=1, description="Calls per minute of all processes together; further calls wait."
    )
    max_tokens_a_day: int = Field(
        1_000_000,
        ge=0,
        description="Input and output tokens per UTC day of all processes together; further calls wait. 0: no limit.",
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

    every: Seconds = Field(Seconds(300), gt=0, description="How often health is checked; findings are logged.")
    min_free_disk: Bytes = Field(Bytes(1_000_000_000), description="Less free disk space than this is a warning.")


class HousekeepingTable(_Table):
    """What is kept, and for how long."""

    every: Seconds = Field(Seconds(86400), gt=0, description="How often housekeeping runs.")
    keep_events: Seconds = Field(
        Seconds(0), ge=0, description="Retention of single tool uses and failures; 0s: for ever."
    )
    keep_runs: Seconds = Field(Seconds(30 * 86400), ge=0, description="Retention of job runs.")
    keep_audit: Seconds = Field(Seconds(365 * 86400), ge=0, description="Retention of audit entries.")
    backups: int = Field(7, ge=0, description="Database backups to keep; each run makes one. 0: none.")
    export: str = Field(
        "", description="Folder for daily Parquet files of the tables, dropped rows included; empty: none."
    )


class HttpTable(_Table):
    """The local API."""

    enabled: bool = Field(True, description="Serve the API and the pages; commands need it while the service runs.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8750, ge=0, le=65535, description="Port; 0: any free one.")
    token: Annotated[str, AfterValidator(lambda token: token and strong(token))] = Field(
        "", description="Admin token, at least 32 characters; empty: one is generated in the state folder."
    )
    names: list[str] = Field(
        [], description="Host names accepted besides localhost and addresses, such as the public name of a proxy."
    )
    max_upload: Bytes = Field(Bytes(500_000_000), gt=0, description="Maximum size of an uploaded transcript.")


class LogTable(_Table):
    """What is logged, and how."""

    format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal, else JSON.")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")


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
