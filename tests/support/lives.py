"""A random history, lived through beside the oracle."""

from __future__ import annotations

import os
import random
from pathlib import Path

from tests.support.harness import Subject, exact_price
from tests.support.histories import History
from tests.support.oracle import Oracle

#: Steps a history; its tables are compared about every thirtieth, and at the end.
STEPS = 300


def live_through(root: Path, state: Path, seed: int, database: str = "") -> None:
    """One history; the program catches up now and then, and before anything is lost, and is restarted in between."""
    root.mkdir()
    rng = random.Random(seed)
    print(f"seed {seed}")
    oracle = Oracle(price=exact_price)
    given = {
        "processors.verification.enabled": False
    }  # what people say is another model's: tests/support/knowledge_model.py
    subject = Subject(root, state, {**given, "database.url": database} if database else given)
    history = History(root, rng, oracle, before_loss=subject.catch_up_quietly)
    try:
        for step in range(STEPS):
            told = history.step()
            # A tail is judged by its age when it is looked at, so that has to happen before it changes again.
            compare = rng.random() < 1 / 30 or step == STEPS - 1
            if compare or "settle" in told or rng.random() < 0.06:
                subject.catch_up()
                history.unread.clear()
            if compare:
                subject.must_equal(oracle, f"seed {seed}, after {' | '.join(history.log[-12:])}")
            if rng.random() < 1 / 100:
                subject.close()
    finally:
        subject.close()


def seeds(default: str) -> range:
    """The histories to live through, as `first:end`."""
    first, _, end = os.environ.get("SESSION_WATCHER_SEEDS", default).partition(":")
    return range(int(first), int(end))
