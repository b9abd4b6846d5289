"""The oracle's reading of pull requests and of what a client says that it spent, in one session file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.support.oracle_lenient import a_count, a_number, a_string
from tests.support.oracle_reading import instant_of
from tests.support.oracle_rows import Found, Link, ModelTotal, Statement
from tests.support.oracle_text import stored


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at is not None), default=None)


def find_links(found: Found) -> None:
    """Put the links of a file into ``found``."""
    before: datetime | None = None
    branch: str | None = None
    for record in found.records:
        fields = record.fields
        at = instant_of(fields)
        dated = at or before
        repository, number = a_string(fields, "prRepository"), a_count(fields, "prNumber")
        if fields.get("type") == "pr-link" and repository is not None:
            found.remotes.append(repository)
            if number is not None and dated is not None:
                session_id = stored(fields.get("sessionId"))
                found.links.append(
                    Link(
                        pull_request=stored(f"{repository}#{number}") or "",
                        at=dated,
                        git_branch=stored(branch),
                        session_file=found.session_file,
                        session_id=session_id if session_id is not None else found.stem,
                        record=record.place,
                    )
                )
        before = _latest(before, at)
        if fields.get("gitBranch") is not None:
            branch = fields["gitBranch"]


def find_statements(found: Found) -> None:
    """Put what the client says in a file into ``found``."""
    before: datetime | None = None
    for record in found.records:
        fields = record.fields
        used = fields.get("modelUsage")
        if fields.get("type") == "cost-state" and isinstance(used, dict):
            models = {}
            for model, said in used.items():
                if isinstance(said, dict):
                    models[stored(model) or ""] = ModelTotal(
                        input_tokens=a_count(said, "inputTokens") or 0,
                        output_tokens=a_count(said, "outputTokens") or 0,
                        cache_creation_tokens=a_count(said, "cacheCreationInputTokens") or 0,
                        cache_read_tokens=a_count(said, "cacheReadInputTokens") or 0,
                        web_search_requests=a_count(said, "webSearchRequests") or 0,
                        cost_usd=a_number(said, "costUSD") or 0.0,
                    )
            session_id = stored(fields.get("sessionId"))
            if not models:
                before = _latest(before, instant_of(fields))
                continue
            began = fields.get("startTime")
            found.statements.append(
                Statement(
                    models=models,
                    at=before,
                    started=_moment(began),
                    session_file=found.session_file,
                    session_id=session_id if session_id is not None else found.stem,
                    record=record.place,
                )
            )
        before = _latest(before, instant_of(fields))


def _moment(millis: object) -> datetime | None:
    """So many milliseconds after the beginning of 1970."""
    if type(millis) is not int or not 0 <= millis <= 253_000_000_000_000:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
