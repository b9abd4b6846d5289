"""The oracle's reckoning of what clients say that they spent, against what was counted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime

from tests.support.oracle_columns import RECONCILED_COLUMNS
from tests.support.oracle_rows import ModelTotal, Statement
from tests.support.oracle_sessions import Row, Sessions

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_NOTHING = ModelTotal(0, 0, 0, 0, 0, 0.0)


class Client:
    """What the clients of all sessions say."""

    def __init__(self, sessions: Sessions, calls: list[Row]) -> None:
        self.sessions = sessions
        self.statements = [one for found in sessions.files for one in found.statements]
        self.calls = [call for call in calls if not call["is_copy"] and call["session_id"] is not None]

    def stated(self, session_id: str | None) -> Statement | None:
        """The statement of a session that counts."""
        own = [one for one in self.statements if one.session_id == session_id]
        if not own:
            return None
        most = max(_weight(one) for one in own)
        heaviest = [one for one in own if _weight(one) == most]
        smallest = min(one.session_file for one in heaviest)
        return max((one for one in heaviest if one.session_file == smallest), key=lambda one: one.record)

    def own(self, session_id: str) -> tuple[dict[str, ModelTotal] | None, str | None]:
        """What a client spent in a session by model, or the reason why nobody knows."""
        stated = self.stated(session_id)
        if stated is None:
            return None, "no statement"
        main = self.sessions.main.get(session_id)
        if main is None or main.forked_from is None:
            return stated.models, None
        begun = main.last_copied_call is not None and stated.started is not None
        if begun and stated.started > main.last_copied_call:  # type: ignore[operator]
            return stated.models, None
        if not self.sessions.of(main.forked_from):
            return None, "parent unknown"
        copied = main.last_copied_call
        inherited = [
            one
            for one in self.statements
            if one.session_id == main.forked_from and one.at is not None and copied is not None and one.at >= copied
        ]
        if not inherited:
            return None, "parent not stated"
        first = min(inherited, key=lambda one: (one.at or _LONG_AGO, one.session_file, one.record))
        models = {*stated.models, *first.models}
        return {
            model: _less(stated.models.get(model, _NOTHING), first.models.get(model, _NOTHING)) for model in models
        }, None

    def totals(self) -> list[Row]:
        """The rows of ``usage_client_totals``."""
        rows = []
        for session_id in sorted({one.session_id for one in self.statements}):
            stated = self.stated(session_id)
            assert stated is not None
            own, reason = self.own(session_id)
            for model in own if own is not None else stated.models:
                said = vars(own[model]) if own is not None else dict.fromkeys(vars(_NOTHING))
                rows.append({**self._named(session_id), "model": model, **said, "reason": reason})
        return rows

    def reconciled(self) -> list[Row]:
        """The rows of ``usage_reconciled``."""
        rows = []
        sessions = {str(call["session_id"]) for call in self.calls} | {one.session_id for one in self.statements}
        for session_id in sorted(str(one) for one in sessions):
            stated = self.stated(session_id)
            own, reason = self.own(session_id)
            calls = [call for call in self.calls if call["session_id"] == session_id]
            named = {model for one in self.statements if one.session_id == session_id for model in one.models}
            models = {_asked_for(call, named) for call in calls}
            if stated is not None:
                models |= set(own if own is not None else stated.models)
            for model in models:
                same = [call for call in calls if _asked_for(call, named) == model]
                row = {**self._named(session_id), "model": model, "reason": reason}
                for column in RECONCILED_COLUMNS:
                    counted = _added(call[column] for call in same if stated is not None and states(stated, call))
                    later = _added(call[column] for call in same if stated is None or not states(stated, call))
                    client = None if own is None else getattr(own.get(model or "", _NOTHING), column)
                    row["counted_" + column] = counted
                    row["client_" + column] = client
                    row["not_yet_stated_" + column] = later
                    row["unexplained_" + column] = None if client is None else client - counted
                rows.append(row)
        return rows

    def _named(self, session_id: str) -> Row:
        stated = self.stated(session_id)
        main = self.sessions.main.get(session_id)
        own = self.sessions.of(session_id)
        username: str | None
        if main is not None:
            username = main.username
        elif own:
            username = own[0].username
        else:
            username = None
        return {"session_id": session_id, "username": username, "stated_at": stated.at if stated else None}


def _weight(statement: Statement) -> tuple[int, float, datetime]:
    tokens = sum(total.tokens for total in statement.models.values())
    cost = math.fsum(total.cost_usd for total in statement.models.values())
    return (tokens, cost, statement.at or _LONG_AGO)


def _asked_for(call: Row, named: set[str]) -> str | None:
    """The model of a row as the client names it."""
    asked, model = call["requested_model"], call["model"]
    return str(asked) if call["iteration"] == -1 and asked in named else model


def _less(one: ModelTotal, other: ModelTotal) -> ModelTotal:
    return ModelTotal(**{name: value - vars(other)[name] for name, value in vars(one).items()})


def _added(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known)


def states(statement: Statement, call: Row) -> bool:
    """Whether a statement holds a counted row of its session."""
    if call["session_file"] == statement.session_file:
        return bool(call["record"] < statement.record)
    at = call["occurred_at"]
    return at is not None and statement.at is not None and bool(at <= statement.at)
