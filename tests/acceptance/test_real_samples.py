"""Real transcripts, where there are some: the tables equal an independent plain count.

SESSION_WATCHER_SAMPLES=~/.claude/projects make test
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import SAMPLES
from tests.support.harness import Subject
from tests.support.oracle import Oracle, session_key

pytestmark = pytest.mark.needs_samples


@pytest.mark.timeout(1800)
def test_real_transcripts(tmp_path: Path) -> None:
    """Every table and view, call by call; the files as they are, nothing written to them."""
    oracle = Oracle()
    root = tmp_path / "sessions"
    root.mkdir()
    count = 0
    for number, folder in enumerate(os.environ[SAMPLES].split(os.pathsep)):
        source = Path(folder).expanduser().resolve()
        (root / f"source{number}").mkdir()
        for path in sorted(source.rglob("*.jsonl")):
            if path.is_symlink() or not path.is_file():
                continue
            relative = Path(f"source{number}") / path.relative_to(source)
            (root / relative).parent.mkdir(parents=True, exist_ok=True)
            data = path.read_bytes()
            (root / relative).write_bytes(data)
            oracle.content(session_key(os.fsencode(relative)), data)
            count += 1
    assert count, f"{SAMPLES} names no folder with transcripts"
    # Without prices: what adds up to a sum of dollars depends on the order in its last digits.
    models = {call.model for session in oracle.sessions.values() for call in session.found.calls if call.model}
    free = {
        name: dict.fromkeys(("input", "output", "cache_write_5m", "cache_write_1h", "cache_read"), 0.0)
        for name in models
    }
    oracle.price = lambda model, call: 0.0 if model else None
    subject = Subject(root, tmp_path / "state", {"processors.usage.prices": free})
    try:
        subject.catch_up()
        subject.must_equal(oracle, f"{count} files of {os.environ[SAMPLES]}")
    finally:
        subject.close()
