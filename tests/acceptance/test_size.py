"""The database's size: rows that are rewritten again and again give their room back."""

from __future__ import annotations

from pathlib import Path

from tests.support.harness import Subject
from tests.support.processes import lines
from tests.support.transcript_lines import Talk, line, tool, usage

SESSIONS, CALLS, ROUNDS = 5, 100, 24


def test_a_database_whose_rows_are_rewritten_does_not_grow(tmp_path: Path) -> None:
    """The same sessions, made anew again and again: with checkpoints the file stays as large as after the first few."""
    (tmp_path / "sessions" / "ann").mkdir(parents=True)
    given = {"housekeeping.backups": 0, "processors.verification.enabled": False}
    subject = Subject(tmp_path / "sessions", tmp_path / "state", given)
    block = tool("toolu_1", "Bash", command="ls")
    sizes = []
    try:
        for number in range(ROUNDS):
            for n in range(SESSIONS):
                name = f"{n}-{number}"
                talk = Talk(f"s-{n}", "/home/ann")
                content = lines([f"{name}-{call}" for call in range(CALLS)])
                content += line(
                    talk.assistant("2026-03-02T10:00:00Z", name, {**block, "id": f"toolu_{name}"}, usage(3, 5))
                )
                content += line(talk.gave("2026-03-02T10:00:01Z", f"toolu_{name}", "Exit code 1", True))
                (subject.root / "ann" / f"{n}.jsonl").write_bytes(content)
            assert sum(detail.processed for detail in subject.catch_up()) == 2 * SESSIONS
            if number % 3 == 2:
                subject.open().keep_house()
                sizes.append(sum(path.stat().st_size for path in subject.state.glob("watcher.duckdb*")))
        assert subject.open().query("SELECT count(*) FROM usage_messages") == [(SESSIONS * (CALLS + 1),)]
        assert subject.open().query("SELECT count(*) FROM error_results") == [(SESSIONS,)]
    finally:
        subject.close()
    assert max(sizes[3:]) <= 1.1 * max(sizes[:3]), sizes
