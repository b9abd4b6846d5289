"""``kill -9`` while something is learnt or decided: nothing twice; no candidate, no check and no decision lost."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from processors.contract import Lines, Session, Work
from processors.verification import Verification, VerificationSettings
from tests.faults.knowing_victim import DECISIONS, POINTS
from tests.support.harness import Subject
from tests.support.kills import end_of
from tests.support.knowledge import Base, made
from watcher.store.duck import DuckDatabase

pytestmark = pytest.mark.faults

KILLS = 3
_MOST = {"inside a commit": 12, "inside the intake": 8, "while it judges": 4}
_DELAYED = {"while the child reads": 0.03, "while closing": 0.02}
#: What follows from what was said; not when.
TABLES = {
    "knowledge_items": "item_id, title, content, domain, entities, status, base, floor, verifiers, confirmed_at,"
    " check_owed",
    "verification_evidence": "evidence_id, item_id, session_file, user_quote, username, source_gone",
    "knowledge_relations": "item_a, item_b, kind, score",
    "knowledge_contradictions": "contradiction_id, item_a, item_b, severity, resolution",
    "knowledge_intake": "session_file, candidate_id, digest, item_id, evidence_id",
    "knowledge_history": "item_id, actor, action, from_status, to_status",
}
INBOX = (
    "session_file, candidate_id, username, session_id, turn_id, occurred_at, detection_type, title, content,"
    " user_quote, domain, entities, source, extractor, secrets"
)


#: What is said, with one of two numbers: the same, or the opposite.
STATEMENTS = (
    "Our invoices are never kept longer than {} days, because of the auditors.",
    "We always delete passport scans after {} days, since the law demands it.",
    "For reference, our warehouse reloads raw events {} days back each night.",
    "Our support team must answer every ticket within {} hours, by contract.",
    "Our convention is that feature branches never live more than {} days.",
    "For reference, our fiscal quarter closes {} days after its last month.",
    "Our staging cluster always keeps exactly {} nodes, because of the licence.",
    "We never page anybody before {} failed retries, because alerts were too loud.",
)


class Sessions:
    """Sessions in which people state things, some alike, some opposite, some copied."""

    def __init__(self, folder: Path, seed: int) -> None:
        print(f"seed {seed}")
        self.root, self.state, self.rng, self.turns = folder / "sessions", folder / "state", random.Random(seed), 0
        for name in ("ann", "bob"):
            (self.root / name).mkdir(parents=True)

    def grow(self) -> None:
        """More is said, in a session that is there or a new one; now and then one is forked."""
        names = sorted(self.root.glob("*/*.jsonl"))
        path = self.root / self.rng.choice(("ann", "bob")) / f"{self.rng.randrange(6)}.jsonl"
        if names and not path.exists() and self.rng.random() < 0.3:
            path.write_bytes(self.rng.choice(names).read_bytes())
        with path.open("ab") as file:
            for _ in range(self.rng.randrange(1, 6)):
                self.turns += 1
                words = self.rng.choice(STATEMENTS).format(self.rng.choice((14, 30)))
                record = {
                    "type": "user", "uuid": f"u{self.turns}", "sessionId": path.stem,
                    "timestamp": f"2026-03-01T10:{self.turns % 60:02}:00Z",
                    "message": {"role": "user", "content": words},
                }  # fmt: skip
                file.write(json.dumps(record).encode() + b"\n")

    def expected(self) -> list[Any]:
        """The inbox of whole sessions, taken at once, without a service."""
        rows = []
        for path in self.root.glob("*/*.jsonl"):
            key, user, data = f"{path.parent.name}/{path.name}", path.parent.name, path.read_bytes()
            found = Verification().extract(Work(Session(key, user), Lines(data), 0, {}, VerificationSettings()))
            assert found.consumed is None
            rows += [
                (key, *(getattr(row, name) for name in row.__struct_fields__)) for row in found.rows["knowledge_inbox"]
            ]
        return sorted(rows)

    def run(self, point: str, nth: int, delay: float) -> tuple[int, dict[str, Any] | None, str]:
        """A process that dies, and what it said."""
        command = [sys.executable, "-m", "tests.faults.knowing_victim", str(self.root), str(self.state), point]
        return end_of(
            subprocess.Popen([*command, str(nth), str(delay)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        )

    def must_hold(self, folder: Path, told: str) -> int:
        """After a quiet end the tables are those of a base that was given the same inbox, undisturbed."""
        subject = Subject(self.root, self.state)
        subject.catch_up(["verification"])
        core = subject.open()
        core.knowledge.drain()
        inbox = core.query(f"SELECT {INBOX} FROM knowledge_inbox ORDER BY arrival, session_file, candidate_id", [])
        found = {
            table: sorted(core.query(f"SELECT {columns} FROM {table}", []), key=str)
            for table, columns in TABLES.items()
        }
        subject.close()
        assert sorted(inbox) == self.expected(), told
        folder.mkdir()
        database = DuckDatabase(folder / "undisturbed.duckdb")
        base: Base = made(database, folder)
        base.take(*(dict(zip(INBOX.replace(" ", "").split(","), row, strict=True)) for row in inbox))
        for table, columns in TABLES.items():
            assert found[table] == sorted(base.run(f"SELECT {columns} FROM {table}"), key=str), f"{table}, {told}"
        assert not any(row[-1] for row in found["knowledge_items"]), told
        base.close()
        database.close()
        return len(found["knowledge_contradictions"])


@pytest.mark.parametrize("point", POINTS)
def test_killed_while_it_learns(tmp_path: Path, point: str) -> None:
    """Again and again at the same point, over sessions that grow."""
    sessions = Sessions(tmp_path, seed=list(POINTS).index(point))
    kills = attempts = 0
    while kills < KILLS:
        attempts += 1
        assert attempts < 5 * KILLS, f"{point} is hardly ever reached"
        for _ in range(4):
            sessions.grow()
        nth = sessions.rng.randrange(1, _MOST.get(point, 1) + 1)
        code, in_flight, said = sessions.run(point, nth, sessions.rng.random() * _DELAYED.get(point, 0.0))
        assert code in (0, -signal.SIGKILL), said
        kills += code == -signal.SIGKILL and in_flight is not None
    assert sessions.must_hold(tmp_path / "compared", f"{point}, {kills} kills") > 0


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_decision_is_in_the_file_when_it_returns(tmp_path: Path, decision: str) -> None:
    """Killed right after, and the log lost: it is there all the same."""
    sessions = Sessions(tmp_path, seed=50)
    for _ in range(8):
        sessions.grow()
    subject = Subject(sessions.root, sessions.state)
    subject.catch_up(["verification"])
    subject.open().knowledge.drain()
    subject.close()
    code, _, said = sessions.run(decision, 1, 0.0)
    assert code == -signal.SIGKILL, said
    (sessions.state / "watcher.duckdb.wal").unlink(missing_ok=True)
    database = DuckDatabase(sessions.state / "watcher.duckdb")
    connection = database.connect()
    sql, wanted = {
        "approve": ("SELECT count(*) FROM knowledge_items WHERE status = 'approved' AND decided_by = 'eva'", 1),
        "add": ("SELECT count(*) FROM knowledge_items WHERE status = 'mandatory' AND title = 'added'", 1),
        "edit": ("SELECT count(*) FROM knowledge_items WHERE content = 'edited words'", 1),
        "vote": ("SELECT count(*) FROM knowledge_votes WHERE username = 'eva' AND vote = 1", 1),
        "resolve": ("SELECT count(*) FROM knowledge_items WHERE status = 'superseded'", 1),
        "forget": ("SELECT count(*) FROM knowledge_inbox WHERE session_file = 'ann/0.jsonl'", 0),
    }[decision]
    assert connection.execute(sql) == [(wanted,)]
    assert connection.execute("SELECT count(*) FROM knowledge_items")[0][0] > 3
    connection.close()
    database.close()
