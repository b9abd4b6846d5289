"""``sessions retry``, ``reprocess`` and ``forget``: each change goes through the processor's committer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar, get_args

import msgspec

from watcher.errors import OrderFailed, OrderRefused, first_line
from watcher.knowledge.erase import Erased
from watcher.knowledge.notes.reader import PREFIX as NOTES
from watcher.knowledge.service import Knowledge
from watcher.pipeline import outdated
from watcher.pipeline.committer import Abandoned
from watcher.pipeline.pipeline import Pipeline
from watcher.sessions import status as session_status
from watcher.store.database import Connection, Database, read
from watcher.store.sql import QUERIES, Query
from watcher.store.state import State, Status
from watcher.transcripts.sessions import Tree, node_of, path_of

Order = Literal["retry", "reprocess", "forget"]
ORDERS: tuple[Order, ...] = get_args(Order)

T = TypeVar("T")

#: So many sessions are changed in one transaction where very many may be meant.
TOGETHER = 500
_ANEW, _GONE = "it is taken again from its start", "its file is gone, and its rows stay as they are"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of an order for one session and processor."""

    session: str
    processor: str
    done: bool
    #: What happens now, or why nothing does.
    message: str


@dataclass(frozen=True, slots=True)
class Selection:
    """For whom an order is."""

    #: Sessions as people name them.
    texts: Sequence[str]
    #: All with this status.
    status: str = ""
    #: With this processor alone.
    processor: str = ""
    #: All that an earlier version of a processor has taken, with that processor.
    older: bool = False
    #: Those of the names that are no sessions'.
    others: Sequence[str] = ()


#: What a forgotten session said, in the list of answers.
KNOWLEDGE = "knowledge"


class SessionCommands:
    """What people ask of single sessions, over all processors and the knowledge base."""

    def __init__(
        self,
        database: Database,
        tree: Tree,
        knowledge: Knowledge,
        pipelines: Callable[[], Mapping[str, Pipeline]],
    ) -> None:
        self._database, self._tree, self._knowledge, self._pipelines = database, tree, knowledge, pipelines

    def order(
        self, order: Order, texts: Sequence[str], status: str, processor: str, older: bool = False
    ) -> list[CommandResult]:
        """Carry out an order for the sessions that people name, and for those with a status.

        ``older``: also for those that an earlier version of a processor has processed, with that processor alone.

        Raises:
            NoSuchSession, OrderRefused: nothing is meant by it.
            OrderFailed: the database does not take it.
        """
        noted = [text for text in texts if order == "forget" and text.startswith(NOTES)]
        wanted = Selection(texts, status, processor, older, noted)
        answers = carry_out(order, self._pipelines(), self._tree, self._query, wanted)
        if order == "forget" and not processor:
            forgotten = {answer.session: True for answer in answers if answer.done}
            answers += [self._forget(key)[0] for key in forgotten]
        return answers + [self._forget_noted(key) for key in dict.fromkeys(noted)]

    def order_alone(
        self, order: Order, texts: Sequence[str], status: str, processor: str, older: bool = False
    ) -> list[CommandResult]:
        """The same while no service runs: rows may be written, and no session is read."""
        for pipeline in self._pipelines().values():
            pipeline.committer.start()
        return self.order(order, texts, status, processor, older)

    def _forget(self, key: str) -> tuple[CommandResult, Erased]:
        """Erase what a forgotten session said from the knowledge base too."""
        try:
            erased = self._knowledge.forget(key)
        except self._database.Error as error:
            raise OrderFailed(key, first_line(error)) from error
        message = f"{erased.evidence} pieces of evidence are erased, and {erased.items} items that nothing else proves"
        return CommandResult(key, KNOWLEDGE, True, message), erased

    def _forget_noted(self, key: str) -> CommandResult:
        """Erase what a note said; it has no rows but in the knowledge base."""
        answer, erased = self._forget(key)
        if not erased.evidence and not erased.items:
            return CommandResult(key, KNOWLEDGE, False, "nothing is known of it")
        message = f"{answer.message}; if the note is still there, it is taken again when it changes"
        return CommandResult(key, KNOWLEDGE, True, message)

    def _query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return read(self._database, sql, parameters)


