"""A session file as a whole: whose it is, how long it was active, what it is called, and what the client says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from processors.contract import Session
from processors.records import ClientRecord, Record
from processors.redaction import is_suspect, redact
from processors.speech import folded, loose
from processors.transcript import clean
from processors.usage import active_time
from processors.usage.repository import last_part, repository_of
from processors.usage.rows import RULES_VERSION, CostStatement, File, Link

#: So many characters of a title are kept, and of the first words where nothing else names a session.
LONGEST_TITLE, LONGEST_OPENING = 200, 80
#: So many more are looked at for secrets, so that none is cut in two.
_AHEAD = 120
_MOST = 10**12
_BRACE = ord("{")


class SessionFacts:
    """What is known of a session file after a stretch, and after those before it, which are in the carry."""

    def __init__(self, session: Session, carry: Mapping[str, Any], positions: Iterator[int]) -> None:
        self._session, self._positions = session, positions
        self.session_id: str | None = carry.get("session_id")
        self.repository: str | None = carry.get("repository")
        self.version: str | None = carry.get("version")
        self._branch: str | None = carry.get("branch")
        self._first: int | None = carry.get("first")
        self._latest: int | None = carry.get("last")
        self._active: list[list[int]] = carry.get("active", [])
        self._folded: int = carry.get("folded", 0)
        self._titles: dict[str, str] = dict(carry.get("titles", {}))
        self.forked_from: str | None = carry.get("forked_from")
        self._copied_at: int | None = carry.get("copied_at")
        #: Whether an own call was seen: from then on nothing is copied.
        self.has_own_call: bool = carry.get("own", False)
        #: Whether a call's fields were looked at.
        self.is_sampled: bool = carry.get("sampled", False)
        self.statements: list[CostStatement] = []
        self.links: list[Link] = []

    def carry(self) -> dict[str, Any]:
        """What the next stretch needs of this one."""
        kept = {
            "session_id": self.session_id,
            "repository": self.repository,
            "version": self.version,
            "branch": self._branch,
            "first": self._first,
            "last": self._latest,
            "active": self._active,
            "folded": self._folded,
            "titles": self._titles,
            "forked_from": self.forked_from,
            "copied_at": self._copied_at,
            "own": self.has_own_call,
            "sampled": self.is_sampled,
        }
        return {name: value for name, value in kept.items() if value is not None}

    def file(self, asked_by: str | None) -> File:
        """The session file's row."""
        session_id = self.session_id if self.session_id is not None else self._session.stem
        titles = (self._titles.get(kind) for kind in ("custom", "ai", "summary", "opening"))
        return File(
            RULES_VERSION,
            session_id,
            session_id if is_subagent(self._session.key) else None,
            self.forked_from,
            active_time.moment(self._copied_at),
            self._session.username,
            next((title for title in titles if title), None),
            self.repository,
            last_part(self.repository) if self.repository is not None else None,
            self.version,
            asked_by,
            active_time.moment(self._first),
            active_time.moment(self._latest),
            active_time.seconds(self._active, self._folded),
        )

    def identify(self, records: list[Record]) -> None:
        """Take the session's name and folder from the first records that have them."""
        if self.session_id is None:
            found = next((record.sessionId for record in records if record.sessionId is not None), None)
            self.session_id = clean(found) if found is not None else None
        if self.repository is None:
            cwd = next((record.cwd for record in records if record.cwd is not None), None)
            self.repository = clean(repository_of(cwd, self._session.username)) if cwd is not None else None

    def active(self, times: list[datetime], after_copy: bool) -> None:
        """Take in when it was active: the times of records that are not copied."""
        if after_copy:
            self._active, self._folded = [], 0
        self._active, self._folded = active_time.fold(active_time.merge(self._active, times), self._folded)

    def copied(self, records: list[Record]) -> None:
        """Take in the foreign lines of the copied part."""
        if records[-1].requestSessionId is not None:
            self.forked_from = clean(records[-1].requestSessionId)
        times = [active_time.micros(at) for at in times_of(records)]
        times += [self._copied_at] if self._copied_at is not None else []
        self._copied_at = max(times, default=None)

    def pass_over(self, records: list[Record], times: list[datetime]) -> None:
        """Take in what later records are dated and placed by."""
        if times:
            first, latest = active_time.micros(min(times)), active_time.micros(max(times))
            self._first = first if self._first is None else min(self._first, first)
            self._latest = latest if self._latest is None else max(self._latest, latest)
        version = next((record.version for record in reversed(records) if record.version is not None), None)
        self.version = clean(version) if version is not None else self.version
        branch = next((record.gitBranch for record in reversed(records) if record.gitBranch is not None), None)
        self._branch = clean(branch) if branch is not None else self._branch

    def opened(self, words: str | None) -> None:
        """The words of a person's first prompt, which name a session that nothing else names."""
        if words and "opening" not in self._titles:
            self._titles["opening"] = _title(words, LONGEST_OPENING)

    def name(self, record: ClientRecord) -> None:
        """Take a title in."""
        for kind, title in (("custom", record.customTitle), ("ai", record.aiTitle), ("summary", record.summary)):
            if record.type == _TITLED[kind] and title and (title := _title(title, LONGEST_TITLE)):
                self._titles[kind] = title

    def link(self, record: ClientRecord) -> None:
        """Take a pull request in."""
        if record.prRepository is not None and record.prNumber is not None:
            at = record.timestamp
            repository = clean(record.prRepository)
            self.links.append(
                Link(
                    self._of(record),
                    clean(f"{repository}#{record.prNumber}"),
                    repository,
                    self._branch,
                    at if at is not None else active_time.moment(self._latest),
                    next(self._positions),
                )
            )

    def state(self, record: ClientRecord) -> None:
        """Take in what the client says that the session spent so far."""
        spent = loose(record.modelUsage) if memoryview(record.modelUsage)[0] == _BRACE else None
        if not isinstance(spent, dict):
            return
        position = next(self._positions)
        started = active_time.moment(record.startTime * 1000) if record.startTime is not None else None
        for model, said in spent.items():
            if isinstance(said, dict):
                fresh, output, thinking, written, one_hour, read, searches = (
                    _count(said.get(name)) for name in _STATED
                )
                self.statements.append(
                    CostStatement(
                        session_id=self._of(record),
                        stated_at=active_time.moment(self._latest),
                        model=clean(model),
                        input_tokens=fresh,
                        output_tokens=output,
                        thinking_tokens=thinking,
                        cache_creation_tokens=written,
                        cache_creation_1h_tokens=one_hour,
                        cache_read_tokens=read,
                        web_search_requests=searches,
                        cost_usd=_cost(said.get("costUSD")),
                        started_at=started,
                        position=position,
                    )
                )

    def _of(self, record: Record) -> str:
        return clean(record.sessionId) if record.sessionId is not None else self._session.stem


_TITLED = {"custom": "custom-title", "ai": "ai-title", "summary": "summary"}
_STATED = (
    "inputTokens", "outputTokens", "thinkingTokens", "cacheCreationInputTokens", "cacheCreationEphemeral1hInputTokens",
    "cacheReadInputTokens", "webSearchRequests",
)  # fmt: skip


def times_of(records: list[Record]) -> list[datetime]:
    """The times of those that have one."""
    return [record.timestamp for record in records if record.timestamp is not None]


def is_subagent(key: str) -> bool:
    """Whether a session file is a subagent's."""
    *folders, name = key.split("/")
    return name.startswith("agent-") or "subagents" in folders


def _title(text: str, longest: int) -> str:
    text = folded(clean(text[: 2 * (longest + _AHEAD)]))[: longest + _AHEAD]
    return redact(text)[0][:longest] if is_suspect(text) else text[:longest]


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value <= _MOST else 0


def _cost(value: Any) -> float:
    return float(value) if type(value) in (int, float) and 0 <= value < _MOST else 0.0
