"""What the knowledge base costs as it grows: beside a comparison alone, and beside a smaller one."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measures import Measure, Size, scratch
from tests.support.knowledge import Base, candidate, made
from watcher.knowledge.queries import ItemFilter, items
from watcher.knowledge.similarity import SAME_THINGS, alike, words_of
from watcher.store.duck import DuckDatabase

#: As many words as a field has, of every length.
_WORDS = ["".join(random.Random(n).choices("abcdefghiklmnoprstuvw", k=4 + n % 8)) for n in range(1500)]
MANY, FEW = 10_000, 1_000


def statement(rng: random.Random) -> str:
    """Something that nobody takes for anything else."""
    return f"Our {' '.join(rng.choices(_WORDS, k=9))} is {rng.randrange(10**6)}"


@contextmanager
def filled(folder: Path, count: int) -> Iterator[Base]:
    """A knowledge base with so many items of one domain, half of them approved."""
    rng = random.Random(count)
    database = DuckDatabase(folder / f"{count}.duckdb")
    base = made(database, folder / "backups")
    rows = [(f"kv_{n:012x}", statement(rng)) for n in range(count)]
    connection = database.connect()
    with connection.transaction():
        for at in range(0, count, 500):
            values = ", ".join(f"('{item}', '{text[:40]}', '{text}')" for item, text in rows[at : at + 500])
            connection.execute(
                "INSERT INTO knowledge_items (item_id, title, content, domain, entities, status, source, audience,"
                " base, floor, verifiers, created_at, updated_at, confirmed_at, check_owed, check_attempts)"
                " SELECT i, t, c, 'finance', '[]', CASE WHEN length(c) % 2 = 0 THEN 'approved' ELSE 'pending' END,"
                f" 'session', 'all', 0.9, 0.4, 1, $1, $1, $1, false, 0 FROM (VALUES {values}) AS v(i, t, c)",
                [base.now],
            )
    connection.close()
    database.checkpoint()
    yield base
    base.close()
    database.close()


def best(times: int, do: Callable[[], object]) -> float:
    """The least seconds that something took."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        do()
        found.append(time.perf_counter() - began)
    return min(found)


def knowledge(size: Size) -> Iterator[Measure]:
    """A candidate taken in and compared, a bundle and a search, with ten thousand items."""
    rng = random.Random(1)
    times = 3 * size.turns
    with scratch(size) as folder, filled(folder, MANY) as many, filled(folder, FEW) as few:
        rows = many.run("SELECT item_id, content FROM knowledge_items")
        others = {str(item): words_of(str(content)) for item, content in rows}
        many.drain()

        taking, whole = [], []
        for _ in range(times):
            many.bring(*(candidate(statement(rng), f"ann/{rng.random()}") for _ in range(50)))
            began = time.perf_counter()
            taken = many.intake._take(50)
            taking.append((time.perf_counter() - began) / 50)
            taken += many.intake.drain()
            whole.append((time.perf_counter() - began) / 50)
            assert taken.new + taken.merged == taken.candidates == 50 and taken.checks == taken.new
        words = [words_of(statement(rng)) for _ in range(20)]
        alone = best(times, lambda: [alike(one, others, SAME_THINGS) for one in words]) / len(words)
        yield Measure("a candidate, beside its comparison with 10,000", min(taking), alone, "s", 3.0)
        # A judge is given what is likest, however unlike that is: nothing can be cut off early.
        yield Measure("the same, with its contradiction check", min(whole), alone, "s", 5.0)
        yield Measure(
            "a bundle of 10,000, beside one of 1,000", best(times, many.bundle), best(times, few.bundle), "s", 3.0
        )
        wanted = ItemFilter(text="invoice refund")
        yield Measure(
            "a search of 10,000, beside one of 1,000",
            best(times, lambda: items(many.writer.read, wanted)),
            best(times, lambda: items(few.writer.read, wanted)),
            "s",
            3.0,
        )