def carry_out(
    order: Order, pipelines: Mapping[str, Pipeline], tree: Tree, query: Query, wanted: Selection
) -> list[CommandResult]:
    """Carry an order out for all that are meant.

    Raises:
        NoSuchSession, OrderRefused: nothing is meant by it.
        OrderFailed: the database does not take it.
    """
    if wanted.processor:
        if wanted.processor not in pipelines:
            raise OrderRefused(f"no enabled processor is named {wanted.processor!r}; there are {', '.join(pipelines)}")
        pipelines = {wanted.processor: pipelines[wanted.processor]}
    if wanted.older and order != "reprocess":
        raise OrderRefused("what an earlier version has taken can be reprocessed, and nothing else")
    if not wanted.texts and not wanted.status and not wanted.older:
        also = ", or those of an earlier version (older)" if order == "reprocess" else ""
        raise OrderRefused(f"name a session, or all with a status (failed, quarantined){also}")
    keys = [session_status.find(query, tree, text) for text in wanted.texts if text not in wanted.others]
    if wanted.status:
        keys += [str(key) for (key,) in query(QUERIES["keys_with_status"], [wanted.status, wanted.processor])]
    own = node_of(tree.key(b""))
    if strange := next((key for key in keys if node_of(key) != own), None):
        raise OrderRefused(f"{strange} is another machine's session; ask on the machine that has its file")
    named = dict.fromkeys(keys)
    answers = give(order, pipelines, tree, list(named))
    for name, pipeline in pipelines.items() if wanted.older else ():
        left = [key for key in outdated.keys(query, name, pipeline.version, own) if key not in named]
        answers += reprocess_all(pipeline, tree, left)
    return answers


def give(order: Order, pipelines: Mapping[str, Pipeline], tree: Tree, keys: Sequence[str]) -> list[CommandResult]:
    """Carry an order out for these sessions and processors.

    ``retry`` retries failed and quarantined sessions, ``reprocess`` makes a session's rows again from its file,
    ``forget`` erases a session whose file is gone: its rows and its state.

    Raises:
        OrderFailed: the database does not take it.
    """
    answers = []
    for key in keys:
        there = tree.signature(path_of(key)) is not None
        for pipeline in pipelines.values():
            answers.append(_CARRIED_OUT_BY[order](pipeline, key, there))
    return answers


def reprocess_all(pipeline: Pipeline, tree: Tree, keys: Sequence[str]) -> list[CommandResult]:
    """The same as `give` for many sessions that one processor is to make anew, in few transactions.

    Raises:
        OrderFailed: the database does not take it; those of earlier transactions are taken again all the same.
    """
    answers: list[CommandResult] = []
    for at in range(0, len(keys), TOGETHER):
        some = keys[at : at + TOGETHER]
        there = [key for key in some if tree.signature(path_of(key)) is not None]
        _call(pipeline, some[0], lambda connection, there=there: pipeline.passes.change_all(connection, there, _anew))  # type: ignore[misc]
        for key in some:
            if key in there:
                _offer(pipeline, key)
            answers.append(CommandResult(key, pipeline.name, key in there, _ANEW if key in there else _GONE))
    return answers


def _retry(pipeline: Pipeline, key: str, there: bool) -> CommandResult:
    def again(state: State) -> State | None:
        if state.status not in ("failed", "quarantined"):
            return None
        return msgspec.structs.replace(state, status="failed", attempts=0, next_attempt_at=datetime.now(UTC))

    if _change(pipeline, key, again) is None:
        return CommandResult(key, pipeline.name, False, "it has not failed")
    _offer(pipeline, key)
    return CommandResult(key, pipeline.name, True, "it is tried again")


def _reprocess(pipeline: Pipeline, key: str, there: bool) -> CommandResult:
    if not there:
        return CommandResult(key, pipeline.name, False, _GONE)
    if _change(pipeline, key, _anew) is None:
        _offer(pipeline, key)
        return CommandResult(key, pipeline.name, True, "it was never taken, and is now")
    _offer(pipeline, key)
    return CommandResult(key, pipeline.name, True, _ANEW)


def _anew(state: State) -> State:
    becomes: dict[Status, Status] = {"gone": "ok", "quarantined": "failed"}
    return msgspec.structs.replace(
        state,
        status=becomes.get(state.status, state.status),
        file_hash=None,
        file_ctime_ns=None,
        processed_bytes=0,
        attempts=0,
        next_attempt_at=datetime.now(UTC),
        carry=None,
    )


def _forget(pipeline: Pipeline, key: str, there: bool) -> CommandResult:
    if there:
        return CommandResult(
            key, pipeline.name, False, "its file is still there and would be taken again; remove it first"
        )
    if _change(pipeline, key, lambda state: state, forget=True) is None:
        return CommandResult(key, pipeline.name, False, "nothing is known of it")
    return CommandResult(key, pipeline.name, True, "its rows are erased")


_CARRIED_OUT_BY: dict[Order, Callable[[Pipeline, str, bool], CommandResult]] = {
    "retry": _retry,
    "reprocess": _reprocess,
    "forget": _forget,
}


def _change(
    pipeline: Pipeline, key: str, change: Callable[[State], State | None], forget: bool = False
) -> State | None:
    return _call(pipeline, key, lambda connection: pipeline.passes.change(connection, key, change, forget))


def _call(pipeline: Pipeline, key: str, errand: Callable[[Connection], T]) -> T:
    troubles: tuple[type[Exception], ...] = (*pipeline.database.Error, Abandoned, TimeoutError)
    try:
        return pipeline.committer.call(errand)
    except troubles as error:
        reason = first_line(error)
        raise OrderFailed(key, reason) from error


def _offer(pipeline: Pipeline, key: str) -> None:
    pipeline.queue.offer(key, time.monotonic(), at_once=True)
