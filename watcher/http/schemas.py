"""Response models of the API: every key, with an example."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-03-01T10:00:00+00:00"])]
Number = Annotated[int, Field(examples=[3])]
SessionKey = Annotated[str, Field(examples=["ann/-home-ann-shop/0f4e7d2a-8a4c-4a57-9d0c-3c5a2b1d9e10.jsonl"])]
Processor = Annotated[str, Field(examples=["usage"])]


class Answer(BaseModel):
    """Base model: additional keys are passed through, and fail a test."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": False})


class ProblemOut(Answer):
    """An error: what was refused or failed."""

    detail: str = Field(description="What happened, and what to do.", examples=["a sweep or run of usage is under way"])


class OffsetProblemOut(ProblemOut):
    """An upload whose offset does not match the stored transcript."""

    size: int = Field(description="Size of the stored transcript in bytes.", examples=[4096])


_MEANT = {
    400: "What was asked for is none, or cannot be; or the service is not served under this name.",
    401: "No token, or none that is known.",
    403: "This token may not, or a page of another site asks.",
    404: "There is no such thing.",
    408: "The body comes too slowly.",
    409: "It is under way already.",
    413: "More than is taken.",
    415: "An encoding that is not taken.",
    500: "It failed; the audit has the same sentence.",
    503: "The sessions folder is not there, or no transcripts are taken into it.",
    507: "The disk is full; nothing was changed.",
}


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Describe an endpoint's errors; 422 is described by the framework."""
    return {code: {"model": ProblemOut, "description": _MEANT[code]} for code in codes if code != 422}


class HealthOut(Answer):
    """Health summary, without details."""

    status: Literal["ok", "degraded", "unhealthy"]


class FindingOut(Answer):
    """One line of the health report."""

    level: Literal["info", "warning", "unhealthy"]
    name: str = Field(examples=["quarantined"])
    message: str = Field(description="What is wrong, and what to do.")
    details: dict[str, Any] = Field(description="The figures in the message.")


class TallyOut(Answer):
    """Results of a processor's passes since the start."""

    processed: int
    skipped: int
    failed: int
    gone: int
    items: int
    bytes: int
    lines: int
    bad_lines: int


class PipelineOut(Answer):
    """A processor's queue."""

    processor: Processor
    waiting: Number
    running: Number
    oldest_seconds: float | None = Field(description="How long the oldest of them has waited.")
    since_start: TallyOut
    last_sweep_at: float | None = Field(description="Seconds since 1970.")
    scanned: int | None = Field(description="Sessions seen by that sweep.")


class SignInsOut(Answer):
    """Refused requests since the start."""

    missing: int
    wrong: int


class StandingOut(Answer):
    """Detailed health of the service."""

    status: Literal["ok", "degraded", "unhealthy"]
    at: float = Field(description="Seconds since 1970.")
    findings: list[FindingOut]
    uptime_seconds: float
    sessions: str = Field(description="The sessions folder.")
    observer: str
    processors: list[PipelineOut]
    sign_ins: SignInsOut


class ProcessorTotalsOut(Answer):
    """A processor's sessions by status."""

    processor: Processor
    ok: Number
    failed: Number
    quarantined: Number
    gone: Number
    items: Number
    bad_lines: Number
    bytes: Number
    last_processed_at: Instant | None


class TroubledOut(Answer):
    """A session that failed or has bad lines."""

    processor: Processor
    session: SessionKey
    status: str
    attempts: Number
    error: str | None
    next_attempt_at: Instant | None
    bad_lines: Number


class KnowledgeCountsOut(Answer):
    """Number of items by status, and of candidates and checks that wait."""

    items: dict[str, int] = Field(description="By status.", examples=[{"pending": 3, "approved": 12}])
    inbox: int = Field(description="Candidates that wait for the intake.")
    contradictions: int
    checks_owed: int = Field(description="Items that wait for the comparison with the others.")
    check_error: str | None = Field(description="Why the last comparison failed.")


class ModelsTodayOut(Answer):
    """Model calls of this UTC day."""

    model: str = Field(examples=["anthropic:claude-haiku-4-5"])
    calls: int
    tokens: int
    cost_usd: float
    max_tokens_a_day: int


class StatusOut(Answer):
    """Status of every processor."""

    processors: list[ProcessorTotalsOut]
    troubled: list[TroubledOut]
    knowledge: KnowledgeCountsOut
    models: ModelsTodayOut
    service: StandingOut


class UsageReportOut(Answer):
    """A table with its totals."""

    report: str = Field(examples=["daily"])
    columns: list[str] = Field(examples=[["day", "sessions", "calls", "cost_usd"]])
    rows: list[list[Any]] = Field(
        description="Of this page; a value a column.", examples=[[["2026-03-01", 4, 81, 3.2]]]
    )
    totals: dict[str, Any] = Field(description="Over all rows, not only this page.")
    total_rows: int = Field(description="Number of rows on all pages.", examples=[31])
    unknown_models: list[str] = Field(description="Models without a price: their cost is missing.")


