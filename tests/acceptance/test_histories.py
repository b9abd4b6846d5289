"""Random histories: reproducible, told truthfully, and touching every row of the truth table."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.support.histories import MOST_BYTES, MOST_FILES, History
from tests.support.oracle import Oracle, session_key

STEPS = 300


def _run(root: Path, seed: int) -> tuple[History, Oracle]:
    oracle = Oracle()
    history = History(root, Random(seed), oracle)
    for _ in range(STEPS):
        history.step()
    return history, oracle


@pytest.mark.parametrize("seed", [1, 2])
def test_a_history_is_told_as_it_happened(tmp_path: Path, seed: int) -> None:
    """At the end the oracle knows the present files and no other, as a first look at them gives."""
    history, oracle = _run(tmp_path / "tree", seed)
    fresh = Oracle()
    for folder, _, names in os.walk(os.fsencode(tmp_path / "tree")):
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith(b".jsonl") and os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    key = session_key(os.path.relpath(path, history.root))
                    fresh.content(key, file.read(), os.stat(path).st_mtime < 1_700_000_000)
    present = {row for row in oracle.tables()["states"] if row[1] == "ok"}
    assert present == set(fresh.tables()["states"])
    for key in [key for key, session in oracle.sessions.items() if session.status == "gone"]:
        oracle.forget(key)
    assert oracle.tables() == fresh.tables()


def test_the_same_seed_gives_the_same_history(tmp_path: Path) -> None:
    """A failing seed can be run again."""
    one, first = _run(tmp_path / "one", 3)
    other, second = _run(tmp_path / "other", 3)
    assert one.log == other.log
    assert first.tables() == second.tables()


def test_every_operation_occurs_and_files_stay_small(tmp_path: Path) -> None:
    """Each operation often enough to matter; bad lines, gone files, errors and taken tails among them."""
    done: Counter[str] = Counter()
    for seed in (4, 5):
        history, oracle = _run(tmp_path / str(seed), seed)
        done.update(entry.split()[1] for entry in history.log)
        assert len(history.files) <= MOST_FILES
        assert max(map(len, history.files.values())) <= MOST_BYTES
        states = oracle.tables()["states"]
        assert any(row[1] == "gone" for row in states)
        assert sum(row[2] for row in states) > 5
        assert len(oracle.tables()["errors"]) > 5
    assert len(done) == 20
    assert min(done.values()) >= 3, done


def test_before_a_loss_the_harness_is_asked(tmp_path: Path) -> None:
    """What is about to vanish can be read first: at that moment it still is on the disk as the oracle knows it."""
    asked = []

    def look() -> None:
        asked.append(len(history.log))
        for relative, data in history.files.items():
            with open(history.path(relative), "rb") as file:
                assert file.read() == data

    history = History(tmp_path / "tree", Random(6), Oracle(), before_loss=look)
    for _ in range(STEPS):
        history.unread.update(history.files)
        history.step()
    losses = ("delete:", "rename:", "move_directory:", "move_out:", "usurp:")
    assert asked == [n for n, entry in enumerate(history.log) if entry.split()[1] in losses]
    asked.clear()
    history.unread.clear()
    history.lose(next(iter(history.files)))
    assert asked == [], "what was read already can go"
