"""What the API answers, for its description: every key, with an example."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-03-01T10:00:00+00:00"])]
Number = Annotated[int, Field(examples=[3])]
SessionKey = Annotated[str, Field(examples=["ann/-home-ann-shop/0f4e7d2a-8a4c-4a57-9d0c-3c5a2b1d9e10.jsonl"])]
Processor = Annotated[str, Field(examples=["usage"])]


class Answer(BaseModel):
    """What is described is all there is; what is more is given all the same, and fails a test."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": False})


class ProblemOut(Answer):
    """What was refused or failed."""

    detail: str = Field(description="What happened, and what to do.", examples=["a sweep or run of usage is under way"])


class OffsetProblemOut(ProblemOut):
    """An upload that does not go on from what is there."""

    size: int = Field(description="How many bytes are there.", examples=[4096])


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
    """Refusals, for an endpoint's description; 422 is described by itself."""
    return {code: {"model": ProblemOut, "description": _MEANT[code]} for code in codes if code != 422}


class HealthOut(Answer):
    """How the service is, without details."""

    status: Literal["ok", "degraded", "unhealthy"]


class FindingOut(Answer):
    """Something that is not as it should be."""

    level: Literal["info", "warning", "unhealthy"]
    name: str = Field(examples=["quarantined"])
    message: str = Field(description="What is wrong, and what to do.")
    details: dict[str, Any] = Field(description="The figures in it.")


class TallyOut(Answer):
    """What became of a processor's sessions since the start."""

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
    oldest_seconds: float | None = Field(description="How long the first of them has waited.")
    since_start: TallyOut
    last_sweep_at: float | None = Field(description="Seconds since 1970.")
    scanned: int | None = Field(description="How many sessions that sweep saw.")


class SignInsOut(Answer):
    """Requests that were not known, since the start."""

    missing: int
    wrong: int


class StandingOut(Answer):
    """How the service is, with everything that is known of it."""

    status: Literal["ok", "degraded", "unhealthy"]
    at: float = Field(description="Seconds since 1970.")
    findings: list[FindingOut]
    uptime_seconds: float
    sessions: str = Field(description="The sessions folder.")
    observer: str
    processors: list[PipelineOut]
    sign_ins: SignInsOut


class ProcessorTotalsOut(Answer):
    """A processor's sessions by their status."""

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
    """A session that failed, or has lines that cannot be read."""

    processor: Processor
    session: SessionKey
    status: str
    attempts: Number
    error: str | None
    next_attempt_at: Instant | None
    bad_lines: Number


class KnowledgeCountsOut(Answer):
    """How much is known, and what waits."""

    items: dict[str, int] = Field(description="By status.", examples=[{"pending": 3, "approved": 12}])
    inbox: int = Field(description="Candidates that were not taken in yet.")
    contradictions: int
    checks_owed: int = Field(description="Items that were not compared with the others yet.")
    check_error: str | None = Field(description="Why not, where it was tried.")


class ModelsTodayOut(Answer):
    """What was asked of models in this UTC day."""

    model: str = Field(examples=["anthropic:claude-haiku-4-5"])
    calls: int
    tokens: int
    cost_usd: float
    max_tokens_a_day: int


class StatusOut(Answer):
    """The standing of every processor."""

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
    totals: dict[str, Any] = Field(description="Over all rows, not those of the page alone.")
    total_rows: int = Field(description="How many rows there are.", examples=[31])
    unknown_models: list[str] = Field(description="Models without a price: their cost is missing.")


class RunOut(Answer):
    """A job's run."""

    run_id: str
    name: str = Field(examples=["session-processor:usage"])
    trigger: str = Field(examples=["clock"])
    started_at: Instant
    finished_at: Instant | None
    outcome: str = Field(examples=["ok"])
    stats: dict[str, Any]
    error: str | None


class JobOut(Answer):
    """What runs by the clock or because somebody asks."""

    name: str = Field(examples=["health-check"])
    next_run_at: Instant | None
    last: RunOut | None


class JobsOut(Answer):
    """Every job."""

    jobs: list[JobOut]


class AuditEntryOut(Answer):
    """Who asked for what, and what came of it."""

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
    value: str = Field(description="As it is written in the file.", examples=['"2s"'])
    default: str
    help: str
    source: str = Field(examples=["default"])


class SettingsInForceOut(Answer):
    """Every setting."""

    settings: list[SettingOut]
    waiting: list[str] = Field(description="Changed, and in force from the next start.")


class SessionStateOut(Answer):
    """What a processor has of a session."""

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

    total: int = Field(description="How many there are in all.")
    sessions: list[SessionStateOut]


class SessionOut(Answer):
    """Everything that is known of one session."""

    session: SessionKey
    user: str
    file: dict[str, Any] | None = Field(description="Its `size` and `modified_at`; null: there is no such file.")
    processors: list[dict[str, Any]] = Field(description="The state row, and a sentence on what it means.")


class OrderAnswerOut(Answer):
    """What became of an order for one session and processor."""

    session: SessionKey
    processor: Processor
    done: bool
    message: str


class OrderAnswersOut(Answer):
    """What became of an order."""

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
    capped: int = Field(description="Sessions that were left for later because the time was up.", examples=[0])
    errors: int = Field(examples=[0])
    items_extracted: Number
    errors_detail: list[SessionErrorOut] = Field(examples=[[]])


class ProcessorRunOut(Answer):
    """A run that somebody asked for."""

    ok: bool = Field(description="Whether no session failed.")
    details: RunDetailsOut


class JobRunOut(Answer):
    """A job that somebody asked for."""

    name: str
    stats: dict[str, Any]


class NotesRunOut(Answer):
    """What was taken in of people's notes."""

    ok: bool = Field(description="Whether everything could be read.")
    details: dict[str, Any] = Field(examples=[{"users_scanned": 3, "files_found": 4, "items_new": 2, "errors": 0}])


class WhoamiOut(Answer):
    """Whose token it is."""

    name: str = Field(examples=["anns-laptop"])
    role: Literal["admin", "reader", "user"]
    username: str | None = Field(description="Whose own it is; null: nobody's.", examples=["ann"])


class BackupOut(Answer):
    """A copy of the database."""

    backup: str = Field(examples=["/data/state/backups/backup-20260301T100000.duckdb"])
    bytes: int


class TakenInOut(Answer):
    """What came of taking in another database's rows."""

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
    """Every token that was made."""

    tokens: list[TokenOut]


class NewTokenOut(Answer):
    """A token; its text is shown now and never again."""

    token_id: str
    name: str = Field(examples=["anns-laptop"])
    role: str = Field(examples=["user"])
    username: str | None = Field(examples=["ann"])
    token: str = Field(examples=["sw_…"])


class UploadedOut(Answer):
    """A transcript that was taken."""

    session: SessionKey
    size: int = Field(description="How many bytes it has now.", examples=[4096])
    changed: bool = Field(description="Whether anything is other than before.")