class RunOut(Answer):
    """A run of a job."""

    run_id: str
    name: str = Field(examples=["session-processor:usage"])
    trigger: str = Field(examples=["clock"])
    started_at: Instant
    finished_at: Instant | None
    outcome: str = Field(examples=["ok"])
    stats: dict[str, Any]
    error: str | None


class JobOut(Answer):
    """A job, run by schedule or on request."""

    name: str = Field(examples=["health-check"])
    next_run_at: Instant | None
    last: RunOut | None


class JobsOut(Answer):
    """All jobs."""

    jobs: list[JobOut]


class AuditEntryOut(Answer):
    """An audited request: its actor, action and result."""

    entry_id: str
    asked_at: Instant
    action: str = Field(examples=["run_session_processor:usage"])
    actor: str = Field(description="The token's name.", examples=["admin"])
    resource: str | None
    params: dict[str, Any]
    status: int = Field(examples=[200])
    duration_ms: int
    unhandled_error: str | None


class SchedulerRunsOut(Answer):
    """Runs and audit entries, the latest first."""

    runs: list[RunOut]
    audit: list[AuditEntryOut]
    total_runs: int
    total_audit: int


class SettingOut(Answer):
    """One setting."""

    table: str = Field(examples=["processors.usage"])
    key: str = Field(examples=["quiet"])
    value: str = Field(description="As written in the settings file.", examples=['"2s"'])
    default: str
    help: str
    source: str = Field(examples=["default"])


class SettingsInForceOut(Answer):
    """All settings."""

    settings: list[SettingOut]
    waiting: list[str] = Field(description="Changed, but in force only after the next start.")


class SessionStateOut(Answer):
    """A processor's state row of a session."""

    processor: Processor
    session: SessionKey
    user: str
    status: str
    processed_at: Instant | None
    items: int
    processed_bytes: int
    file_size: int | None
    bad_lines: int
    attempts: int
    error: str | None
    next_attempt_at: Instant | None


class SessionsOut(Answer):
    """Sessions, the latest first."""

    total: int = Field(description="Number of sessions on all pages.")
    sessions: list[SessionStateOut]


class SessionOut(Answer):
    """All details of one session."""

    session: SessionKey
    user: str
    file: dict[str, Any] | None = Field(description="Its `size` and `modified_at`; null: the file does not exist.")
    processors: list[dict[str, Any]] = Field(description="The state rows, each with a sentence on its meaning.")


class OrderAnswerOut(Answer):
    """Result of a command for one session and processor."""

    session: SessionKey
    processor: Processor
    done: bool
    message: str


class OrderAnswersOut(Answer):
    """Results of a command."""

    answers: list[OrderAnswerOut]


class SessionErrorOut(Answer):
    """A session that failed."""

    session: SessionKey
    error: str


class RunDetailsOut(Answer):
    """What a run did."""

    processor: Processor
    scanned: Number
    processed: Number
    skipped: Number
    capped: int = Field(description="Sessions left for later because the time budget was used up.", examples=[0])
    errors: int = Field(examples=[0])
    items_extracted: Number
    errors_detail: list[SessionErrorOut] = Field(examples=[[]])


class ProcessorRunOut(Answer):
    """A requested run of a processor."""

    ok: bool = Field(description="Whether no session failed.")
    details: RunDetailsOut


class JobRunOut(Answer):
    """A requested run of a job."""

    name: str
    stats: dict[str, Any]


class NotesRunOut(Answer):
    """Result of an import of notes."""

    ok: bool = Field(description="Whether all notes could be read.")
    details: dict[str, Any] = Field(examples=[{"users_scanned": 3, "files_found": 4, "items_new": 2, "errors": 0}])


class WhoamiOut(Answer):
    """The caller's token."""

    name: str = Field(examples=["anns-laptop"])
    role: Literal["admin", "reader", "user"]
    username: str | None = Field(description="The token's user; null: not a personal token.", examples=["ann"])


class BackupOut(Answer):
    """A backup of the database."""

    backup: str = Field(examples=["/data/state/backups/backup-20260301T100000.duckdb"])
    bytes: int


class TakenInOut(Answer):
    """Result of an import from another database."""

    found: int
    taken: int
    known: int


class TokenOut(Answer):
    """A token, without its text."""

    token_id: str
    name: str
    role: str
    username: str | None
    created_at: Instant
    revoked_at: Instant | None


class TokensOut(Answer):
    """All tokens."""

    tokens: list[TokenOut]


class NewTokenOut(Answer):
    """A new token; its text is shown only once."""

    token_id: str
    name: str = Field(examples=["anns-laptop"])
    role: str = Field(examples=["user"])
    username: str | None = Field(examples=["ann"])
    token: str = Field(examples=["sw_…"])


class UploadedOut(Answer):
    """Result of an upload."""

    session: SessionKey
    size: int = Field(description="The transcript's size now, in bytes.", examples=[4096])
    changed: bool = Field(description="Whether the upload changed anything.")
