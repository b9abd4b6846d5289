"""Planted sessions whose clients state what they spent, each with another rest, and what is to be said of them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tests.support.transcript_lines import HAIKU, SONNET, Object, Talk, line, name, text, usage

#: Three dollars a million: what follows can be reckoned by hand.
_INPUT = 3 / 1e6
#: So each session's file is called; and what it is an example of.
REST = "11111111-0000-4000-8000-000000000001"
FORK = "22222222-0000-4000-8000-000000000002"
BRANCH = "33333333-0000-4000-8000-000000000003"
ORPHAN = "44444444-0000-4000-8000-000000000004"
LATER = "55555555-0000-4000-8000-000000000005"
NEGATIVE = "66666666-0000-4000-8000-000000000006"
SILENT = "77777777-0000-4000-8000-000000000007"
#: Whose parent nobody knows.
_LOST = "99999999-0000-4000-8000-000000000009"
USERS = {REST: "kim", FORK: "kim", BRANCH: "kim", ORPHAN: "lou", LATER: "lou", NEGATIVE: "lou", SILENT: "lou"}

#: By session: input tokens and cost that are counted, that the client spent, that are not yet stated, unexplained.
Line = tuple[int | None, float | None]
SAID: dict[str, tuple[Line, Line, Line, Line]] = {
    REST: ((100_000, 0.30), (125_000, 0.365), (0, 0.0), (25_000, 0.065)),
    NEGATIVE: ((60_000, 0.18), (50_000, 0.15), (0, 0.0), (-10_000, -0.03)),
    FORK: ((50_000, 0.15), (56_000, 0.168), (0, 0.0), (6_000, 0.018)),
    BRANCH: ((40_000, 0.12), (40_000, 0.12), (0, 0.0), (0, 0.0)),
    LATER: ((20_000, 0.06), (20_000, 0.06), (30_000, 0.09), (0, 0.0)),
    ORPHAN: ((10_000, 0.03), (None, None), (0, 0.0), (None, None)),
}
#: What is counted in the session without a statement, without what it copied.
SILENT_COST = 0.21
DAYS = {"2026-03-01": (REST, FORK), "2026-03-02": (BRANCH, LATER), "2026-03-03": (NEGATIVE,)}


def plant_statements(sessions: Path) -> None:
    """Write them below a folder."""
    for session_id, lines in _lines().items():
        path = sessions / USERS[session_id] / f"{session_id}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(map(line, lines)))


def _lines() -> dict[str, list[Object]]:
    rest, fork, branch, orphan, later, negative, silent, lost = (
        Talk(one, "/home/kim/shop", "2.1.332") for one in (*USERS, _LOST)
    )
    first = _call(rest, "2026-03-01T10:00:00Z", "A", 100_000)
    begun = round(datetime.fromisoformat("2026-03-01T12:00:00+00:00").timestamp() * 1000)
    return {
        # a title that stands on no line, by another model; and a call of which no line came
        REST: [first, _state(rest, {SONNET: (120_000, 0.36), HAIKU: (5_000, 0.005)})],
        FORK: [
            _copied(first, fork),
            _call(fork, "2026-03-01T11:00:00Z", "B", 50_000),
            _state(fork, {SONNET: (176_000, 0.528), HAIKU: (5_000, 0.005)}),
        ],
        BRANCH: [
            _copied(first, branch),
            _call(branch, "2026-03-02T12:00:00Z", "C", 40_000),
            _state(branch, {SONNET: (40_000, 0.12)}) | {"startTime": begun},
        ],
        ORPHAN: [
            _copied(_call(lost, "2026-03-02T12:30:00Z", "D0", 90_000), orphan),
            _call(orphan, "2026-03-02T13:00:00Z", "D", 10_000),
            _state(orphan, {SONNET: (100_000, 0.30)}),
        ],
        LATER: [
            _call(later, "2026-03-02T14:00:00Z", "E", 20_000),
            _state(later, {SONNET: (20_000, 0.06)}),
            _call(later, "2026-03-02T15:00:00Z", "E2", 30_000),
        ],
        NEGATIVE: [
            _call(negative, "2026-03-03T16:00:00Z", "F", 60_000),
            _state(negative, {SONNET: (50_000, 0.15)}),
        ],
        SILENT: [
            _copied(_call(lost, "2026-03-03T16:30:00Z", "G0", 80_000), silent),
            _call(silent, "2026-03-03T17:00:00Z", "G", 70_000),
        ],
    }


def _call(talk: Talk, at: str, call: str, tokens: int) -> Object:
    assert round(tokens * _INPUT, 9) < 1
    return talk.assistant(at, call, text("So be it."), usage(tokens, 0), SONNET)


def _copied(record: Object, talk: Talk) -> Object:
    """A line of another session, as a fork of it has it."""
    copy = {"sessionId": talk.session_id, "uuid": name(talk.session_id + record["uuid"])}
    return {**record, **copy, "requestSessionId": record["sessionId"]}


def _state(talk: Talk, spent: dict[str, tuple[int, float]]) -> Object:
    """What the client says."""
    used = {
        model: {"inputTokens": tokens, "outputTokens": 0, "costUSD": cost} for model, (tokens, cost) in spent.items()
    }
    return talk.plain("cost-state", modelUsage=used)
